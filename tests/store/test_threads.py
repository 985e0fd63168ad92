"""Many threads, Ctrl-C, forks and ``close()`` on one file: nobody pays for what happened to somebody else."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from syncer import Workspace
from syncer.errors import DatabaseError, InvalidInput
from syncer.store.database import Statement, Transaction
from syncer.store.reader import Reader
from tests.factory import account, result, scoring
from tests.files import rows, write
from tests.rigs.interrupts import anything, free, interrupted, statement
from tests.rigs.world import pause

LIMIT_S = 20

about_to_fork: SimpleQueue[None] = SimpleQueue()  # has no lock that an interrupt in the middle could leave held
os.register_at_fork(before=lambda: about_to_fork.put(None))  # the last registered is the first to be called


class Waiting:
    """A thread whose write has joined the queue while somebody else has the turn."""

    def __init__(self, ws: Workspace, write: Callable[[], Any]) -> None:
        self._write = write
        self.outcome: Any = None
        before = ws.database.waiting
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        for _ in range(20_000):
            if ws.database.waiting > before:
                return
            pause(0.001)
        raise AssertionError("the write did not join the queue")

    def _run(self) -> None:
        try:
            self.outcome = self._write()
        except BaseException as exc:  # noqa: BLE001 - looked at by the test
            self.outcome = exc

    def ended(self) -> Any:
        """What the write returned or raised."""
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive(), "the write never came back"
        return self.outcome


def forget_forks() -> None:
    """Those of other tests are over."""
    while not about_to_fork.empty():
        about_to_fork.get_nowait()


def keys(path: Path) -> list[str]:
    """Keys of the accounts in the file, each of which has its change."""
    assert rows(path, "SELECT id FROM plexus_account ORDER BY id") == rows(path, "SELECT key FROM outbox ORDER BY key")
    return [str(key) for (key,) in rows(path, "SELECT key FROM plexus_account ORDER BY key")]


def statements(ws: Workspace) -> int:
    """How many statements SQLite is given by one write: the last is COMMIT."""
    account(ws, key="first")  # which opens the file too
    with interrupted(statement, 1_000) as hits:
        account(ws, key="second")
    return len(hits)


def test_an_interrupt_at_any_statement_leaves_no_transaction_open(ws: Workspace, path: Path) -> None:
    """Ctrl-C while SQLite waits for the lock, or while the disk does its work, does not stop every later write."""
    commit = statements(ws)
    assert commit > 3
    for nth in range(1, commit + 1):
        with interrupted(statement, nth) as hits, pytest.raises(KeyboardInterrupt):
            account(ws, key=f"interrupted{nth}")
        assert len(hits) == nth
        assert not ws.database.in_transaction
        account(ws, key=f"next{nth}")
    written = ["first", "second", f"interrupted{commit}", *(f"next{nth}" for nth in range(1, commit + 1))]
    assert keys(path) == sorted(written)


def test_an_interrupt_anywhere_in_a_write_leaves_it_whole_or_not_at_all(ws: Workspace, path: Path) -> None:
    """Ctrl-C behind each call that a write makes, one after the other: the file is free afterwards, the books close."""
    account(ws, key="first")
    nth = 0
    while True:
        nth += 1
        try:
            with interrupted(anything, nth) as hits:
                account(ws, key=f"w{nth:03}")
        except KeyboardInterrupt:
            pass
        assert not ws.database.in_transaction, (nth, hits)
        assert free(ws.database.turn), (nth, hits)
        if len(hits) < nth:
            break
    assert nth > 20
    found = keys(path)
    assert found[0] == "first"
    assert found[-1] == f"w{nth:03}"
    assert ws.status().consistent


def test_an_interrupt_costs_the_others_of_a_commit_nothing(ws: Workspace, path: Path) -> None:
    """One thread does the work of all that wait; its Ctrl-C is not theirs, and their writes are neither lost nor doubled."""
    done = []
    for nth in range(1, 40):
        with ws.database.turn:
            other = Waiting(ws, lambda nth=nth: account(ws, key=f"other{nth:02}"))  # type: ignore[misc]
            with interrupted(statement, nth) as hits, suppress(KeyboardInterrupt):
                account(ws, key=f"own{nth:02}")
                done.append(f"own{nth:02}")
        assert isinstance(other.ended(), str), other.outcome
        done.append(f"other{nth:02}")
        if len(hits) < nth:
            break
    assert nth > 8
    found = keys(path)
    assert len(found) == len(set(found))
    assert set(done) <= set(found)
    assert all(key.startswith("own") for key in set(found) - set(done))  # interrupted behind the commit


def test_a_write_that_was_interrupted_in_the_queue_is_not_done_later(ws: Workspace, path: Path) -> None:
    """Ctrl-C while it waits for its turn: the write is taken back, or a repeat would make a second record."""
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with ws.database.turn:
            held.set()
            go_on.wait(LIMIT_S)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(LIMIT_S)

    def interrupt() -> None:
        while not ws.database.waiting:
            pause(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        account(ws, key="given up")
    go_on.set()
    holder.join()
    interrupter.join()
    account(ws, key="next")
    assert keys(path) == ["next"]


def test_closing_ends_nobody_s_write(ws: Workspace, path: Path) -> None:
    """A write that waits for its turn while the workspace is closed is done, not forgotten for ever."""
    with ws.database.turn:
        other = Waiting(ws, lambda: account(ws, key="other"))
        ws.close()
    assert isinstance(other.ended(), str), other.outcome
    assert keys(path) == ["other"]


def test_closing_waits_for_a_read(ws: Workspace) -> None:
    """A read that has begun comes to its end on the connection on which it began."""
    begun, go_on = threading.Event(), threading.Event()
    found: list[Any] = []

    def work(tx: Transaction) -> None:
        found.append(tx.rows("SELECT count(*) FROM plexus_account", ()))
        begun.set()
        go_on.wait(LIMIT_S)
        found.append(tx.rows("SELECT count(*) FROM plexus_account", ()))

    reader = threading.Thread(target=lambda: ws.database.read(work))
    reader.start()
    assert begun.wait(LIMIT_S)
    closer = threading.Thread(target=ws.close)
    closer.start()
    closer.join(0.05)
    go_on.set()
    reader.join(LIMIT_S)
    closer.join(LIMIT_S)
    assert not closer.is_alive()
    assert found == [[(0,)], [(0,)]]


def test_a_write_inside_a_transaction_is_refused_to_its_caller_alone(ws: Workspace, path: Path) -> None:
    """Transactions do not nest; what other threads have queued meanwhile is not refused with it."""
    with ws.plexus.transaction() as unit:
        unit.create("Account", {"name": "Lab", "key": "unit"})
        other = Waiting(ws, lambda: account(ws, key="other"))
        with pytest.raises(RuntimeError, match="do not nest"):
            account(ws, key="nested")
    assert isinstance(other.ended(), str), other.outcome
    assert keys(path) == ["other", "unit"]


def test_an_error_of_one_write_s_own_is_not_everybody_s(ws: Workspace, path: Path) -> None:
    """SQLite says "operational error" of a bad statement too: that concerns the one that made it, in our words."""
    bad = Statement(lambda: None)  # type: ignore[arg-type,return-value]
    bad.__dict__["_compiled"] = ("SELECT json_set('{', '$.a', 1)", (), {})
    with ws.database.turn:
        other = Waiting(ws, lambda: account(ws, key="other"))
        with pytest.raises(DatabaseError):
            ws.database.write(lambda tx: tx.all(bad))
    assert isinstance(other.ended(), str), other.outcome
    assert keys(path) == ["other"]


def test_a_transaction_that_the_database_undid_takes_nothing_more(ws: Workspace, path: Path) -> None:
    """On a full disk SQLite undoes all of a transaction; who goes on in its block does not write rows without changes."""
    account(ws, key="before")
    before = rows(path, "PRAGMA page_count")[0][0]
    with pytest.raises(DatabaseError), ws.plexus.transaction() as unit:  # noqa: PT012 - the block is what is tested
        unit.tx.script(f"PRAGMA max_page_count={before + 1}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            unit.create("Account", {"name": "x" * 100_000, "key": "big"})
        unit.tx.script("PRAGMA max_page_count=1000000")
        unit.create("Account", {"name": "Lab", "key": "small"})
    assert keys(path) == ["before"]
    account(ws, key="then")
    assert keys(path) == ["before", "then"]


def test_a_call_that_fails_in_a_transaction_leaves_nothing_of_itself(synced: Workspace, path: Path) -> None:
    """Who catches the error and goes on commits the other calls only: no base without a change, no row without one."""
    ids = scoring(synced)
    made = synced.plexus.create("ScoreResult", result(ids))["id"]
    synced.push()
    write(path, "UPDATE plexus_score_result SET score_id = NULL")
    with synced.plexus.transaction() as unit:
        with pytest.raises(InvalidInput, match="cannot be updated without"):
            unit.update("ScoreResult", made, {"value": "No"})
        unit.update("Account", ids["accountId"], {"name": "New"})
    assert rows(path, "SELECT model FROM _base") == [("Account",)]


def test_a_child_forked_while_another_thread_writes_is_not_stuck(ws: Workspace, path: Path) -> None:
    """The fork waits for the other thread's transaction; the child has neither its lock nor its connection."""
    held = threading.Event()
    forget_forks()

    def hold() -> None:
        with ws.plexus.transaction() as unit:
            unit.create("Account", {"name": "Lab", "key": "thread"})
            held.set()
            about_to_fork.get(timeout=LIMIT_S)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(LIMIT_S)
    pid = os.fork()
    if pid == 0:
        signal.alarm(LIMIT_S)
        try:
            with ws.plexus.transaction() as unit:
                unit.create("Account", {"name": "Lab", "key": "child"})
        finally:
            os._exit(0 if ws.plexus.find("Account", {"key": "child"}) else 1)
    holder.join()
    assert os.waitpid(pid, 0)[1] == 0
    assert keys(path) == ["child", "thread"]


def test_a_parent_that_closes_takes_no_write_of_its_child_with_it(ws: Workspace, path: Path) -> None:
    """The child's locks are its own: when the parent is done, the log the child writes to stays where it is."""
    account(ws, key="parent")
    assert ws.plexus.find("Account")
    (told, tell), (heard, hear) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(LIMIT_S)
        try:
            account(ws, key="child 1")
            os.write(tell, b"x")
            os.read(heard, 1)
            account(ws, key="child 2")
            os._exit(0)
        finally:
            os._exit(1)
    os.read(told, 1)
    ws.close()
    os.write(hear, b"x")
    assert os.waitpid(pid, 0)[1] == 0
    assert keys(path) == ["child 1", "child 2", "parent"]
    for end in (told, tell, heard, hear):
        os.close(end)


@pytest.mark.parametrize("use", ["transaction", "query"])
def test_a_child_forked_in_the_middle_of_a_use_leaves_the_file_alone(ws: Workspace, path: Path, use: str) -> None:
    """What is open then is the parent's. The child is told so, at once, instead of writing where nobody will look."""
    account(ws, key="before")
    pid = -1
    try:
        with ws.plexus.transaction() if use == "transaction" else Reader(path):
            pid = os.fork()
            if pid == 0:
                signal.alarm(LIMIT_S)
                with pytest.raises(DatabaseError, match="was forked while"):
                    ws.plexus.find("Account")
                with pytest.raises(DatabaseError, match="was forked while"):
                    ws.query("SELECT 1")
                if use == "query":
                    account(ws, key="child")
            else:
                assert os.waitpid(pid, 0)[1] == 0
    except BaseException as exc:
        if pid != 0:
            raise
        os._exit(0 if isinstance(exc, DatabaseError) else 2)
    if pid == 0:
        os._exit(1)
    account(ws, key="then")
    assert keys(path) == ["before", "then"]
