"""What Prefactor tells about another record, or not now: nothing is acknowledged, refused or counted by mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.sandbox import Sandbox
from tests.files import rows
from tests.prefactor.talking import Talk
from tests.prefactor.test_adapter import JSON, START, error, outbox


@pytest.fixture
def talk(synced: Workspace, sandbox: Sandbox) -> Talk:
    """The client on a workspace that is configured for the sandbox."""
    return Talk(synced, sandbox.prefactor.agent_id)


def later(ws: Workspace) -> None:
    """Another push when everything is due."""
    clock.sleep(3600)
    assert ws.push("prefactor", wait_s=60).exit_code == 0


def test_an_answer_about_another_record_acknowledges_nothing(
    synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path
) -> None:
    """A start answered with another instance, which is active, did not surely start this one [I2 I3]."""
    with clock.using(clock.Virtual(START)):
        other, instance = talk.active(), talk.register()
        synced.push("prefactor")
        talk.start(instance.id)
        told = {"status": "success", "details": sandbox.prefactor.get("agent_instance", other.id)}
        sandbox.faults.fail_next(200, JSON, json.dumps(told).encode())
        synced.push("prefactor", wait_s=0)
        assert outbox(path) == [("start", "ambiguous", 1, "other-record")]
        later(synced)
    found = sandbox.prefactor.get("agent_instance", instance.id)
    assert found is not None
    assert found["status"] == "active"


def test_a_record_without_an_id_is_no_answer(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """An empty id becomes nobody's key; the request again, with its key, tells the right one [I3 I18]."""
    with clock.using(clock.Virtual(START)):
        instance = talk.register()
        sandbox.faults.fail_next(200, JSON, b'{"status": "success", "details": {"id": "", "status": "pending"}}')
        synced.push("prefactor", wait_s=0)
        assert outbox(path) == [("create", "ambiguous", 1, "unreadable")]
        later(synced)
    assert rows(path, "SELECT id FROM prefactor_agent_instance") == [(instance.id,)]
    assert sandbox.prefactor.count("agent_instance") == 1


def test_only_not_found_counts_towards_not_found(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """Many attempts met a server in trouble before one met a 404: that one is not final, eight of them are."""
    instance = talk.register()
    synced.push("prefactor")
    talk.start(instance.id)
    with clock.using(clock.Virtual(START)):
        for _ in range(9):
            sandbox.faults.fail_next(429, {**JSON, "Retry-After": "1"})
            synced.push("prefactor", wait_s=0)
            clock.sleep(3600)
        sandbox.faults.fail_next(404, JSON, error("Agent instance not found"), count=7)
        for n in range(7):
            synced.push("prefactor", wait_s=0)
            assert outbox(path) == [("start", "pending", 10 + n, "not_found")]
            clock.sleep(3600)
        sandbox.faults.fail_next(404, JSON, error("Agent instance not found"))
        assert synced.push("prefactor", wait_s=0).exit_code == 3
    ((state, reason),) = rows(path, "SELECT state, reason FROM outbox")
    assert (state, "8 times" in reason) == ("rejected", True)


@pytest.mark.parametrize(
    ("status", "headers", "stopped", "questions"),
    [(429, {"Retry-After": "300"}, "throttled", 1), (401, {}, "access-refused", 2)],  # a 401 is asked about once more
)
def test_what_stops_a_look_at_a_record_stops_the_push(
    synced: Workspace,
    talk: Talk,
    sandbox: Sandbox,
    path: Path,
    status: int,
    headers: dict[str, Any],
    stopped: str,
    questions: int,
) -> None:
    """A 409, and the record may not be read: nothing is rejected, the remote is left alone, all of it arrives [I10]."""
    with clock.using(clock.Virtual(START)):
        instances = [talk.register().id for _ in range(3)]
        synced.push("prefactor")
        for instance in instances:
            talk.start(instance)
        sandbox.faults.fail_next(409, JSON, error("not now", "invalid_action"))
        sandbox.faults.fail_next(status, {**JSON, **headers}, error("no", "no"), count=questions)
        before = sandbox.requests
        assert synced.push("prefactor", wait_s=10).remotes["prefactor"].stopped == stopped
        assert sandbox.requests - before == 1 + questions
        assert [state for _, state, _, _ in outbox(path)] == ["pending"] * 3
        sandbox.faults.clear()
        later(synced)
    assert {record["status"] for record in sandbox.prefactor.rows("agent_instance")} == {"active"}
