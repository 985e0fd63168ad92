"""The connection that writes, and the second one beside it that folds the log into the database file.

SQLite up to 3.51.2 can lose commits when one process folds the log (a WAL checkpoint) in the moment in which another one
begins it anew. So nobody folds without the writer's lock: SQLite never does it by itself here, and the second connection
does it while the first holds BEGIN IMMEDIATE (on the connection that holds it, SQLite refuses).
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from syncer.errors import DatabaseBusy, DatabaseError
from syncer.store import version
from syncer.store.file import connections, header, locks
from syncer.store.file.barriers import barriers
from syncer.store.file.connections import Held
from syncer.store.file.header import FileDifference

_PAGE_CACHE_KIB = 65_536
_FOLD_AFTER_PAGES = 4_000
_FOLD_AFTER_COMMITS = 200  # where nobody can look into the index
_SHORT = 16  # pages of a log that was just begun
_LOG_LIMIT_BYTES = 32_000_000  # what is left of a log that a long reader has made large, once it is begun anew


class Writer:
    """The writing connection of a process to one file, as long as the names lead to the files that it has open."""

    def __init__(self, path: Path, durability: str, busy_ms: int) -> None:
        self._path = path
        self._durability = durability
        self._busy_ms = busy_ms
        self._second: Held | None = None
        self._begun = header.raw(-1)
        self._fold_at = _FOLD_AFTER_PAGES
        self._commits = 0
        self._has_turn = False
        self._losses = locks.losses
        self.spoiled = False
        """What SQLite keeps in memory may be of another time than the file: to be closed, not used."""
        self.closing = False
        """It is being closed, or an interrupt came while it was."""

        def prepare(raw: sqlite3.Connection) -> None:
            version.check(raw, path)  # before a pragma could change somebody else's file
            prepared(raw, durability, busy_ms)

        self.held = connections.opened(path, connections.address(path), prepare, busy_ms=busy_ms)
        assert self.held.connection is not None
        assert self.held.files is not None
        self.connection, self.files = self.held.connection, self.held.files
        self.cursor = self.connection.cursor()
        self._own = header.raw(-1)  # behind the last commit of this connection
        self.others = -1
        """A number that changes when another connection commits."""
        try:
            self._require_log()
        except BaseException:
            self.close_quietly()
            raise

    def _require_log(self) -> None:
        """The index must be about the log that the name leads to. Raises: DatabaseBusy, sqlite3.Error.

        It is not where a log was removed while others have it open: whoever goes on with the index would write his pages
        far behind the beginning of a new log, where nobody looks for them who opens the file after a crash. Once all of the
        old log is saved, and nobody reads from it, the next commit begins the new one from its first page.
        """
        if self.files.is_log_of(self.files.header()):
            return
        if not self.rewritten(self._can_restart) or not self.files.is_log_of(self.files.header()):
            raise DatabaseBusy(
                "the log of the database was removed or replaced while another program has it open",
                record=str(self._path),
                hint="end that program, or let it write or close the file, then repeat the operation",
            )

    def _can_restart(self) -> bool:
        now = self.files.header()
        return now.frames == now.saved and locks.is_unread(self.files.index_fd)

    def same(self) -> bool:
        """Whether the names still lead to what is open, and no lock was dropped; dropped ones are set again."""
        if self.files.same(self.files.header().log_bytes):
            return True
        return self.files.difference() is None and not self.files.is_surely_cut()

    def begin(self) -> None:
        """Begin a write transaction, alone among all processes. Raises: sqlite3.Error, DatabaseBusy."""
        self.release()
        # The witness stands on the number of the index: where it does, nobody has closed that number. Otherwise SQLite
        # must not be asked before it is known that it would lock, and maybe make anew, the index that it has in its memory.
        if not locks.stands(self.files.index_fd):
            if self.files.distrust():
                raise sqlite3.OperationalError("its descriptors were closed")
            self.files.difference()
        # The turn before SQLite's lock: who commits without that lock, having lost it inside his transaction, has the turn.
        # So between our BEGIN and our look at the index none of our programs can commit.
        index = self.files.index_fd
        self._has_turn = True  # noted before it is done: an interrupt must not leave it to the next transaction
        if not locks.take_turn(index) and not locks.wait_for(lambda: locks.take_turn(index), self._busy_ms / 1000):
            self._has_turn = False
            raise DatabaseBusy("the database is being written by another process", record=str(self._path))
        self._losses, before = locks.losses, header.raw(index)
        self.cursor.execute("BEGIN IMMEDIATE")
        # SQLite has read this state, if its lock was ours since then; without it, only if nobody has committed meanwhile.
        self._begun = header.raw(index)
        if not (header.alike(self._begun, before) or self._kept_locks()):
            self.spoiled = True
        if not header.alike(self._begun, self._own):
            self.others = self._count_of_others()

    def difference(self) -> FileDifference | None:
        """Right before a COMMIT: what is different from when the transaction began; None: it may go on."""
        files = self.files
        kept = self._kept_locks()
        has_index = kept or files.has_index()
        now = header.raw(files.index_fd) if has_index else self._begun
        if not (files.same(header.log_bytes(now)) and files.has_database()):
            files.distrust()
            found = files.difference()
            if found is None and files.is_cut(header.parsed(now)):
                found = FileDifference.CUT
            if found is not None:
                return found
        # Nobody else has written since the beginning. Where SQLite's locks were lost, the turn may have been lost too, with
        # its number, and other programs know only SQLite's. The count of commits alone would not tell: who makes the index
        # anew begins at nought.
        if not (kept or (has_index and locks.take_turn(files.index_fd))) or not header.alike(now, self._begun):
            self.spoiled = True
        return FileDifference.OVERTAKEN if self.spoiled else None

    def _kept_locks(self) -> bool:
        """Whether no lock was dropped since the transaction began."""
        return locks.stands(self.files.index_fd) and self._losses == locks.losses

    def commit(self) -> None:
        """Raises: sqlite3.Error."""
        self.cursor.execute("COMMIT")

    def is_durable(self) -> bool:
        """Right behind a COMMIT: whether it is in the files that the names lead to."""
        self._commits += 1
        # Where SQLite's lock was dropped meanwhile: if nobody has committed since, what the index says is ours, and not
        # written over. As long as this process has the turn only another program can have come behind us.
        now = header.raw(self.files.index_fd)
        certain = self._kept_locks() or self._count_of_others() == self.others
        certain = self.files.is_whole(self._begun, now) and certain
        self.release()
        if certain:
            self._own = now
        return (self.files.names_lead_here() or self.files.difference() is None) and certain

    def _count_of_others(self) -> int:
        """Changes when somebody else has committed: SQLite compares the header of the index with its own, byte for byte."""
        (count,) = self.cursor.execute("PRAGMA data_version").fetchone()
        return int(count)

    def rewritten(self, unless: Callable[[], bool] | None = None) -> bool:
        """Commit one page as it is; whether that went well.

        Behind a COMMIT that failed this makes it certain that nothing of it is found by whoever opens the file next: its
        frames may stand in the log, complete, while the disk has refused to say so, and this writes over them. (An empty
        transaction writes nothing; a pragma with the value that is there already writes a page.) Behind a folded log it
        begins the log from its first page. ``unless``: asked right before the commit; False: better not.
        """
        try:
            self.begin()
            (number,) = self.cursor.execute("PRAGMA user_version").fetchone()
            self.cursor.execute(f"PRAGMA user_version={number}")
            found = self.difference()
            # A log that is begun anew may be shorter than the index says of the old one.
            if (found is None and unless is None) or (
                found in (None, FileDifference.CUT) and unless is not None and unless()
            ):
                self.cursor.execute("COMMIT")
                self.release()
                return True
        except sqlite3.Error:
            pass
        self.undo()
        return False

    def release(self) -> None:
        """Give the turn back that :meth:`begin` has taken."""
        if self._has_turn:
            locks.give_turn(self.files.index_fd)
            self._has_turn = False

    def undo(self) -> None:
        """End a transaction that is open, if there is one."""
        # Where SQLite's lock was dropped and another process has committed, SQLite takes the pages that it has read for
        # those of the new state; and it clears the end of the index, which it must not do while somebody writes there.
        if not self.connection.in_transaction and not self._has_turn:
            return
        if self.files.distrust():
            return  # SQLite shares its memory of the index with other processes, and would write to it without any lock
        if self.files.index_fd >= 0 and not self._kept_locks():
            self.spoiled = True
        if self.connection.in_transaction:  # after "disk full" SQLite has undone it on its own
            if not self._has_turn:
                self._has_turn = True
                locks.wait_for(lambda: locks.take_turn(self.files.index_fd))
            with suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")
        self.release()

    def fold_if_due(self) -> None:
        """Fold the log into the database file once it has grown, so that it stays bounded."""
        if self.files.index_fd >= 0:
            frames = header.frames(self._begun)  # of one commit ago: near enough
            due = frames >= self._fold_at and frames - header.parsed(self._begun).saved >= _FOLD_AFTER_PAGES
        else:
            due = self._commits >= _FOLD_AFTER_COMMITS
        if not due:
            return
        self._commits = 0
        with suppress(sqlite3.Error, DatabaseError), self.folding():
            pass  # what a reader keeps from being folded is tried again when the log has grown by as much
        now = self.files.header()
        self._fold_at = now.frames + _FOLD_AFTER_PAGES if now.saved < now.frames else _FOLD_AFTER_PAGES

    @contextmanager
    def folding(self) -> Iterator[bool]:
        """Fold all of the log that no reader needs, under the writer's lock; whether that was all. Raises: sqlite3.Error."""
        if self._second is None:
            self._second = connections.opened(
                self._path, connections.address(self._path), lambda raw: prepared(raw, self._durability, self._busy_ms)
            )
        second = self._second.connection
        assert second is not None
        self.begin()
        try:
            safe = self.difference() is None and self.files.can_be_saved()
            if not safe or (self._second.files is not None and self._second.files.distrust()):
                yield False  # SQLite would write the pages to whatever file has the number
                return
            _, frames, folded = second.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            yield frames == folded
        finally:
            self.undo()

    def cut(self) -> bool:
        """Fold all of the log and cut it to its shortest; whether no reader was in the way. Raises: sqlite3.Error."""
        with self.folding() as complete:
            pass
        if complete:
            # TRUNCATE would do without the writer's lock where it does not get it. The next commit begins the log anew,
            # and cuts what is longer than the limit.
            self.connection.execute("PRAGMA journal_size_limit=0")
            complete = self.rewritten() and self.files.header().frames < _SHORT
            self.connection.execute(f"PRAGMA journal_size_limit={_LOG_LIMIT_BYTES}")
        return complete

    def close(self) -> None:
        """Close both; SQLite folds the log and removes it when nobody else has the file open."""
        self.closing = True
        with suppress(sqlite3.ProgrammingError):  # closed before, and interrupted
            self.undo()
            self.cursor.close()
        if self._second is not None:
            connections.close(self._second)
        connections.close(self.held)

    def close_quietly(self) -> bool:
        """Close both, and remove no log: what the names lead to is not what is open. False: that cannot be done here."""
        self.closing = True
        with suppress(sqlite3.ProgrammingError):  # closed before, and interrupted
            self.undo()
            self.cursor.close()
        first = self._second is None or connections.close_quietly(self._second)
        return connections.close_quietly(self.held) and first


def prepared(raw: sqlite3.Connection, durability: str, busy_ms: int) -> None:
    """Set a writing connection up."""
    raw.isolation_level = None
    raw.execute(f"PRAGMA busy_timeout={busy_ms}")
    raw.execute("PRAGMA journal_mode=WAL")
    for name, value in barriers(durability, sys.platform).items():
        raw.execute(f"PRAGMA {name}={value}")
    raw.execute("PRAGMA foreign_keys=ON")
    raw.execute(f"PRAGMA cache_size=-{_PAGE_CACHE_KIB}")
    raw.execute("PRAGMA cache_spill=OFF")  # up to SQLite 3.50.1 a savepoint undone in what was spilled spoils the log
    raw.execute("PRAGMA mmap_size=0")
    raw.execute("PRAGMA wal_autocheckpoint=0")
    raw.execute(f"PRAGMA journal_size_limit={_LOG_LIMIT_BYTES}")
