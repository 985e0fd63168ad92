"""Taking leave of files that the names lead to no more, with everything that was accepted in them.

The log of a running process was removed, or replaced, or the database was: what is open here is not what the next program
opens. What only the open log holds is brought into the file that the name leads to. In which way depends on whether somebody
else may have begun a log of his own by now: two logs must never be folded into one file.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import tempfile
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from syncer import clock
from syncer.errors import DatabaseBusy
from syncer.store import connections, forks, locks
from syncer.store.connections import Held
from syncer.store.identity import Difference, FileIdentity

_log = logging.getLogger(__name__)

_WAIT_S = 2.0
_SETTLING_S = 0.005
_IN_THE_LOG = (Difference.LOG, Difference.INDEX, Difference.CUT)


@dataclass(slots=True)
class Left:
    """Files that were left. ``copy``: the database as it was open, where it holds what the file at the name does not."""

    difference: Difference
    copy: Path | None = None
    failed: str | None = None

    def keep(self, path: Path, inode: int) -> Path | None:
        """Put the copy beside ``path``, where a person finds it. None: there is none."""
        if self.copy is None:
            return None
        name = path.with_name(f"{path.name}.{inode}.kept")
        if name.exists():  # another process has kept the same
            name = free_name(path, "kept")
        shutil.copyfile(self.copy, name)
        os.chmod(name, 0o600)
        self.remove()
        return name

    def remove(self) -> None:
        """The copy is not needed any more."""
        if self.copy is not None:
            shutil.rmtree(self.copy.parent, ignore_errors=True)
            self.copy = None


def settled(files: FileIdentity) -> Difference | None:
    """What is different once another process that has the file to itself has let go of it."""
    until = 500
    while True:
        found = files.difference()
        if found is not Difference.LOG or not files.log_is_same() or not until:
            return found
        until -= 1
        threading.Event().wait(0.01)


def saved(held: Held, difference: Difference) -> Left:
    """Bring what only the open log of ``held`` holds into the database file, or else into a copy.

    Nothing is closed yet. Raises: DatabaseError where this process must not touch its connections any more.
    """
    files, raw = held.files, held.connection
    assert files is not None
    assert raw is not None
    if difference is Difference.DESCRIPTORS:
        raise connections.give_up(held.path)
    if raw.in_transaction:
        raw.execute("ROLLBACK")
    left = Left(difference)
    if difference is Difference.INDEX and files.log_is_same():
        return left  # everything is in the log that the name leads to
    if difference in _IN_THE_LOG:
        if not files.has_unsaved() or (difference is not Difference.CUT and _folded(raw, files)):
            return left
    elif not _has_unsent(raw):
        return left
    try:
        left.copy = _copied(raw)
    except (sqlite3.Error, OSError) as exc:
        left.failed = str(exc)
    return left


def left_behind(held: Held, difference: Difference) -> None:
    """Close every connection of this process to the file, and put a log aside that belongs to no file of that name.

    Raises: DatabaseBusy where one of them is in use, or cannot be closed without harm.
    """
    files = held.files
    assert files is not None
    free = True
    for one in forks.kept(held.path):
        free = one.leave(_WAIT_S) and free
    me = threading.get_ident()
    with connections.changed:
        free = free and connections.changed.wait_for(
            lambda: not any(one.real == held.real and one.thread != me for one in connections.held), timeout=_WAIT_S
        )
    if not free:
        raise DatabaseBusy(
            f"{difference.value} while other threads of this program use it",
            record=str(held.path),
            hint="end what they do with the file, then repeat the operation",
        )
    if difference in (Difference.DATABASE, Difference.CUT):
        aside = free_name(held.path, "old-wal")
        files.forget_log(aside)
        if aside.exists():
            _log.warning("%s: the log beside it belongs to another file, or was cut; it is kept as %s", held.path, aside)


def free_name(path: Path, what: str) -> Path:
    """A name beside ``path`` that is not taken: when it was, and ``what`` it is."""
    stamp = clock.now().strftime("%Y%m%dT%H%M%S%f")
    return path.with_name(f"{path.name}.{stamp}.{what}")


def _folded(raw: sqlite3.Connection, files: FileIdentity) -> bool:
    """Fold the open log into the database file, unless somebody may have begun another log for it."""
    shared = files.index_is_same()  # then whoever has the file open, whatever log, waits for the same writer's lock
    if not shared and (files.log_is_elsewhere() or not locks.bar(files.database_fd)):
        return False
    try:
        if not shared:
            threading.Event().wait(_SETTLING_S)  # who got in just before the bar has made its log by now
            if files.log_is_elsewhere():
                return False
        # RESTART has the writer's lock, or does nothing; behind it the next commit begins a log from its first page.
        busy, frames, folded = raw.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        return not busy and frames == folded
    except sqlite3.Error:
        return False
    finally:
        if not shared:
            locks.unbar(files.database_fd)


def _has_unsent(raw: sqlite3.Connection) -> bool:
    try:
        return raw.execute("SELECT 1 FROM outbox LIMIT 1").fetchone() is not None
    except sqlite3.Error:
        return True


def _copied(raw: sqlite3.Connection) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="syncer-left-"))
    with closing(sqlite3.connect(folder / "left.db")) as copy:
        raw.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    return folder / "left.db"
