"""Giving room in the file back to the disk."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from syncer.store import forks, version
from syncer.store.faults import translating

_BUSY_MS = 10_000


def size(path: Path) -> int:
    """Bytes of the file and its write-ahead log."""
    return sum(p.stat().st_size for p in (path, path.with_name(path.name + "-wal")) if p.exists())


def folded(path: Path, *, vacuum: bool = False) -> bool:
    """Fold the log into the file and cut it to nothing; whether nobody was in the way.

    ``vacuum``: rewrite the file without its empty pages first; nobody can write meanwhile, and the disk needs room for a
    copy. Pages that stay empty are used again by what is written next. Raises: DatabaseError.
    """
    version.must_exist(path)
    with closing(forks.Brief(path)), translating(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        version.check(connection, path)
        if vacuum:
            connection.execute("VACUUM")
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy
