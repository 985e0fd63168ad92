"""SQLite's errors in the words of :mod:`syncer.errors`."""

from __future__ import annotations

import errno
import os
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
    TooManyFiles,
)
from syncer.store import hints

_FILES_OF_A_DATABASE = 4  # itself, its -wal and -shm, and its folder
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
    if code == sqlite3.SQLITE_CANTOPEN and out_of_files():
        return no_more_files(path)
    kind, what, hint = _BY_CODE.get(code, (DatabaseError, "the database refused the operation", "run `syncer db check`"))
    hint = _hint(kind, hint, path)
    # "database is locked" sounds as if somebody had to unlock it: what is known of it is said in ``what``.
    why = None if kind is DatabaseBusy else str(exc)
    return kind(what, record=str(path), why=why, hint=hint)


def out_of_files(exc: OSError | None = None) -> bool:
    """Whether ``exc`` says that the process or machine may open no more files.

    Without it that is tried, with as many as a database with its log needs: SQLite tells it apart from nothing else.
    """
    tried: list[int] = []
    try:
        while exc is None and len(tried) < _FILES_OF_A_DATABASE:
            tried.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as refused:
        exc = refused
    finally:
        for one in tried:
            os.close(one)
    return exc is not None and exc.errno in (errno.EMFILE, errno.ENFILE)


def no_more_files(path: Path | None = None) -> TooManyFiles:
    """The error for that."""
    return TooManyFiles(
        "too many files are open in this process to use the database",
        record=str(path) if path else None,
        hint="close workspaces and files that are not needed, or allow more (ulimit -n), and repeat",
    )


def unusable(exc: OSError, path: Path | None) -> DatabaseError:
    """The error for what the system refuses while the database at ``path`` is made or opened."""
    record = str(path) if path else None
    if out_of_files(exc):
        return no_more_files(path)
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):
        kind, what, hint = _BY_CODE[sqlite3.SQLITE_FULL]
        return kind(what, record=record, why=exc.strerror, hint=hint)
    why = f"{exc.strerror} ({exc.filename})" if exc.filename else exc.strerror
    return DatabaseError("the database cannot be used", record=record, why=why, hint="check the path and its permissions")


@contextmanager
def opening(path: Path | None = None) -> Iterator[None]:
    """Turn what the system refuses inside the block into a DatabaseError: around our own code that opens the file."""
    try:
        yield
    except OSError as exc:
        raise unusable(exc, path) from exc


class translating:
    """Turn what SQLite raises inside the block into a DatabaseError. (A class: a generator costs a write 1 µs more.)"""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if isinstance(exc, sqlite3.Error):
            raise translated(exc, self._path) from exc
        if isinstance(exc, UnicodeDecodeError) and b"malformed database" in exc.object:
            error, what, hint = _BY_CODE[sqlite3.SQLITE_CORRUPT]  # so badly that Python cannot read what SQLite says of it
            why = exc.object.decode("utf-8", "replace")
            raise error(what, record=str(self._path), why=why, hint=_hint(error, hint, self._path)) from exc


def _hint(kind: type[DatabaseError], hint: str, path: Path) -> str:
    return hints.damaged(path) if kind is CorruptDatabase else hint
