"""Files of every released schema, left by their own programs with full outboxes: refused, upgraded, drained. Rig R7."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from syncer import Workspace, clock
from syncer.errors import DatabaseError, NewerDatabase, OlderDatabase
from syncer.install import upgrade_hint
from syncer.sandbox.server import Sandbox
from syncer.store import migrate, version
from syncer.store.database import Database
from tests.cli.conftest import Syncer
from tests.files import rows, write
from tests.rigs.released import SCHEMAS, Left, contents, kept_as, program_before, unpacked
from tests.rigs.settings import scale, seed, tally

_REACHED = "SELECT remote, model, max(cursor) FROM _checkpoint WHERE cursor IS NOT NULL GROUP BY remote, model"
STATES = {"pending", "sending", "ambiguous", "parked", "conflict"}  # as they were called until schema 0004


@pytest.fixture(params=SCHEMAS)
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Left:
    """The files one released program left."""
    return unpacked(request.param, tmp_path)


@pytest.fixture
def later(left: Left) -> Iterator[clock.Virtual]:
    """A day after that program was killed, on a clock that waiting moves."""
    with clock.using(clock.Virtual(left.later)) as moved:
        assert isinstance(moved, clock.Virtual)
        yield moved


def test_every_schema_before_the_newest_has_a_file() -> None:
    """No schema that users may have is forgotten: before the next one is made, a file of this one is kept [I20]."""
    known = sorted(p.name[:4] for p in (version.migrations() / "versions").glob("[0-9]*.py"))
    assert known[:-1] == SCHEMAS


def test_the_files_hold_everything_a_program_can_leave(left: Left) -> None:
    """Every state of a change, bases, checkpoints, a conflict, a ledger, and a log that nobody folded in [I20]."""
    assert left.path.with_name("local.db-wal").stat().st_size > 0
    assert {row[0] for row in rows(left.path, "SELECT DISTINCT state FROM outbox")} == STATES
    for table in ("base", "mark", "conflict", "ledger", "sync_run"):
        assert rows(left.path, f"SELECT count(*) FROM {table}")[0][0] > 0, table
    assert rows(left.path, "SELECT version_num FROM alembic_version") == [(left.schema,)]


def test_an_older_file_is_refused_with_the_command_to_run(left: Left, tmp_path: Path) -> None:
    """Reading, writing and syncing end with exit 5 and name ``syncer db upgrade``; no row changes [I20]."""
    before = contents(left.path)
    with pytest.raises(OlderDatabase) as caught, Workspace.open(left.path) as ws:
        ws.plexus.find("Account")
    assert "syncer db upgrade" in (caught.value.hint or "")
    syncer = Syncer(left.path, tmp_path)
    for words in (("status",), ("sync",), ("outbox", "retry", "1"), ("query", "SELECT 1")):
        ended = syncer(*words)
        assert ended.code == 5, ended
        assert "syncer db upgrade" in ended.err
    assert contents(left.path) == before


def test_an_upgrade_takes_a_backup_and_keeps_every_row(left: Left, tmp_path: Path) -> None:
    """The backup is the old file, private.

    Every change, base, checkpoint and row is what it was, also those in the log [I20].
    """
    before = contents(left.path)
    told = Syncer(left.path, tmp_path)("db", "upgrade", "--json").json
    assert (told["before"], told["now"]) == (left.schema, version.head())
    kept = Path(told["backup"])
    assert contents(kept) == before
    assert rows(kept, "SELECT version_num FROM alembic_version") == [(left.schema,)]
    assert rows(kept, "PRAGMA application_id") == [(version.APPLICATION_ID,)]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(left.path.stat().st_mode) == 0o600
    assert contents(left.path, kept_as(before)) == kept_as(before)
    assert migrate.integrity(left.path) == []
    assert Syncer(left.path, tmp_path)("db", "check").code == 0


@pytest.mark.parametrize("faults", [None, *range(seed, seed + scale)])
def test_an_upgraded_file_drains_exactly_once(left: Left, later: clock.Virtual, faults: int | None) -> None:
    """All that waited arrives, applied once, on top of what the old program had sent; then both sides are equal [I20 I3]."""
    migrate.upgrade(left.path)
    marks = rows(left.path, _REACHED)
    rates = {} if faults is None else {"fail_rate": 0.2, "lose_reply_rate": 0.3, "throttle": 0.1, "seed": faults}
    with left.sandbox(**rates) as sandbox, left.workspace(sandbox) as ws:
        _drain(ws, later, {"rejected", "conflict"})
        reached = {(remote, model): cursor for remote, model, cursor in rows(left.path, _REACHED)}
        assert all(reached[remote, model] >= cursor for remote, model, cursor in marks), faults
        ws.retry(*(row[0] for row in rows(left.path, "SELECT seq FROM outbox WHERE state = 'rejected'")))
        for key in left.stuck["ScoreResult"]:
            ws.resolve(key, take="ours")
        _drain(ws, later, set())
        dealt = sandbox.faults.dealt.total() - sandbox.faults.dealt["served"]
        sandbox.faults.clear()
        assert ws.sync().exit_code == 0, faults
        assert ws.status().consistent, faults
        arrived = _arrived(left, ws, sandbox)
        assert ws.verify().equal, faults
        assert ws.push().requests == 0, faults
    tally("schemas", schema=left.schema, arrived=arrived, faults=dealt, lost=0, doubled=0)


def _drain(ws: Workspace, later: clock.Virtual, but: set[str]) -> None:
    """Sync, minutes apart, until nothing waits but what needs a person."""
    for _ in range(60):
        ws.sync()
        if {row[0] for row in rows(ws.path, "SELECT DISTINCT state FROM outbox")} == but:
            return
        later.sleep(300)
    raise AssertionError(rows(ws.path, "SELECT remote, model, op, state, code, reason FROM outbox"))


def _arrived(left: Left, ws: Workspace, sandbox: Sandbox) -> int:
    """How many records the user had asked for, each seen upstream as asked and created there once."""
    created = Counter((e.model, e.key) for e in sandbox.effects(op="create"))
    assert set(created.values()) == {1}
    seen = 0
    for model, records in [*left.asked.items(), *left.stuck.items()]:
        for key, fields in records.items():
            seen += 1
            if model in ws.plexus.models:
                there = sandbox.get(model, key)
                assert created[model, key] == 1
                assert (there is None) == (fields is None), (model, key)
                for name in fields or {}:
                    assert there is not None
                    assert ws.plexus.get(model, key)[name] == fields[name], (model, name)  # type: ignore[index]
    if "Run" in left.asked:
        assert len(sandbox.abeja.rows("run")) == len(left.asked["Run"])
        assert set(sandbox.abeja.effects_by("SYNCER_OP_ID").values()) == {1}
        assert all(ws.abeja.get("Run", run) for run in left.asked["Run"])  # by the ids they had here
        assert sandbox.prefactor.count("agent_instance") == sandbox.prefactor.count("agent_span") == 3
        assert all(n == 1 for n in sandbox.prefactor.effects_by_key().values())
    return seen


def test_an_upgrade_that_fails_half_way_can_be_repeated(left: Left) -> None:
    """A migration that meets a table of somebody's own undoes all it did; once that is gone the next try succeeds [I20]."""
    write(left.path, "CREATE TABLE _remote_state (mine)")  # the last name that the last migration gives
    before = contents(left.path)
    with pytest.raises(DatabaseError) as caught:
        migrate.upgrade(left.path)
    assert "_remote_state" in str(caught.value.why)
    assert contents(left.path) == before
    assert rows(left.path, "SELECT version_num FROM alembic_version") == [(left.schema,)]
    write(left.path, "DROP TABLE _remote_state")
    assert migrate.upgrade(left.path)[1] == version.head()  # in the same second: its backup takes another name
    del before["_remote_state"]
    assert contents(left.path, kept_as(before)) == kept_as(before)
    assert len(list(left.path.parent.glob("*.bak"))) == 2


def test_an_older_backup_and_today_s_file_are_compared(left: Left, tmp_path: Path) -> None:
    """After an upgrade its backup is restored: what only the upgraded file knows is listed, under whatever names [I20]."""
    kept = migrate.upgrade(left.path)[2]
    assert kept is not None
    with Workspace.open(left.path) as ws:
        ws.plexus.create("Account", {"name": "Late", "key": "late"})
    told = Syncer(left.path, tmp_path)("db", "restore", str(kept), "--json").json
    assert (told["not_compared"], told["needs_upgrade"]) == (None, True)
    assert [(one["model"], one["op"]) for one in told["beyond"]["pending"]] == [("Account", "create")]
    again = Syncer(left.path, tmp_path)("db", "restore", told["previous"], "--json").json
    assert (again["not_compared"], again["beyond"]["pending"]) == (None, [])


def test_a_damaged_older_file_is_read_under_its_own_names(left: Left, tmp_path: Path) -> None:
    """What can be read of it is in a file of today's schema: every change, base, checkpoint and line of the ledger [I20]."""
    write(left.path, "PRAGMA wal_checkpoint(TRUNCATE)")
    before = kept_as(contents(left.path))
    with closing(sqlite3.connect(left.path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_conflict_record'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with left.path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    ended = Syncer(left.path, tmp_path)("db", "recover", str(left.path), "--into", str(tmp_path / "new.db"), "--json")
    assert ended.json["skipped"] == {}
    after = contents(tmp_path / "new.db", before)
    assert {name: lines for name, lines in after.items() if name != "sqlite_stat1"} == {
        name: lines for name, lines in before.items() if name != "sqlite_stat1"
    }


@pytest.mark.parametrize("schema", SCHEMAS)
def test_an_old_program_refuses_a_newer_file(schema: str, tmp_path: Path) -> None:
    """A program that knows only ``schema`` reads and writes nothing of today's file, and says to upgrade itself [I20]."""
    path = tmp_path / "local.db"
    with Workspace.open(path) as ws:
        ws.plexus.create("Account", {"name": "Lab", "key": "lab"})
    before = path.read_bytes()
    program = program_before(schema, tmp_path / "program")
    environ = {**os.environ, "PYTHONPATH": str(program), "SYNCER_DB": str(path)}
    for words in (["status"], ["sync"], ["init"], ["db", "upgrade"], ["query", "SELECT 1"]):
        done = subprocess.run(
            [sys.executable, "-m", "syncer.cli.main", *words],
            cwd=program, env=environ, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (words, done.returncode) == (words, 5), done.stderr
        assert f"schema {version.head()}" in done.stderr
        assert upgrade_hint() in done.stderr
    assert path.read_bytes() == before


def test_a_newer_file_is_refused_by_everything_that_writes(left: Left, tmp_path: Path) -> None:
    """A file of a schema to come: commands end with exit 5, Python raises, no row changes [I20]."""
    write(left.path, "UPDATE alembic_version SET version_num = '9999'")
    before = contents(left.path)
    with pytest.raises(NewerDatabase), Workspace.open(left.path) as ws:
        ws.plexus.create("Account", {"name": "Lab", "key": "other"})
    syncer = Syncer(left.path, tmp_path)
    for words in (("sync",), ("init",), ("db", "upgrade"), ("db", "check")):
        assert syncer(*words).code == 5
    assert contents(left.path) == before
    assert list(left.path.parent.glob("*.bak")) == []


@pytest.mark.parametrize("schema", [s for s in SCHEMAS if s >= "0002"])
def test_a_downgrade_that_would_lose_changes_is_refused(schema: str, tmp_path: Path) -> None:
    """Going back to a schema without tables for what waits raises, and nothing is dropped [I20]."""
    left = unpacked(schema, tmp_path)
    before = contents(left.path)
    with pytest.raises(RuntimeError, match="still wait"):
        _downgrade(left.path, "0001")
    assert contents(left.path) == before


def _downgrade(path: Path, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(version.migrations()))
    database = Database(path)  # whose transactions hold changes of the schema too, as those of an upgrade do
    try:
        with database.engine.connect() as connection, connection.begin():
            config.attributes["connection"] = connection
            command.downgrade(config, revision)
    finally:
        database.close()
