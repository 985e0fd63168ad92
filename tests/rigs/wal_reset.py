"""The WAL-reset bug of SQLite (3.7.0 to 3.51.2), and a load of two processes in which it shows.

The bug (https://www.sqlite.org/wal.html#walresetbug): a checkpoint first copies the header of the wal-index, in which the
log has N frames, then asks how many of them are in the file already (``nBackfill``). Where an earlier checkpoint was
complete that is all N, and there is nothing to do. But when another process restarts the log between the two looks, the
answer is 0: the late one copies what it takes for frames, and notes N frames as done in a log that has fewer. What is
written next into places up to N is never copied, and from then on not read: committed, and gone. Restarting needs the
writer's lock; a PASSIVE checkpoint, and so each automatic one, does not ask for it.

The load widens that moment without touching SQLite: with ``mmap_size`` it holds a system call (``munmap``), and a process
that is stopped by a signal mostly stands in a system call. One process folds the log over and over and writes now and then.
This one stops it wherever it is, fills the log and folds it; lets it go and stops it soon again, writes one row, which
restarts the log; lets it go, and writes more. Each notes outside of the file which rows were accepted.

``python -m tests.rigs.wal_reset control|automatic|ours --seconds N`` prints counts as JSON, and ends with the first loss.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).parents[2]
WAYS = ("control", "automatic", "ours")
"""``control``: PASSIVE checkpoints without the writer's lock. ``automatic``: SQLite's own, ``wal_autocheckpoint=1``.
``ours``: PASSIVE on a second connection while the first holds BEGIN IMMEDIATE, none automatic."""

MAPPED = 10_000_000
_ROWS = 32  # each on a page of its own
_MUCH = 8
_LIMIT_S = 30.0


class Board:
    """Two numbers that both processes see: how many rounds the other has done, and whether it is to end."""

    def __init__(self, path: Path) -> None:
        with path.open("a+b") as file:
            file.truncate(mmap.PAGESIZE)
            self._cells = memoryview(mmap.mmap(file.fileno(), mmap.PAGESIZE)).cast("Q")

    @property
    def rounds(self) -> int:
        """How many the other has done."""
        return self._cells[0]

    def done(self) -> None:
        """One round more."""
        self._cells[0] += 1

    @property
    def over(self) -> bool:
        """Whether it is to end."""
        return bool(self._cells[1])

    def end(self) -> None:
        """Tell it to."""
        self._cells[1] = 1


class Hand:
    """One process's two connections to the file, and which value of its rows it was told is stored."""

    def __init__(self, path: Path, way: str, mapped: int, rows: Iterable[int], busy_s: float) -> None:
        self.way = way
        self.accepted = dict.fromkeys(rows, 0)
        self.counts: Counter[str] = Counter()
        self.first, self.second = (_connected(path, way, mapped, busy_s) for _ in range(2))

    def write(self, random: Random, count: int) -> bool:
        """Count up so many rows of mine; whether that was accepted."""
        if not self._begun():
            return False
        ids = random.sample(sorted(self.accepted), count)
        try:
            self.first.executemany("UPDATE t SET n = n + 1 WHERE id = ?", [(i,) for i in ids])
            self.first.execute("COMMIT")
        except sqlite3.OperationalError as exc:
            return self._refused(exc)
        for i in ids:
            self.accepted[i] += 1
        self.counts["writes"] += 1
        return True

    def _begun(self) -> bool:
        try:
            self.first.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            return self._refused(exc)
        return True

    def _refused(self, exc: sqlite3.OperationalError) -> bool:
        """False for a lock of the stopped process; after ten seconds SQLite calls the one on a reader's mark PROTOCOL."""
        if exc.sqlite_errorcode not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL):
            raise exc
        if self.first.in_transaction:
            self.first.execute("ROLLBACK")
        self.counts["busy"] += 1
        return False

    def fold(self) -> None:
        """A checkpoint without the writer's lock, or ours with it."""
        if self.way == "ours" and not self._begun():
            return
        busy, log, done = self.second.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if self.way == "ours":
            self.first.execute("COMMIT")
        self.counts["folds"] += 1
        self.counts["complete"] += not busy and log == done

    def lost(self) -> int:
        """How many accepted counts of my rows the other connection does not see."""
        found = dict(self.second.execute("SELECT id, n FROM t"))
        return sum(value - found[i] for i, value in self.accepted.items())

    def close(self) -> None:
        """Both connections."""
        for connection in (self.first, self.second):
            connection.close()


def _connected(path: Path, way: str, mapped: int, busy_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=busy_s)
    connection.execute("PRAGMA synchronous=OFF")  # nobody cuts the power here
    connection.execute(f"PRAGMA wal_autocheckpoint={int(way == 'automatic')}")
    connection.execute("PRAGMA journal_size_limit=1000000")
    connection.execute(f"PRAGMA mmap_size={mapped}")
    return connection


def other(path: Path, way: str, mapped: int) -> None:
    """The process that is stopped: it looks, folds the log, writes now and then, until the board says to end."""
    board, random = Board(path.with_name("board")), Random(1)
    hand = Hand(path, way, mapped, range(1, _ROWS, 2), busy_s=10.0)
    error = None
    try:
        while not board.over:
            _round(hand, board, random)
            board.done()
    except sqlite3.DatabaseError as exc:  # "malformed" is one way in which the bug shows
        error = str(exc)
    hand.close()
    sys.stdout.write(json.dumps({"accepted": hand.accepted, "counts": hand.counts, "error": error}) + "\n")


def _round(hand: Hand, board: Board, random: Random) -> None:
    if hand.way == "automatic":
        hand.first.execute("SELECT n FROM t WHERE id = 1").fetchone()
        hand.write(random, 1)
        return
    hand.second.execute("SELECT n FROM t WHERE id = 1").fetchone()
    hand.fold()
    if board.rounds % 40 == 0:
        hand.write(random, 1)


def _made(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, room BLOB)")
    connection.executemany("INSERT INTO t VALUES (?, 0, zeroblob(3000))", [(i,) for i in range(_ROWS)])
    connection.close()


class Other:
    """The other process, seen from this one."""

    def __init__(self, words: list[str], board: Board) -> None:
        self.board = board
        self.process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It stands still, wherever it is, for as long as the block takes."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def work(self, rounds: int) -> None:
        """Let it do so many rounds."""
        wanted, until = self.board.rounds + rounds, time.monotonic() + _LIMIT_S
        while self.board.rounds < wanted:
            os.sched_yield()
            if time.monotonic() > until or self.process.poll() is not None:
                raise ChildProcessError(f"after {self.board.rounds} rounds: {self.process.poll()}")

    def ended(self) -> dict[str, Any]:
        """Its notes."""
        self.board.end()
        try:
            return dict(json.loads(self.process.communicate(timeout=_LIMIT_S)[0]))
        finally:
            self.process.kill()
            self.process.wait()


@contextmanager
def _apart(pid: int) -> Iterator[None]:
    """This process and that one on processors of their own, where there are two: one that waits cannot be caught at work."""
    if not hasattr(os, "sched_setaffinity") or len(all_of_them := os.sched_getaffinity(0)) < 2:
        yield
        return
    os.sched_setaffinity(0, mine := {min(all_of_them)})
    os.sched_setaffinity(pid, all_of_them - mine)
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)


def load(folder: Path, way: str, seconds: float, *, mapped: int = MAPPED, seed: int = 1) -> dict[str, Any]:
    """Run the load for so long, or to the first loss; counts of what was done, and what was lost.

    ``overtaken``: writes that were accepted while the other stood still.
    """
    path = folder / "wal.db"
    _made(path)
    board = Board(path.with_name("board"))
    hand = Hand(path, way, mapped, range(0, _ROWS, 2), busy_s=0.0)
    given = ["--folder", str(folder), "--way", way, "--mmap", str(mapped)]
    program = Other(["-m", "tests.rigs.wal_reset", "other", *given], board)
    first_loss_s, error, lost, integrity = None, None, 0, []
    try:
        program.work(5)
        with _apart(program.process.pid):
            first_loss_s = _raced(hand, program, seconds, Random(seed))
    except (sqlite3.DatabaseError, ChildProcessError) as exc:
        error = str(exc)
    finally:
        notes = program.ended()
    hand.accepted |= {int(i): value for i, value in notes["accepted"].items()}
    try:
        lost = hand.lost()
        integrity = [row[0] for row in hand.second.execute("PRAGMA integrity_check")]
    except sqlite3.DatabaseError as exc:
        error = error or str(exc)
    hand.close()
    found = {"way": way, "sqlite": sqlite3.sqlite_version, "lost": lost, "first_loss_s": first_loss_s}
    found |= {"error": notes["error"] or error, "integrity": integrity, "other": notes["counts"]}
    return found | hand.counts


def _raced(hand: Hand, program: Other, seconds: float, random: Random) -> float | None:
    """Seconds to the first loss that was seen, if any was."""
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        with program.stopped():
            hand.write(random, _MUCH)
            hand.fold()
        for _ in range(random.randrange(1500)):  # somewhere else each time
            pass
        with program.stopped():
            hand.counts["overtaken"] += hand.write(random, 1)
        program.work(1)
        while not hand.write(random, _MUCH):
            os.sched_yield()
        program.work(2)
        hand.counts["stops"] += 2
        if hand.lost():
            return now
    return None


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="A load in which SQLite 3.7.0 to 3.51.2 lose what was committed.")
    parser.add_argument("what", choices=(*WAYS, "other"))
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--mmap", type=int, default=MAPPED, help="mmap_size of all connections; 0 is SQLite's own default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--way", choices=WAYS)
    given = parser.parse_args()
    if given.what == "other":
        other(given.folder / "wal.db", given.way, given.mmap)
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = load(Path(folder), given.what, given.seconds, mapped=given.mmap, seed=given.seed)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
