"""The public client as tests without an event loop call it."""

from __future__ import annotations

import asyncio
from typing import Any

from syncer import Workspace
from syncer.prefactor import AgentInstance, AgentSpan, HttpClientConfig, PrefactorHttpClient

NOWHERE = HttpClientConfig("http://127.0.0.1:9", "nobody")


class Talk:
    """``PrefactorHttpClient`` on a workspace, each call waited for."""

    def __init__(self, ws: Workspace, agent_id: str) -> None:
        self.client = PrefactorHttpClient(NOWHERE, workspace=ws)
        self.agent_id = agent_id

    def register(self, **given: Any) -> AgentInstance:
        """A new instance of the agent."""
        asked = {"agent_id": self.agent_id, "agent_version": {"name": "v"}, "agent_schema_version": {}, **given}
        return asyncio.run(self.client.agent_instances.register(**asked))

    def start(self, instance_id: str, **given: Any) -> AgentInstance:
        """Start it."""
        return asyncio.run(self.client.agent_instances.start(instance_id, **given))

    def active(self, **given: Any) -> AgentInstance:
        """An instance that is registered and started."""
        return self.start(self.register(**given).id)

    def finish(self, instance_id: str, **given: Any) -> AgentInstance:
        """Finish an instance."""
        return asyncio.run(self.client.agent_instances.finish(instance_id, **given))

    def span(self, instance_id: str, status: Any = "active", schema_name: str = "step", **given: Any) -> AgentSpan:
        """A new span."""
        return asyncio.run(self.client.agent_spans.create(instance_id, schema_name, status, **given))

    def finish_span(self, span_id: str, **given: Any) -> AgentSpan:
        """Finish a span."""
        return asyncio.run(self.client.agent_spans.finish(span_id, **given))
