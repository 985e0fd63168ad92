"""``abeja.common.api_client``: the original's path to this class."""

from __future__ import annotations

from syncer.abeja.client import BaseAPIClient as BaseAPIClient
