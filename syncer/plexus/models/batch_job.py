"""``plexus.dashboard.api.models.batch_job``: the original's path to this class."""

from __future__ import annotations

from syncer.plexus.models.scoring import BatchJob as BatchJob
