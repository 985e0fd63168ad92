"""Which files a connection has open, and whether the names still lead to them.

A database is three files: the database, its write-ahead log (``-wal``) and the index of the log (``-shm``). SQLite opens
each once and goes on with it, whatever becomes of its name; and it believes that it holds the locks it has set. A commit is
safe only while all of that is true. So it is looked at right before each COMMIT, where a difference costs a repetition, and
right after it, where a difference means that what was committed may be nowhere.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import fstat, lseek, stat
from pathlib import Path

from syncer.store.file import frames, header, locks
from syncer.store.file.descriptors import Inode, inode_at, inode_of, may_write, open_on
from syncer.store.file.header import LOG_HEADER, FileDifference, Header

_log = logging.getLogger(__name__)

_COARSE_NS, _FINE_NS = 3_000_000_000, 25_000_000
"""A folder younger than this may change unseen: the coarsest file times are 2 s apart, the others at most 10 ms."""

_NOUGHTS = bytes(8)
_SEEK_HOLE: int | None = getattr(os, "SEEK_HOLE", None)
"""SQLite says for each read and write where it shall be, so its place in the file may be moved."""


class FileIdentity:
    """The three files of one connection, which must have read from the database already.

    ``before``: descriptors that were open before it was, so that its own are known from others of the same file.
    """

    __slots__ = (
        "_database", "_distrusted", "_folder", "_folder_inode", "_holed", "_index", "_indexes", "_links", "_log", "_logged",
        "_logs", "_names", "_own_database", "_plain", "_quiet", "database_fd", "index_fd", "log_fd", "numbers", "path",
    )  # fmt: skip

    def __init__(self, path: Path, *, logged: bool = True, before: frozenset[int] = frozenset()) -> None:
        self.path = path
        # SQLite puts the log beside the file that a link leads to, not beside the link.
        beside = os.path.realpath(path)
        self._names = (os.fspath(path), f"{beside}-wal", f"{beside}-shm")
        self._logged = logged
        self._database = inode_at(self._names[0])
        self._log, self._index = (inode_at(self._names[1]), inode_at(self._names[2])) if logged else (None, None)
        # A link that leads to the database may lie in another folder; in Windows a folder's time is that of its creation.
        self._folder = os.path.dirname(beside)
        self._plain = os.name == "posix" and os.path.abspath(path) == beside
        self._quiet, self._folder_inode = 0, 0
        self._links = 1
        self._logs: list[int] = []
        self._indexes: set[int] = set()
        self.numbers: dict[int, Inode] = {}
        """The descriptors that SQLite has opened for this connection, and the one of the index, which all share."""
        self._distrusted, self._holed = False, False
        self._own_database = -1
        self.database_fd, self.log_fd, self.index_fd = -1, -1, -1
        self._find(before)
        self._hold()

    @property
    def inode(self) -> Inode | None:
        """Of the database file."""
        return self._database

    @property
    def log_name(self) -> Path:
        """Where the log lies."""
        return Path(self._names[1])

    @property
    def is_complete(self) -> bool:
        """Whether what the names lead to is what SQLite has opened.

        It is not where a file was replaced while it was being opened, and where another connection of this process still
        has an index open that was removed: SQLite gives a second connection the index of the first.
        """
        if self._database is None or (self._logged and None in (self._log, self._index)):
            return False
        return not _countable() or self._has_numbers()

    def same(self, log_bytes: int = 0) -> bool:
        """Whether the names lead to what is open: the cheap look (3 µs), which does not say what is different.

        A file that was removed or replaced takes what is committed with it. Number and length of the log: SQLite writes to
        that number, also when it is a file of the user's by now, and behind the end that it remembers, also when the log
        was cut.
        """
        if not self.names_lead_here():
            return False
        if self.log_fd < 0:  # no log; or no numbers to ask, in Windows
            return True
        try:
            log = fstat(self.log_fd)
        except OSError:
            return False
        return log.st_ino == self._log[1] and log.st_dev == self._log[0] and log.st_size >= log_bytes  # type: ignore[index]

    def names_lead_here(self) -> bool:
        """The same without a look at the log itself: for who has just read from it (:meth:`is_whole`)."""
        if self._distrusted or self._holed:
            return False
        try:
            # No name in a folder changes without the folder's own time, which nobody can set.
            folder = stat(self._folder)
            if folder.st_ctime_ns == self._quiet and folder.st_ino == self._folder_inode:
                return True
            return self._names_lead_here(folder)
        except OSError:
            return False

    def undisturbed(self, since: int) -> bool:
        """For who reads: whether, besides, no lock was dropped; ``since``: ``locks.losses`` before the reading began.

        Without SQLite's lock on its place in the log another process may write over what is being read.
        """
        return self.same() and (self.index_fd < 0 or (locks.stands(self.index_fd) and locks.losses == since))

    def _names_lead_here(self, folder: os.stat_result) -> bool:
        database = stat(self._names[0])
        if (database.st_dev, database.st_ino) != self._database:
            return False
        if database.st_nlink != self._links:
            self._linked(database.st_nlink)
        if self._log is not None and not (self.log_is_same() and self.index_is_same()):
            return False
        changed = folder.st_ctime_ns
        if self._plain and time.time_ns() - changed > (_FINE_NS if changed % 10_000_000 else _COARSE_NS):
            self._quiet, self._folder_inode = changed, folder.st_ino
        return True

    def difference(self) -> FileDifference | None:
        """What is different, None when all is well by now: locks that were dropped are set again."""
        if self._database is None or self._distrusted or not self._numbers_are_ours():
            return FileDifference.DESCRIPTORS
        # Locks before names: once they are set again, nobody takes himself for the last one and removes what is looked at.
        shared = self.database_fd < 0 or locks.share(self.database_fd)
        alive = self.index_fd < 0 or locks.keep_index(self.index_fd)
        found = self._renamed()
        if found is None and not shared:
            found = FileDifference.LOG  # somebody has the file alone, and is about to remove the log
        if found is None and not alive:
            found = FileDifference.INDEX
        if found is None:
            self._hold()
        return found

    def has_index(self) -> bool:
        """Whether the number of the index still is the index; another one is looked for where not."""
        if self.index_fd < 0 or (len(self._indexes) == 1 and inode_of(self.index_fd) == self._index):
            return True
        self._find(None)
        return self.index_fd >= 0

    def distrust(self) -> bool:
        """After an error of SQLite's: whether one of its numbers is another file by now; nothing is the same then."""
        self._distrusted = any(inode_of(number) != inode for number, inode in self.numbers.items())
        return self._distrusted

    def has_database(self) -> bool:
        """Whether the number of the database is still the database: SQLite reads from that very number."""
        if self._own_database < 0:  # not known: another thread opened the same file in the same moment
            return True
        try:
            found = fstat(self._own_database)
        except OSError:
            return False
        return found.st_ino == self._database[1] and found.st_dev == self._database[0]  # type: ignore[index]

    def header(self) -> Header:
        """The header of the index."""
        return header.read(self.index_fd)

    def is_cut(self, header: Header) -> bool:
        """Whether the log is shorter than ``header`` says, or has a hole."""
        if self._holed:
            return True
        if self.log_fd < 0 or not header.frames:
            return False
        try:
            return fstat(self.log_fd).st_size < header.log_bytes
        except OSError:
            return False

    def is_whole(self, since: bytes, now: bytes) -> bool:
        """Whether the pages that a commit has written, and the one before them, are in the log.

        A log that was cut between the last look and the commit has its length again: SQLite writes behind the end that it
        remembers, which leaves a hole. ``since``, ``now``: :func:`header.raw` before and after.
        """
        # A log that was begun anew by this commit, as its new salts tell, has no page before: then the log's header, which
        # does not end in noughts, is looked at in its place.
        return self._is_written(header.frames(since) if since[32:40] == now[32:40] else 0, now)

    def can_be_saved(self) -> bool:
        """Whether all pages of the log that are not in the database file yet are there: a hole would be saved as a page."""
        now = header.raw(self.index_fd)
        return self._is_written(header.parsed(now).saved + 1, now)

    def _is_written(self, first: int, now: bytes) -> bool:
        """Whether the frames from ``first`` (the first of all is 1) to the end are in the log."""
        frame, end = header.frame_bytes(now), header.log_bytes(now)
        at = LOG_HEADER + (first - 1) * frame  # before the beginning for none: its end is that of the log's header
        if self.log_fd < 0 or at >= end:
            return True
        try:
            # No block is missing from there on. Where the cut may have been within the first frame, its end is there; and
            # the salts of the next one, which no other file has, tell that the number is the log.
            seam = os.pread(self.log_fd, 24, at + frame - 8)
            whole = (_SEEK_HOLE is None or lseek(self.log_fd, max(at, 0), _SEEK_HOLE) >= end) and (
                seam[:8] != _NOUGHTS or frames.fits(self.log_fd, at, frame, now[32:40])
            )
            if at + frame < end:
                whole = whole and seam[16:] == now[32:40]
        except OSError:
            whole = False
        if not whole:
            self._holed = True
        return whole

    def is_surely_cut(self) -> bool:
        """The same while nobody writes: SQLite shortens a log that was long before it says so. Not inside a transaction."""
        if not self.is_cut(self.header()):
            return False
        with self.held_still() as still:
            return still and self.is_cut(self.header())

    @contextmanager
    def held_still(self) -> Iterator[bool]:
        """Nobody writes inside the block; False: that could not be had in time. Not inside a transaction."""
        # In the order in which a transaction takes them: the turn, then SQLite's lock.
        still = locks.wait_for(lambda: locks.take_turn(self.index_fd)) and locks.wait_for(
            lambda: locks.keep_writing(self.index_fd)
        )
        try:
            yield still
        finally:
            locks.give_turn(self.index_fd)
            locks.end_writing(self.index_fd)

    def has_unsaved(self) -> bool:
        """Whether the log that is open holds commits that are not in the database file."""
        header = self.header()
        # Who has begun another log under the same index has found that all of this one was saved.
        return header.frames > header.saved and self.is_log_of(header)

    def is_log_of(self, header: Header) -> bool:
        """Whether ``header`` is about the log that is open, and not about another one that was begun under its index."""
        if self.log_fd < 0 or not header.frames:  # no frames, too, where nobody can look
            return True
        try:
            return os.pread(self.log_fd, LOG_HEADER, 0)[16:24] == header.salts
        except OSError:
            return False

    def can_be_read(self) -> bool:
        """Whether what the index says is in the log is there, or in the database file."""
        header = self.header()
        return header.frames == header.saved or self.is_log_of(header)

    def forget_log(self, aside: Path) -> None:
        """Move the log that is open to ``aside``, and remove its index, where their names still lead to them."""
        with suppress(FileNotFoundError):  # another process was faster
            if self.log_is_same():
                os.replace(self._names[1], aside)
        with suppress(FileNotFoundError):
            if self.index_is_same():
                os.unlink(self._names[2])

    def put_aside(self, aside: Path) -> bool:
        """Move what lies at the name of the log to ``aside``; an empty one harms nobody, and may be somebody's new one."""
        if not os.path.getsize(self._names[1]):
            return False
        os.replace(self._names[1], aside)
        return True

    def log_is_elsewhere(self) -> bool:
        """Whether there is a log at the name, and it is not the one that is open."""
        found = inode_at(self._names[1])
        return found is not None and found != self._log

    def index_is_same(self) -> bool:
        """Whether the name of the index leads to the one that is open."""
        return inode_at(self._names[2]) == self._index

    def log_is_same(self) -> bool:
        """Whether the name of the log leads to the one that is open."""
        return inode_at(self._names[1]) == self._log

    def _find(self, before: frozenset[int] | None) -> None:
        """Find the numbers; ``before`` None: once more, after one of them went."""
        found = open_on((self._database, self._log, self._index))
        if before is not None:
            # Where another thread opened the same file meanwhile, nobody can tell whose number is whose.
            new = {inode: numbers if inode == self._index else numbers - before for inode, numbers in found.items()}
            self.numbers = {min(numbers): inode for inode, numbers in new.items() if len(numbers) == 1}
            self._own_database = next((number for number, inode in self.numbers.items() if inode == self._database), -1)
        if self._log is not None and before is not None:
            # SQLite opens a log for each connection. It shares the index, and may use a number of the database again.
            self._logs = sorted(found[self._log] - before, key=_as_sqlite)
        if self._database is not None:
            self.database_fd = min(found[self._database], key=_as_sqlite, default=-1)
        every = found[self._index] if self._index is not None else set()
        indexes = {number for number in every if may_write(number)} or every
        # Another library in this process opens the index as SQLite does, and closes it sooner: who stays is SQLite.
        self._indexes = (self._indexes & indexes) or indexes
        self.index_fd = min(self._indexes, default=-1)
        self.log_fd = self._logs[0] if self._logs else -1

    def _hold(self) -> None:
        if self.index_fd >= 0:  # without a log SQLite needs the file to itself to write to it
            locks.guard(self.database_fd, self.index_fd)
            locks.witness(self.index_fd)

    def _numbers_are_ours(self) -> bool:
        """Whether SQLite still has the files open under its numbers; looks for others where connections were closed."""
        if not _countable():
            return True
        if self._log is not None:  # SQLite writes to this very number
            self._logs = [number for number in self._logs if inode_of(number) == self._log]
            self.log_fd = self._logs[0] if self._logs else -1
        if inode_of(self.database_fd) != self._database or (self._index and inode_of(self.index_fd) != self._index):
            self._find(None)
        return self._has_numbers()

    def _has_numbers(self) -> bool:
        wanted = ((self._database, self.database_fd), (self._log, self.log_fd), (self._index, self.index_fd))
        return all(number >= 0 for inode, number in wanted if inode is not None)

    def _renamed(self) -> FileDifference | None:
        at = inode_at(self._names[0])
        if at != self._database:
            return FileDifference.GONE if at is None else FileDifference.DATABASE
        if self._log is None:
            return None
        if not self.log_is_same():
            return FileDifference.LOG
        return None if self.index_is_same() else FileDifference.INDEX

    def _linked(self, links: int) -> None:
        self._links = links
        if links > 1:
            _log.warning(
                "%s has %d names by now; under another one SQLite looks for another log: open it by one name only",
                self.path,
                links,
            )


def _as_sqlite(number: int) -> tuple[bool, int]:
    """Sorts descriptors that may be SQLite's before those of who only reads, and closes them again soon."""
    return not may_write(number), number


def _countable() -> bool:
    """Whether this system numbers open files the POSIX way."""
    return os.name == "posix"
