"""What a person does to waiting changes: try again, or drop."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncer import Workspace
from syncer.config import Settings
from syncer.errors import RecordNotFound, UsageError
from syncer.sandbox.server import Sandbox
from tests.factory import account, result, scoring
from tests.files import rows, write


def test_dropping_a_create_takes_the_row_with_it(ws: Workspace, path: Path) -> None:
    """The record was never remote: it goes away, its number stays in the ledger."""
    account(ws)
    assert ws.drop(1).seqs == (1,)
    assert ws.plexus.find("Account") == []
    assert rows(path, "SELECT outcome, reason FROM ledger") == [("discarded", "dropped by hand")]
    assert ws.status().consistent


def test_dropping_a_create_tells_who_points_at_it(ws: Workspace, path: Path) -> None:
    """Waiting records that refer to the dropped one are counted, so that the user can follow up."""
    ids = scoring(ws)
    ws.plexus.create_many("ScoreResult", [result(ids), result(ids)])
    (seq,) = rows(path, "SELECT seq FROM outbox WHERE model = 'Item'")[0]
    assert ws.drop(seq).dangling == 2


def test_dropping_an_update_restores_what_the_remote_has(synced: Workspace, path: Path) -> None:
    """The row goes back to its base."""
    made = account(synced)
    synced.push()
    before = synced.plexus.get("Account", made)
    synced.plexus.update("Account", made, {"name": "Edited"})
    (seq,) = rows(path, "SELECT seq FROM outbox")[0]
    synced.drop(seq)
    assert synced.plexus.get("Account", made) == before
    assert rows(path, "SELECT count(*) FROM _base") == [(0,)]
    assert synced.status().consistent


def test_dropping_a_delete_brings_the_row_back(synced: Workspace, path: Path) -> None:
    """What was only deleted here is here again."""
    made = account(synced)
    synced.push()
    before = synced.plexus.get("Account", made)
    synced.plexus.delete("Account", made)
    (seq,) = rows(path, "SELECT seq FROM outbox")[0]
    synced.drop(seq)
    assert synced.plexus.get("Account", made) == before


def test_dropping_takes_later_changes_of_the_record_along(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A successor of a dropped change has lost its ground."""
    made = account(synced)
    sandbox.faults.lose_next_reply()
    synced.push(wait_s=0)
    synced.plexus.update("Account", made, {"name": "B"})
    first, second = (seq for (seq,) in rows(path, "SELECT seq FROM outbox ORDER BY seq"))
    assert synced.drop(first).seqs == (first, second)
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]
    assert synced.status().consistent


def test_dropping_an_edit_of_an_unanswered_create_leaves_no_old_base(
    synced: Workspace, sandbox: Sandbox, path: Path
) -> None:
    """The next edit is compared with what the remote had last, not with what was created long ago."""
    made = account(synced)
    sandbox.faults.lose_next_reply()
    synced.push(wait_s=0)
    synced.plexus.update("Account", made, {"name": "B"})
    synced.drop(rows(path, "SELECT max(seq) FROM outbox")[0][0])
    assert synced.sync("plexus").exit_code == 0
    assert rows(path, "SELECT key FROM _base") == []
    sandbox.edit("Account", made, name="Theirs")
    synced.pull("plexus", full=True)
    synced.plexus.update("Account", made, {"name": "Ours, knowing theirs"})
    assert synced.sync("plexus").exit_code == 0
    assert (sandbox.get("Account", made) or {})["name"] == "Ours, knowing theirs"


def test_numbers_that_wait_no_more_are_named(ws: Workspace) -> None:
    """Retry and drop of an unknown number say so and change nothing."""
    with pytest.raises(RecordNotFound, match="no change 7 is pending"):
        ws.drop(7)
    account(ws)
    with pytest.raises(RecordNotFound):
        ws.retry(1, 7)


def test_retry_makes_a_change_due_now(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A change that waits for its time goes out with the next push."""
    account(synced)
    sandbox.faults.fail_next(503, {"Retry-After": "0"})
    synced.push(wait_s=0)
    assert rows(path, "SELECT next_attempt_at IS NOT NULL, state FROM outbox") == [(1, "ambiguous")]
    assert synced.retry(1) == [1]
    assert rows(path, "SELECT next_attempt_at, state FROM outbox") == [(None, "ambiguous")]


def test_a_retried_change_that_did_not_leave_can_still_vanish(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Refused, made anew by hand, then no network: its new body never left, so create and delete meet here [I5]."""
    made = account(synced)
    write(path, "UPDATE plexus_account SET settings = 'no json'")
    assert synced.push().exit_code == 3
    write(path, "UPDATE plexus_account SET settings = NULL")
    synced.retry(1)
    environ = {"PLEXUS_API_URL": "http://127.0.0.1:9/graphql", "PLEXUS_API_KEY": "k"}
    with Workspace(Settings(str(path), environ=environ)) as away:
        assert away.push("plexus").exit_code == 4
    assert rows(path, "SELECT body FROM outbox") == [(None,)]
    synced.plexus.delete("Account", made)
    assert rows(path, "SELECT * FROM outbox") == []


def test_what_is_being_sent_is_left_to_the_sync(ws: Workspace, path: Path) -> None:
    """Neither retried nor dropped, nor any change before it: its answer is on the way."""
    made = account(ws)
    write(path, "UPDATE outbox SET state = 'sending', body = '{}'")
    ws.plexus.update("Account", made, {"name": "New"})
    before = rows(path, "SELECT * FROM outbox")
    for act in (ws.retry, ws.drop):
        with pytest.raises(UsageError, match="being sent"):
            act(1)
    assert ws.drop(2).seqs == (2,)
    assert rows(path, "SELECT * FROM outbox") == before[:1]
