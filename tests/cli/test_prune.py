"""``syncer db prune``: what is long done goes, what waits stays, and the books close all the same."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncer import Workspace, clock
from syncer.outbox import ledger as outbox_ledger
from syncer.outbox import stats
from syncer.sandbox.server import Sandbox
from syncer.store import maintenance
from syncer.store.reader import Reader
from tests.cli.conftest import Syncer
from tests.factory import result, scoring
from tests.files import rows, write

LONG_AGO = datetime(2026, 1, 5, 9, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
CUT = clock.stored(NOW - timedelta(days=90))


@pytest.fixture
def old(synced: Workspace, sandbox: Sandbox) -> dict[str, str]:
    """A year in the file: much was sent long ago, one change is rejected since, and one edit was taken over by it."""
    with clock.using(clock.Virtual(LONG_AGO)):
        ids = scoring(synced)
        made = synced.plexus.create_many("ScoreResult", [result(ids, value=str(n)) for n in range(30)])
        synced.plexus.update("ScoreResult", made[0]["id"], {"explanation": "folded into its create"})
        gone = synced.plexus.create("ScoreResult", result(ids))
        synced.plexus.delete("ScoreResult", gone["id"])
        synced.sync(wait_s=0)
        sandbox.edit("ScoreResult", made[2]["id"], explanation="theirs")
        synced.pull("plexus")
        synced.plexus.update("ScoreResult", made[1]["id"], {"explanation": "x" * 410_000})  # too large to be sent
        assert synced.push("plexus", wait_s=0).exit_code == 3
        synced.plexus.update("ScoreResult", made[1]["id"], {"explanation": "y" * 410_000})
        assert synced.push("plexus", wait_s=0).exit_code == 3
    with clock.using(clock.Virtual(NOW)):
        synced.plexus.create("ScoreResult", result(ids, value="new"))
        synced.sync(wait_s=0)
    return {"waits": made[1]["id"], **ids}


TABLES = ("ledger", "_attempt", "_event", "conflict", "sync_run", "_pruned", "outbox", "_base", "plexus_score_result")


def lines(path: Path) -> dict[str, list[object]]:
    """Every row of the tables that matter here."""
    return {table: rows(path, f"SELECT * FROM {table}") for table in TABLES}


def test_what_is_old_goes_and_the_books_close(synced: Workspace, old: dict[str, str], path: Path) -> None:
    """Left changes, events and runs beyond the age are gone but for their number; all that waits is as it was [I2 I25]."""
    before = lines(path)
    was = synced.status()
    with clock.using(clock.Virtual(NOW)):
        gone = outbox_ledger.prune(synced.database, CUT)
        assert outbox_ledger.prune(synced.database, CUT).total == 0
        after, now = lines(path), synced.status()
    assert gone.changes > 30
    assert min(gone.events, gone.runs) > 0
    assert (now.consistent, now.ledger, now.enqueued) == (True, was.ledger, was.enqueued)
    assert [after[name] for name in TABLES[6:]] == [before[name] for name in TABLES[6:]]
    assert len(after["ledger"]) == len(before["ledger"]) - gone.changes
    assert rows(path, "SELECT count(*) FROM ledger WHERE left_at < ?", CUT) == [(1,)]
    waiting = "SELECT seq FROM outbox WHERE key = ?"
    assert rows(path, f"SELECT count(*) FROM ledger WHERE by_seq = ({waiting})", old["waits"]) == [(1,)]
    assert rows(path, f"SELECT count(*) FROM _attempt WHERE seq = ({waiting})", old["waits"])[0][0] > 0
    assert {remote.last_push for remote in now.remotes.values()} == {remote.last_push for remote in was.remotes.values()}


def test_what_waited_still_leaves(synced: Workspace, old: dict[str, str], sandbox: Sandbox, path: Path) -> None:
    """After a prune a repaired change is sent once, and nothing of what went out before goes out again [I2 I3]."""
    made = len(sandbox.effects("ScoreResult", "create"))
    with clock.using(clock.Virtual(NOW)):
        outbox_ledger.prune(synced.database, CUT)
        synced.plexus.update("ScoreResult", old["waits"], {"explanation": "short"})
        assert synced.sync(wait_s=0).exit_code == 0
        assert (synced.push().requests, synced.status().consistent) == (0, True)
    assert (sandbox.get("ScoreResult", old["waits"]) or {})["explanation"] == "short"
    assert len(sandbox.effects("ScoreResult", "create")) == made
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]


@pytest.mark.parametrize("last", [None, 1, 3, 10_000])
def test_a_missing_line_is_still_found(synced: Workspace, old: dict[str, str], path: Path, last: int | None) -> None:
    """What was pruned is accounted for, what somebody removed is not, however far back one looks [I2]."""
    with clock.using(clock.Virtual(NOW)):
        outbox_ledger.prune(synced.database, CUT)
        assert synced.database.read(lambda tx: stats.is_consistent(tx, last))
        write(path, "DELETE FROM ledger WHERE seq = (SELECT max(seq) FROM ledger)")
        assert not synced.database.read(lambda tx: stats.is_consistent(tx, last))
        assert not synced.status().consistent
    assert old["waits"]


def test_conflicts_stay_until_they_are_settled(synced: Workspace, old: dict[str, str], sandbox: Sandbox, path: Path) -> None:
    """An open conflict keeps its values whatever its age; a settled one goes when it is old [I14]."""
    with clock.using(clock.Virtual(LONG_AGO)):
        key = synced.plexus.create("Item", {"accountId": old["accountId"], "text": "base"})["id"]
        synced.sync(wait_s=0)
    with clock.using(clock.Virtual(LONG_AGO + timedelta(hours=1))):
        sandbox.edit("Item", key, text="theirs", updatedAt=clock.wire(clock.stored_now()))
        synced.plexus.update("Item", key, {"text": "ours"})
        synced.sync(wait_s=0)
    assert outbox_ledger.prune(synced.database, CUT).conflicts == 0
    assert rows(path, "SELECT ours, theirs FROM conflict") == [('"ours"', '"theirs"')]
    with clock.using(clock.Virtual(LONG_AGO)):
        synced.resolve(key, take="ours")
    assert outbox_ledger.prune(synced.database, CUT).conflicts == 1


def test_what_was_made_here_is_known_after_a_prune(
    synced: Workspace, old: dict[str, str], sandbox: Sandbox, path: Path
) -> None:
    """A record we made, and the remote has lost since, is told as lost, kept, and sent again on demand [I24 I25]."""
    with clock.using(clock.Virtual(NOW)):
        outbox_ledger.prune(synced.database, CUT)
        assert rows(path, "SELECT count(*) FROM ledger WHERE key = ?", old["itemId"]) == [(0,)]
        sandbox.drop("Item", old["itemId"])
        seen = synced.verify("plexus", models=["Item"], repair=True).remotes["plexus"].models["Item"]
        assert [(str(difference.kind), difference.repaired) for difference in seen.differences] == [("lost there", None)]
        assert synced.plexus.get("Item", old["itemId"]) is not None
        assert synced.verify("plexus", models=["Item"], repair=True, resend=True).equal
        assert synced.sync(wait_s=0).exit_code == 3  # the rejected one still is
    assert sandbox.get("Item", old["itemId"]) is not None


def test_what_was_deleted_again_leaves_nothing(synced: Workspace, old: dict[str, str], path: Path) -> None:
    """Of what a prune forgets, only records that were made here and not deleted leave a trace, in whatever order they go."""
    kept = "SELECT count(*) FROM _created_here"
    with clock.using(clock.Virtual(LONG_AGO)) as then:
        key = synced.plexus.create("Item", {"accountId": old["accountId"], "text": "short-lived"})["id"]
        synced.push(wait_s=0)
        before = rows(path, "SELECT count(DISTINCT key) FROM ledger WHERE op = 'create' AND outcome = 'acked'")[0][0]
        then.sleep(3600)
        synced.plexus.delete("Item", key)
        synced.push(wait_s=0)
    with clock.using(clock.Virtual(NOW)):
        outbox_ledger.prune(synced.database, clock.stored(LONG_AGO + timedelta(minutes=30)))
        assert rows(path, "SELECT count(*) FROM ledger WHERE key = ?", key) == [(1,)]
        assert rows(path, f"{kept} WHERE key = ?", key) == [(0,)]
        outbox_ledger.prune(synced.database, clock.after(1.0))
        assert rows(path, kept) == [(before - 1,)]


@pytest.mark.parametrize("place", ["before-commit:1", "before-commit:3", "after-commit:1", "after-commit:2"])
def test_a_prune_that_is_killed_can_be_repeated(synced: Workspace, old: dict[str, str], fresh: Syncer, place: str) -> None:
    """Line and count go in one commit: SIGKILL anywhere leaves books that close, and the next prune ends it [I2]."""
    synced.close()
    killed = fresh("db", "prune", "--older-than", "1", env={"SYNCER_FAILPOINT": place})
    assert killed.code == -signal.SIGKILL
    assert fresh("db", "check").code == 0
    assert fresh("db", "prune", "--older-than", "1").code == 0
    assert fresh("db", "check").code == 0
    assert old["waits"]


def test_the_log_is_cut_while_the_file_is_open(ws: Workspace, path: Path) -> None:
    """What is folded in frees its room at once, not when the last program goes [I25]."""
    ws.plexus.create_many("Account", [{"name": "a", "key": str(n)} for n in range(50)])
    log = path.with_name(path.name + "-wal")
    assert log.stat().st_size > 0
    assert maintenance.folded(path)
    assert log.stat().st_size < 10_000  # a page
    assert len(ws.plexus.find("Account")) == 50


def test_the_command(synced: Workspace, old: dict[str, str], fresh: Syncer, path: Path) -> None:
    """A dry run writes nothing and says what the prune will do; the file gets smaller with --vacuum, readers or not."""
    synced.close()
    assert old["waits"]
    before = lines(path)
    planned = fresh("db", "prune", "--older-than", "90", "--dry-run", "--json").json
    assert lines(path) == before
    with Reader(path) as reader:
        assert reader.one("SELECT count(*) FROM ledger") is not None
        done = fresh("db", "prune", "--vacuum", "--json").json
    assert planned["changes"] > 0
    names = ("changes", "attempts", "events", "conflicts", "runs")
    assert [done[name] for name in names] == [planned[name] for name in names]
    assert maintenance.folded(path, vacuum=True)
    assert rows(path, "PRAGMA freelist_count") == [(0,)]
    said = fresh("db", "prune")
    assert "forgot nothing older than 90 days" in said.out
    assert fresh("db", "check").code == 0
    assert fresh("db", "prune", "--older-than", "0").code == 2
