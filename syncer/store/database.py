"""The writing side of the file: one writer connection per process, and what a transaction is.

Every transaction is ``BEGIN IMMEDIATE``: SQLite has one writer, and learning at commit that somebody else wrote first would
be too late. Nothing in here spans the network.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from syncer import failpoints
from syncer.errors import CorruptDatabase, DatabaseError, NestedTransaction, UnknownOutcome
from syncer.store import version
from syncer.store.errors import translating
from syncer.store.file import follow, fork_safety
from syncer.store.file.connections import BUSY_MS as BUSY_MS
from syncer.store.file.connections import Held
from syncer.store.file.header import FileDifference
from syncer.store.group_commit import GroupCommit, Moved, is_of_one
from syncer.store.read_connections import Readers
from syncer.store.transaction import Statement as Statement
from syncer.store.transaction import Transaction as Transaction
from syncer.store.writer import Writer, prepared

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Database:
    """The local file, opened for writing. Safe from many threads; a forked child opens it for itself."""

    def __init__(self, path: Path, *, durability: str = "full", busy_ms: int = BUSY_MS) -> None:
        self.path = path
        self._durability = durability
        self._busy_ms = busy_ms
        self._start()
        fork_safety.keep(self)

    def _start(self) -> None:
        self.turn = threading.RLock()
        """Held by the thread that writes."""
        self._writer: Writer | None = None
        self._checked: tuple[Writer, int] | None = None  # the file had our schema when this connection had counted so far
        self._holder: int | None = None  # the thread that is inside a transaction
        self._forking = False
        self._readers = Readers(self.path, self._busy_ms)
        self._group_commit = GroupCommit()

    @cached_property
    def engine(self) -> sa.Engine:
        """A SQLAlchemy engine on the same file, for callers who prefer Core or the ORM, and for migrations."""
        engine = sa.create_engine(sa.URL.create("sqlite", database=str(self.path)), poolclass=sa.pool.NullPool)
        sa.event.listen(engine, "connect", lambda raw, _: prepared(raw, self._durability, self._busy_ms))
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine

    def _open(self, *, look: bool) -> Writer:
        """The writer; ``look``: at files that the names lead to. A look before COMMIT is made in any case."""
        if self._writer is not None and not self._writer.closing:
            self._writer.undo()  # an interrupt may have come while it was being undone
        if self._writer is not None and (self._writer.closing or self._writer.spoiled):
            self._close_writer()
        if self._writer is not None and look and not self._writer.same():
            self._follow(self._writer.held)
        if self._writer is None:
            version.must_exist(self.path)
            self._writer = Writer(self.path, self._durability, self._busy_ms)
        return self._writer

    def _follow(self, held: Held) -> bool:
        """Leave files that the names lead to no more; what only they hold is brought along. Raises: DatabaseError.

        True: all that was committed here is surely in the file that is there now.
        """
        writer = self._writer
        if writer is not None and not writer.closing:
            writer.undo()  # an interrupt may have come before
        if writer is not None and held is not writer.held and not writer.same():
            return self._follow(writer.held)  # a reader has seen it first; what is to be saved is in the writer's log
        assert held.files is not None
        difference = follow.settled(held.files)
        if difference is None:
            return False
        _log.warning("%s: %s while it was open", self.path, difference.value)
        if difference is not FileDifference.DESCRIPTORS:
            follow.alone(self.path, self)
        left = follow.saved(held, difference)
        try:
            try:
                follow.left_behind(held, difference)
            except DatabaseError:
                if difference is FileDifference.DESCRIPTORS:
                    self._writer = None  # never to be touched again; it stays open until the program ends
                raise
            if difference in (FileDifference.DATABASE, FileDifference.GONE):
                kept = self._kept(left)
                if difference is FileDifference.GONE:
                    raise self._gone(kept)
                return False
            if left.failed is not None:
                raise self._not_brought(left.failed, None)
            self._writer = Writer(self.path, self._durability, self._busy_ms)
            return left.certain and (left.copy is None or self._bring(left))
        finally:
            left.remove()

    def _bring(self, left: follow.Left) -> bool:
        from syncer.store.rescue.carry import carry_over

        assert left.copy is not None
        try:
            with closing(sqlite3.connect(left.copy)) as source, self._transact(look=False) as tx:
                done = carry_over(source, tx)
        except (sqlite3.Error, DatabaseError) as exc:
            raise self._not_brought(str(exc), self._kept(left)) from exc
        _log.warning("%s: %d accepted changes were brought from the log that was removed", self.path, len(done.brought))
        if done.held:
            self._kept(left)
        return not done.held

    def _kept(self, left: follow.Left) -> Path | None:
        kept = left.keep(self.path)
        if kept is not None:
            _log.warning("%s: what was open holds unsent changes; it is kept as %s", self.path, kept)
        return kept

    def _gone(self, kept: Path | None) -> DatabaseError:
        hint = "put the file back with its -wal, or run: syncer init"
        if kept is not None:
            hint = f"put the file back; what was open, with changes that are not sent, is kept as {kept}"
        text = f"{FileDifference.GONE.value} while it was open; the operation was not accepted"
        return DatabaseError(text, record=str(self.path), hint=hint)

    def _not_brought(self, why: str, kept: Path | None) -> CorruptDatabase:
        hint = f"run: syncer db recover {kept}" if kept else "run: syncer doctor   (it tells which changes are missing)"
        return CorruptDatabase(
            "the log of the database was removed, replaced or cut while it was open, and not all that it held was saved",
            record=str(self.path),
            why=why,
            hint=hint,
        )

    @property
    def in_transaction(self) -> bool:
        """True while this process holds a write transaction."""
        return self._writer is not None and self._writer.connection.in_transaction

    @property
    def waiting(self) -> int:
        """How many writes of other threads wait for the turn."""
        return len(self._group_commit)

    def transaction(self) -> AbstractContextManager[Transaction]:
        """A write transaction: committed at the end of the block, undone when it raises.

        Raises: DatabaseError; UnknownOutcome where the commit may be in the file or not.
        """
        return self._transact(look=True)

    @contextmanager
    def _transact(self, *, look: bool) -> Iterator[Transaction]:
        self._refuse_nesting()
        with self.turn, translating(self.path):
            writer = self._open(look=look)
            tx = Transaction(writer.connection, begun=True)
            committing = False
            try:
                self._holder = threading.get_ident()
                writer.begin()
                if self._checked != (writer, writer.others):  # only another connection can have upgraded the file
                    version.unchanged(writer.connection, self.path)
                    self._checked = (writer, writer.others)
                yield tx
                failpoints.reached("before-commit")
                self._require_ours(writer)
                tx.require()
                self._require_same(writer)
                committing = True
                writer.commit()
                tx.durable = True
            except BaseException as exc:
                if writer is not self._writer:  # it was closed, or is the parent's of a forked child
                    raise
                # A signal during the commit is raised behind it.
                tx.durable = committing and not (writer.connection.in_transaction or isinstance(exc, sqlite3.Error))
                writer.undo()
                if isinstance(exc, sqlite3.Error):
                    self._explain(exc, writer, committing=committing)
                raise
            finally:
                self._holder = None
                tx.close()
            self._require_durable(writer, tx)
            failpoints.reached("after-commit")
            writer.fold_if_due()

    def _explain(self, exc: sqlite3.Error, writer: Writer, *, committing: bool) -> None:
        """Raises: UnknownOutcome, Moved where ``exc`` is not the whole truth."""
        if committing:
            if not _surely_not(exc) and not writer.rewritten():
                raise self._unknown("the disk failed in the commit, and again when it was to be undone", str(exc)) from exc
        elif not is_of_one(exc):
            writer.files.distrust()
            difference = writer.files.difference()
            if difference is None and writer.files.is_surely_cut():
                difference = FileDifference.CUT
            if difference is not None:
                raise self._moved(difference) from exc

    def _require_same(self, writer: Writer) -> None:
        difference = writer.difference()
        if difference is not None:
            raise self._moved(difference)

    def _require_durable(self, writer: Writer, tx: Transaction) -> None:
        if writer.is_durable():
            return
        tx.durable = False
        try:
            tx.durable = self._follow(writer.held)  # committed to files that are being left: most often it can be saved
        except DatabaseError as exc:
            raise self._unknown("the files of the database were changed while it was committed", exc.sentence) from exc
        if not tx.durable:
            raise self._unknown("the files or locks of the database were changed while it was committed", None)

    def _unknown(self, what: str, why: str | None) -> UnknownOutcome:
        return UnknownOutcome(
            f"it is not known whether the write was stored: {what}",
            record=str(self.path),
            why=why,
            hint="look whether it is there before you repeat it",
        )

    def _moved(self, difference: FileDifference) -> Moved:
        return Moved(
            f"{difference.value} while it was open; the operation was not accepted",
            record=str(self.path),
            hint="repeat the operation, to go on with the file that is there now",
        )

    def _refuse_nesting(self) -> None:
        if self._holder == threading.get_ident():
            raise NestedTransaction(
                "this thread is inside a transaction, and transactions do not nest",
                record=str(self.path),
                hint="write by the object that the transaction gave, or behind its end",
            )

    def _require_ours(self, writer: Writer) -> None:
        if writer is not self._writer:
            raise DatabaseError(
                "the workspace was closed, or its process forked, inside a transaction; nothing of it is stored from here",
                record=str(self.path),
                hint="end the transaction first",
            )

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in a transaction, maybe with others' (:mod:`syncer.store.group_commit`); its result once durable.

        Where files were replaced since the last look, ``work`` is run once more, on those that are there now.
        """
        self._refuse_nesting()
        with translating(self.path):
            return self._group_commit.do(work, self.turn, self._transact)

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on a connection that cannot write, one per thread; it never waits for a writer."""
        with translating(self.path):
            return self._readers.read(lambda connection: self._seen(work, connection), self._follow_reader)

    def _seen(self, work: Callable[[Transaction], T], connection: sqlite3.Connection) -> T:
        version.unchanged(connection, self.path)
        tx = Transaction(connection)
        try:
            return work(tx)
        finally:
            tx.close()

    def _follow_reader(self, held: Held) -> None:
        with self.turn:
            self._follow(held)

    def close(self) -> None:
        """Close the connections; the write-ahead log is folded into the file when nobody else has it open.

        What other threads are reading and writing comes to its end; who uses it later opens the file again.
        """
        self._readers.close()
        with self.turn:
            self._leave_nothing()
            if "engine" in self.__dict__:
                self.engine.dispose()

    def _leave_nothing(self) -> None:
        """Close the writer; what only its log holds, where that has no name any more, is saved before."""
        if self._writer is not None and not self._writer.closing and not self._writer.same():
            self._follow(self._writer.held)
        self._close_writer()

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None  # behind it: an interrupt must not leave a connection that nobody knows of

    def leave(self, wait_s: float, *, save: bool) -> bool:
        """Close the connections without removing a log, not waiting for long. False: one is in use, or must stay open.

        ``save``: what only the log that is open holds.
        """
        if not self._readers.leave(wait_s) or not self.turn.acquire(timeout=wait_s):
            return False
        try:
            if self._holder == threading.get_ident():
                return False
            if self._writer is not None:
                self._writer.undo()
                files = self._writer.files
                difference = None if files.same() else files.difference()
                if save and difference not in (None, FileDifference.DESCRIPTORS):
                    self._kept(follow.saved(self._writer.held, difference))
                if not self._writer.close_quietly():
                    return False
                self._writer = None
            return True
        finally:
            self.turn.release()

    def before_fork(self, wait_s: float) -> None:
        """See :class:`syncer.store.file.fork_safety.ForkAware`."""
        self._readers.before_fork(wait_s)
        if self._holder == threading.get_ident():
            return
        self._forking = True  # noted before it is done: what was taken is given back
        if fork_safety.acquired(self.turn, wait_s):
            with suppress(DatabaseError):  # what cannot be closed now stays open, and the child does not use the file
                self._leave_nothing()

    def after_fork_in_parent(self) -> None:
        """The fork is over, and this is the parent."""
        if self._forking:
            fork_safety.released(self.turn)
            self._forking = False
        self._readers.after_fork_in_parent()

    def after_fork_in_child(self) -> None:
        """The fork is over, and this is the child."""
        self._start()


def _surely_not(exc: sqlite3.Error) -> bool:
    """Whether a COMMIT that failed so has left nothing that could be found: the page that makes it one is written last."""
    code = getattr(exc, "sqlite_errorcode", None) or 0
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_BUSY)
