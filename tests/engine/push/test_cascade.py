"""Deletes take along what is under them, known here or not, and children's deletes go before their parents'."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.adapters import registry
from syncer.adapters.plexus.adapter import Plexus, PlexusConnection
from syncer.errors import RemoteRefused, Unreachable
from syncer.outbox.delete_order import pointing_at
from syncer.sandbox.server import Sandbox
from syncer.schema.pull import PerParent
from syncer.store.reader import Reader
from syncer.views import outbox as views_outbox
from tests.factory import account, result, scoring
from tests.files import rows, write


def report_of(ws: Workspace, name: str = "Weekly") -> str:
    """The id of a report that is on the remote."""
    known = ws.plexus.find("Account")
    owner = known[0]["id"] if known else account(ws)
    made = ws.plexus.create("Report", {"accountId": owner, "name": name, "taskId": "task"})["id"]
    assert ws.push().exit_code == 0
    return str(made)


def known_blocks(ws: Workspace, report: str, count: int) -> list[str]:
    """Ids of new blocks of a report, here and on the remote."""
    fields = [{"reportId": report, "position": n, "type": "Text"} for n in range(count)]
    made = [block["id"] for block in ws.plexus.create_many("ReportBlock", fields)]
    assert ws.push().exit_code == 0
    return made


def unknown_blocks(sandbox: Sandbox, report: str, count: int) -> list[str]:
    """Ids of new blocks of a report, on the remote only."""
    ids = [f"theirs-{n:03}" for n in range(count)]
    sandbox.put_all("ReportBlock", [{"id": i, "reportId": report, "position": n, "type": "x"} for n, i in enumerate(ids)])
    return ids


def deleted(sandbox: Sandbox) -> list[tuple[str, str]]:
    """Model and key of every delete the remote has seen, in order."""
    return [(effect.model, effect.key) for effect in sandbox.effects() if effect.op == "delete"]


def gone_in_order(sandbox: Sandbox, report: str, blocks: list[str]) -> bool:
    """True when each block, and after all of them their report, was deleted exactly once."""
    seen = deleted(sandbox)
    wanted = [*(("ReportBlock", block) for block in blocks), ("Report", report)]
    return sorted(seen) == sorted(wanted) and seen[-1] == ("Report", report)


def drained(ws: Workspace) -> bool:
    """True when nothing waits and the ledger closes."""
    return rows(ws.path, "SELECT seq FROM outbox UNION ALL SELECT key FROM _base") == [] and ws.status().consistent


def waiting(ws: Workspace) -> list[tuple[str, str, str | None]]:
    """Model, state and code of what waits."""
    return rows(ws.path, "SELECT model, state, code FROM outbox ORDER BY seq")


def blocked(ws: Workspace) -> dict[str, int | None]:
    """By key, the number of the change that each waiting one is blocked by."""
    with Reader(ws.path) as reader:
        return {c["key"]: c["blocked_by"] for c in views_outbox.changes(reader, {"plexus": ws.plexus.models})}


def number(ws: Workspace, key: str) -> int:
    """The number of the change that waits for this record."""
    return int(rows(ws.path, "SELECT seq FROM outbox WHERE key = ?", key)[0][0])


def before_a_send(monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> None:
    """Do this once, between the question and the first batch that is sent."""
    push, done = PlexusConnection.push, []

    def late(connection: PlexusConnection, changes: Any) -> Any:
        if not done:
            done.append(1)
            work()
        return push(connection, changes)

    monkeypatch.setattr(PlexusConnection, "push", late)


def test_what_is_declared_can_be_asked_for() -> None:
    """Every model that goes with another is pulled by exactly the field that points there, and can be deleted."""
    declared = 0
    for remote in registry.names():
        models = registry.models(remote)
        for model in models.values():
            for name, field in model.cascades:
                plan = models[name].pull
                assert isinstance(plan, PerParent)
                assert (plan.parent, plan.index[0], plan.changed, plan.cursor) == (model.name, field, False, None)
                assert (name, field) in [(child.name, pointer.name) for child, pointer in pointing_at(models, model.name)]
                declared += 1
    assert declared == 1


def test_blocks_nobody_here_knew_go_with_their_report(synced: Workspace, sandbox: Sandbox) -> None:
    """They are found before the report's delete goes out, go before it, and are told in notes, ledger and events."""
    report, other = report_of(synced), report_of(synced, "Other")
    blocks = unknown_blocks(sandbox, report, 3)
    sandbox.put("ReportBlock", id="kept", reportId=other, position=0, type="x")
    synced.plexus.delete("Report", report)
    done = synced.push()
    assert (done.exit_code, done.acked) == (0, 4)
    assert gone_in_order(sandbox, report, blocks)
    assert [r["id"] for r in sandbox.rows("ReportBlock")] == ["kept"]
    assert done.remotes["plexus"].notes == [
        f"3 ReportBlock records that were not known here are deleted with plexus Report {report}"
    ]
    why = f"it is part of plexus Report {report}, which is deleted here"
    assert rows(synced.path, "SELECT key, note FROM _event WHERE kind = 'cascaded'") == [(block, why) for block in blocks]
    assert rows(synced.path, "SELECT key, op, outcome FROM ledger WHERE model = 'ReportBlock'") == [
        (block, "delete", "acked") for block in blocks
    ]
    assert drained(synced)
    assert synced.push().requests == 0


def test_a_plain_delete_takes_the_known_blocks_too(synced: Workspace, sandbox: Sandbox) -> None:
    """Known blocks are queued with the report in one transaction; what was never sent vanishes."""
    report = report_of(synced)
    sent = known_blocks(synced, report, 2)
    synced.plexus.create("ReportBlock", {"reportId": report, "position": 9, "type": "Text"})
    synced.plexus.delete("Report", report)
    assert synced.plexus.find("ReportBlock") == []
    assert [model for model, _, _ in waiting(synced)] == ["ReportBlock", "ReportBlock", "Report"]
    assert synced.push().exit_code == 0
    assert gone_in_order(sandbox, report, sent)
    assert drained(synced)


def test_a_report_that_was_never_sent_costs_no_request(synced: Workspace, sandbox: Sandbox) -> None:
    """It vanishes with its blocks; nobody is asked about it."""
    owner = account(synced)
    synced.push()
    report = synced.plexus.create("Report", {"accountId": owner, "name": "Weekly", "taskId": "task"})["id"]
    synced.plexus.create("ReportBlock", {"reportId": report, "position": 0, "type": "Text"})
    synced.plexus.delete("Report", report)
    before = sandbox.requests
    assert (synced.push().exit_code, sandbox.requests) == (0, before)
    assert drained(synced)


def test_a_report_that_the_remote_refused_is_not_asked_about(synced: Workspace, sandbox: Sandbox) -> None:
    """Its create was sent and refused for good: it is not there, so nothing is under it, and only the delete goes out."""
    owner = account(synced)
    synced.push()
    report = synced.plexus.create("Report", {"accountId": owner, "name": "Weekly", "taskId": "task"})["id"]
    sandbox.faults.fail_next(503)
    synced.push(wait_s=0)
    write(synced.path, "UPDATE outbox SET state = 'rejected', next_attempt_at = NULL")
    synced.plexus.delete("Report", report)
    before = sandbox.requests
    assert synced.push().exit_code == 0
    assert sandbox.requests - before == 1
    assert drained(synced)


def test_the_report_goes_last_of_many(synced: Workspace, sandbox: Sandbox) -> None:
    """60 blocks, half of them unknown, in several batches over several connections to a remote that is far away."""
    report = report_of(synced)
    blocks = known_blocks(synced, report, 30) + unknown_blocks(sandbox, report, 30)
    sandbox.faults.latency_ms = 25
    synced.plexus.delete("Report", report)
    assert synced.push().exit_code == 0
    assert gone_in_order(sandbox, report, blocks)
    assert len({effect.request for effect in sandbox.effects("ReportBlock", "delete")}) > 1
    assert drained(synced)


@pytest.mark.parametrize("fault", ["lose_next_reply", "truncate_next", "refuse_parts_next"])
@pytest.mark.parametrize("after", range(4))
def test_lost_answers_change_nothing(synced: Workspace, sandbox: Sandbox, fault: str, after: int) -> None:
    """Whichever answer is lost, of question, blocks or report: everything is deleted once, and in order."""
    report = report_of(synced)
    blocks = known_blocks(synced, report, 20) + unknown_blocks(sandbox, report, 20)
    synced.plexus.delete("Report", report)
    if after:
        sandbox.faults.serve_next(after)
    getattr(sandbox.faults, fault)()
    with clock.using(clock.Virtual(clock.now())):
        assert synced.push().exit_code == 0
    assert [sandbox.faults.dealt[name] for name in ("lost", "truncated", "partial")].count(1) == 1
    assert gone_in_order(sandbox, report, blocks)
    assert drained(synced)


def test_a_crash_between_pages_asks_again(synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found before the crash waits; the report's delete stays until the next push has asked for all."""
    monkeypatch.setattr(Plexus, "limits", replace(Plexus.limits, page=5))
    report = report_of(synced)
    blocks = unknown_blocks(sandbox, report, 12)
    synced.plexus.delete("Report", report)
    note, calls = "syncer.records.events.note", []

    def crash(*_: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError("power")

    with monkeypatch.context() as patched:
        patched.setattr(note, crash)
        with pytest.raises(OSError, match="power"):
            synced.push()
    assert waiting(synced) == [("Report", "pending", None)] + [("ReportBlock", "pending", "cascaded")] * 5
    assert deleted(sandbox) == []
    assert synced.push().exit_code == 0
    assert gone_in_order(sandbox, report, blocks)
    assert drained(synced)


def test_a_crash_before_the_report_goes_out_loses_nothing(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks are gone, their answers were never stored: the next push learns so, asks again and deletes the report."""
    report = report_of(synced)
    blocks = unknown_blocks(sandbox, report, 3)
    synced.plexus.delete("Report", report)

    def crash(*_: Any) -> None:
        raise OSError("power")

    with monkeypatch.context() as patched:
        patched.setattr("syncer.engine.push.settle.Settler.settle", crash)
        with pytest.raises(OSError, match="power"):
            synced.push()
    assert sorted(waiting(synced))[1:] == [("ReportBlock", "sending", "cascaded")] * 3
    late = sandbox.put("ReportBlock", id="late", reportId=report, position=9, type="x")["id"]
    assert synced.push().exit_code == 0
    assert gone_in_order(sandbox, report, [*blocks, late])
    assert drained(synced)


@pytest.mark.parametrize("take", ["theirs", "ours"])
def test_a_block_edited_meanwhile_is_asked_about_and_holds_its_report(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, take: str
) -> None:
    """An edit between question and delete is a conflict; the report waits for it, then goes with the block or without it."""
    report = report_of(synced)
    one, two = unknown_blocks(sandbox, report, 2)
    synced.plexus.delete("Report", report)
    with monkeypatch.context() as patched:
        before_a_send(patched, lambda: sandbox.edit("ReportBlock", two, name="precious"))
        done = synced.push(wait_s=0)
    assert (done.exit_code, done.acked, done.remotes["plexus"].conflicts, done.remotes["plexus"].blocked) == (3, 1, 1, 1)
    assert [(model, state) for model, state, _ in waiting(synced)] == [("Report", "pending"), ("ReportBlock", "conflict")]
    assert blocked(synced)[report] == number(synced, two)
    assert synced.push(wait_s=0).acked == 0
    assert sandbox.count("Report") == 1
    synced.resolve(two, take=take)
    assert synced.push().exit_code == 0
    assert sandbox.count("Report") == 0
    left = [two] if take == "theirs" else []
    assert [r["id"] for r in sandbox.rows("ReportBlock")] == left
    assert [r["id"] for r in synced.plexus.find("ReportBlock")] == left
    assert ("ReportBlock", one) in deleted(sandbox)
    assert drained(synced)


def test_a_block_whose_delete_was_dropped_stays(synced: Workspace, sandbox: Sandbox) -> None:
    """What a person gave up by hand is not found again by the next question."""
    report = report_of(synced)
    one, two = known_blocks(synced, report, 2)
    synced.plexus.delete("Report", report)
    synced.drop(number(synced, two))
    assert blocked(synced) == {one: None, report: number(synced, one)}
    assert synced.push().exit_code == 0
    assert deleted(sandbox) == [("ReportBlock", one), ("Report", report)]
    assert [r["id"] for r in synced.plexus.find("ReportBlock")] == [two]
    assert drained(synced)


def test_a_block_that_a_pull_brought_too_late_goes_as_well(synced: Workspace, sandbox: Sandbox) -> None:
    """Asked for before the report was deleted here, stored after: a row without a report, nothing waiting for it."""
    report = report_of(synced)
    (block,) = known_blocks(synced, report, 1)
    write(synced.path, "CREATE TABLE held AS SELECT * FROM plexus_report_block")
    write(synced.path, "DELETE FROM plexus_report_block")
    synced.plexus.delete("Report", report)
    write(synced.path, "INSERT INTO plexus_report_block SELECT * FROM held")
    write(synced.path, "DROP TABLE held")
    assert synced.push().exit_code == 0
    assert gone_in_order(sandbox, report, [block])
    assert synced.plexus.find("ReportBlock") == []
    assert drained(synced)


def test_a_block_that_is_elsewhere_here_stays(synced: Workspace, sandbox: Sandbox) -> None:
    """Somebody moved it under the deleted report; here it is under another one, and people see it there."""
    report, other = report_of(synced), report_of(synced, "Other")
    (block,) = known_blocks(synced, other, 1)
    sandbox.edit("ReportBlock", block, reportId=report)
    synced.plexus.delete("Report", report)
    assert synced.push().exit_code == 0
    assert deleted(sandbox) == [("Report", report)]
    assert [r["id"] for r in synced.plexus.find("ReportBlock")] == [block]


def test_an_index_that_lags_deletes_nothing_of_others(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listed record that says it is under another report is left alone."""
    report, other = report_of(synced), report_of(synced, "Other")
    sandbox.put("ReportBlock", id="moved", reportId=other, position=0, type="x")
    synced.plexus.delete("Report", report)
    page = PlexusConnection.page
    monkeypatch.setattr(PlexusConnection, "page", lambda line, ask: page(line, replace(ask, partition=other)))
    assert synced.push().exit_code == 0
    assert deleted(sandbox) == [("Report", report)]


def test_a_delete_dropped_during_the_question_takes_nothing(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is back by the time the answer comes: its blocks stay, and nothing waits."""
    report = report_of(synced)
    unknown_blocks(sandbox, report, 3)
    synced.plexus.delete("Report", report)
    page = PlexusConnection.page

    def dropping(connection: PlexusConnection, ask: Any) -> Any:
        found = page(connection, ask)
        synced.drop(number(synced, report))
        return found

    monkeypatch.setattr(PlexusConnection, "page", dropping)
    assert synced.push().exit_code == 0
    assert deleted(sandbox) == []
    assert [r["id"] for r in synced.plexus.find("Report")] == [report]
    assert drained(synced)


def test_a_report_deleted_during_the_push_is_asked_about_too(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deleted after the questions and before the batches of the same look: it stays behind until it was asked about."""
    first, second = report_of(synced), report_of(synced, "Second")
    blocks = unknown_blocks(sandbox, second, 3)
    synced.plexus.delete("Report", first)
    page = PlexusConnection.page

    def deleting(connection: PlexusConnection, ask: Any) -> Any:
        if synced.plexus.get("Report", second) is not None:
            synced.plexus.delete("Report", second)
        return page(connection, ask)

    monkeypatch.setattr(PlexusConnection, "page", deleting)
    assert synced.push().exit_code == 0
    assert deleted(sandbox)[0] == ("Report", first)
    assert sorted(deleted(sandbox)[1:-1]) == [("ReportBlock", block) for block in blocks]
    assert deleted(sandbox)[-1] == ("Report", second)
    assert drained(synced)


def test_an_unreachable_remote_keeps_everything(synced: Workspace, sandbox: Sandbox) -> None:
    """Nobody there: the push stops and says so."""
    report = report_of(synced)
    synced.plexus.delete("Report", report)
    sandbox.stop()
    done = synced.push(wait_s=0)
    assert (done.exit_code, done.remotes["plexus"].stopped) == (4, "unreachable")
    assert waiting(synced) == [("Report", "pending", None)]


@pytest.mark.parametrize(("status", "stopped"), [(401, "access-refused"), (429, "throttled")])
def test_a_refusal_of_all_stops_the_push(synced: Workspace, sandbox: Sandbox, status: int, stopped: str) -> None:
    """Credentials refused, or told to wait: nothing is sent, nothing is lost, and it works afterwards."""
    report = report_of(synced)
    unknown_blocks(sandbox, report, 2)
    synced.plexus.delete("Report", report)
    sandbox.faults.fail_next(status, {"Retry-After": "600"})
    assert synced.push(wait_s=0).remotes["plexus"].stopped == stopped
    assert waiting(synced) == [("Report", "pending", None)]
    with clock.using(clock.Virtual(clock.now() + timedelta(seconds=601))):
        assert synced.push().exit_code == 0
    assert (sandbox.count("Report"), sandbox.count("ReportBlock")) == (0, 0)


def _poisoned(monkeypatch: pytest.MonkeyPatch, key: str, error: Callable[[], Exception]) -> None:
    page = PlexusConnection.page

    def poisoned(connection: PlexusConnection, ask: Any) -> Any:
        if ask.partition == key:
            raise error()
        return page(connection, ask)

    monkeypatch.setattr(PlexusConnection, "page", poisoned)


def test_a_refused_question_parks_only_its_own_delete(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go out; a retry asks again."""
    bad, good = report_of(synced), report_of(synced, "Good")
    blocks = unknown_blocks(sandbox, bad, 2)
    for report in (bad, good):
        synced.plexus.delete("Report", report)
    with monkeypatch.context() as patched:
        _poisoned(patched, bad, lambda: RemoteRefused("no", why="poison"))
        done = synced.push()
    assert (done.exit_code, done.acked, done.remotes["plexus"].rejected) == (3, 1, 1)
    assert waiting(synced) == [("Report", "rejected", "unresolved")]
    synced.retry(number(synced, bad))
    assert synced.push().exit_code == 0
    assert deleted(sandbox)[0] == ("Report", good)
    assert sorted(deleted(sandbox)[1:]) == sorted([*(("ReportBlock", b) for b in blocks), ("Report", bad)])
    assert drained(synced)


def test_an_unanswered_question_delays_only_its_own_delete(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for its time; the others go out."""
    bad, good = report_of(synced), report_of(synced, "Good")
    for report in (bad, good):
        synced.plexus.delete("Report", report)
    with monkeypatch.context() as patched:
        _poisoned(patched, bad, lambda: Unreachable("no").having(connected=True))
        synced.push(wait_s=0)
    assert deleted(sandbox) == [("Report", good)]
    assert waiting(synced) == [("Report", "pending", "unresolved")]
    with clock.using(clock.Virtual(clock.now() + timedelta(seconds=3600))):
        assert synced.push().exit_code == 0
    assert drained(synced)


def test_a_stuck_block_holds_its_own_report_only(synced: Workspace, sandbox: Sandbox) -> None:
    """The delete of one block is rejected: another report and its blocks go."""
    held, free = report_of(synced), report_of(synced, "Free")
    (stuck,) = known_blocks(synced, held, 1)
    (block,) = known_blocks(synced, free, 1)
    for report in (held, free):
        synced.plexus.delete("Report", report)
    write(synced.path, "UPDATE outbox SET state = 'rejected' WHERE key = ?", stuck)
    assert synced.push().exit_code == 3
    assert deleted(sandbox) == [("ReportBlock", block), ("Report", free)]
    assert blocked(synced) == {stuck: None, held: number(synced, stuck)}
    synced.retry(number(synced, stuck))
    assert synced.push().exit_code == 0
    assert deleted(sandbox)[2:] == [("ReportBlock", stuck), ("Report", held)]
    assert drained(synced)


def test_a_limited_push_comes_to_the_end_too(synced: Workspace, sandbox: Sandbox) -> None:
    """Two changes at a time: nothing overtakes, and some push is the last."""
    report = report_of(synced)
    blocks = known_blocks(synced, report, 2) + unknown_blocks(sandbox, report, 3)
    synced.plexus.delete("Report", report)
    for _ in range(4):
        synced.push(limit=2)
    assert gone_in_order(sandbox, report, blocks)
    assert drained(synced)


def test_a_push_of_reports_only_waits_for_the_blocks(synced: Workspace, sandbox: Sandbox) -> None:
    """Blocks that may not be sent hold their report back, and are found all the same."""
    report = report_of(synced)
    blocks = unknown_blocks(sandbox, report, 2)
    synced.plexus.delete("Report", report)
    synced.push(models=["Report"])
    assert deleted(sandbox) == []
    assert synced.push().exit_code == 0
    assert gone_in_order(sandbox, report, blocks)


def test_children_go_before_their_parents_whatever_was_deleted_first(synced: Workspace, sandbox: Sandbox) -> None:
    """An item deleted before its results waits for theirs, and says so."""
    ids = scoring(synced)
    made = [r["id"] for r in synced.plexus.create_many("ScoreResult", [result(ids) for _ in range(40)])]
    synced.push()
    synced.plexus.delete("Item", ids["itemId"])
    for key in made:
        synced.plexus.delete("ScoreResult", key)
    assert blocked(synced)[ids["itemId"]] == number(synced, made[0])
    assert synced.push().exit_code == 0
    assert deleted(sandbox)[-1] == ("Item", ids["itemId"])
    assert len(deleted(sandbox)) == 41
    assert drained(synced)


def test_a_delete_that_came_back_waits_for_children_deleted_since(synced: Workspace, sandbox: Sandbox) -> None:
    """It was sent and surely not applied; by the time it is due again, a record under it is to be deleted too."""
    ids = scoring(synced)
    made = synced.plexus.create("ScoreResult", result(ids))["id"]
    synced.push()
    synced.plexus.delete("Item", ids["itemId"])
    sandbox.faults.fail_next(429, {"Retry-After": "600"})
    synced.push(wait_s=0)
    assert rows(synced.path, "SELECT body IS NULL, state FROM outbox") == [(0, "pending")]
    synced.plexus.delete("ScoreResult", made)
    with clock.using(clock.Virtual(clock.now() + timedelta(seconds=700))):
        assert synced.push().exit_code == 0
    assert deleted(sandbox) == [("ScoreResult", made), ("Item", ids["itemId"])]
    assert drained(synced)


def test_rings_of_pointers_do_not_wait_for_themselves(synced: Workspace, sandbox: Sandbox) -> None:
    """A score and its champion version, and versions that are each other's parent, can be deleted together."""
    ids = scoring(synced)
    one, two = (
        synced.plexus.create("ScoreVersion", {"scoreId": ids["scoreId"], "configuration": "x"})["id"] for _ in range(2)
    )
    synced.push()
    synced.plexus.update("ScoreVersion", one, {"parentVersionId": two})
    synced.plexus.update("ScoreVersion", two, {"parentVersionId": one})
    synced.plexus.update("Score", ids["scoreId"], {"championVersionId": one})
    assert synced.push().exit_code == 0
    synced.plexus.delete("Score", ids["scoreId"])
    for key in (one, two):
        synced.plexus.delete("ScoreVersion", key)
    assert synced.push().exit_code == 0
    assert [model for model, _ in deleted(sandbox)] == ["ScoreVersion", "ScoreVersion", "Score"]
    assert drained(synced)


def test_deletes_of_many_records_cost_no_question(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A model that takes nothing along is deleted as before, a batch a request."""
    ids = scoring(synced)
    made = [r["id"] for r in synced.plexus.create_many("ScoreResult", [result(ids) for _ in range(20)])]
    synced.push()
    for key in made:
        synced.plexus.delete("ScoreResult", key)
    assert synced.push().requests == 1
    assert rows(path, "SELECT count(*) FROM _event WHERE kind = 'cascaded'") == [(0,)]
