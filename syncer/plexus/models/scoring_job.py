"""``plexus.dashboard.api.models.scoring_job``: the original's path to this class."""

from __future__ import annotations

from syncer.plexus.models.scoring import ScoringJob as ScoringJob
