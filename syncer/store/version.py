"""Whose file is it, and which schema does it hold? Asked at every opening, with the standard library only."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from functools import cache
from pathlib import Path

from syncer.errors import (
    CorruptDatabase,
    DatabaseError,
    NewerDatabase,
    NotOurDatabase,
    OlderDatabase,
    ReadOnlyDatabase,
)
from syncer.install import upgrade_hint
from syncer.store import hints
from syncer.store.errors import opening, translated
from syncer.store.file import asides

APPLICATION_ID = 0x53594E43  # "SYNC", in the header of every file of ours
_STATED = "SELECT version_num FROM alembic_version"


def migrations() -> Path:
    """The folder of the migrations: inside an installed wheel, or at the top of a checkout."""
    installed = Path(__file__).parents[1] / "_migrations"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "migrations"


@cache
def head() -> str:
    """The newest schema revision this program knows: files are called ``NNNN_what.py``."""
    folder = migrations() / "versions"
    with opening(folder):
        return max(m[1] for name in os.listdir(folder) if (m := re.fullmatch(r"(\d{4})_.*\.py", name)))


def must_exist(path: Path) -> None:
    """Raises: DatabaseError when there is no file at ``path``, or nobody may look."""
    if is_there(path) is None:
        asides.require_finished(path)
        raise DatabaseError("there is no database yet", record=str(path), hint="run: syncer init")


def is_there(path: Path) -> int | None:
    """The size of the file at ``path``, None when there is none. Raises: NotOurDatabase, ReadOnlyDatabase."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:  # a folder that may not be entered, a name too long, links in a circle
        raise ReadOnlyDatabase(
            "the database cannot be reached", record=str(path), why=exc.strerror, hint="check the path and its permissions"
        ) from exc
    if stat.S_ISDIR(found.st_mode):
        raise NotOurDatabase("the database path is a folder", record=str(path), hint="--db takes the path of a file")
    if not stat.S_ISREG(found.st_mode):  # opening a pipe waits for its other end, for ever
        raise NotOurDatabase("the database path is no file", record=str(path), hint="--db takes the path of a file")
    return found.st_size


def revision(connection: sqlite3.Connection, path: Path) -> str | None:
    """The schema revision in the file, None for an empty file.

    Raises: NotOurDatabase, CorruptDatabase.
    """
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables and application in (0, APPLICATION_ID):
            return None
        if application != APPLICATION_ID:
            raise NotOurDatabase(
                "the file is a database of another program", record=str(path), hint="choose another path with --db"
            )
        rows = connection.execute(_STATED).fetchall() if "alembic_version" in tables else []
    except sqlite3.Error as exc:
        raise translated(exc, path) from exc
    if len(rows) != 1 or not re.fullmatch(r"\d{4}", str(rows[0][0])):
        raise CorruptDatabase(  # neither empty nor old: init and upgrade could only do harm to what waits in it
            "the database does not say which schema it holds",
            record=str(path),
            why=f"alembic_version holds {[row[0] for row in rows] or 'nothing'}",
            hint=hints.damaged(path),
        )
    return str(rows[0][0])


def unchanged(connection: sqlite3.Connection, path: Path) -> None:
    """As :func:`check`, cheap enough for every transaction: another program may upgrade a file that is open here."""
    try:
        stated = connection.execute(_STATED).fetchall()
    except sqlite3.OperationalError:  # a table that is gone, or worse: the full check knows
        stated = []
    if stated != [(head(),)]:
        check(connection, path)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raises: NotOurDatabase, NewerDatabase, OlderDatabase unless the file holds exactly our schema."""
    found = revision(connection, path)
    if found is None:
        raise OlderDatabase("the database is empty", record=str(path), hint="run: syncer init")
    if found > head():
        raise NewerDatabase(
            f"the database was written by a newer syncer (schema {found}, this one knows {head()})",
            record=str(path),
            hint=upgrade_hint(),
        )
    if found < head():
        raise OlderDatabase(
            f"the database has schema {found}, this syncer needs {head()}",
            record=str(path),
            hint="run: syncer db upgrade   (a backup is taken first)",
        )
