"""Upgrades keep everything: outbox, bases, marks; what waited before drains afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from syncer import Workspace
from syncer.errors import OlderDatabase
from syncer.sandbox.server import Sandbox
from syncer.store import migrate, version
from tests.factory import result, scoring
from tests.files import rows
from tests.rigs.released import TABLES

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
        assert ws.status().closed
    assert sandbox.count("ScoreResult") == 20


def test_there_is_nothing_before_the_first_schema(path: Path) -> None:
    """A downgrade past the first schema is refused instead of destroying the file."""
    migrate.initialise(path)
    with pytest.raises(RuntimeError, match="nothing before the first schema"):
        downgraded(path, "base")
