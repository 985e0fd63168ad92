"""What every remote owes the engine, whatever its wire: one suite, one line a remote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock, ids
from syncer.adapters import registry
from syncer.engine import lease
from syncer.engine.report import RemoteReport
from syncer.errors import SyncRunning
from syncer.records.api import Records
from syncer.sandbox.server import Sandbox
from tests.engine.push.test_push import START
from tests.files import rows, write


@dataclass(frozen=True)
class Subject:
    """One remote: how to write a record that stands alone, how often the upstream applied it, a setting that is a secret."""

    name: str
    make: Callable[[Records, Sandbox], str]
    applied: Callable[[Sandbox], list[str]]
    secret: str


def _account(records: Records, _: Sandbox) -> str:
    return str(records.create("Account", {"name": "Lab", "key": f"lab-{ids.new_key()}"})["id"])


def _instance(records: Records, sandbox: Sandbox) -> str:
    fields = {
        "agent_id": sandbox.prefactor.agent_id,
        "status": "pending",
        "agent_version": {"name": "v1", "external_identifier": "v1"},
        "agent_schema_version": {"external_identifier": "s1", "span_schemas": {"step": {"type": "object"}}},
        "update_current_version": True,
    }
    return str(records.create("AgentInstance", {"id": f"local-{ids.new_key()}", **fields})["id"])


def _run(records: Records, sandbox: Sandbox) -> str:
    organization = sandbox.settings["ABEJA_ORGANIZATION_ID"]
    deployment = sandbox.settings["ABEJA_DEPLOYMENT_IDS"].split(",")[0]
    fields = {
        "organization_id": organization,
        "deployment_id": deployment,
        "model_version_id": "ver-1234567890123456",
        "status": "SUBMITTED",
        "user_env_vars": {"MODE": "night"},
    }
    return str(records.create("Run", {"run_id": f"local-{ids.new_key()}", **fields})["run_id"])


SUBJECTS = {
    s.name: s
    for s in (
        Subject("plexus", _account, lambda s: [e.key for e in s.effects("Account", "create")], "PLEXUS_API_KEY"),
        Subject(
            "prefactor",
            _instance,
            lambda s: [e.mark for e in s.prefactor.effects("agent_instance")],
            "PREFACTOR_API_TOKEN",
        ),
        Subject("abeja", _run, lambda s: [e.mark for e in s.abeja.effects("run")], "PLATFORM_AUTH_TOKEN"),
    )
}


@pytest.fixture(params=SUBJECTS, ids=str)
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each remote in turn."""
    return SUBJECTS[request.param]


def pushed(ws: Workspace, subject: Subject, **options: Any) -> RemoteReport:
    """The remote's part of a push to it."""
    return ws.push(subject.name, **options).remotes[subject.name]


def record(ws: Workspace, subject: Subject) -> Records:
    """The records of the remote under test."""
    return ws._records[subject.name]


def waiting(path: Path, subject: Subject) -> list[Any]:
    """State and attempts of what waits."""
    return rows(path, "SELECT state, attempts FROM outbox WHERE remote = ?", subject.name)


def test_every_remote_has_a_subject() -> None:
    """A fourth remote is one line here, and fails this test until it has it."""
    assert tuple(SUBJECTS) == registry.names()


def test_written_offline_pushed_once(synced: Workspace, sandbox: Sandbox, path: Path, subject: Subject) -> None:
    """The record arrives, the outbox empties, the ledger closes, a second push sends nothing."""
    subject.make(record(synced, subject), sandbox)
    assert (pushed(synced, subject).acked, waiting(path, subject)) == (1, [])
    assert len(subject.applied(sandbox)) == 1
    assert synced.status().consistent
    assert pushed(synced, subject).requests == 0


def test_a_lost_reply_is_one_effect(synced: Workspace, sandbox: Sandbox, path: Path, subject: Subject) -> None:
    """Applied, answer lost, asked again: one record upstream, one acknowledgement here."""
    subject.make(record(synced, subject), sandbox)
    with clock.using(clock.Virtual(START)):
        sandbox.faults.lose_next_reply()
        if not pushed(synced, subject, wait_s=0).acked:  # a remote that can be asked at once may know it already
            assert [state for state, _ in waiting(path, subject)] == ["ambiguous"]
            clock.sleep(3600)
            assert pushed(synced, subject, wait_s=600).acked == 1
    assert len(subject.applied(sandbox)) == 1
    assert synced.status().consistent


def test_a_server_error_that_applied_nothing_is_one_effect(
    synced: Workspace, sandbox: Sandbox, path: Path, subject: Subject
) -> None:
    """A 503 may have applied it or not: afterwards there is exactly one."""
    subject.make(record(synced, subject), sandbox)
    with clock.using(clock.Virtual(START)):
        sandbox.faults.fail_next(503)
        pushed(synced, subject, wait_s=0)
        for _ in range(4):
            clock.sleep(3600)
            pushed(synced, subject, wait_s=600)
    assert waiting(path, subject) == []
    assert len(subject.applied(sandbox)) == 1


def test_a_crash_while_sending_is_one_effect(synced: Workspace, sandbox: Sandbox, path: Path, subject: Subject) -> None:
    """The process died after the request was applied: what it left as sending ends as one record."""
    subject.make(record(synced, subject), sandbox)
    with clock.using(clock.Virtual(START)):
        sandbox.faults.lose_next_reply()
        pushed(synced, subject, wait_s=0)
        write(path, "UPDATE outbox SET state = 'sending', next_attempt_at = NULL")
        clock.sleep(3600)
        for _ in range(3):
            pushed(synced, subject, wait_s=600)
            clock.sleep(3600)
    assert (waiting(path, subject), len(subject.applied(sandbox))) == ([], 1)


def test_refused_credentials_cost_nothing(
    synced: Workspace, sandbox: Sandbox, path: Path, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """401: the remote is stopped, no attempt is spent, the secret shows nowhere, the next push delivers."""
    subject.make(record(synced, subject), sandbox)
    monkeypatch.setenv(subject.secret, "canary-8f2e")
    with Workspace.open(path) as other:
        part = pushed(other, subject)
    assert (part.stopped, waiting(path, subject)) == ("access-refused", [("pending", 0)])
    assert "canary-8f2e" not in repr(part)
    assert b"canary-8f2e" not in path.read_bytes() + path.with_name(path.name + "-wal").read_bytes()
    assert pushed(synced, subject).acked == 1


def test_throttling_is_remembered(synced: Workspace, sandbox: Sandbox, path: Path, subject: Subject) -> None:
    """429 with Retry-After holds the remote, also for the next process; then the record arrives once."""
    subject.make(record(synced, subject), sandbox)
    with clock.using(clock.Virtual(START)):
        sandbox.faults.fail_next(429, {"Retry-After": "300"})
        assert pushed(synced, subject).stopped == "throttled"
        before = sandbox.requests
        with Workspace.open(path) as other:
            assert pushed(other, subject).acked == 0
        assert sandbox.requests == before
        clock.sleep(301)
        assert pushed(synced, subject).acked == 1
    assert len(subject.applied(sandbox)) == 1


def test_one_sync_at_a_time(synced: Workspace, subject: Subject) -> None:
    """A remote under lease is not touched by a second sync."""
    lease.acquire(synced.database, subject.name)
    with pytest.raises(SyncRunning):
        pushed(synced, subject)


def test_others_find_the_record(synced: Workspace, sandbox: Sandbox, tmp_path: Path, subject: Subject) -> None:
    """What was pushed here is pulled there, and pulling again changes nothing."""
    made = subject.make(record(synced, subject), sandbox)
    pushed(synced, subject)
    mine = [rows_of for rows_of in _all(synced, subject) if rows_of]
    with Workspace.open(tmp_path / "other.db") as other:
        if subject.name == "plexus":
            other.settings.environ["PLEXUS_ACCOUNT_KEY"] = mine[0][0]["key"]  # type: ignore[index]
        if subject.name == "prefactor":  # instances are listed by agent: another file knows the agent by a record of its own
            subject.make(record(other, subject), sandbox)
            pushed(other, subject)
        first = other.pull(subject.name).remotes[subject.name]
        assert sum(p.added for p in first.pulled.values()) == 1
        again = other.pull(subject.name).remotes[subject.name]
        assert sum(p.added + p.changed for p in again.pulled.values()) == 0
    assert made


def _all(ws: Workspace, subject: Subject) -> list[list[dict[str, Any]]]:
    return [record(ws, subject).find(name) for name in registry.models(subject.name)]
