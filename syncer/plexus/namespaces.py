"""``plexus.dashboard.api.namespaces``: the original's path to these classes."""

from __future__ import annotations

from syncer.plexus.client import AccountNamespace as AccountNamespace
from syncer.plexus.client import ScorecardNamespace as ScorecardNamespace
from syncer.plexus.client import ScoreResultNamespace as ScoreResultNamespace
