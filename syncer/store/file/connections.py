"""The open connections of this process to database files: opened and closed here, and nowhere else.

They are counted, since two events need all of a file closed: a fork (:mod:`syncer.store.file.fork_safety`), and a log that
was removed under us (:mod:`syncer.store.file.follow`), as SQLite gives every connection of a process the same index.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from syncer.errors import CorruptDatabase, DatabaseBusy, DatabaseError, ReadOnlyDatabase
from syncer.store import version
from syncer.store.errors import no_more_files, out_of_files, unusable
from syncer.store.file import locks
from syncer.store.file.descriptors import Inode, inode_at, inode_of, open_on
from syncer.store.file.identity import FileIdentity
from syncer.store.file.spared import spared

BUSY_MS = 10_000
Prepare = Callable[[sqlite3.Connection], None]


class Held:
    """An open connection, and which files it has open. ``thread``: who opened it."""

    __slots__ = ("__weakref__", "connection", "files", "path", "quiet", "real", "thread")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.real = os.path.realpath(path)
        self.thread = threading.get_ident()
        self.connection: sqlite3.Connection | None = None
        self.files: FileIdentity | None = None
        self.quiet = False  # to be closed without removing the log


opening = threading.RLock()
"""Held while a connection is opened, so that what SQLite opens for it is known from what others open."""
listing = threading.RLock()
"""Held to look at what is open: taken by itself, since an interrupt inside ``changed.__enter__`` would leave it locked."""
changed = threading.Condition(listing)
"""Told when one is closed."""
_noted: dict[int, weakref.ref[Held]] = {}
_lost: set[str] = set()
_given_up: set[Inode] = set()


def open_now() -> list[Held]:
    """What is open. What an interrupt has made everybody forget is closed by Python, and not waited for."""
    return [one for noted in list(_noted.values()) if (one := noted()) is not None]


_TIMES = 3


def opened(path: Path, uri: str, prepare: Prepare, *, busy_ms: int = BUSY_MS) -> Held:
    """A connection to ``uri``, an address of ``path``; ``prepare`` must read from it, and closes nothing.

    Raises: DatabaseError, sqlite3.Error.
    """
    require_clean(path)
    with opening:
        for _ in range(_TIMES):
            one = Held(path)
            try:
                _open(one, uri, prepare, busy_ms)
                assert one.files is not None
                if one.files.is_complete and one.files.can_be_read():
                    return one
            except BaseException:
                close(one)
                raise
            # SQLite keeps a closed connection open while a statement of it is kept, which Python may let go of at any time:
            # then the new one got a number that was an old one's when they were listed, and is not known from it.
            close(one)
    raise _not_all_there(path)


def _open(one: Held, uri: str, prepare: Prepare, busy_ms: int) -> None:
    with listing:
        _noted[id(one)] = weakref.ref(one)  # noted before it is open: what is open is never unknown
    before = open_on(inode_at(one.real + suffix) for suffix in ("", "-wal", "-shm"))
    known = frozenset(number for numbers in before.values() for number in numbers)
    one.connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    one.connection.execute(f"PRAGMA busy_timeout={busy_ms}")
    prepare(one.connection)
    # One look at the data more: a file that has just become one with a log gets it at the next.
    one.connection.execute("PRAGMA data_version").fetchone()
    logged = one.connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal" and "immutable=1" not in uri
    one.files = FileIdentity(one.path, logged=logged, before=known)


def close(one: Held) -> None:
    """Close a connection, which undoes what it has not committed. May be done again where it was broken off."""
    numbers = one.files.numbers if one.files is not None else {}
    if one.connection is None or all(inode_of(number) == inode for number, inode in numbers.items()):
        _closed(one)
        return
    with spared(numbers) as can:
        if not can:
            raise give_up(one.path)
        _closed(one)


def _closed(one: Held) -> None:
    if one.files is not None:
        one.files.numbers = {}  # before it is done: they may be given to other files from here on
        with listing:
            alone = all(
                other.files is None or other.files.database_fd != one.files.database_fd
                for other in open_now()
                if other is not one
            )
        if alone and not one.quiet:
            locks.unguard(one.files.database_fd)
    if one.connection is not None:
        with opening:  # lest a number that is free from here on is taken for an old one by who is opening
            one.connection.close()
    with listing:
        _noted.pop(id(one), None)
        changed.notify_all()


def close_quietly(one: Held) -> bool:
    """Close a connection to files that the names lead to no more, so that SQLite removes no log; False: it cannot.

    The last connection to a file removes the log by its name, which may be somebody else's by now.
    """
    if one.connection is None or one.files is None:
        close(one)
        return True
    one.quiet = True
    if sys.version_info >= (3, 12):
        one.connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
    elif not locks.keep_log(one.files.database_fd) and one.files.log_is_elsewhere():
        return False
    close(one)
    return True


def give_up(path: Path) -> DatabaseError:
    """Never use, and never close, what this process has open of ``path``; the error that says so.

    SQLite would close the numbers of its descriptors, which are somebody else's files by now.
    """
    with listing:
        for one in [one for one in open_now() if one.real == os.path.realpath(path)]:
            _immortal(one)
            if one.files is not None and one.files.inode is not None:
                _given_up.add(one.files.inode)
            _noted.pop(id(one), None)
    return _closed_by_others(path)


def require_clean(path: Path) -> None:
    """Raises: DatabaseError where this process must not open the file: its state in here is not SQLite's own any more."""
    if _lost and os.path.realpath(path) in _lost:
        raise DatabaseError(
            "this process was forked while its parent was using the database, and cannot use it",
            record=str(path),
            hint="fork outside of transactions and queries, or start processes by multiprocessing's spawn",
        )
    if _given_up and inode_at(os.fspath(path)) in _given_up:
        raise _closed_by_others(path)


def folder_ready(path: Path) -> None:
    """Make the folder of ``path``, readable by its owner only when new."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def created(path: Path) -> None:
    """Create ``path``, empty and for its owner only, where nothing is.

    SQLite does it: a descriptor of ours would have to be closed, and another thread may have the file open by then. Raises:
    ReadOnlyDatabase; CorruptDatabase where a log lies that some other file of this name has left.
    """
    try:
        folder_ready(path)
        log = path.resolve().with_name(path.resolve().name + "-wal")
        with opening:
            size = _size(path)
            if _size(log) and not size:  # in this order: a process making the file writes to it before the log
                raise CorruptDatabase(
                    "the database is empty or gone, but its write-ahead log is still there",
                    record=str(log),
                    hint="run: syncer db restore BACKUP   (it sets the log aside), or put the file back",
                )
            if size is None:
                with tempfile.NamedTemporaryFile() as mine:  # SQLite takes the permissions of the new file from it
                    uri = f"{path.absolute().as_uri()}?mode=rwc&modeof={mine.name}"
                    sqlite3.connect(uri, uri=True).close()
    except sqlite3.Error as exc:
        raise (no_more_files(path) if out_of_files() else _not_created(path, str(exc))) from exc
    except OSError as exc:
        if out_of_files(exc) or exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise unusable(exc, path) from exc
        raise _not_created(path, exc.strerror) from exc


def address(path: Path, mode: str = "rw") -> str:
    """How SQLite is told to open ``path``."""
    return f"{path.absolute().as_uri()}?mode={mode}"


@contextmanager
def noted(path: Path) -> Iterator[None]:
    """A connection to ``path`` that somebody else opens and closes inside the block: forks wait for its end."""
    require_clean(path)
    one = Held(path)
    with listing:
        _noted[id(one)] = weakref.ref(one)
    try:
        yield
    finally:
        close(one)


def after_fork_in_child() -> None:
    """None of the parent's connections may be used, or even closed; what could not be closed in time is never used here."""
    global changed, listing, opening
    opening, listing = threading.RLock(), threading.RLock()
    changed = threading.Condition(listing)
    for one in open_now():
        _lost.add(one.real)
        _immortal(one)
        _noted.pop(id(one), None)


def _immortal(one: Held) -> None:
    """Keep a connection from ever being closed, also when the interpreter ends."""
    if one.connection is not None:
        import ctypes

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one.connection))


def _size(path: Path) -> int | None:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return None


def _not_created(path: Path, why: str | None) -> ReadOnlyDatabase:
    return ReadOnlyDatabase(
        "the database cannot be created",
        record=str(path),
        why=why,
        hint="check that the folder exists and can be written, or choose another path with --db",
    )


def _not_all_there(path: Path) -> DatabaseError:
    version.must_exist(path)
    return DatabaseBusy(
        "the database, its -wal or its -shm was removed or replaced while another connection of this process has it open",
        record=str(path),
        hint="close every connection of this program to the file, then repeat the operation",
    )


def _closed_by_others(path: Path) -> DatabaseError:
    return DatabaseError(
        "this program closed files that SQLite had open, so the database cannot be used in this process any more",
        record=str(path),
        hint="start the program again; what was accepted is in the file. Close only descriptors that are your own",
    )
