"""``plexus.dashboard.api.models.base``: the original's path to this class."""

from __future__ import annotations

from syncer.plexus.models.base_model import BaseModel as BaseModel
