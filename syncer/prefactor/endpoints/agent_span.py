"""``prefactor_http.endpoints.agent_span``: the original's path to this class."""

from __future__ import annotations

from syncer.prefactor.client import AgentSpanClient as AgentSpanClient
