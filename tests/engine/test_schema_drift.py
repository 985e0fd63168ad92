"""Models a deployment lacks: their changes stay in the file, cost nothing, bother nobody, and leave when they can."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.adapters.plexus.spec import MODELS
from syncer.engine import manage
from syncer.engine.push.send import Delivery
from syncer.remote import NOT_DEPLOYED, Change, Op, Receipt, ReceiptKind, State
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.factory import account
from tests.files import rows

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DAY_S = 86_400


def batches(ws: Workspace, account_id: str, count: int = 1) -> list[str]:
    """Ids of new batch jobs, each linked to a scoring job."""
    fields = {
        "accountId": account_id, "status": "OPEN", "type": "t", "batchId": "b", "modelProvider": "p", "modelName": "m",
    }  # fmt: skip
    made = [str(record["id"]) for record in ws.plexus.create_many("BatchJob", [fields] * count)]
    ws.plexus.create_many("BatchJobScoringJob", [{"batchJobId": id, "scoringJobId": "job"} for id in made])
    return made


def outbox(path: Path) -> list[Any]:
    """State, attempts and code of what waits, with how often."""
    return rows(path, "SELECT model, state, attempts, code, count(*) FROM outbox GROUP BY 1, 2, 3, 4 ORDER BY 1, 4")


def at(monkeypatch: pytest.MonkeyPatch, server: Sandbox) -> None:
    """Let the next workspace talk to ``server``."""
    for name, value in server.settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PLEXUS_ACCOUNT_KEY", "lab")


def test_found_out_once_and_then_left_alone(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """One push finds out; those after it, of other processes too, ask nothing, list nothing, and say one thing: exit 0."""
    batches(synced, account(synced), 3)
    report = synced.push("plexus").remotes["plexus"]
    assert (report.exit_code, report.acked, report.rejected, report.will_retry, report.unsupported) == (0, 1, 0, 0, 6)
    note = "this deployment of plexus lacks models whose changes stay here: BatchJob (3), BatchJobScoringJob (3)"
    assert report.notes == [note]
    assert outbox(path) == [
        ("BatchJob", "pending", 0, "not-deployed", 3),
        ("BatchJobScoringJob", "pending", 0, None, 3),
    ]
    account(synced, key="after")
    before = sandbox.requests
    with Workspace.open(path) as other:
        report = other.push("plexus").remotes["plexus"]
        assert (report.exit_code, report.acked, report.requests, report.blocked) == (0, 1, 1, 0)
        assert sandbox.requests == before + 1
        report = other.sync("plexus").remotes["plexus"]
        assert (report.exit_code, report.requests, report.notes) == (0, 0, [note])
        assert report.next_attempt_at is None
        assert other.status().consistent


def test_many_of_them_hold_nobody_up(synced: Workspace, sandbox: Sandbox) -> None:
    """Hundreds of such changes in front do not count as failures of the remote: what comes behind goes out at once."""
    made = account(synced)
    synced.push("plexus")
    batches(synced, made, 400)
    last = account(synced, key="last")
    before = sandbox.requests
    report = synced.push("plexus", wait_s=0).remotes["plexus"]
    assert (report.exit_code, report.stopped, report.unsupported) == (0, None, 800)
    assert sandbox.get("Account", last) is not None
    assert synced.status().remotes["plexus"].held_until is None
    assert sandbox.requests - before <= 4


@pytest.mark.parametrize(
    ("outcomes", "failed"),
    [
        ([(ReceiptKind.LATER, NOT_DEPLOYED)], False),
        ([(ReceiptKind.LATER, NOT_DEPLOYED), (ReceiptKind.ACKED, "")], False),
        ([(ReceiptKind.LATER, NOT_DEPLOYED), (ReceiptKind.AMBIGUOUS, "reply-lost")], True),
        ([(ReceiptKind.LATER, "throttled")], True),
    ],
)
def test_only_the_rest_of_a_batch_tells_whether_it_failed(outcomes: list[tuple[ReceiptKind, str]], failed: bool) -> None:
    """That a model is lacking says nothing about how well the remote is."""
    change = Change(1, MODELS["BatchJob"], "b", Op.CREATE, (), "k", State.PENDING, 0)
    delivery = Delivery([(change, Receipt(1, kind, code=code)) for kind, code in outcomes])
    assert delivery.failed is failed


def test_asked_again_the_next_day_and_sent_when_there_is_a_place(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a day one request asks anew; once the deployment has the models everything leaves, links after batches."""
    upstream = tmp_path / "upstream.db"
    with clock.using(clock.Virtual(START)) as now:
        with Sandbox(Options(db=upstream)) as today:
            at(monkeypatch, today)
            with Workspace.open(path) as ws:
                made = batches(ws, account(ws), 40)
                ws.push("plexus")
                now.sleep(DAY_S + 1)
                before = today.requests
                assert ws.push("plexus").exit_code == 0
                assert today.requests - before <= 2
                assert ws.push("plexus").requests == 0
        with Sandbox(Options(db=upstream, legacy=True)) as later:
            at(monkeypatch, later)
            with Workspace.open(path) as ws:
                assert ws.push("plexus").requests == 0
                now.sleep(DAY_S + 1)
                assert ws.push("plexus").exit_code == 0
                assert outbox(path) == []
                assert sorted(e.key for e in later.effects("BatchJob")) == sorted(made)
                assert later.count("BatchJobScoringJob") == 40
                assert ws.status().consistent


def test_a_person_may_ask_at_once(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A change retried by hand, or a model asked for by name, is tried without waiting for the day to pass."""
    made = account(synced)
    batches(synced, made, 2)
    synced.push("plexus")
    (first, *_) = [seq for (seq,) in rows(path, "SELECT seq FROM outbox WHERE model = 'BatchJob' ORDER BY seq")]
    manage.retry(synced.database, {"plexus": synced.plexus.models}, [first])
    before = sandbox.requests
    assert synced.push("plexus").exit_code == 0
    assert sandbox.requests == before + 1
    assert synced.push("plexus").requests == 0
    batches(synced, made)
    assert synced.push("plexus").requests == 0
    before = sandbox.requests
    assert synced.push("plexus", models=["BatchJob"]).remotes["plexus"].unsupported == 6
    assert sandbox.requests == before + 1


def test_edits_and_deletes_while_it_waits(synced: Workspace, path: Path) -> None:
    """Such a change counts as never sent: edits fold into it, a delete makes both vanish."""
    kept, gone = batches(synced, account(synced), 2)
    synced.push("plexus")
    synced.plexus.update("BatchJob", kept, {"status": "CLOSED"})
    synced.plexus.delete("BatchJob", gone)
    assert rows(path, "SELECT key, op, body FROM outbox WHERE model = 'BatchJob'") == [(kept, "create", None)]
    assert synced.push("plexus").exit_code == 0
    assert synced.status().consistent


def test_what_may_have_been_applied_stays_so(
    path: Path, monkeypatch: pytest.MonkeyPatch, online: Callable[[], None]
) -> None:
    """A create whose answer was lost, on a deployment that then lost the model, is kept as ambiguous: never a guess."""
    with clock.using(clock.Virtual(START)) as now, Workspace.open(path) as ws:
        made = account(ws)
        with Sandbox(Options(legacy=True)) as older:
            at(monkeypatch, older)
            with Workspace.open(path) as before:
                before.push("plexus")
                batches(before, made)
                older.faults.lose_next_reply()
                before.push("plexus", wait_s=0)
        frozen = rows(path, "SELECT state, body, idem_key FROM outbox WHERE model = 'BatchJob'")
        assert frozen[0][0] == "ambiguous"
        now.sleep(DAY_S)
        online()
        with Workspace.open(path) as after:
            assert after.push("plexus", wait_s=0).exit_code == 0
            assert after.push("plexus", wait_s=0).requests == 0
        assert rows(path, "SELECT state, body, idem_key FROM outbox WHERE model = 'BatchJob'") == frozen
        assert ("BatchJob", "ambiguous", 1, "not-deployed", 1) in outbox(path)
