"""``plexus.dashboard.api.models.data_set``: the original's path to this class."""

from __future__ import annotations

from syncer.plexus.models.data_source import DataSet as DataSet
