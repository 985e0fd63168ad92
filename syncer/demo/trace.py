"""What made the scores: an agent traced on Prefactor and model runs on ABEJA, written through their own clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from syncer import clock, ids
from syncer.abeja import APIClient
from syncer.adapters.prefactor.pfid import Pfid, partition_of
from syncer.prefactor import HttpClientConfig, PrefactorHttpClient
from syncer.sandbox import Options
from syncer.sandbox.prefactor.book import Book
from syncer.workspace import Workspace

AGENT = Book.agent_id
ORGANIZATION, DEPLOYMENT = Options().abeja_organization_id, Options().abeja_deployment_ids[0]
RUNS = 2
_CONFIG = HttpClientConfig(api_url="https://prefactor.invalid", api_token="kept nowhere")
_SCHEMA = {"external_identifier": "scoring-1", "span_schemas": {"score:criterion": {"type": "object"}}}


@dataclass
class Trace:
    """One agent instance with a span for each criterion under a common one, and the runs that did the work.

    ``pause`` is called before every write.
    """

    workspace: Workspace
    pause: Callable[[], None] = lambda: None
    instance: str = ""
    spans: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)

    def begin(self, criteria: Sequence[str]) -> None:
        """The agent starts its work, and the runs are asked for."""
        asyncio.run(self._begin(criteria))
        client = APIClient(workspace=self.workspace)
        for number in range(RUNS):
            self.pause()
            run = client.create_run(ORGANIZATION, DEPLOYMENT, "ver-1234567890123456", environment={"SHARD": str(number)})
            self.runs.append(run["run_id"])

    def end(self) -> None:
        """The agent is done."""
        asyncio.run(self._end())

    def made_by(self, number: int) -> dict[str, str]:
        """What the metadata of the ``number``-th score result say of its making."""
        criteria = self.spans[1:]
        return {"span_id": criteria[number % len(criteria)], "run_id": self.runs[number % len(self.runs)]}

    async def _begin(self, criteria: Sequence[str]) -> None:
        async with PrefactorHttpClient(_CONFIG, workspace=self.workspace) as client:
            self.pause()
            agent = await client.agent_instances.register(AGENT, {"name": "scorer 1.0"}, _SCHEMA, id=_pfid())
            self.instance = agent.id
            self.pause()
            await client.agent_instances.start(agent.id)
            for name in ("all calls", *criteria):
                self.pause()
                span = await client.agent_spans.create(
                    agent.id,
                    "score:criterion",
                    "active",
                    payload={"criterion": name},
                    id=_pfid(),
                    parent_span_id=self.spans[0] if self.spans else None,
                )
                self.spans.append(span.id)

    async def _end(self) -> None:
        async with PrefactorHttpClient(_CONFIG, workspace=self.workspace) as client:
            for span in reversed(self.spans):
                self.pause()
                await client.agent_spans.finish(span, status="complete", result_payload={"ok": True})
            self.pause()
            await client.agent_instances.finish(self.instance, status="complete")


def _pfid() -> str:
    """An id of the agent's account, from the same source of chance as all ids here, so that samples repeat."""
    chance = int(ids.new_key(), 16) % 2**80
    return str(Pfid(int(clock.now().timestamp() * 1000), partition_of(AGENT) or 0, chance))
