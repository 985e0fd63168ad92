"""The file: made private, upgraded with a backup, and refused when it is not ours to write."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from syncer import Workspace
from syncer.adapters.abeja.spec import MODELS as ABEJA
from syncer.adapters.plexus.spec import MODELS
from syncer.adapters.prefactor.spec import MODELS as PREFACTOR
from syncer.config import path_of
from syncer.errors import (
    CorruptDatabase,
    DatabaseBusy,
    DatabaseError,
    DiskFull,
    NewerDatabase,
    NotOurDatabase,
    OlderDatabase,
    ReadOnlyDatabase,
    SettingError,
)
from syncer.install import upgrade_hint
from syncer.store import migrate, version
from syncer.store.database import Database, Transaction
from syncer.store.mirror import build
from syncer.store.reader import Reader
from syncer.store.schema import METADATA
from tests.factory import account
from tests.files import rows, write


def test_a_new_file_is_private_and_durable(path: Path) -> None:
    """Only its owner may read it; write-ahead log, full synchronisation, foreign keys on."""
    with Workspace.open(path) as ws:
        account(ws)
        for name in (path, path.with_name(path.name + "-wal")):
            assert stat.S_IMODE(os.stat(name).st_mode) == 0o600
        with ws.database.transaction() as tx:
            assert tx.rows("PRAGMA synchronous", ()) == [(2,)]
            assert tx.rows("PRAGMA journal_mode", ()) == [("wal",)]
            assert tx.rows("PRAGMA foreign_keys", ()) == [(1,)]


def test_durability_is_a_setting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``normal`` trades the last writes before a power cut for speed."""
    monkeypatch.setenv("SYNCER_DURABILITY", "normal")
    with Workspace.open(path) as ws, ws.database.transaction() as tx:
        assert tx.rows("PRAGMA synchronous", ()) == [(1,)]


def test_migrations_make_what_the_descriptions_say(path: Path) -> None:
    """The newest schema and the tables the code works with are the same."""
    migrate.initialise(path)
    for models in (MODELS, PREFACTOR, ABEJA):
        build(models.values(), METADATA)
    with sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_an_index_of_the_file_serves_every_index_of_the_remote(path: Path) -> None:
    """Each of the remote's index queries can be answered here without a scan."""
    migrate.initialise(path)
    with closing(sqlite3.connect(path)) as connection:
        for model in MODELS.values():
            for index in model.indexes:
                where = " AND ".join(f"{model.by_name[name].column} = 'x'" for name in index.fields)
                plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM {model.table} WHERE {where}").fetchall()
                assert all("SEARCH" in step[3] for step in plan), (model.name, index, plan)


def test_another_programs_database_is_left_alone(path: Path) -> None:
    """Neither opening nor initialising touches a file that is not ours."""
    write(path, "CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(NotOurDatabase, match="another program"):
        Workspace.open(path)
    with pytest.raises(NotOurDatabase):
        Reader(path)
    assert path.read_bytes() == before


def test_what_is_no_database_is_left_alone(path: Path) -> None:
    """A text file is not taken for an empty database."""
    path.write_text("dear diary " * 100)
    with pytest.raises(NotOurDatabase, match="not a SQLite database"):
        Workspace.open(path)
    assert path.read_text().startswith("dear diary")


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    """The error says so."""
    with pytest.raises(DatabaseError):
        Workspace.open(tmp_path)
    with pytest.raises(NotOurDatabase, match="folder"):
        Reader(tmp_path)


def test_a_newer_file_is_refused(path: Path) -> None:
    """Neither side of the house works on a schema it does not know, and the way out is named."""
    migrate.initialise(path)
    write(path, "UPDATE alembic_version SET version_num = '9999'")
    for attempt in (
        lambda: Workspace.open(path).plexus.find("Account"),
        lambda: Reader(path),
        lambda: migrate.upgrade(path),
    ):
        with pytest.raises(NewerDatabase) as caught:
            attempt()
        assert upgrade_hint() in (caught.value.hint or "")


def test_an_older_file_asks_for_an_upgrade(path: Path) -> None:
    """An old schema is not written to, and the command to run is named."""
    migrate.initialise(path)
    write(path, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(OlderDatabase) as caught:
        Reader(path)
    assert "syncer db upgrade" in (caught.value.hint or "")


def test_a_failed_upgrade_leaves_the_old_file_and_a_backup(path: Path) -> None:
    """The backup is taken first, the migration is one transaction: a failure changes nothing."""
    with Workspace.open(path) as ws:
        account(ws)
    write(path, "UPDATE alembic_version SET version_num = '0000'")  # no migration leads away from that
    before = rows(path, "SELECT * FROM outbox")
    with pytest.raises(DatabaseError):
        migrate.upgrade(path)
    assert rows(path, "SELECT * FROM outbox") == before
    assert rows(path, "SELECT version_num FROM alembic_version") == [("0000",)]
    (kept,) = path.parent.glob("*.bak")
    assert rows(kept, "SELECT * FROM outbox") == before
    assert stat.S_IMODE(os.stat(kept).st_mode) == 0o600


def test_an_upgrade_of_the_newest_does_nothing(path: Path) -> None:
    """No backup, no change."""
    migrate.initialise(path)
    assert migrate.upgrade(path) == (version.head(), version.head(), None)


def test_a_corrupt_file_is_named(path: Path) -> None:
    """Damage is reported as damage, with what to do."""
    with Workspace.open(path) as ws:
        for n in range(50):
            account(ws, key=str(n))
    ((page,),) = rows(path, "SELECT rootpage FROM sqlite_master WHERE name = 'plexus_account'")
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : (page - 1) * 4096 + 64] = b"\xff" * 64
    path.write_bytes(bytes(data))
    with pytest.raises(CorruptDatabase) as caught, Workspace.open(path) as ws:
        ws.plexus.find("Account")
    assert "backup" in (caught.value.hint or "")
    assert migrate.integrity(path) != []


def test_a_disk_without_room_accepts_nothing_and_loses_nothing(path: Path) -> None:
    """The write that finds no room raises, leaves neither row nor change, and those before it stay."""
    with Workspace.open(path) as ws:
        account(ws, key="first")
        with ws.database.transaction() as tx:
            (pages,) = tx.rows("PRAGMA page_count", ())[0]
            tx.rows(f"PRAGMA max_page_count={pages + 1}", ())
        with pytest.raises(DiskFull, match="not accepted"):
            account(ws, key="second", description="x" * 100_000)
        assert [a["key"] for a in ws.plexus.find("Account")] == ["first"]
        assert ws.status().consistent
        account(ws, key="third")


def test_a_writer_waits_for_another_only_so_long(path: Path) -> None:
    """A held write lock is reported after the busy limit, and nothing is half written."""
    migrate.initialise(path)
    database = Database(path, busy_ms=20)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseBusy), database.transaction():
            pass
        other.execute("COMMIT")
    with database.transaction() as tx:
        assert tx.rows("SELECT count(*) FROM outbox", ()) == [(0,)]
    database.close()


def test_a_reader_does_not_wait_for_a_writer(path: Path) -> None:
    """Whoever holds the write lock, and in this very process too: what was committed before is read at once [I22]."""
    migrate.initialise(path)
    database = Database(path, busy_ms=20)

    def count() -> list[tuple[int]]:
        return database.read(lambda tx: tx.rows("SELECT count(*) FROM sync_run", ()))

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO sync_run (remote, kind, started_at) VALUES ('plexus', 'push', 'now')")
        assert count() == [(0,)]
        other.execute("ROLLBACK")
    with database.transaction() as tx:
        tx.rows("INSERT INTO sync_run (remote, kind, started_at) VALUES ('plexus', 'push', 'now')", ())
        assert count() == [(0,)]
    assert count() == [(1,)]
    database.close()


def test_what_reads_cannot_write(path: Path) -> None:
    """A read that would write past the writer's turn is an error, not a second writer."""
    migrate.initialise(path)
    database = Database(path)
    with pytest.raises(DatabaseError):
        database.read(lambda tx: tx.rows("DELETE FROM outbox", ()))
    database.close()


def test_work_that_fails_in_a_shared_commit_leaves_nothing(path: Path) -> None:
    """Writers that wait together share a commit: one that fails half way takes nobody along, and its half is undone [I1]."""
    migrate.initialise(path)
    database = Database(path)
    raised: list[Exception] = []

    def line(kind: str, *, fails: bool) -> None:
        def work(tx: Transaction) -> None:
            tx.rows("INSERT INTO sync_run (remote, kind, started_at) VALUES ('plexus', ?, 'now')", (kind,))
            if fails:
                raise ValueError(kind)

        try:
            database.write(work)
        except ValueError as exc:
            raised.append(exc)

    threads = [threading.Thread(target=line, args=(kind,), kwargs={"fails": kind == "bad"}) for kind in ("a", "bad", "b")]
    with database.transaction():  # nobody gets a turn before all of them wait for one
        for thread in threads:
            thread.start()
        for _ in range(1000):
            if len(database._group_commit) == len(threads):
                break
            threads[0].join(0.01)
        assert len(database._group_commit) == len(threads)
    for thread in threads:
        thread.join()
    assert [str(exc) for exc in raised] == ["bad"]
    assert sorted(rows(path, "SELECT kind FROM sync_run")) == [("a",), ("b",)]
    database.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ReadOnlyDatabase, match="cannot be created"):
        Workspace.open(tmp_path / "file" / "local.db")


def test_readers_work_on_a_settled_file_without_leaving_anything(path: Path, tmp_path: Path) -> None:
    """A file that nobody writes is read as it stands."""
    with Workspace.open(path) as ws:
        account(ws)
    folder = tmp_path / "archive"
    folder.mkdir()
    shutil.copy(path, folder / "a.db")
    with Reader(folder / "a.db") as reader:
        assert len(reader.query("SELECT * FROM plexus_account")) == 1


@pytest.mark.parametrize("db", ["", ":memory:", "sqlite://", "sqlite:///:memory:", "postgresql://host/db"])
def test_what_cannot_keep_writes_is_refused(db: str) -> None:
    """A database in memory, or of a system not supported, is a wrong setting."""
    with pytest.raises(SettingError):
        path_of(db)


def test_urls_name_files() -> None:
    """SQLAlchemy's spelling of a path works."""
    assert path_of("sqlite:////tmp/a.db") == Path("/tmp/a.db")
    assert path_of("sqlite:///a.db") == Path("a.db")
    assert path_of("~/a.db") == Path.home() / "a.db"


def test_a_forked_child_writes_on_its_own(path: Path) -> None:
    """A child process inherits the workspace and may use it: it opens its own connection."""
    script = (
        "import os, sys\n"
        "from syncer import Workspace\n"
        "ws = Workspace.open(sys.argv[1])\n"
        "ws.plexus.create('Account', {'name': 'parent', 'key': 'p'})\n"
        "ws.plexus.find('Account')\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    ws.plexus.create('Account', {'name': 'child', 'key': 'c'})\n"
        "    os._exit(0 if len(ws.plexus.find('Account')) >= 2 else 1)\n"
        "_, status = os.waitpid(pid, 0)\n"
        "ws.plexus.create('Account', {'name': 'after', 'key': 'a'})\n"
        "sys.exit(status)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False, timeout=60)
    assert done.returncode == 0
    assert rows(path, "SELECT count(*) FROM plexus_account") == [(3,)]
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_backups_are_complete_and_never_overwrite(path: Path, tmp_path: Path) -> None:
    """A backup taken while the file is open holds everything; an existing file is left alone."""
    with Workspace.open(path) as ws:
        account(ws)
        copy = migrate.backup(path, tmp_path / "copy.db")
        assert rows(copy, "SELECT count(*) FROM outbox") == [(1,)]
        with pytest.raises(DatabaseError, match="overwrite"):
            migrate.backup(path, copy)
