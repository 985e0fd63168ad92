"""Which files a connection has open, and whether the names still lead to them.

A database is three files: the database, its write-ahead log (``-wal``) and the index of the log (``-shm``). SQLite opens
each once and goes on with it, whatever becomes of its name; and it believes that it holds the locks it has set. A commit is
safe only while all of that is true. So it is looked at right before each COMMIT, where a difference costs a repetition, and
right after it, where a difference means that what was committed may be nowhere.
"""

from __future__ import annotations

import logging
import os
import struct
import time
from enum import Enum
from os import fstat, stat
from pathlib import Path
from typing import NamedTuple

from syncer.store import locks
from syncer.store.descriptors import Inode, inode_at, inode_of, open_on

_log = logging.getLogger(__name__)

_HEADER = struct.Struct("=8xI2xHI76xI")
_QUIET_NS = 3_000_000_000  # the coarsest file times are 2 s apart: a folder younger than this may change unseen
_LOG_HEADER, _FRAME_HEADER = 32, 24


class Difference(Enum):
    """What is not as it was when the files were opened."""

    DESCRIPTORS = "its descriptors were closed by this program"
    GONE = "the database file was removed"
    DATABASE = "the database file was replaced"
    LOG = "its write-ahead log was removed or replaced"
    INDEX = "the index of its write-ahead log was removed or replaced"
    CUT = "its write-ahead log was cut"
    OVERTAKEN = "its lock was lost and another process has written"


class Header(NamedTuple):
    """The beginning of the ``-shm`` file. ``commits``: goes up by one in each; ``frames``: pages in the log that count;
    ``saved``: how many of them are in the database file too."""

    commits: int
    page_size: int
    frames: int
    saved: int

    @property
    def log_bytes(self) -> int:
        """How long the log must be at least."""
        size = 65_536 if self.page_size == 1 else self.page_size
        return _LOG_HEADER + self.frames * (_FRAME_HEADER + size) if self.frames else 0


NO_HEADER = Header(0, 0, 0, 0)


class FileIdentity:
    """The three files of one connection, which must have read from the database already.

    ``before``: descriptors that were open before it was, so that its own are known from others of the same file.
    """

    __slots__ = (
        "_database", "_folder", "_folder_inode", "_index", "_links", "_log", "_logs", "_names", "_plain", "_quiet",
        "database_fd", "index_fd", "log_fd", "path",
    )  # fmt: skip

    def __init__(self, path: Path, *, logged: bool = True, before: frozenset[int] = frozenset()) -> None:
        self.path = path
        # SQLite puts the log beside the file that a link leads to, not beside the link.
        beside = os.path.realpath(path)
        self._names = (os.fspath(path), f"{beside}-wal", f"{beside}-shm")
        self._database = inode_at(self._names[0])
        self._log, self._index = (inode_at(self._names[1]), inode_at(self._names[2])) if logged else (None, None)
        # A link that leads to the database may lie in another folder; in Windows a folder's time is that of its creation.
        self._folder = os.path.dirname(beside)
        self._plain = os.name == "posix" and os.path.abspath(path) == beside
        self._quiet, self._folder_inode = 0, 0
        self._links = 1
        self._logs: list[int] = []
        self.database_fd, self.log_fd, self.index_fd = -1, -1, -1
        self._find(before)
        self._witness()

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
        if self._database is None or not _countable():
            return self._database is not None
        wanted = ((self._database, self.database_fd), (self._log, self.log_fd), (self._index, self.index_fd))
        return all(number >= 0 for inode, number in wanted if inode is not None)

    def same(self, log_bytes: int = 0) -> bool:
        """Whether everything is as it was: the cheap look (4 µs), which does not say what is different.

        Names (row 4 and 5 of the table in docs/guarantees.md): a file that was removed or replaced takes what is committed
        with it. Number and length of the log: SQLite writes to that number, also when it is a file of the user's by now
        (row 3), and behind the end that it remembers, also when the log was cut. Witnesses (rows 1 and 2): while they stand,
        no lock of ours was dropped at any time since the last look; without the one on the database the next to close takes
        itself for the last and removes the log, without those on the index two processes write at once.
        """
        try:
            # No name in a folder changes without the folder's own time, which nobody can set.
            folder = stat(self._folder)
            if (folder.st_ctime_ns != self._quiet or folder.st_ino != self._folder_inode) and not self._names_lead_here(
                folder
            ):
                return False
            if self._log is None:
                return True
            if self.log_fd >= 0:
                log = fstat(self.log_fd)
                if log.st_ino != self._log[1] or log.st_dev != self._log[0] or log.st_size < log_bytes:
                    return False
        except OSError:
            return False
        # In Windows nobody can drop the locks of others, and there are no numbers to ask.
        return self.log_fd < 0 or (locks.stands(self.database_fd) and locks.stands(self.index_fd))

    def _names_lead_here(self, folder: os.stat_result) -> bool:
        database = stat(self._names[0])
        if (database.st_dev, database.st_ino) != self._database:
            return False
        if database.st_nlink != self._links:
            self._linked(database.st_nlink)
        if self._log is not None and not (self.log_is_same() and self.index_is_same()):
            return False
        if self._plain and time.time_ns() - folder.st_ctime_ns > _QUIET_NS:
            self._quiet, self._folder_inode = folder.st_ctime_ns, folder.st_ino
        return True

    def difference(self, begun: Header | None = None) -> Difference | None:
        """What is different, None when all is well by now: locks that were dropped are set again.

        ``begun``: the header as it was when the transaction began that is open now, None when there is none.
        """
        if self._database is None or not self._numbers_are_ours():
            return Difference.DESCRIPTORS
        held = self._log is None or locks.stands(self.index_fd)
        # Locks before names: once they are set again, nobody takes himself for the last one and removes what is looked at.
        shared = self.database_fd < 0 or locks.share(self.database_fd)
        found = self._renamed()
        if found is None and not shared:
            found = Difference.LOG  # somebody has the file alone, and is about to remove the log
        if found is None and self._log is not None and self.index_fd >= 0:
            found = self._index_lost(held, begun)
        if found is None:
            self._witness()
        return found

    def committed(self, begun: Header) -> bool:
        """Behind a COMMIT, where :meth:`same` has said no: whether it is in the files that the names lead to."""
        held = locks.stands(self.index_fd)
        if self.difference() is not None:
            return False
        if held:
            return True
        # Without the lock of the index another process may have committed over us, under the same number or a later one.
        # Where the system does not tell whether the lock was dropped, a later number is most likely who came behind us.
        since = (self.header().commits - begun.commits) & 0xFFFFFFFF
        return since == 1 if locks.can_tell() else 0 < since < 2**31

    def header(self) -> Header:
        """The header of the index, read from the descriptor that SQLite has open. Zeros where there is none."""
        if self.index_fd < 0:
            return NO_HEADER
        try:
            return Header(*_HEADER.unpack(os.pread(self.index_fd, _HEADER.size, 0)))
        except (OSError, struct.error):
            return NO_HEADER

    def is_cut(self, header: Header) -> bool:
        """Whether the log is shorter than ``header`` says."""
        if self.log_fd < 0 or not header.frames:
            return False
        try:
            return fstat(self.log_fd).st_size < header.log_bytes
        except OSError:
            return False

    def has_unsaved(self) -> bool:
        """Whether the log that is open holds commits that are not in the database file."""
        header = self.header()
        return header.frames > header.saved

    def forget_log(self, aside: Path) -> None:
        """Move the log that is open to ``aside``, and remove its index, where their names still lead to them."""
        if self.log_is_same():
            os.replace(self._names[1], aside)
        if self.index_is_same():
            os.unlink(self._names[2])

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
        if self._log is not None and before is not None:
            # SQLite opens a log for each connection. It shares the index, and may use a number of the database again.
            self._logs = sorted(found[self._log] - before)
        if self._database is not None:
            self.database_fd = min(found[self._database], default=-1)
        self.index_fd = min(found[self._index], default=-1) if self._index is not None else -1
        self.log_fd = self._logs[0] if self._logs else -1

    def _witness(self) -> None:
        for number in (self.database_fd, self.index_fd):
            if number >= 0:
                locks.witness(number)

    def _numbers_are_ours(self) -> bool:
        """Whether SQLite still has the files open under its numbers; looks for others where connections were closed."""
        if not _countable():
            return True
        if self._log is not None:  # SQLite writes to this very number
            self._logs = [number for number in self._logs if inode_of(number) == self._log]
            self.log_fd = self._logs[0] if self._logs else -1
        if inode_of(self.database_fd) != self._database or (self._index and inode_of(self.index_fd) != self._index):
            self._find(None)
        wanted = ((self._database, self.database_fd), (self._log, self.log_fd), (self._index, self.index_fd))
        return all(number >= 0 for inode, number in wanted if inode is not None)

    def _renamed(self) -> Difference | None:
        at = inode_at(self._names[0])
        if at != self._database:
            return Difference.GONE if at is None else Difference.DATABASE
        if self._log is None:
            return None
        if not self.log_is_same():
            return Difference.LOG
        return None if self.index_is_same() else Difference.INDEX

    def _index_lost(self, held: bool, begun: Header | None) -> Difference | None:
        if not locks.keep_index(self.index_fd):
            return Difference.INDEX
        if held or begun is None:
            return None
        # The writer's lock was dropped inside the transaction. If nobody has it now, and nobody has committed, then nobody
        # has written anything: a process that was on its way has not begun, and cannot any more.
        if locks.keep_writing(self.index_fd) and self.header().commits == begun.commits:
            return None
        return Difference.OVERTAKEN

    def _linked(self, links: int) -> None:
        self._links = links
        if links > 1:
            _log.warning(
                "%s has %d names by now; under another one SQLite looks for another log: open it by one name only",
                self.path,
                links,
            )


def _countable() -> bool:
    """Whether this system numbers open files the POSIX way."""
    return os.name == "posix"
