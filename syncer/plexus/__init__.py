"""Plexus's own Python classes over the local file: change the import line, keep the program.

>>> from syncer.plexus import ClientContext, PlexusDashboardClient
>>> from syncer.plexus.models import ScoreResult
"""

from __future__ import annotations

from syncer.exports import lazily
from syncer.plexus import models as _models

_HOMES = _models._HOMES | {
    "PlexusDashboardClient": "syncer.plexus.client",
    "_BaseAPIClient": "syncer.plexus.client",
    "ClientContext": "syncer.plexus.context",
    "GraphQLRetryPolicy": "syncer.plexus.policies",
    "ScoreResultNamespace": "syncer.plexus.namespaces",
    "ScorecardNamespace": "syncer.plexus.namespaces",
    "AccountNamespace": "syncer.plexus.namespaces",
}
__all__ = [name for name in _HOMES if not name.startswith("_")]

__getattr__, __dir__ = lazily(__name__, _HOMES)
