"""Bringing a file to the newest schema, with a backup first."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from syncer import clock, failpoints
from syncer.errors import DatabaseError, DiskFull, NewerDatabase
from syncer.install import upgrade_hint
from syncer.store import version
from syncer.store.database import Database
from syncer.store.errors import translated, translating
from syncer.store.file import asides, connections
from syncer.store.file.connections import created
from syncer.store.reader import reading
from syncer.store.rescue import backup as backups
from syncer.store.rescue.backup import backup as backup
from syncer.store.rescue.backup import integrity as integrity

_turn = threading.Lock()  # alembic keeps what it is about to do in modules: one thread at a time


def initialise(path: Path, *, durability: str = "full") -> bool:
    """Make sure ``path`` is a database of ours with a schema; True when it was made now.

    Raises: NotOurDatabase for somebody else's file, which is left as it is.
    """
    found = _revision(path) if version.is_there(path) else None
    if found is not None:
        return False
    asides.require_finished(path)
    created(path)
    _to("head", path, durability)
    return True


@dataclass(frozen=True, slots=True)
class Room:
    """What an upgrade needs on the disk: ``bytes`` for the backup, which stays, and at most as much again while it runs."""

    before: str
    now: str
    bytes: int
    free: int


def room(path: Path) -> Room | None:
    """The room that :func:`upgrade` needs, and what is free; None when nothing is to be upgraded. Raises: DatabaseError."""
    version.must_exist(path)
    before = _revision(path)
    if before is None or before >= version.head():
        return None
    with translating(path), reading(path) as connection:
        (size,) = connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()
    return Room(before, version.head(), int(size), shutil.disk_usage(path.resolve().parent).free)


def upgrade(path: Path) -> tuple[str, str, Path | None]:
    """Bring ``path`` to the newest schema: (revision before, revision now, backup or None when nothing was to do).

    All migrations are one transaction, so a failure leaves the file as it was; the backup stays. Raises:
    NewerDatabase, NotOurDatabase, DiskFull, DatabaseError.
    """
    version.must_exist(path)
    before = _revision(path)
    if before is None:
        initialise(path)
        return "empty", version.head(), None
    if before == version.head():
        return before, before, None
    if before > version.head():
        raise NewerDatabase(
            f"the database has schema {before}, this syncer knows {version.head()}",
            record=str(path),
            hint=upgrade_hint(),
        )
    _require_room(path)
    kept = backups.kept(path, path.with_name(f"{path.name}.{before}.{_compact_now()}.bak"))
    failpoints.reached("backup-taken")
    _to("head", path, "full")
    return before, version.head(), kept


def _require_room(path: Path) -> None:
    """Raises: DiskFull where the backup cannot fit. What runs short later undoes itself: all of it is one transaction."""
    needed = room(path)
    if needed is not None and needed.free < needed.bytes:
        raise DiskFull(
            f"the backup needs {needed.bytes:,} bytes of disk space, and {needed.free:,} are free",
            record=str(path),
            hint="free some space, then repeat: syncer db upgrade",
        )


def advance(path: Path) -> None:
    """Bring a private copy to the newest schema, without a backup. Raises: DatabaseError."""
    if _revision(path) != version.head():
        _to("head", path, "off")


def begin(path: Path, schema: str) -> None:
    """Make an empty private file of an older ``schema``, for what was saved of such a file. Raises: DatabaseError."""
    created(path)
    _to(schema, path, "off")


def _revision(path: Path) -> str | None:
    with translating(path), reading(path) as connection:
        return version.revision(connection, path)


def _compact_now() -> str:
    return clock.now().strftime("%Y%m%dT%H%M%S")


def _to(schema: str, path: Path, durability: str) -> None:
    """Run the migrations in one transaction: all of them, or none."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError
    from sqlalchemy.exc import DBAPIError

    config = Config()
    config.set_main_option("script_location", str(version.migrations()))
    database = Database(path, durability=durability)
    try:
        with (
            connections.noted(path),
            _turn,
            translating(path),
            database.engine.connect() as connection,
            connection.begin(),
        ):
            connection.exec_driver_sql(f"PRAGMA application_id={version.APPLICATION_ID}")
            config.attributes["connection"] = connection
            command.upgrade(config, schema)
    except CommandError as exc:
        raise _not_upgraded(path, str(exc)) from exc
    except DBAPIError as exc:  # SQLAlchemy's wrapping of what SQLite said
        found = translated(exc.orig, path) if isinstance(exc.orig, sqlite3.Error) else None
        raise (found if found and type(found) is not DatabaseError else _not_upgraded(path, str(exc.orig))) from exc
    finally:
        database.close()


def _not_upgraded(path: Path, why: str) -> DatabaseError:
    return DatabaseError(
        "the schema could not be brought up to date; the file is as it was", record=str(path), why=why,
        hint="syncer db check looks at the file; nothing in it was changed",
    )  # fmt: skip


@contextmanager
def opened(path: Path, *, durability: str = "full") -> Iterator[Database]:
    """A database at the newest schema, made if need be, closed at the end of the block."""
    initialise(path, durability=durability)
    database = Database(path, durability=durability)
    try:
        yield database
    finally:
        database.close()
