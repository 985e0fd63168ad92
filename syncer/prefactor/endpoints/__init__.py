"""``prefactor_http.endpoints``: the original's path to these classes."""

from __future__ import annotations

from syncer.prefactor.client import AgentInstanceClient as AgentInstanceClient
from syncer.prefactor.client import AgentSpanClient as AgentSpanClient
from syncer.prefactor.client import BulkClient as BulkClient
