"""A private copy of the file to try things on: made without a write to the original, gone when it was looked at."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import gettempdir

from syncer.store import scratch
from syncer.store.database import Database, Transaction
from syncer.store.faults import translating
from syncer.store.reader import Reader, reading

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
