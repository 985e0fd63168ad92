"""Bringing what a hurt file still holds into a new one. The files it is given stay as they are: all work is on copies."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncer.errors import CorruptDatabase, DatabaseBusy, DatabaseError, NewerDatabase, NotOurDatabase, ReadOnlyDatabase
from syncer.store import added, migrate, version
from syncer.store.database import Database
from syncer.store.errors import translating
from syncer.store.file import exclusive, scratch
from syncer.store.file.connections import folder_ready
from syncer.store.rescue import backup, ledger, older
from syncer.store.rescue.carry import Carried, carry_over
from syncer.store.rescue.salvage import salvage

_PREFIX = ".syncer-recover-"


@dataclass(slots=True)
class Recovered:
    """What is in the new file. ``began_with``: the file that it is a copy of, before changes were brought.

    ``lost``: numbers of accepted changes of which nothing was found. ``skipped``: by table, how many rows could not be read
    (-1: unknown). ``without_log``: the log beside the old file is another file's, and was left out.
    """

    path: Path
    source: Path
    began_with: Path
    carried: Carried = field(default_factory=Carried)
    lost: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    without_log: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        paths = {"path": str(self.path), "from": str(self.source), "began_with": str(self.began_with)}
        rest = {"lost": self.lost, "skipped": self.skipped, "without_log": self.without_log}
        return {**paths, **self.carried.as_dict(), **rest}


def recover(source: Path, current: Path, target: Path, *, log: Path | None = None) -> Recovered:
    """A new file at ``target``: the sound database ``current`` with what the old file ``source`` holds beyond it.

    Where ``current`` is not there, not sound, or is ``source`` itself, it is what can be read of ``source`` alone.
    ``log``: the write-ahead log that belongs to ``source``, where it does not lie beside it. Raises: DatabaseError.
    """
    if version.is_there(source) is None:
        raise DatabaseError("there is no such file", record=str(source), hint="name the old file, or a copy of it")
    if os.path.lexists(target):
        raise DatabaseError("the new file would overwrite another one", record=str(target), hint="choose a name: --into")
    try:
        folder_ready(target)
        with scratch.folder(target.parent, _PREFIX) as folder:
            return _recovered(source, current, target, log, folder)
    except FileExistsError as exc:
        raise DatabaseError("the new file would overwrite another one", record=str(target)) from exc
    except OSError as exc:
        raise ReadOnlyDatabase("the file cannot be recovered", record=str(source), why=exc.strerror or str(exc)) from exc


def _recovered(source: Path, current: Path, target: Path, log: Path | None, folder: Path) -> Recovered:
    done = Recovered(target, source, source)
    new = folder / "new.db"
    with translating(source):
        old = _readable(source, log, folder, done)
        if _is_sound(current) and not current.samefile(source):
            done.began_with = current
            backup.copied(current, new, damaged=True)  # its ledger may have holes: that is why it is recovered
        else:
            _duplicated(old, new)
        database = Database(new)
        try:
            with closing(sqlite3.connect(old, isolation_level=None)) as connection, database.transaction() as tx:
                if done.began_with == current:
                    done.carried = carry_over(connection, tx)
                done.lost = ledger.close(tx)
        finally:
            database.close()
        backup.named(backup.copied(new, folder / "finished.db"), target)
    return done


def _readable(source: Path, log: Path | None, folder: Path, done: Recovered) -> Path:
    """A sound copy of ``source`` at the newest schema. Raises: NotOurDatabase, NewerDatabase, CorruptDatabase."""
    first = _private(source, log, folder / "with-log")
    if not _problems(first, source):
        return _at_head(first)
    alone = _private(source, None, folder / "without-log", beside=False)
    if not _problems(alone, source):
        done.without_log = True
        return _at_head(alone)
    found = folder / "salvaged.db"
    with closing(sqlite3.connect(first, isolation_level=None)) as old:
        # Its tables have the names of its own schema: what is read goes into such a file, which is then upgraded.
        migrate.begin(found, older.schema(old))
        if older.schema(old) == version.head():  # older ones know no remotes of other packages
            _add_tables(first, found)
        with closing(sqlite3.connect(found)) as new, new:
            _salvaged(old, new, source, done)
    return _at_head(found)


def _salvaged(old: sqlite3.Connection, new: sqlite3.Connection, source: Path, done: Recovered) -> None:
    """Raises: CorruptDatabase where nothing can be read."""
    done.skipped = salvage(old, new)
    if not any(
        new.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() for table in ("outbox", "ledger", "sqlite_sequence")
    ):
        raise CorruptDatabase(
            "nothing in the file can be read",
            record=str(source),
            hint="restore the newest backup: syncer db restore BACKUP",
        )


def _add_tables(old: Path, new: Path) -> None:
    """Make the tables of remotes that other packages brought into ``old``, as far as it can tell of them."""
    described: list[tuple[str, str]] = []
    with closing(sqlite3.connect(old, isolation_level=None)) as connection, suppress(sqlite3.DatabaseError):
        described = connection.execute("SELECT remote, models FROM _remote").fetchall()
    database = Database(new)
    try:
        for _, models in described:
            with database.transaction() as tx, suppress(ValueError):
                added.restore(tx, models)
    finally:
        database.close()


def _private(source: Path, log: Path | None, folder: Path, *, beside: bool = True) -> Path:
    """The file and its logs copied byte by byte. Raises: DatabaseBusy when somebody has it open or writes to it."""
    folder.mkdir(mode=0o700)
    copy = folder / "old.db"
    pairs = [(source, copy)]
    if beside:
        pairs += [(source.with_name(source.name + end), copy.with_name(copy.name + end)) for end in ("-journal", "-wal")]
    if log is not None:
        pairs = [pair for pair in pairs if not pair[1].name.endswith("-wal")] + [(log, copy.with_name(f"{copy.name}-wal"))]
    there = [(was, now) for was, now in pairs if was.exists()]
    # Reading a file outside SQLite ends the locks that this process has on it, and a file in use is not one moment.
    for was, _ in there:
        exclusive.require_unused(was)
    before = [_stamp(was) for was, _ in there]
    for was, now in there:
        shutil.copyfile(was, now)
        now.chmod(0o600)
    if before != [_stamp(was) for was, _ in there]:
        raise DatabaseBusy("the file was written to while it was copied", record=str(source), hint="end its programs first")
    return copy


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _problems(copy: Path, source: Path) -> list[str]:
    """What is wrong with a private copy, its ledger apart. Raises: NotOurDatabase, NewerDatabase."""
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            checked = connection.execute("PRAGMA integrity_check").fetchall()
            if checked != [("ok",)]:
                return [str(row[0]) for row in checked]
            found = version.revision(connection, source)
    except (sqlite3.DatabaseError, UnicodeDecodeError, CorruptDatabase) as exc:
        return [str(exc)]
    if found is None:
        raise NotOurDatabase("the file is empty", record=str(source), hint="name another file")
    if found > version.head():
        raise NewerDatabase(
            f"the file was written by a newer syncer (schema {found}, this one knows {version.head()})",
            record=str(source),
            hint="upgrade syncer, then repeat the command",
        )
    return []


def _at_head(copy: Path) -> Path:
    migrate.advance(copy)
    return copy


def _duplicated(old: Path, new: Path) -> None:
    with closing(sqlite3.connect(old)) as source, closing(backup.connected(new)) as copy:
        source.backup(copy)


def _is_sound(path: Path) -> bool:
    """Whether there is a database of today's schema at ``path``, and SQLite finds it sound."""
    with suppress(DatabaseError):
        return not backup.integrity(path)
    return False
