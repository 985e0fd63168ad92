"""Giving room in the file back to the disk."""

from __future__ import annotations

from pathlib import Path

from syncer.store import version
from syncer.store.faults import opening, translating
from syncer.store.writer import Writer

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
