"""Why a record has not arrived, and what helps: for every way in which it can be stuck."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock, ids
from syncer.engine import lease
from syncer.errors import RecordNotFound, UsageError
from syncer.sandbox.server import Sandbox
from tests.engine.plan.test_plan import run_of
from tests.factory import account, result, scoring
from tests.files import rows, write

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
REFUSED = b'{"errors":[{"errorType":"BadRequest","message":"no such thing"}]}'
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def still() -> Iterator[clock.Virtual]:
    """Time that passes only where somebody waits."""
    source = clock.Virtual(START)
    with clock.using(source):
        yield source


def because(found: dict[str, Any]) -> list[str]:
    """The codes of why the first change waits, what decides first."""
    return [why["because"] for why in found["pending"][0]["reasons"]]


def commands(found: dict[str, Any]) -> list[str]:
    """What can be run about the first change that waits."""
    return [step["run"] for why in found["pending"][0]["reasons"] for step in why["fix"]]


def attempts(path: Path) -> list[Any]:
    """Number, outcome and code of every attempt on record."""
    return rows(path, "SELECT number, outcome, code FROM _attempt ORDER BY id")


def test_due_now(synced: Workspace) -> None:
    """Nothing in its way: the push that sends it is named, with the values it would send."""
    made = account(synced)
    found = synced.explain("plexus", "Account", made)
    assert because(found) == ["due"]
    assert commands(found) == ["syncer push plexus"]
    assert found["pending"][0]["values"]["name"] == "Lab"
    assert synced.explain(1)["key"] == made


def test_not_configured(ws: Workspace) -> None:
    """The settings to set, as a command."""
    found = ws.explain("plexus", "Account", account(ws))
    assert because(found) == ["not-configured"]
    assert commands(found) == ["export PLEXUS_API_URL=... PLEXUS_API_KEY=..."]


def test_rejected_and_what_waits_behind(synced: Workspace, sandbox: Sandbox, path: Path, still: clock.Virtual) -> None:
    """The refusal with its time, code and request; what waits behind it names the commands for that one."""
    made = scoring(synced)
    synced.push("plexus")
    item = synced.plexus.create("Item", {"accountId": made["accountId"], "externalId": "call-2"})["id"]
    sandbox.faults.fail_next(400, {**JSON, "x-amzn-RequestId": "req-1"}, REFUSED)
    synced.push("plexus", wait_s=0)
    seq = rows(path, "SELECT seq FROM outbox")[0][0]
    found = synced.explain("plexus", "Item", item)
    assert because(found) == ["rejected"]
    assert commands(found) == [f"syncer outbox retry {seq}", f"syncer outbox drop {seq}"]
    (tried,) = found["pending"][0]["attempts_made"]
    assert (tried["number"], tried["outcome"], tried["code"], tried["request_id"]) == (1, "refused", "malformed", "req-1")
    assert tried["at"] == tried["ended_at"] == clock.stored(START)
    child = synced.plexus.create("ScoreResult", result({**made, "itemId": item}))["id"]
    found = synced.explain("plexus", "ScoreResult", child)
    assert because(found) == ["blocked"]
    assert commands(found) == [f"syncer outbox retry {seq}", f"syncer outbox drop {seq}"]
    assert item in found["pending"][0]["reasons"][0]["text"]


def test_in_conflict(synced: Workspace, sandbox: Sandbox) -> None:
    """The fields, and the commands that settle it; the attempt says that the record was not as expected."""
    made = scoring(synced)
    synced.push("plexus")
    synced.plexus.update("Item", made["itemId"], {"description": "ours"})
    sandbox.edit("Item", made["itemId"], description="theirs")
    synced.push("plexus", wait_s=0)
    found = synced.explain("plexus", "Item", made["itemId"])
    seq = found["pending"][0]["seq"]
    assert because(found) == ["conflict"]
    assert "description" in found["pending"][0]["reasons"][0]["text"]
    assert f"syncer conflicts resolve {seq} --local" in commands(found)
    (tried,) = found["pending"][0]["attempts_made"]
    assert tried["outcome"] == "differs"
    assert tried["request_id"]
    synced.resolve(seq, take="ours")
    assert because(synced.explain(seq)) == ["due"]


def test_backing_off(synced: Workspace, sandbox: Sandbox, path: Path, still: clock.Virtual) -> None:
    """Every attempt in order, and when the next is due; the attempt that succeeds is told by the ledger alone."""
    made = account(synced)
    for _ in range(3):
        sandbox.faults.fail_next(503)
        synced.push("plexus", wait_s=0)
        still.moment += timedelta(hours=1)
    still.moment -= timedelta(hours=1)
    found = synced.explain("plexus", "Account", made)
    late = next(why for why in found["pending"][0]["reasons"] if why["because"] == "backing-off")
    assert commands(found)[-1] == "syncer outbox retry 1"
    assert late["until"] == rows(path, "SELECT next_attempt_at FROM outbox")[0][0]
    assert attempts(path) == [(n, "ambiguous", "server-error") for n in (1, 2, 3)]
    still.moment += timedelta(hours=1)
    assert synced.push("plexus", wait_s=0).acked == 1
    assert len(attempts(path)) == 3
    found = synced.explain(1)
    assert (found["pending"], found["change"]["outcome"], found["change"]["attempts"]) == ([], "acked", 4)
    assert len(found["change"]["attempts_made"]) == 3
    assert found["last_pushed_at"] == clock.stored_now()


def test_held_by_retry_after(synced: Workspace, sandbox: Sandbox, still: clock.Virtual) -> None:
    """A remote that asked to be left alone is named as the reason, with the end of it."""
    made = account(synced)
    sandbox.faults.fail_next(429, {**JSON, "Retry-After": "120"})
    synced.push("plexus", wait_s=0)
    why = synced.explain("plexus", "Account", made)["pending"][0]["reasons"][0]
    assert why["because"] == "held"
    assert why["until"] >= clock.after(120.0)


def test_a_lost_answer(synced: Workspace, sandbox: Sandbox, path: Path, still: clock.Virtual) -> None:
    """It may have arrived, and is never doubled; once the repeat has found it there, only history tells of the doubt."""
    made = account(synced)
    sandbox.faults.lose_next_reply()
    synced.push("plexus", wait_s=0)
    still.moment += timedelta(hours=1)
    found = synced.explain("plexus", "Account", made)
    assert because(found) == ["ambiguous"]
    assert attempts(path) == [(1, "ambiguous", "reply-lost")]
    synced.push("plexus", wait_s=0)
    assert attempts(path) == [(1, "ambiguous", "reply-lost")]
    assert len(sandbox.effects()) == 1


def test_a_sync_that_died(synced: Workspace, path: Path) -> None:
    """An attempt without end or outcome; the next push writes it down before it goes on."""
    made = account(synced)
    synced.push("plexus")
    synced.plexus.update("Account", made, {"name": "New"})
    write(path, "UPDATE outbox SET state = 'sending', attempts = 1, attempted_at = '2026-03-04T00:00:00.000000Z'")
    assert because(synced.explain("plexus", "Account", made)) == ["ambiguous"]
    write(path, 'UPDATE outbox SET body = \'{"input":{"id":"\' || key || \'","name":"New"}}\'')
    synced.push("plexus", wait_s=0)
    (one,) = rows(path, "SELECT number, at, ended_at, outcome, code FROM _attempt")
    assert one == (1, "2026-03-04T00:00:00.000000Z", None, None, "interrupted")


def test_while_a_sync_is_at_work(synced: Workspace, path: Path) -> None:
    """The process that holds the lease is named; what is being sent says so."""
    made = account(synced)
    held = lease.acquire(synced.database, "plexus")
    found = synced.explain("plexus", "Account", made)
    assert because(found) == ["sync-running"]
    assert ids.owner() in found["pending"][0]["reasons"][0]["text"]
    write(path, "UPDATE outbox SET state = 'sending'")
    assert because(synced.explain("plexus", "Account", made)) == ["sending"]
    with synced.database.transaction() as tx:
        held.release(tx)


def test_refused_credentials(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """The attempt is on record although it is given back; nothing blames the change."""
    made = account(synced)
    sandbox.faults.fail_next(401)
    synced.push("plexus", wait_s=0)
    assert attempts(path) == [(1, "later", "access-refused")]
    found = synced.explain("plexus", "Account", made)
    assert because(found) == ["due"]
    assert "PLEXUS_API_KEY" not in json.dumps(found)


def test_what_never_left_is_no_attempt(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A network that is down is told once per change that was tried."""
    account(synced)
    sandbox.stop()
    synced.push("plexus", wait_s=0)
    assert attempts(path) == [(1, "later", "unreachable")]


def test_request_ids_of_all_three(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Each remote's own name for the request is kept with the attempt that failed."""
    account(synced)
    fields = {"agent_id": sandbox.prefactor.agent_id, "status": "pending", "agent_version": {"name": "v"}}
    synced.prefactor.create("AgentInstance", {**fields, "agent_schema_version": {}})
    run_of(synced, sandbox)
    sandbox.faults.fail_next(503, {**JSON, "x-amzn-requestid": "plexus-1"})
    sandbox.faults.fail_next(503, {**JSON, "X-Request-Id": "prefactor-1"})
    sandbox.faults.fail_next(400, {**JSON, "x-request-id": "abeja-1"}, b'{"error":"bad_request","error_description":"no"}')
    synced.push(wait_s=0)
    assert [name for (name,) in rows(path, "SELECT request_id FROM _attempt ORDER BY seq")] == [
        "plexus-1",
        "prefactor-1",
        "abeja-1",
    ]


@pytest.mark.parametrize("value", ["x" * 129, "a b", "\x9b31m", "<b>"])
def test_an_id_that_is_none_is_not_kept(synced: Workspace, sandbox: Sandbox, path: Path, value: str) -> None:
    """What a header says is data: only short plain text is taken for an id."""
    account(synced)
    sandbox.faults.fail_next(503, {**JSON, "x-request-id": value})
    synced.push("plexus", wait_s=0)
    assert rows(path, "SELECT request_id FROM _attempt") == [(None,)]


def test_a_record_with_nothing_waiting(synced: Workspace, sandbox: Sandbox) -> None:
    """It says so, with when it was last sent and when its model was last pulled."""
    made = scoring(synced)
    synced.sync("plexus")
    sandbox.edit("Score", made["scoreId"], name="Mood")
    synced.pull("plexus")
    found = synced.explain("plexus", "Score", made["scoreId"])
    assert found["pending"] == []
    assert found["exists"]
    assert found["last_pushed_at"] < found["last_pulled_at"] <= found["model_pulled_at"]


def test_an_id_of_before(synced: Workspace, sandbox: Sandbox) -> None:
    """The id a record had here leads to it, and back."""
    local = run_of(synced, sandbox)
    synced.push("abeja")
    found = synced.explain("abeja", "Run", local)
    assert found["key"] != local
    assert found["aliases"] == [local]
    assert found["last_pushed_at"]
    assert synced.explain("abeja", "Run", found["key"])["aliases"] == [local]


def test_a_deleted_record(synced: Workspace) -> None:
    """Its delete waits, or has left: both are told although no row is there."""
    made = account(synced)
    synced.push("plexus")
    synced.plexus.delete("Account", made)
    found = synced.explain("plexus", "Account", made)
    assert (found["exists"], found["pending"][0]["op"], found["pending"][0]["values"]) == (False, "delete", None)
    synced.push("plexus")
    assert synced.explain("plexus", "Account", made)["pending"] == []


def test_attempts_of_a_change_that_was_taken_over(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """An edit of a rejected change has another number; what was tried before it is told with it."""
    made = account(synced)
    sandbox.faults.fail_next(400, body=REFUSED)
    synced.push("plexus", wait_s=0)
    synced.plexus.update("Account", made, {"name": "Better"})
    found = synced.explain("plexus", "Account", made)
    assert [(one["seq"], one["outcome"]) for one in found["pending"][0]["attempts_made"]] == [(1, "refused")]
    assert found["pending"][0]["seq"] == 2


def test_what_nobody_knows(synced: Workspace) -> None:
    """Near names for remote, model, id and number."""
    synced.plexus.create("Account", {"id": "laboratory", "name": "Lab", "key": "lab"})
    with pytest.raises(UsageError, match="no remote"):
        synced.explain("plex", "Account", "x")
    with pytest.raises(UsageError, match="no model"):
        synced.explain("plexus", "Acount", "x")
    with pytest.raises(RecordNotFound) as near:
        synced.explain("plexus", "Account", "labor")
    assert near.value.hint == "did you mean laboratory?"
    with pytest.raises(RecordNotFound, match="never was a change 99"):
        synced.explain(99)


def test_keys_of_several_fields(synced: Workspace) -> None:
    """A composite key is found by its text; one that is none of that kind is not found, and no error of ours."""
    made = scoring(synced)
    fields = {"itemId": made["itemId"], "accountId": made["accountId"], "name": "id", "value": "1", "position": 1}
    record = synced.plexus.create("Identifier", fields)
    key = synced.plexus.models["Identifier"].key_text(record)
    assert synced.explain("plexus", "Identifier", key)["exists"]
    with pytest.raises(RecordNotFound):
        synced.explain("plexus", "Identifier", "nothing")


def test_a_token_is_never_told(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A remote that repeats what it was sent does not make explain repeat it."""
    made = account(synced)
    token = sandbox.settings["PLEXUS_API_KEY"]
    sandbox.faults.fail_next(400, {**JSON, "x-request-id": "r-1"}, REFUSED)
    synced.push("plexus", wait_s=0)
    write(path, "UPDATE _attempt SET reason = ?", f"bad key {token}")
    write(path, "UPDATE outbox SET reason = ?", f"bad key {token}")
    assert token not in json.dumps(synced.explain("plexus", "Account", made))
    assert token not in json.dumps(synced.history("plexus", "Account", made))


def test_a_record_edited_forty_thousand_times_is_explained_at_once(path: Path) -> None:
    """One look through the ledger finds all that a change took over, however long the chain is [I25]."""
    chain = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)"
        " INSERT INTO ledger (seq, remote, model, key, op, outcome, by_seq, attempts, created_at, left_at)"
        " SELECT 10 + i, 'plexus', 'Account', 'a', 'update', 'superseded', 11 + i, 0, '2026', '2026' FROM n"
    )
    with Workspace.open(path) as ws:
        key = account(ws)
        write(path, chain)
        write(path, "UPDATE outbox SET seq = 40011")
        write(path, "INSERT INTO _attempt (seq, number, at, outcome) VALUES (11, 1, '2026', 'refused')")
        began = time.process_time()
        (waiting,) = ws.explain("plexus", "Account", key)["pending"]
    assert [attempt["seq"] for attempt in waiting["attempts_made"]] == [11]
    assert time.process_time() - began < 5
