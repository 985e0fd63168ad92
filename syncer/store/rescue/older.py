"""Files of an older schema, read by the statements of today's: the words of schema 0005 are not those before it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import suppress

from syncer.store import version

_BEFORE_0005 = {
    "_base": ("base", {}),
    "_id_map": ("id_map", {}),
    "ledger": ("ledger", {"door": "outcome"}),
    "outbox": ("outbox", {"due_at": "next_attempt_at"}),
}
"""What is read of a file that is compared: the name of a table now -> its name then, and its columns then -> now."""


def under_new_names(connection: sqlite3.Connection) -> None:
    """Let ``connection`` find the tables of an older file by their names of today. The file stays as it is."""
    if not _is_before_0005(connection):
        return
    for now, (then, columns) in _BEFORE_0005.items():
        names = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?, 'main')", (then,))]
        listed = ", ".join(f"{name} AS {columns.get(name, name)}" for name in names)
        # SQLite looks for a name among the temporary ones first, so this hides the table of the same name.
        connection.execute(f"CREATE TEMP VIEW {now} AS SELECT {listed} FROM main.{then}")


def schema(connection: sqlite3.Connection) -> str:
    """The schema of a file that may be damaged, as far as it can be told; else the newest one."""
    with suppress(sqlite3.DatabaseError, UnicodeDecodeError):
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        if len(rows) == 1 and re.fullmatch(r"\d{4}", str(rows[0][0])) and "0001" <= rows[0][0] <= version.head():
            return str(rows[0][0])
    with suppress(sqlite3.DatabaseError, UnicodeDecodeError):
        if _is_before_0005(connection):
            return "0004"
    return version.head()


def _is_before_0005(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'mark'").fetchone() is not None
