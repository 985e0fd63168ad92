"""Where the file lies: made for its owner only, and still the same file later. Standard library only."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from syncer.errors import CorruptDatabase, DatabaseError, ReadOnlyDatabase


class Place:
    """Which file ``path`` led to when it was opened.

    SQLite goes on writing to a file that was removed or replaced, and what is accepted then is nowhere. Asked before every
    transaction and before its commit: two looks at a name cost nothing beside the commit.
    """

    __slots__ = ("_file", "_path")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _file_at(path)

    def is_left(self) -> bool:
        """Whether the path leads elsewhere by now, or nowhere."""
        return _file_at(self._path) != self._file

    def gone(self) -> DatabaseError:
        """The error for that."""
        return DatabaseError(
            "the database file was removed or replaced while it was open; the operation was not accepted",
            record=str(self._path),
            hint="put the file back with its -wal, or repeat the operation to go on with the file that is there now",
        )


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def folder_ready(path: Path) -> None:
    """Make the folder of ``path``, readable by its owner only when new."""
    with suppress(FileExistsError):
        path.parent.mkdir(mode=0o700, parents=True)


def reserved(path: Path, *, new: bool = False) -> None:
    """Create ``path`` for its owner only, before anything is written to it; with ``new`` only where nothing is.

    Raises: ReadOnlyDatabase; CorruptDatabase where a log lies that some other file of this name has left; FileExistsError.
    """
    try:
        folder_ready(path)
        log = path.resolve().with_name(path.resolve().name + "-wal")
        if _size(log) and not _size(path):  # in this order: another process making the file writes to it before the log
            raise CorruptDatabase(
                "the database is empty or gone, but its write-ahead log is still there",
                record=str(log),
                hint="put the file back, or restore the newest backup; only then move the log away",
            )
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | (os.O_EXCL if new else 0), 0o600))
    except OSError as exc:
        if new and isinstance(exc, FileExistsError):
            raise
        raise ReadOnlyDatabase(
            "the database cannot be created",
            record=str(path),
            why=exc.strerror,
            hint="check that the folder exists and can be written, or choose another path with --db",
        ) from exc


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
