"""``prefactor_http.endpoints.agent_instance``: the original's path to this class."""

from __future__ import annotations

from syncer.prefactor.client import AgentInstanceClient as AgentInstanceClient
