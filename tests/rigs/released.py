"""The database files that released programs left behind, taken out of their packing: see ``tests/fixtures/schemas``."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from syncer import Workspace
from syncer.config import Settings
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from syncer.store import version

FOLDER = Path(__file__).parents[1] / "fixtures" / "schemas"
SCHEMAS = sorted(p.stem for p in FOLDER.glob("*.zip") if p.stem < version.head())
"""Schemas before the newest; a file of the newest may lie ready for the day when there is a newer one."""
ROOT = Path(__file__).parents[2]
_SET_BY_THE_UPGRADE = frozenset(("alembic_version",))
Contents = dict[str, list[tuple[Any, ...]]]
TABLES = {
    "attempt": "_attempt", "base": "_base", "caller_key": "_idempotency_key", "deployed": "_schema_drift", "event": "_event",
    "id_map": "_id_map", "made": "_created_here", "mark": "_checkpoint", "pruned": "_pruned",
    "remote_state": "_remote_state",
}  # fmt: skip
COLUMNS = {
    "_checkpoint": {"position": "cursor"},
    "_created_here": {"made_at": "acked_at"},
    "_pruned": {"door": "outcome"},
    "_schema_drift": {"place": "endpoint"},
    "ledger": {"door": "outcome"},
    "outbox": {"due_at": "next_attempt_at"},
}
WORDS = {
    ("outbox", "state"): {"parked": "rejected"},
    ("outbox", "code"): {"taken": "cascaded"},
    ("_event", "kind"): {"taken": "cascaded"},
}
"""What schema 0005 renamed, written down once more: the test shall not ask the migration what the migration should do."""


@dataclass(frozen=True)
class Left:
    """One program's file with its write-ahead log, the upstream it spoke to, and what its user had asked for.

    ``asked``: model -> key -> fields, None where deleted. ``stuck``: the same for what needs a person first.
    """

    schema: str
    path: Path
    upstream: Path
    asked: dict[str, dict[str, dict[str, Any] | None]]
    stuck: dict[str, dict[str, dict[str, Any]]]
    later: datetime

    def sandbox(self, **faults: Any) -> Sandbox:
        """The upstream as it was left."""
        return Sandbox(Options(db=self.upstream, **faults))

    def workspace(self, sandbox: Sandbox) -> Workspace:
        """Today's workspace on the file, connected to ``sandbox``."""
        return Workspace(Settings(str(self.path), environ={**sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab"}))


def unpacked(schema: str, folder: Path) -> Left:
    """The files of ``schema``, in ``folder``."""
    with zipfile.ZipFile(FOLDER / f"{schema}.zip") as packed:
        packed.extractall(folder)
    found = json.loads((folder / "asked.json").read_text("utf-8"))
    later = datetime.fromisoformat(found["start"]) + timedelta(days=1)
    (folder / "local.db").chmod(0o600)  # as it was made; the packing forgets it
    return Left(schema, folder / "local.db", folder / "upstream.db", found["asked"], found["stuck"], later)


def contents(path: Path, like: Contents | None = None) -> Contents:
    """Every row of every table, sorted; with ``like`` only of its tables, and the columns those had.

    Read from a copy: whoever closes a file as the last folds its log into it, and the log shall be there for the test.
    """
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(_copied(path, Path(folder)))) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = [n for n in names if not n.startswith("sqlite_") and n not in _SET_BY_THE_UPGRADE]
        found: Contents = {}
        for name in kept if like is None else like:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
            if like is not None:
                columns = [c for c in columns if c in like[name][0]]
            quoted = ", ".join(f'"{column}"' for column in columns)
            rows = connection.execute(f"SELECT {quoted} FROM {name}").fetchall()
            found[name] = [tuple(columns), *sorted(rows, key=repr)]
    return found


def kept_as(before: Contents) -> Contents:
    """The rows of an older file, which may have the words until schema 0004, as today's schema must hold them."""
    found: Contents = {}
    for name, (columns, *lines) in before.items():
        table = TABLES.get(name, name)
        named = tuple(COLUMNS.get(table, {}).get(str(column), column) for column in columns)
        said = [tuple(_said(table, c, value) for c, value in zip(named, line, strict=True)) for line in lines]
        found[table] = [named, *sorted(said, key=repr)]
    return found


def _said(table: str, column: str, value: Any) -> Any:
    if (table, column) == ("sync_run", "counts") and value:
        return value.replace('"parked":', '"rejected":').replace('"held":', '"local_edits_kept":')
    return WORDS.get((table, column), {}).get(value, value)


def _copied(path: Path, folder: Path) -> Path:
    for part in (path, path.with_name(path.name + "-wal")):
        if part.exists():
            shutil.copy(part, folder / part.name)
    return folder / path.name


def program_before(schema: str, folder: Path) -> Path:
    """A copy of today's program that knows no schema newer than ``schema``: what an old program is to a newer file."""
    shutil.copytree(ROOT / "syncer", folder / "syncer", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(version.migrations(), folder / "migrations", ignore=shutil.ignore_patterns("__pycache__"))
    for newer in (folder / "migrations" / "versions").glob("[0-9]*.py"):
        if newer.name[:4] > schema:
            newer.unlink()
    return folder
