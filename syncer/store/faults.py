"""SQLite's errors in the words of :mod:`syncer.errors`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syncer.errors import (
    CorruptDatabase,
    DatabaseBusy,
    DatabaseError,
    DiskFull,
    NotOurDatabase,
    ReadOnlyDatabase,
)
from syncer.store import hints

_BY_CODE: dict[int, tuple[type[DatabaseError], str, str]] = {
    sqlite3.SQLITE_BUSY: (DatabaseBusy, "the database is being written by another process", "try again in a moment"),
    sqlite3.SQLITE_LOCKED: (DatabaseBusy, "the database is being written by another process", "try again in a moment"),
    sqlite3.SQLITE_FULL: (DiskFull, "no room on the disk; the write was not accepted", "free some space and repeat it"),
    sqlite3.SQLITE_READONLY: (
        ReadOnlyDatabase,
        "the database cannot be written",
        "check the permissions of the file, of its -wal and -shm beside it, and of their folder",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        ReadOnlyDatabase,
        "the database cannot be opened",
        "check that its folder exists, and that the file, and its -wal and -shm beside it, can be read and written",
    ),
    sqlite3.SQLITE_PERM: (ReadOnlyDatabase, "the database may not be opened", "check the permissions of the file"),
    sqlite3.SQLITE_IOERR: (
        DatabaseError,
        "the disk failed while the database was used",
        "check the disk and its room, then repeat",
    ),
    sqlite3.SQLITE_CORRUPT: (
        CorruptDatabase,
        "the database file is damaged",
        "",  # names the file: see _hint
    ),
    sqlite3.SQLITE_NOTADB: (NotOurDatabase, "the file is not a SQLite database", "choose another path with --db"),
}


def translated(exc: sqlite3.Error, path: Path) -> DatabaseError:
    """The error to show for ``exc``."""
    code = (getattr(exc, "sqlite_errorcode", None) or 0) & 0xFF
    kind, what, hint = _BY_CODE.get(code, (DatabaseError, "the database refused the operation", "run `syncer db check`"))
    hint = _hint(kind, hint, path)
    # "database is locked" sounds as if somebody had to unlock it: what is known of it is said in ``what``.
    why = None if kind is DatabaseBusy else str(exc)
    return kind(what, record=str(path), why=why, hint=hint)


@contextmanager
def translating(path: Path) -> Iterator[None]:
    """Turn what SQLite raises inside the block into a DatabaseError."""
    try:
        yield
    except sqlite3.Error as exc:
        raise translated(exc, path) from exc
    except UnicodeDecodeError as exc:
        if b"malformed database" not in exc.object:
            raise
        kind, what, hint = _BY_CODE[sqlite3.SQLITE_CORRUPT]  # so badly that Python cannot read what SQLite says of it
        why = exc.object.decode("utf-8", "replace")
        raise kind(what, record=str(path), why=why, hint=_hint(kind, hint, path)) from exc


def _hint(kind: type[DatabaseError], hint: str, path: Path) -> str:
    return hints.damaged(path) if kind is CorruptDatabase else hint
