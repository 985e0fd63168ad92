"""A private copy of the file to try things on: made without a write to the original, gone when it was looked at."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from syncer.store import forks
from syncer.store.database import Database, Transaction
from syncer.store.faults import translating
from syncer.store.reader import Reader

_PREFIX = "syncer-copy-"
_YOUNG_S = 60.0  # between making a folder and holding it


@contextmanager
def copied(path: Path) -> Iterator[Database]:
    """A copy of the database at ``path`` as it is now, others' uncommitted writes apart, for the length of the block.

    It lies in a folder of its own that only its owner can read, below the one for temporary files (``TMPDIR``), and takes as
    much room and time as copying the file does. It is removed at the end, also after an error; what a killed process leaves,
    the next copy removes. Raises: DatabaseError.
    """
    _sweep()
    with TemporaryDirectory(prefix=_PREFIX) as folder, _held(Path(folder)):
        target = Path(folder) / "copy.db"
        os.close(os.open(target, os.O_CREAT | os.O_RDWR, 0o600))
        with Reader(path) as reader, translating(target), closing(sqlite3.connect(target)) as copy:
            reader.copy(copy)
        database = Database(target, durability="off")  # nobody needs it after a power cut
        try:
            yield database
        finally:
            database.close()


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """``folder`` locked for as long as this process lives; False where another one holds it, it is not ours, or who lives
    cannot be told: without locks that end with a process."""
    try:
        import fcntl
    except ImportError:
        yield False
        return
    with ExitStack() as stack:
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = os.fstat(handle).st_uid == os.getuid()
        except OSError:
            ours = False
        yield ours


def _sweep() -> None:
    """Remove the copies of processes that were killed: nobody holds their folders any more."""
    for folder in Path(gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), _held(folder) as free:
            if free and time.time() - folder.stat().st_mtime > _YOUNG_S:
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def pinned(database: Database) -> Iterator[Transaction]:
    """The database as it is now, whatever is written to it inside the block; only for reading."""
    with (
        closing(forks.Brief(database.path)),
        translating(database.path),
        closing(sqlite3.connect(database.path, isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA query_only=ON")
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield Transaction(connection)
