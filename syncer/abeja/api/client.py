"""``abeja.runs.api.client``: the original's path to these classes."""

from __future__ import annotations

from syncer.abeja.client import APIClient as APIClient
from syncer.abeja.client import BaseAPIClient as BaseAPIClient
