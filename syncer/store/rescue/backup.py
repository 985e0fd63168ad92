"""Copies of the database to keep: complete, checked, and never over another file."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

from syncer.errors import CorruptDatabase, DatabaseError, ReadOnlyDatabase
from syncer.store import hints, version
from syncer.store.errors import translating
from syncer.store.file import scratch
from syncer.store.file.connections import folder_ready
from syncer.store.reader import reading
from syncer.store.rescue import ledger

_PREFIX = ".syncer-backup-"
BESIDE = ("-journal", "-wal", "-shm")
"""What SQLite keeps beside a file, under its name."""


def backup(path: Path, target: Path, *, damaged: bool = False) -> Path:
    """A complete copy of the database at ``target``, taken while others may write. Raises: DatabaseError.

    The copy is checked before it gets its name. ``damaged``: keep it as it is, for evidence, whatever is wrong with it.
    """
    version.must_exist(path)
    try:
        return _taken(path, target, damaged=damaged)
    except FileExistsError as exc:
        raise DatabaseError("the backup would overwrite a file", record=str(target), hint="choose another name") from exc


def kept(path: Path, target: Path) -> Path:
    """A backup at ``target``, numbered when there is such a file: an upgrade repeated within a second, or two at once."""
    free = target
    for number in count(2):
        with suppress(FileExistsError):
            return _taken(path, free)
        free = target.with_name(f"{target.stem}.{number}{target.suffix}")
    raise AssertionError  # count() does not end


def integrity(path: Path) -> list[str]:
    """What SQLite's own check finds wrong with the file; empty when it is sound."""
    version.must_exist(path)
    with translating(path), reading(path) as connection:
        version.check(connection, path)
        try:
            rows = connection.execute("PRAGMA integrity_check").fetchall()
        except sqlite3.DatabaseError as exc:
            return [str(exc)]
    return [] if rows == [("ok",)] else [str(row[0]) for row in rows]


def problems(path: Path) -> list[str]:
    """What is wrong with a copy at ``path``, its ledger included; empty when it is sound."""
    with translating(path), reading(path) as connection:
        return ledger.problems(connection)


def copied(path: Path, target: Path, *, damaged: bool = False) -> Path:
    """The database at ``path``, checked, as a single file at ``target``, which must be in a private folder.

    Raises: NotOurDatabase, CorruptDatabase (unless ``damaged``), DatabaseError.
    """
    with translating(path), reading(path) as source:
        version.revision(source, path)  # before much is copied that is not ours
        with closing(connected(target)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            found = [] if damaged else ledger.problems(copy)
    if found:
        raise CorruptDatabase(
            "the database is damaged, and no copy of it was kept",
            record=str(path),
            why="; ".join(found[:3]),
            hint=f"{hints.damaged(path)}; a copy for evidence: syncer db backup --damaged",
        )
    return target


def connected(target: Path) -> sqlite3.Connection:
    """A connection to a new file that is created for its owner only, by SQLite alone; what it commits is durable."""
    # No descriptor of ours: closing one takes the locks of every connection of the process on that file away.
    connection = sqlite3.connect(target, isolation_level=None)
    target.chmod(0o600)  # nobody else could see it before: its folder is private
    connection.execute("PRAGMA synchronous=EXTRA")
    connection.execute("PRAGMA fullfsync=ON")
    return connection


def named(source: Path, target: Path) -> None:
    """Give the finished file ``source`` the name ``target``, durably, and never over another file.

    Raises: FileExistsError; CorruptDatabase where another file of that name has left its log.
    """
    for suffix in BESIDE[:2]:
        log = target.with_name(target.name + suffix)
        if os.path.lexists(log) and log.stat().st_size:
            raise CorruptDatabase(
                f"the name {target.name} cannot be used, because a log of another database is beside it",
                record=str(log),
                hint="choose another name: SQLite would mix the log into the new file",
            )
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise FileExistsError(str(target)) from None
        source.rename(target)
    else:
        source.unlink()
    scratch.synced(target.parent)


def _taken(path: Path, target: Path, *, damaged: bool = False) -> Path:
    """Raises: FileExistsError, DatabaseError."""
    if os.path.lexists(target):
        raise FileExistsError(str(target))
    try:
        folder_ready(target)
        with scratch.folder(target.parent, _PREFIX) as folder:
            named(copied(path, folder / "copy.db", damaged=damaged), target)
    except FileExistsError:
        raise
    except OSError as exc:
        raise ReadOnlyDatabase(
            "the backup cannot be created",
            record=str(target),
            why=exc.strerror,
            hint="check that the folder exists and can be written, or name another one",
        ) from exc
    return target
