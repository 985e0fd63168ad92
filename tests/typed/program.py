"""A user's program. The gate checks its types against the installed wheel: it is never run.

``assert_type`` fails where mypy knows nothing of a type. The ``type: ignore`` comments name mistakes that mypy must
find: with ``--strict`` a comment that hides nothing is an error.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, assert_type

import syncer
from syncer import Report, SyncerError, Workspace, clock
from syncer.abeja import APIClient, NotFound
from syncer.abeja.exceptions import HttpError
from syncer.config import Settings
from syncer.errors import RecordNotFound
from syncer.plexus import ClientContext, PlexusDashboardClient
from syncer.plexus.client import GraphQLRetryPolicy
from syncer.plexus.models import ScoreResult
from syncer.plexus.models.base import BaseModel
from syncer.prefactor import AgentInstance, AgentSpan, HttpClientConfig, PrefactorHttpClient
from syncer.prefactor.exceptions import PrefactorApiError
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox


def records(path: str) -> dict[str, Any] | None:
    """Plain access by model and field names."""
    with Workspace.open(path) as ws:
        assert_type(ws, Workspace)
        assert_type(ws.settings, Settings)
        assert_type(ws.sync(), Report)
        assert_type(ws.plexus.create("Account", {"name": "My lab"}), dict[str, Any])
        ws.plexus.create("Account", 5)  # type: ignore[arg-type]
        ws.no_such_call()  # type: ignore[attr-defined]
        return ws.plexus.get("Account", "an-id")


def plexus(ws: Workspace) -> None:
    """The classes of Plexus's client."""
    client = PlexusDashboardClient(context=ClientContext(account_key="my-lab"), workspace=ws)
    assert_type(client, PlexusDashboardClient)
    result = ScoreResult.get_by_id("an-id", client)
    assert_type(result, ScoreResult | None)
    model: BaseModel | None = result
    assert model is None or isinstance(model, BaseModel), GraphQLRetryPolicy
    PlexusDashboardClient(context="my-lab")  # type: ignore[arg-type]


async def prefactor(ws: Workspace) -> AgentInstance:
    """The class of Prefactor's client."""
    config = HttpClientConfig(api_url="https://app.prefactorai.com", api_token="...")
    async with PrefactorHttpClient(config, workspace=ws) as client:
        assert_type(client, PrefactorHttpClient)
        agent = await client.agent_instances.register("my-agent", {"name": "v1"}, {"external_identifier": "schema-1"})
        assert_type(agent, AgentInstance)
        assert_type(await client.agent_spans.create(agent.id, "llm:call", "active"), AgentSpan)
        try:
            return await client.agent_instances.finish(agent.id, status="complete")
        except PrefactorApiError as refused:
            assert_type(refused.status_code, int)
            raise


def abeja(ws: Workspace) -> dict[str, Any]:
    """The class of ABEJA's client."""
    client = APIClient(workspace=ws)
    assert_type(client, APIClient)
    client.create_run()  # type: ignore[call-arg]
    try:
        return client.get_run("1234567890123", "1111111111111", "run-1234567890123456")
    except (NotFound, HttpError) as gone:
        assert_type(gone.status_code, int | None)
        raise


def own_tests() -> str:
    """What people test their own programs with."""
    start = datetime(2026, 3, 4, tzinfo=UTC)
    try:
        with clock.using(clock.Virtual(start)), Sandbox(Options()) as sandbox:
            assert_type(sandbox.settings, dict[str, str])
    except (SyncerError, RecordNotFound) as error:
        assert_type(error.code, str)
    return syncer.__version__
