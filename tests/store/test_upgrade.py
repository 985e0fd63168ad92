"""Upgrades keep everything: outbox, bases, checkpoints; what waited before drains afterwards."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from syncer import Workspace
from syncer.errors import DiskFull, OlderDatabase
from syncer.sandbox.server import Sandbox
from syncer.store import migrate, version
from tests.cli.conftest import Syncer
from tests.factory import result, scoring
from tests.files import rows
from tests.rigs.released import TABLES

ROWS = 20_000
MOST_GROWN = 64 * 4096
MOST_S = 2.0
RELEASED = sorted(p.name[:4] for p in (version.migrations() / "versions").glob("[0-9]*.py"))


def downgraded(path: Path, revision: str) -> None:
    """Take a file back to an older schema, as the older program left it."""
    config = Config()
    config.set_main_option("script_location", str(version.migrations()))
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.NullPool)
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


@pytest.mark.parametrize("revision", RELEASED[:-1])
def test_a_full_outbox_survives_and_drains(path: Path, sandbox: Sandbox, online: Callable[[], None], revision: str) -> None:
    """Every released schema is upgraded with its waiting changes, which then reach the remote once."""
    online()
    with Workspace.open(path) as ws:
        ids = scoring(ws)
        ws.push()
        ws.plexus.update("Item", ids["itemId"], {"text": "edited"})
        ws.plexus.create_many("ScoreResult", [result(ids, value=str(n)) for n in range(20)])
    downgraded(path, revision)
    old = ("outbox", "ledger", "base", "mark", "plexus_item")
    kept = {TABLES.get(table, table): rows(path, f"SELECT * FROM {table}") for table in old}
    with pytest.raises(OlderDatabase):
        Workspace.open(path).plexus.find("Account")
    before, now, backup = migrate.upgrade(path)
    assert (before, now) == (revision, version.head())
    assert backup is not None
    assert rows(backup, "SELECT version_num FROM alembic_version") == [(revision,)]
    for table, content in kept.items():
        assert rows(path, f"SELECT * FROM {table}") == content
    with Workspace.open(path) as ws:
        assert ws.push().exit_code == 0
        assert ws.status().consistent
    assert sandbox.count("ScoreResult") == 20


def test_names_change_without_a_copy(path: Path) -> None:
    """Renaming moves no row: every table keeps its first page, and only rows that hold an old word are written."""
    migrate.initialise(path)
    downgraded(path, "0004")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO outbox (remote, model, key, op, state, attempts, created_at, idem_key, body)"
            " VALUES ('plexus', 'Item', ?, 'create', ?, 1, '2026', ?, ?)",
            ((f"i{n}", "pending" if n % 1000 else "parked", f"k{n}", "b" * 300) for n in range(ROWS)),
        )
        connection.execute(
            "INSERT INTO ledger (seq, remote, model, key, op, door, attempts, created_at, left_at)"
            " SELECT seq + 1000000, remote, model, key, op, 'acked', 1, '2026', '2026' FROM outbox"
        )
    pages = "SELECT name, rootpage FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
    before = dict(rows(path, pages))
    size = path.stat().st_size
    began = time.process_time()  # of ours: this machine is shared
    migrate.advance(path)
    took = time.process_time() - began
    assert dict(rows(path, pages)) == {TABLES.get(name, name): page for name, page in before.items()}
    assert rows(path, "SELECT state, count(*) FROM outbox GROUP BY state") == [
        ("pending", ROWS - ROWS // 1000),
        ("rejected", ROWS // 1000),
    ]
    assert path.stat().st_size <= size + MOST_GROWN
    assert took < MOST_S


def test_room_is_asked_for_before_the_backup(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says how much it needs; where that is not free, it ends with exit 5 and has written nothing."""
    migrate.initialise(path)
    downgraded(path, "0004")
    needed = migrate.room(path)
    assert needed is not None
    assert needed.bytes == path.stat().st_size
    before = path.read_bytes()
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed.bytes - 1))
        with pytest.raises(DiskFull, match=f"{needed.bytes:,} bytes of disk space"):
            migrate.upgrade(path)
    assert (path.read_bytes(), list(path.parent.glob("*.bak"))) == (before, [])
    ended = Syncer(path, tmp_path)("db", "upgrade", "--json")
    assert f"from schema 0004 to {version.head()} needs {needed.bytes:,} bytes of disk space for the backup" in ended.err
    assert ended.json["backup_bytes"] == needed.bytes
    assert migrate.room(path) is None


def test_there_is_nothing_before_the_first_schema(path: Path) -> None:
    """A downgrade past the first schema is refused instead of destroying the file."""
    migrate.initialise(path)
    with pytest.raises(RuntimeError, match="nothing before the first schema"):
        downgraded(path, "base")
