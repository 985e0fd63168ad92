"""Pushing to Prefactor: order, repeats, refusals, and what each of its answers does to a waiting change."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.sandbox import Sandbox
from tests.files import rows
from tests.prefactor.talking import Talk

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def talk(synced: Workspace, sandbox: Sandbox) -> Talk:
    """The client on a workspace that is configured for the sandbox."""
    return Talk(synced, sandbox.prefactor.agent_id)


def outbox(path: Path) -> list[Any]:
    """What waits, and why."""
    return rows(path, "SELECT op, state, attempts, code FROM outbox ORDER BY seq")


def effects(sandbox: Sandbox) -> list[tuple[str, str]]:
    """What was applied, in order."""
    return [(e.model.removeprefix("agent_"), e.op) for e in sandbox.prefactor.effects()]


def error(status: str, code: str = "not_found") -> bytes:
    """An error as Prefactor words it."""
    return json.dumps({"status": "error", "code": code, "message": status}).encode()


def test_the_order_on_the_wire(synced: Workspace, talk: Talk, sandbox: Sandbox) -> None:
    """Register, start, spans parents first, their ends, the end of the instance: whatever order the outbox has them in."""
    instance = talk.active()
    parent = talk.span(instance.id)
    child = talk.span(instance.id, parent_span_id=parent.id)
    synced.push("prefactor")
    later = talk.span(instance.id, parent_span_id=child.id)
    talk.finish(instance.id)
    talk.finish_span(parent.id)
    talk.finish_span(child.id)
    report = synced.push("prefactor")
    assert (report.exit_code, report.acked) == (0, 4)
    applied = [(e.op, e.key) for e in sandbox.prefactor.effects()]
    assert applied[:4] == [("create", instance.id), ("start", instance.id), ("create", parent.id), ("create", child.id)]
    assert sorted(applied[4:7]) == sorted([("create", later.id), ("finish", parent.id), ("finish", child.id)])
    assert applied[7] == ("finish", instance.id)


def test_everything_in_one_push(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """A whole run that was over before the first sync leaves in as few requests as possible and equals its rows."""
    instance = talk.active()
    root = talk.span(instance.id, payload={"n": None})
    talk.finish_span(talk.span(instance.id, parent_span_id=root.id).id, result_payload={"a": 1})
    talk.finish_span(root.id, status="failed")
    talk.finish(instance.id)
    report = synced.push("prefactor")
    assert (report.exit_code, outbox(path)) == (0, [])
    assert effects(sandbox) == [
        ("instance", "create"),
        ("instance", "start"),
        ("span", "create"),
        ("span", "create"),
        ("instance", "finish"),
    ]
    assert {s["status"] for s in sandbox.prefactor.rows("agent_span")} == {"complete", "failed"}
    stored = sandbox.prefactor.get("agent_span", root.id)
    assert stored is not None
    assert stored["payload"] == {"n": None}
    found = synced.prefactor.get("AgentInstance", instance.id)
    assert found is not None
    assert found["account_id"] == sandbox.prefactor.account_id
    assert found["agent_version"] == {"name": "v"}
    assert synced.push("prefactor").requests == 0


def test_times_are_those_of_the_calls(synced: Workspace, talk: Talk, sandbox: Sandbox) -> None:
    """A push hours later tells the times at which things happened."""
    with clock.using(clock.Virtual(START)) as time:
        instance = talk.active()
        time.sleep(60)
        span = talk.span(instance.id)
        time.sleep(60)
        talk.finish_span(span.id)
        talk.finish(instance.id, timestamp=datetime(2026, 3, 4, 12, 0, 0, 123456))  # noqa: DTZ001 - naive means UTC
        time.sleep(36_000)
        assert synced.push("prefactor").exit_code == 0
    upstream = sandbox.prefactor.get("agent_instance", instance.id)
    assert upstream is not None
    assert (upstream["started_at"], upstream["finished_at"]) == (
        "2026-03-04T05:06:07.000000Z",
        "2026-03-04T12:00:00.123456Z",
    )
    (sent,) = sandbox.prefactor.rows("agent_span")
    assert (sent["started_at"], sent["finished_at"]) == ("2026-03-04T05:07:07.000000Z", "2026-03-04T05:08:07.000000Z")


@pytest.mark.parametrize("fault", ["lost", "truncated", 500, 502, 408])
def test_a_repeat_has_one_effect(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path, fault: Any) -> None:
    """Whatever may have been applied is sent again word for word, under the same key."""
    instance = talk.active()
    synced.push("prefactor")
    span = talk.span(instance.id)
    talk.finish(instance.id)
    faults = sandbox.faults
    {"lost": faults.lose_next_reply, "truncated": faults.truncate_next}.get(fault, lambda: faults.fail_next(fault))()
    assert synced.push("prefactor", wait_s=0).exit_code == 4
    ((op, state, attempts, _), blocked) = outbox(path)
    assert (op, state, attempts, blocked[:2]) == ("create", "ambiguous", 1, ("finish", "pending"))
    (frozen,) = rows(path, "SELECT idem_key, body_hash FROM outbox WHERE op = 'create'")
    talk.finish_span(span.id)  # behind a create that may be there already
    with clock.using(clock.Virtual(clock.now())):
        assert synced.push("prefactor").exit_code == 0
    assert rows(path, "SELECT idem_key, body_hash FROM ledger WHERE model = 'AgentSpan' AND op = 'create'") == [frozen]
    assert effects(sandbox)[2:] == [("span", "create"), ("span", "finish"), ("instance", "finish")]
    assert set(sandbox.prefactor.effects_by_key().values()) == {1}
    assert synced.status().consistent


def test_a_record_without_an_id_of_its_own(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Where the account is not known the remote makes the ids: children, later calls and the old names follow."""
    talk = Talk(synced, "an-agent")
    instance = talk.active()
    parent = talk.span(instance.id)
    child = talk.span(instance.id, parent_span_id=parent.id)
    assert {i[:6] for i in (instance.id, parent.id, child.id)} == {"local-"}
    sandbox.faults.lose_next_reply()
    with clock.using(clock.Virtual(clock.now())):
        assert synced.push("prefactor").exit_code == 0
    (there,) = sandbox.prefactor.rows("agent_instance")
    below = {s["id"]: s for s in sandbox.prefactor.rows("agent_span")}
    assert sorted(s["parent_span_id"] or "" for s in below.values()) == sorted(["", talk.finish_span(parent.id).id])
    assert talk.finish_span(child.id).id in below
    assert talk.finish(instance.id).id == there["id"]
    assert synced.push("prefactor").exit_code == 0
    assert {s["status"] for s in sandbox.prefactor.rows("agent_span")} == {"complete"}
    assert talk.register().id[10:16] == there["id"][10:16]  # by now the account is known


def test_an_action_behind_a_create_of_unknown_fate_under_a_local_id(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """What it was based on goes by the remote's id with it, and goes away when it is done."""
    talk = Talk(synced, "an-agent")
    with clock.using(clock.Virtual(clock.now())):
        instance = talk.register()
        sandbox.faults.lose_next_reply()
        synced.push("prefactor", wait_s=0)
        assert [state for _, state, *_ in outbox(path)] == ["ambiguous"]
        started = talk.start(instance.id)
        clock.sleep(60)
        assert synced.push("prefactor", limit=1).acked == 1
        row = "SELECT status, started_at IS NOT NULL, agent_version_id IS NOT NULL FROM prefactor_agent_instance"
        # What the answer to the create says of the status is older than ours, what it filled in is news.
        assert rows(path, row) == [(started.status, True, True)]
        assert synced.push("prefactor").exit_code == 0
    assert rows(path, row) == [(started.status, True, True)]
    assert effects(sandbox) == [("instance", "create"), ("instance", "start")]
    assert rows(path, "SELECT * FROM _base") == outbox(path) == []


def test_a_pull_brings_what_a_create_of_unknown_fate_made(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Both ids are used before the answer is known: one record in the end, and nothing is left of the other."""
    talk = Talk(synced, "an-agent")
    with clock.using(clock.Virtual(clock.now())):
        instance = talk.register()
        sandbox.faults.lose_next_reply()
        synced.push("prefactor", wait_s=0)
        synced.pull("prefactor")
        (there,) = sandbox.prefactor.rows("agent_instance")
        assert len(rows(path, "SELECT id FROM prefactor_agent_instance")) == 2
        talk.start(instance.id)
        talk.finish(there["id"], status="cancelled")
        assert len(rows(path, "SELECT key FROM _base")) == 2
        clock.sleep(60)
        assert synced.push("prefactor").exit_code == 0
    assert len(sandbox.prefactor.effects("agent_instance")) == len(set(effects(sandbox)))
    assert rows(path, "SELECT id FROM prefactor_agent_instance") == [(there["id"],)]
    assert rows(path, "SELECT * FROM _base") == outbox(path) == []
    assert synced.status().consistent


def test_an_id_that_another_record_has(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """The keys failed and the id is taken: an equal record is ours, another one is a conflict with both values."""
    same, other = talk.register(), talk.active()
    sandbox.prefactor.put("agent_instance", id=same.id, status="pending", started_at=None)
    synced.push("prefactor")
    assert (outbox(path), effects(sandbox)) == ([], [("instance", "create"), ("instance", "start")])
    span = talk.span(other.id, payload={"ours": True})
    sandbox.prefactor.put("agent_span", id=span.id, agent_instance_id=other.id, payload={"theirs": True})
    assert synced.push("prefactor").exit_code == 3
    assert outbox(path) == [("create", "conflict", 1, "conflict")]
    assert "payload" in rows(path, "SELECT reason FROM outbox")[0][0]


def test_a_record_that_is_there_already_but_differently(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """A finish that is refused because the record has ended is done; the row takes the remote's word, the ledger says so."""
    instance = talk.active()
    span = talk.span(instance.id)
    synced.push("prefactor")
    sandbox.prefactor.terminate(instance.id, "too expensive")
    talk.finish_span(span.id)
    talk.finish(instance.id)
    report = synced.push("prefactor")
    assert (report.exit_code, report.acked, outbox(path)) == (0, 2, [])
    found = synced.prefactor.get("AgentInstance", instance.id)
    assert found is not None
    assert (found["status"], found["termination_reason"]) == ("terminated", "too expensive")
    assert found["control"] == {"terminate": True, "reason": "too expensive"}
    assert synced.prefactor.find("AgentSpan")[0]["status"] == "cancelled"
    assert "already" in rows(path, "SELECT reason FROM ledger WHERE op = 'finish'")[0][0]


def test_started_elsewhere(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """A start that somebody else made before is no failure."""
    instance = talk.register()
    synced.push("prefactor")
    sandbox.prefactor.edit("agent_instance", instance.id, status="active", started_at="2026-01-01T00:00:00.000000Z")
    talk.start(instance.id)
    assert (synced.push("prefactor").exit_code, outbox(path)) == (0, [])
    found = synced.prefactor.get("AgentInstance", instance.id)
    assert found is not None
    assert found["started_at"] == "2026-01-01T00:00:00.000000Z"


def test_an_action_the_remote_refuses_for_good(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """Cancelling what is active is not rewritten into a failure: it is rejected with the remote's words."""
    instance = talk.active()
    talk.finish(instance.id, status="cancelled")
    assert synced.push("prefactor").exit_code == 3
    assert outbox(path) == [("finish", "rejected", 1, "invalid_action")]
    assert "must be pending to be cancelled" in rows(path, "SELECT reason FROM outbox")[0][0]


def test_a_refused_record_holds_back_only_its_own(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """What fails validation is rejected with field and reason, its children wait, other runs go on."""
    bad = talk.active(agent_schema_version={"span_type_schemas": [{"name": "x"}]})
    talk.span(bad.id)
    good = talk.active()
    talk.span(good.id)
    report = synced.push("prefactor")
    assert report.exit_code == 3
    assert [state for _, state, _, _ in outbox(path)] == ["rejected", "pending", "pending"]
    (reason,) = rows(path, "SELECT reason FROM outbox WHERE state = 'rejected'")[0]
    assert "params_schema" in reason
    assert effects(sandbox) == [("instance", "create"), ("instance", "start"), ("span", "create")]


def test_not_found_may_be_a_matter_of_time(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """A 404 is tried again ever more seldom, and rejected after eight attempts."""
    instance = talk.register()
    synced.push("prefactor")
    talk.start(instance.id)
    with clock.using(clock.Virtual(START)) as time:
        sandbox.faults.fail_next(404, JSON, error("Agent instance not found"), count=2)
        assert synced.push("prefactor").exit_code == 0
        assert time.slept[:2] == [2.0, 4.0]
        talk.finish(instance.id)
        sandbox.faults.fail_next(404, JSON, error("Agent instance not found"), count=8)
        assert synced.push("prefactor", wait_s=1000).exit_code == 3
    assert outbox(path) == [("finish", "rejected", 8, "not_found")]


def test_a_wrong_address_parks_nothing(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """A 404 that is not Prefactor's, a web page, a redirect: nothing is spent, the sync ends with 4."""
    talk.register()
    for prepare in (
        lambda: sandbox.faults.html_next(404),
        lambda: sandbox.faults.fail_next(302),
        lambda: sandbox.faults.fail_next(404, JSON, b'{"detail":"Not Found"}'),
    ):
        prepare()
        assert synced.push("prefactor", wait_s=0).remotes["prefactor"].stopped == "unreachable"
        assert outbox(path) == [("create", "pending", 0, "wrong-address")]
    sandbox.faults.html_next(200)
    assert synced.push("prefactor", wait_s=0).exit_code == 4
    assert outbox(path) == [("create", "ambiguous", 1, "unreadable")]
    with clock.using(clock.Virtual(clock.now())):
        assert synced.push("prefactor").exit_code == 0


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_stops_at_once(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path, status: int) -> None:
    """One request, no attempt spent, nothing rejected; what is sent later is made anew from the rows."""
    for _ in range(5):
        talk.register()
    before = sandbox.requests
    sandbox.faults.fail_next(status, count=9)
    report = synced.push("prefactor")
    assert (report.exit_code, sandbox.requests - before) == (4, 1)
    assert report.remotes["prefactor"].reason == f"Prefactor refused the token (HTTP {status})"
    assert {row[1:3] for row in outbox(path)} == {("pending", 0)}
    sandbox.faults.clear()
    assert synced.push("prefactor").exit_code == 0


@pytest.mark.parametrize(
    ("headers", "body", "least"),
    [({"Retry-After": "7"}, b"", 7.0), ({}, b'{"status":"error","code":"slow","retry_after_ms":9000}', 9.0)],
)
def test_throttling_is_obeyed(
    synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path, headers: dict[str, str], body: bytes, least: float
) -> None:
    """The wait that header or body asks for is kept; what was not sent has spent no attempt."""
    for _ in range(4):
        talk.register()
    with clock.using(clock.Virtual(START)) as time:
        sandbox.faults.serve_next()
        sandbox.faults.fail_next(429, {**JSON, **headers}, body)
        assert synced.push("prefactor", wait_s=0).exit_code == 4
        assert sorted(row[2:] for row in outbox(path)) == [(0, "not-sent"), (0, "not-sent"), (1, "throttled")]
        assert synced.push("prefactor").exit_code == 0
        assert sum(time.slept) >= least


def test_a_dead_server_is_not_asked_for_every_change(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """After three requests without an answer the rest of a batch is left for later."""
    for _ in range(9):
        talk.register()
    before = sandbox.requests
    sandbox.faults.fail_next(503, count=3)
    synced.push("prefactor", wait_s=0)
    assert sandbox.requests - before == 3
    assert sorted({row[1:] for row in outbox(path)}) == [("ambiguous", 1, "server-error"), ("pending", 0, "not-sent")]
    with clock.using(clock.Virtual(clock.now())):
        assert synced.push("prefactor").exit_code == 0
    assert sandbox.prefactor.count("agent_instance") == 9


def test_what_prefactor_cannot_do(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """An update or delete of a sent record is rejected here, without a request, saying what can be done."""
    instance = talk.register()
    synced.push("prefactor")
    before = sandbox.requests
    synced.prefactor.update("AgentInstance", instance.id, {"purpose": "eval"})
    assert synced.push("prefactor").exit_code == 3
    assert (outbox(path), sandbox.requests) == ([("update", "rejected", 1, "not-supported")], before)
    assert "actions" in rows(path, "SELECT reason FROM outbox")[0][0]


def test_a_span_whose_run_was_dropped(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """An id that never became known to the remote is not sent: the span is rejected and says so."""
    talk = Talk(synced, "an-agent")
    instance = talk.register()
    talk.span(instance.id)
    synced.drop(1)
    assert synced.push("prefactor").exit_code == 3
    assert outbox(path) == [("create", "rejected", 1, "dangling")]
    assert sandbox.requests == 0


def test_strange_answers(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """An answer without a record proves nothing: the change stays ambiguous and is sent again."""
    talk.register()
    with clock.using(clock.Virtual(START)):
        for body in (b"[]", b"null", b'{"status":"success"}', b'{"status":"success","details":{"id":7}}', b"\xff"):
            sandbox.faults.fail_next(200, JSON, body)
            synced.push("prefactor", wait_s=0)
            assert outbox(path)[0][1::2] == ("ambiguous", "unreadable")
            clock.sleep(600)
        assert synced.push("prefactor").exit_code == 0
    assert effects(sandbox) == [("instance", "create")]


def test_one_connection(synced: Workspace, talk: Talk, sandbox: Sandbox) -> None:
    """Changes of a batch go over one kept-alive connection."""
    for _ in range(10):
        talk.register()
    synced.push("prefactor")
    assert (sandbox.requests, sandbox.connections) == (10, 1)


def test_the_stop_signal(synced: Workspace, talk: Talk, sandbox: Sandbox) -> None:
    """Whatever answer says that a run is to stop, of a span too, the instance tells it from then on."""
    instance, other = talk.active(), talk.active()
    talk.span(instance.id)
    synced.push("prefactor", limit=4)
    sandbox.prefactor.control_next(reason="budget")
    synced.push("prefactor")
    assert talk.finish(instance.id).control == {"terminate": True, "reason": "budget"}  # type: ignore[attr-defined]
    assert not hasattr(talk.finish(other.id), "control")
    assert synced.query("SELECT control ->> 'reason' AS why FROM prefactor_agent_instance WHERE control IS NOT NULL") == [
        {"why": "budget"}
    ]


def test_ids_in_paths_are_escaped(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """An id with slashes and question marks stays one segment."""
    talk.start("a/b?c=d#e f")
    with clock.using(clock.Virtual(START)):
        synced.push("prefactor", wait_s=0)
    assert outbox(path) == [("start", "pending", 1, "not_found")]
    assert rows(path, "SELECT body ->> 'path' FROM outbox") == [("/agent_instance/a%2Fb%3Fc%3Dd%23e%20f/start",)]
