"""Care for the file: a private copy to try things on, and giving its free room back to the disk.

A copy is made without a write to the original, and gone when it was looked at.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import gettempdir

from syncer.store import version
from syncer.store.database import Database, Transaction
from syncer.store.errors import opening, translating
from syncer.store.file import scratch
from syncer.store.reader import Reader, reading
from syncer.store.writer import Writer

_PREFIX = "syncer-copy-"


@contextmanager
def copied(path: Path) -> Iterator[Database]:
    """A copy of the database at ``path`` as it is now, others' uncommitted writes apart, for the length of the block.

    It lies in a folder of its own that only its owner can read, below the one for temporary files (``TMPDIR``), and takes as
    much room and time as copying the file does. It is removed at the end, also after an error; what a killed process leaves,
    the next copy removes. Raises: DatabaseError.
    """
    with scratch.folder(Path(gettempdir()), _PREFIX) as folder:
        target = folder / "copy.db"
        os.close(os.open(target, os.O_CREAT | os.O_RDWR, 0o600))
        with Reader(path) as reader, translating(target), closing(sqlite3.connect(target)) as copy:
            reader.copy(copy)
        database = Database(target, durability="off")  # nobody needs it after a power cut
        try:
            yield database
        finally:
            database.close()


@contextmanager
def pinned(database: Database) -> Iterator[Transaction]:
    """The database as it is now, whatever is written to it inside the block; only for reading."""
    with translating(database.path), reading(database.path) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield Transaction(connection)


_BUSY_MS = 10_000


def size(path: Path) -> int:
    """Bytes of the file and its write-ahead log."""
    with opening(path):
        return sum(p.stat().st_size for p in (path, path.with_name(path.name + "-wal")) if p.exists())


def folded(path: Path, *, vacuum: bool = False) -> bool:
    """Fold the log into the file and cut it to almost nothing; whether nobody was in the way.

    ``vacuum``: rewrite the file without its empty pages first; nobody can write meanwhile, and the disk needs room for a
    copy. Pages that stay empty are used again by what is written next. Raises: DatabaseError.
    """
    version.must_exist(path)
    with translating(path):
        writer = Writer(path, "full", _BUSY_MS)
        try:
            if vacuum:
                writer.connection.execute("VACUUM")
            return writer.cut()
        finally:
            writer.close()
