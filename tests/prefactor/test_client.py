"""The public client: calls are stored, judged and answered here, whatever the network does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from syncer import Workspace, clock
from syncer.adapters.prefactor import pfid
from syncer.prefactor import (
    AgentInstance,
    AgentSpan,
    HttpClientConfig,
    PrefactorApiError,
    PrefactorHttpClient,
    PrefactorNotFoundError,
    PrefactorValidationError,
)
from tests.files import rows
from tests.prefactor.talking import NOWHERE, Talk

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
AGENT = str(pfid.Pfid(1, 77, 5))


@pytest.fixture
def talk(ws: Workspace) -> Talk:
    """The client without any network."""
    return Talk(ws, AGENT)


def stored(path: Path) -> tuple[int, int, int]:
    """How many instances, spans and changes the file holds."""
    tables = ("prefactor_agent_instance", "prefactor_agent_span", "outbox")
    one, two, three = (rows(path, f"SELECT count(*) FROM {table}")[0][0] for table in tables)
    return one, two, three


def changes(path: Path) -> list[str]:
    """The operations that wait."""
    return [op for (op,) in rows(path, "SELECT op FROM outbox ORDER BY seq")]


def test_a_run_offline(talk: Talk, path: Path) -> None:
    """Every call answers as the API would, in the original's classes, from the row that was stored."""
    with clock.using(clock.Virtual(START)) as time:
        instance = talk.register(id=None)
        assert isinstance(instance, AgentInstance)
        assert (instance.type, instance.status, instance.agent_id) == ("agent_instance", "pending", AGENT)
        assert (instance.account_id, instance.agent_version_id, instance.environment_id) == ("", "", "")
        assert (instance.inserted_at, instance.started_at) == (START, None)
        assert pfid.partition_of(instance.id) == 77
        time.sleep(1)
        assert talk.start(instance.id).started_at == START + timedelta(seconds=1)
        span = talk.span(instance.id, payload={"prompt": "ü", "n": None})
        assert isinstance(span, AgentSpan)
        assert (span.status, span.started_at, span.finished_at) == ("active", START + timedelta(seconds=1), None)
        assert (span.payload, span.result_payload, span.agent_id) == ({"prompt": "ü", "n": None}, None, AGENT)
        time.sleep(1)
        ended = talk.finish_span(span.id, status="failed", result_payload={})
        assert (ended.status, ended.result_payload, ended.finished_at) == ("failed", {}, START + timedelta(seconds=2))
        done = talk.finish(instance.id)
    assert (done.status, done.finished_at, done.updated_at) == ("complete", *[START + timedelta(seconds=2)] * 2)
    assert done.span_counts is not None
    counts = done.span_counts.model_dump()
    assert counts == {"total": 1, "pending": 0, "active": 0, "complete": 0, "failed": 1, "cancelled": 0, "finished": 1}
    assert changes(path) == ["create", "start", "create", "finish"]


def test_a_call_is_durable_when_it_returns(talk: Talk, path: Path) -> None:
    """Another connection sees row and change at once; closing the client changes nothing."""
    instance = talk.register()
    asyncio.run(talk.client.close())
    asyncio.run(talk.client.close())
    assert rows(path, "SELECT id, status FROM prefactor_agent_instance") == [(instance.id, "pending")]
    assert rows(path, "SELECT key, op, state FROM outbox") == [(instance.id, "create", "pending")]
    assert talk.start(instance.id).status == "active"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (datetime(2024, 5, 6, 7, 8, 9, 123456), "2024-05-06T07:08:09.123456Z"),  # noqa: DTZ001 - naive means UTC
        (datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone(timedelta(hours=9))), "2024-05-05T22:08:09.000000Z"),
    ],
)
def test_times_given(talk: Talk, path: Path, given: datetime, text: str) -> None:
    """Times of callers are kept to the microsecond, in UTC; without a zone they mean UTC."""
    talk.start(talk.register().id, timestamp=given)
    assert rows(path, "SELECT started_at FROM prefactor_agent_instance") == [(text,)]


@pytest.mark.parametrize(
    "steps",
    [
        ["finish"],
        ["start", "start"],
        ["start", "finish", "finish"],
        ["start", "finish", "start"],
        ["cancel", "start"],
        ["cancel", "cancel"],
    ],
)
def test_illegal_transitions(talk: Talk, path: Path, steps: list[str]) -> None:
    """What the state of an instance forbids is refused as the API would, with nothing stored."""
    instance = talk.register().id
    acts: dict[str, Callable[[], Any]] = {
        "start": lambda: talk.start(instance),
        "finish": lambda: talk.finish(instance),
        "cancel": lambda: talk.finish(instance, status="cancelled"),
    }
    for step in steps[:-1]:
        acts[step]()
    before = stored(path)
    with pytest.raises(PrefactorApiError) as refused:
        acts[steps[-1]]()
    assert (refused.value.code, refused.value.status_code) == ("invalid_action", 409)
    assert stored(path) == before


def test_illegal_transitions_of_spans(talk: Talk, path: Path) -> None:
    """An ended span does not end again, a pending one can only be cancelled."""
    instance = talk.active().id
    ended, pending = talk.span(instance, "complete").id, talk.span(instance, "pending").id
    before = stored(path)
    for span in (ended, pending):
        with pytest.raises(PrefactorApiError, match=r"it (cannot be finished again|must be active)") as refused:
            talk.finish_span(span)
        assert refused.value.code == "invalid_action"
    assert stored(path) == before
    assert talk.finish_span(pending, status="cancelled").started_at is not None


def test_what_cannot_exist(talk: Talk, path: Path) -> None:
    """Unknown runs, parents and spans are named, and nothing is stored."""
    instance, other = talk.active().id, talk.active().id
    foreign = talk.span(other).id
    before = stored(path)
    with pytest.raises(PrefactorNotFoundError, match="Agent instance not found"):
        talk.span("run-1")
    with pytest.raises(PrefactorNotFoundError):
        talk.start("local-00")
    with pytest.raises(PrefactorNotFoundError, match="Agent span not found") as missing:
        talk.finish_span(pfid.mint(77))
    assert "syncer pull prefactor" in str(missing.value.__notes__)
    for parent in (foreign, "local-00", "typo", pfid.mint(78)):
        with pytest.raises(PrefactorValidationError) as refused:
            talk.span(instance, parent_span_id=parent)
        assert list(refused.value.errors) == ["parent_span_id"]
    assert stored(path) == before


def test_what_may_exist_elsewhere(talk: Talk, path: Path) -> None:
    """An instance or a parent span with an id of the right form may have been made on another machine."""
    theirs, parent = pfid.mint(77), pfid.mint(77)
    span = talk.span(theirs, parent_span_id=parent)
    assert (span.agent_instance_id, span.parent_span_id) == (theirs, parent)
    assert pfid.partition_of(span.id) == 77
    assert talk.finish(theirs).status == "complete"
    assert changes(path) == ["create", "finish"]
    assert rows(path, "SELECT id, agent_id, status FROM prefactor_agent_instance") == [(theirs, None, "complete")]


@pytest.mark.parametrize(
    "given",
    [
        {"agent_id": ""},
        {"agent_id": None},
        {"id": ""},
        {"id": ".."},
        {"agent_version": None},
        {"agent_schema_version": ["x"]},
        {"agent_version": {"n": float("nan")}},
        {"update_current_version": "yes"},
    ],
)
def test_what_no_instance_can_be(talk: Talk, path: Path, given: dict[str, Any]) -> None:
    """A wrong value fails before anything is stored."""
    with pytest.raises(PrefactorValidationError):
        talk.register(**given)
    assert stored(path) == (0, 0, 0)


def test_an_id_is_taken_once(talk: Talk, path: Path) -> None:
    """A second record of one id is refused as the API refuses it."""
    mine = pfid.mint(77)
    assert talk.register(id=mine).id == mine
    instance = talk.start(mine).id
    span = talk.span(instance, id=pfid.mint(77)).id
    before = stored(path)
    for again in (lambda: talk.register(id=mine), lambda: talk.span(instance, id=span)):
        with pytest.raises(PrefactorValidationError) as refused:
            again()
        assert list(refused.value.errors) == ["id"]
    assert stored(path) == before


def test_wrong_statuses_and_payloads(talk: Talk, path: Path) -> None:
    """What the original's models refuse raises pydantic's error; what the API would refuse raises the API's."""
    instance = talk.active().id
    span = talk.span(instance).id
    before = stored(path)
    for wrong in (
        lambda: talk.span(instance, "done"),
        lambda: talk.span(instance, "terminated"),
        lambda: talk.finish(instance, status="active"),
        lambda: talk.finish_span(span, status="pending"),
        lambda: talk.finish_span(span, result_payload=[1]),
    ):
        with pytest.raises(ValidationError):
            wrong()
    for refused in (
        lambda: talk.span(instance, "active", result_payload={"early": 1}),
        lambda: talk.span(instance, schema_name=""),
        lambda: talk.span(instance, payload={"n": float("inf")}),
    ):
        with pytest.raises(PrefactorValidationError):
            refused()
    assert stored(path) == before


def test_the_same_request_under_its_key_again(talk: Talk, path: Path) -> None:
    """A repeat is answered with the record its first time made, in another process too, and nothing is queued."""
    instance = talk.register(idempotency_key="register-1")
    started = talk.start(instance.id, idempotency_key="start-1")
    span = talk.span(instance.id, payload={"b": 1, "a": 2}, idempotency_key="span-1")
    talk.finish_span(span.id, idempotency_key="finish-span-1")
    talk.finish(instance.id, idempotency_key="finish-1")
    before = stored(path)
    with Workspace.open(path) as again:
        other = Talk(again, AGENT)
        assert other.register(idempotency_key="register-1").id == instance.id
        assert other.start(instance.id, idempotency_key="start-1").started_at == started.started_at
        assert other.span(instance.id, payload={"a": 2, "b": 1}, idempotency_key="span-1").id == span.id
        assert other.finish_span(span.id, idempotency_key="finish-span-1").status == "complete"
        assert other.finish(instance.id, idempotency_key="finish-1").status == "complete"
    assert stored(path) == before


def test_another_request_under_a_used_key(talk: Talk, path: Path) -> None:
    """A key names one request: another body, or another operation, is refused and stores nothing."""
    instance = talk.register(idempotency_key="one").id
    before = stored(path)
    for wrong in (
        lambda: talk.register(agent_version={"name": "other"}, idempotency_key="one"),
        lambda: talk.start(instance, idempotency_key="one"),
        lambda: talk.span(instance, idempotency_key="one"),
    ):
        with pytest.raises(PrefactorApiError) as refused:
            wrong()
        assert (refused.value.code, refused.value.status_code) == ("idempotency_key_reused", 409)
    assert stored(path) == before


def test_keys_have_a_length(talk: Talk, path: Path) -> None:
    """Over 64 characters is a ValueError on every call; an empty key is none."""
    instance = talk.active().id
    span = talk.span(instance).id
    before = stored(path)
    for call in (
        lambda key: talk.register(idempotency_key=key),
        lambda key: talk.start(instance, idempotency_key=key),
        lambda key: talk.finish(instance, idempotency_key=key),
        lambda key: talk.span(instance, idempotency_key=key),
        lambda key: talk.finish_span(span, idempotency_key=key),
    ):
        with pytest.raises(ValueError, match="64 characters"):
            call("k" * 65)
    assert stored(path) == before
    assert talk.register(idempotency_key="").id != talk.register(idempotency_key="").id
    assert talk.register(idempotency_key="k" * 64).status == "pending"


def test_the_callers_key_goes_out(talk: Talk, path: Path) -> None:
    """The key a caller brings is the one of the change; ours are minted once."""
    instance = talk.register(idempotency_key="register-1").id
    talk.start(instance)
    ((first,), (second,)) = rows(path, "SELECT idem_key FROM outbox ORDER BY seq")
    assert (first, 8 <= len(second) <= 64) == ("register-1", True)


def test_a_finish_joins_a_create_that_was_never_sent(talk: Talk, path: Path) -> None:
    """Both leave as one change under the key of the create; the finish's own key is still remembered."""
    instance = talk.active().id
    span = talk.span(instance, idempotency_key="create-1").id
    first = talk.finish_span(span, idempotency_key="finish-1")
    assert rows(path, "SELECT op, idem_key FROM outbox WHERE model = 'AgentSpan'") == [("create", "create-1")]
    assert talk.finish_span(span, idempotency_key="finish-1") == first


def test_many_at_once(talk: Talk, path: Path) -> None:
    """Calls that run side by side are all stored, and counted."""
    instance = talk.active().id
    client = talk.client

    async def flood() -> list[AgentSpan]:
        return await asyncio.gather(*(client.agent_spans.create(instance, "s", "active", {"n": n}) for n in range(60)))

    spans = asyncio.run(flood())
    assert len({span.id for span in spans}) == 60
    assert stored(path) == (1, 60, 62)
    counts = talk.finish(instance).span_counts
    assert counts is not None
    assert (counts.total, counts.active) == (60, 60)


def test_the_environments_workspace(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a workspace the one of the environment is opened once and shared; no client closes it."""
    monkeypatch.setenv("SYNCER_DB", str(path))

    async def use() -> str:
        async with PrefactorHttpClient(NOWHERE) as one, PrefactorHttpClient(NOWHERE) as two:
            assert one.writes is not two.writes
            made = await one.agent_instances.register(AGENT, {}, {})
            await one.close()
            return (await two.agent_instances.start(made.id)).status

    assert asyncio.run(use()) == "active"
    assert changes(path) == ["create", "start"]


def test_nothing_of_the_configuration_is_stored(ws: Workspace, path: Path) -> None:
    """Address and token of the client are nowhere in the file."""
    client = PrefactorHttpClient(HttpClientConfig("https://canary-host.example", "canary-token"), workspace=ws)
    asyncio.run(client.agent_instances.register(AGENT, {}, {}))
    ws.close()
    assert b"canary" not in path.read_bytes()
    assert "canary-token" not in repr(client.config)
