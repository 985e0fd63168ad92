"""Looking into database files as another program would, and meddling with them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def rows(path: Path, sql: str, *parameters: Any) -> list[Any]:
    """Rows of a select."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql, parameters).fetchall()


def write(path: Path, sql: str, *parameters: Any) -> None:
    """Run one statement behind syncer's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql, parameters)
