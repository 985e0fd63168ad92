"""R4: the places where processes are killed, and an upgrade killed at each of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncer import Workspace, failpoints
from syncer.errors import OlderDatabase, SettingError
from syncer.failpoints import NAMES, Armed
from syncer.store import migrate, version
from tests.factory import result
from tests.files import rows
from tests.rigs import settings
from tests.rigs.released import TABLES
from tests.rigs.world import ROOT, World, ended
from tests.store.test_upgrade import downgraded

KEPT = ("outbox", "ledger", "base", "mark", "plexus_item", "plexus_score_result")  # by their names until schema 0004
OLDEST = "0001"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A user's file and upstream."""
    made = World(tmp_path, settings.seed)
    try:
        yield made
    finally:
        made.close()


def test_every_failpoint_is_somewhere() -> None:
    """A name that no code reaches would let its test prove nothing, and a place without a name could not be armed."""
    placed = set()
    for folder in (ROOT / "syncer", ROOT / "migrations"):
        for path in folder.rglob("*.py"):
            placed |= set(re.findall(r'failpoints\.reached\("([a-z-]+)"\)', path.read_text()))
    assert placed == set(NAMES)


def test_what_arms_a_failpoint_is_read_strictly() -> None:
    """Name, number and way; anything else is an error that names what can be given."""
    assert failpoints.read("claimed") == Armed("claimed", 1, "kill")
    assert failpoints.read("settled:3") == Armed("settled", 3, "kill")
    assert failpoints.read("page-read:2:stop") == Armed("page-read", 2, "stop")
    for wrong in ("clamed", "claimed:0", "claimed:x", "claimed:1:burn", ":1"):
        with pytest.raises(SettingError):
            failpoints.read(wrong)


def test_a_failpoint_that_raises_undoes_the_transaction(world: World) -> None:
    """A failure between row and change, or before the commit, leaves neither of them [I1]."""
    before = world.accepted()
    for place in ("row-stored:2:raise", "before-commit:2:raise"):
        died = ended(world.program(world.asked(3, ["create"], []), place))
        assert (died.code, "Fired" in died.text) == (1, True), died.text
        world.take(died, before)
        before = world.accepted()
        world.check_sound()
    assert world.counts["writes"] == 2


def test_unarmed_failpoints_cost_nothing_and_do_nothing() -> None:
    """Without the setting they are passed, whatever their name."""
    code = "from syncer import failpoints; failpoints.reached('claimed'); failpoints.reached('nowhere')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 0


@pytest.mark.parametrize("place", ["backup-taken", "migrating:1", "migrating:2"])
def test_an_upgrade_killed_on_the_way_leaves_the_old_file(world: World, place: str) -> None:
    """The old file stays whole at its old schema, the next upgrade works, and what waited arrives once [I20]."""
    with world.opened() as ws:
        ws.plexus.update("Item", world.ids["itemId"], {"text": "edited"})
        ws.plexus.create_many("ScoreResult", [result(world.ids, value=str(n)) for n in range(20)])
    downgraded(world.path, OLDEST)
    kept = {table: rows(world.path, f"SELECT * FROM {table} ORDER BY 1, 2") for table in KEPT}
    assert ended(world.command("db", "upgrade", failpoint=place)).killed
    assert rows(world.path, "SELECT version_num FROM alembic_version") == [(OLDEST,)]
    with pytest.raises(OlderDatabase):
        Workspace.open(world.path).plexus.find("Account")
    done = ended(world.command("db", "upgrade"))
    assert done.code == 0, done.text
    assert migrate.integrity(world.path) == []
    assert rows(world.path, "SELECT version_num FROM alembic_version") == [(version.head(),)]
    for table, content in kept.items():
        assert rows(world.path, f"SELECT * FROM {TABLES.get(table, table)} ORDER BY 1, 2") == content
    for backup in world.folder.glob("*.bak"):
        assert rows(backup, "SELECT version_num FROM alembic_version") == [(OLDEST,)]
        assert rows(backup, "SELECT * FROM outbox ORDER BY 1, 2") == kept["outbox"]
    world.drain()
    world.check_upstream()
    assert world.sandbox.count("ScoreResult") == 20
    assert len(world.sandbox.effects("ScoreResult", "create")) == 20


def test_a_file_whose_making_was_killed_is_made_by_the_next_command(tmp_path: Path) -> None:
    """The schema comes in one commit: a kill on the way leaves an empty file that anybody may begin anew [I20]."""
    world = World(tmp_path, settings.seed)
    try:
        world.path = tmp_path / "second.db"
        for place in ("migrating:1", "migrating:2"):
            assert ended(world.command("init", failpoint=place)).killed
        done = ended(world.command("init"))
        assert done.code == 0, done.text
        assert migrate.integrity(world.path) == []
    finally:
        world.close()
