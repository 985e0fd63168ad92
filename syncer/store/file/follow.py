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
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from syncer import clock
from syncer.errors import DatabaseBusy
from syncer.store.file import connections, fork_safety, locks
from syncer.store.file.connections import Held
from syncer.store.file.header import FileDifference
from syncer.store.file.identity import FileIdentity

_log = logging.getLogger(__name__)

_WAIT_S = 2.0


@dataclass(slots=True)
class Left:
    """Files that were left. ``copy``: the database as it was open, where it holds what the file at the name does not.

    ``certain``: all that was committed is in that file, or in the copy.
    """

    difference: FileDifference
    copy: Path | None = None
    failed: str | None = None
    certain: bool = False

    def keep(self, path: Path) -> Path | None:
        """Put the copy beside ``path``, where a person finds it. None: there is none."""
        if self.copy is None:
            return None
        name = free_name(path, f"{os.getpid()}.kept")
        shutil.copyfile(self.copy, name)
        os.chmod(name, 0o600)
        self.remove()
        return name

    def remove(self) -> None:
        """The copy is not needed any more."""
        if self.copy is not None:
            shutil.rmtree(self.copy.parent, ignore_errors=True)
            self.copy = None


def settled(files: FileIdentity) -> FileDifference | None:
    """What is different once another process that has the file to itself has let go of it."""
    until = 500
    while True:
        found = files.difference()
        if found is None and files.is_surely_cut():
            return FileDifference.CUT
        if found is not FileDifference.LOG or not files.log_is_same() or not until:
            return found
        until -= 1
        threading.Event().wait(0.01)


def saved(held: Held, difference: FileDifference) -> Left:
    """Bring what only the open log of ``held`` holds into the database file, or else into a copy.

    Nothing is closed yet. Raises: DatabaseBusy where neither can be done now.
    """
    files, raw = held.files, held.connection
    assert files is not None
    assert raw is not None
    if difference is FileDifference.DESCRIPTORS:
        return Left(difference)  # what was committed is in the files, and SQLite must not touch the numbers any more
    left = Left(difference)
    if difference is FileDifference.INDEX and files.log_is_same():
        return left  # everything is in the log that the name leads to
    by_name = difference in (FileDifference.LOG, FileDifference.INDEX)
    in_the_log = by_name and files.can_be_saved() and not files.is_cut(files.header())
    if in_the_log and _folded(raw, files):
        left.certain = True
        return left
    if by_name and not files.has_unsaved():
        return left
    if difference in (FileDifference.DATABASE, FileDifference.GONE) and not _has_unsent(raw):
        return left
    if in_the_log and files.index_is_same():
        raise _not_yet(held.path, difference, None)
    try:
        left.copy = _copied(raw)
        left.certain = True
    except (sqlite3.Error, OSError) as exc:
        if in_the_log:
            raise _not_yet(held.path, difference, exc) from exc
        left.failed = str(exc)
    return left


def _not_yet(path: Path, difference: FileDifference, why: Exception | None) -> DatabaseBusy:
    """Nothing is left while it is the only place of what was accepted: the next call tries again."""
    return DatabaseBusy(
        f"{difference.value}, and what it holds could not be saved yet",
        record=str(path),
        why=str(why) if why else "another program reads from it, or the disk is full",
        hint="do not end this program; end the others that have the file open, make room, and repeat the operation",
    )


def alone(path: Path, me: fork_safety.ForkAware) -> None:
    """Let everybody else in this process leave the file. Raises: DatabaseBusy where one cannot."""
    for one in fork_safety.kept(path):
        if one is not me and not one.leave(_WAIT_S, save=True):
            raise _in_use("its files were removed or replaced", path)


def left_behind(held: Held, difference: FileDifference) -> None:
    """Close every connection of this process to the file, and put a log aside that belongs to no file of that name.

    Raises: DatabaseBusy where one of them is in use, or cannot be closed without harm.
    """
    files = held.files
    assert files is not None
    free = _closed(held)
    if not free:
        raise _in_use(difference.value, held.path)
    if difference in (FileDifference.DATABASE, FileDifference.CUT):
        aside = free_name(held.path, "old-wal")
        files.forget_log(aside)
        if aside.exists():
            _log.warning("%s: the log beside it belongs to another file, or was cut; it is kept as %s", held.path, aside)


def _in_use(what: str, path: Path) -> DatabaseBusy:
    return DatabaseBusy(
        f"{what} while other threads of this program use the database",
        record=str(path),
        hint="end what they do with the file, then repeat the operation",
    )


def _closed(held: Held) -> bool:
    """Close every connection of this process to the file; False: one is in use."""
    free = True
    for one in fork_safety.kept(held.path):
        free = one.leave(_WAIT_S, save=False) and free
    me = threading.get_ident()
    with connections.listing:
        return free and connections.changed.wait_for(
            lambda: not any(one.real == held.real and one.thread != me for one in connections.open_now()), timeout=_WAIT_S
        )


def free_name(path: Path, what: str) -> Path:
    """A name beside ``path`` that is not taken: when it was, and ``what`` it is."""
    stamp = clock.now().strftime("%Y%m%dT%H%M%S%f")
    return path.with_name(f"{path.name}.{stamp}.{what}")


def _folded(raw: sqlite3.Connection, files: FileIdentity) -> bool:
    """Fold the open log into the database file, unless somebody may have begun another log for it."""
    if not files.index_is_same():
        return _folded_alone(raw, files)
    # Whoever has the file open, whatever log, waits for the same locks. They are taken before anything is looked at: who was
    # faster may have begun his own log under this index, and ours would be folded in as if it were that one.
    with files.held_still() as still:
        return still and (not files.has_unsaved() or (_saved_all(raw, files) and _put_aside(files)))


def _folded_alone(raw: sqlite3.Connection, files: FileIdentity) -> bool:
    """The same where the index is gone too: who comes now makes both anew, and knows nothing of our locks on the old one.

    So only while nobody else has the database open, and nobody can open it.
    """
    if not locks.alone(files.database_fd):
        return False
    try:
        return not files.log_is_elsewhere() and _saved_all(raw, files)
    finally:
        locks.alone_no_more(files.database_fd)


def _saved_all(raw: sqlite3.Connection, files: FileIdentity) -> bool:
    if files.is_cut(files.header()) or not files.can_be_saved():
        return False  # the pages before the cut would be folded in, and those behind it not
    try:
        _, frames, folded = raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error:
        return False
    return bool(frames == folded)


def _put_aside(files: FileIdentity) -> bool:
    """A log that somebody has put there would be applied to the file by the next program that opens it alone."""
    header = files.header()
    if files.log_is_elsewhere() and header.frames == header.saved:  # else it is one that was begun by now
        aside = free_name(files.path, "old-wal")
        with suppress(FileNotFoundError):
            if not files.put_aside(aside):
                return True
            _log.warning("%s: a log of something else was put beside it; it is kept as %s", files.path, aside)
    return True


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
