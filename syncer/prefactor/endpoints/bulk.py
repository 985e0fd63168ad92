"""``prefactor_http.endpoints.bulk``: the original's path to this class."""

from __future__ import annotations

from syncer.prefactor.client import BulkClient as BulkClient
