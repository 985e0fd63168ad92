"""Files that are ours and yet not as we left them, and what is no file at all: named as what they are, and left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from syncer import Workspace
from syncer.errors import CorruptDatabase, DatabaseError, NewerDatabase, NotOurDatabase
from syncer.sandbox.server import Sandbox
from syncer.store import migrate, version
from syncer.store.reader import Reader
from tests.cli.conftest import Syncer
from tests.factory import account
from tests.files import rows, write
from tests.rigs.released import SCHEMAS, unpacked


@pytest.mark.parametrize(
    "harm",
    [
        "DROP TABLE alembic_version",
        "DELETE FROM alembic_version",
        "INSERT INTO alembic_version VALUES ('0002')",
        "UPDATE alembic_version SET version_num = ''",
        "UPDATE alembic_version SET version_num = 'garbage'",
        "UPDATE alembic_version SET version_num = x'ff00'",
    ],
)
def test_a_file_that_does_not_tell_its_schema_is_damaged(path: Path, tmp_path: Path, harm: str) -> None:
    """Neither empty nor another program's: changes wait in it, so nothing is made, upgraded or advised away [I20]."""
    with Workspace.open(path) as ws:
        account(ws)
    write(path, harm)
    before = path.read_bytes()
    for call in (lambda: Reader(path), lambda: Workspace.open(path), lambda: migrate.upgrade(path)):
        with pytest.raises(CorruptDatabase, match="does not say which schema") as caught:
            call()
        assert "syncer db restore BACKUP" in (caught.value.hint or "")
    assert Syncer(path, tmp_path)("db", "upgrade").code == 5
    assert path.read_bytes() == before
    assert list(path.parent.glob("*.bak")) == []


@pytest.mark.parametrize("make", [os.mkfifo, lambda p: os.symlink("/dev/zero", p)])
def test_what_is_no_file_is_refused_at_once(path: Path, make: Callable[[Path], None]) -> None:
    """A pipe would be waited for without end, a device read without end."""
    make(path)
    for call in (lambda: Workspace.open(path), lambda: Reader(path), lambda: migrate.backup(path, path.with_name("copy"))):
        with pytest.raises(NotOurDatabase, match="no file"):
            call()
    assert not path.with_name("copy").exists()


def test_a_file_upgraded_while_it_is_open_is_left_alone(path: Path) -> None:
    """The old program asks at every transaction: what it does not know it neither writes nor reads, and says so [I20]."""
    with Workspace.open(path) as ws:
        account(ws, key="before")
        assert len(ws.plexus.find("Account")) == 1
        write(path, "UPDATE alembic_version SET version_num = '9999'")
        for call in (lambda: account(ws, key="after"), lambda: ws.plexus.find("Account"), lambda: ws.push(), ws.status):
            with pytest.raises(NewerDatabase, match="newer syncer"):
                call()
        with pytest.raises(NewerDatabase), ws.plexus.transaction():
            pass
        assert rows(path, "SELECT count(*) FROM outbox") == [(1,)]
        write(path, "UPDATE alembic_version SET version_num = ?", version.head())
        account(ws, key="after")


def test_of_backups_under_one_name_one_is_taken(path: Path) -> None:
    """Two at once: one makes the file, the other is refused and does not take it away again [I20]."""
    with Workspace.open(path) as ws:
        account(ws)
    for number in range(5):
        ended = _at_once(path, target := path.with_name(f"copy{number}.db"))
        assert ended.count("taken") == 1, ended
        assert any("would overwrite" in each for each in ended), ended
        assert rows(target, "SELECT count(*) FROM outbox") == [(1,)]


def _at_once(path: Path, target: Path) -> list[str]:
    """How two threads that start together fare with a backup to ``target``."""
    together = Barrier(2)

    def back_up() -> str:
        together.wait(10)
        try:
            migrate.backup(path, target)
        except DatabaseError as exc:
            return exc.sentence
        return "taken"

    with ThreadPoolExecutor(2) as threads:
        return [each.result() for each in [threads.submit(back_up) for _ in range(2)]]


def test_a_backup_does_not_follow_a_link(path: Path, tmp_path: Path) -> None:
    """A link to nowhere under the name of the backup is something that is there: nothing is made where it leads."""
    with Workspace.open(path):
        pass
    target = tmp_path / "copy.db"
    target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatabaseError, match="overwrite"):
        migrate.backup(path, target)
    assert not (tmp_path / "elsewhere").exists()
    assert target.is_symlink()


@pytest.mark.parametrize(
    ("trigger", "edits"),
    [
        ("BEFORE INSERT ON outbox", False),
        ("BEFORE INSERT ON plexus_account", False),
        ("BEFORE UPDATE ON plexus_account", True),
        ("BEFORE INSERT ON ledger", True),
        ("BEFORE DELETE ON outbox", True),
    ],
)
def test_a_trigger_that_keeps_rows_out_is_no_silent_loss(path: Path, trigger: str, edits: bool) -> None:
    """SQLite says nothing of rows that ``RAISE(IGNORE)`` leaves out: the write raises and leaves nothing [I1 I2]."""
    with Workspace.open(path) as ws:
        key = account(ws, key="before")
        write(path, f"CREATE TRIGGER mine {trigger} BEGIN SELECT RAISE(IGNORE); END")
        with pytest.raises(DatabaseError, match="took 0 of 1 rows") as caught:
            ws.plexus.update("Account", key, {"name": "after"}) if edits else account(ws, key="after")
        assert "look for a trigger" in (caught.value.hint or "")
        assert [(a["key"], a["name"]) for a in ws.plexus.find("Account")] == [("before", "Lab")]
        assert rows(path, "SELECT count(*) FROM outbox") == [(1,)]
        assert ws.status().consistent
        write(path, "DROP TRIGGER mine")
        account(ws, key="after")


def test_a_trigger_cannot_let_an_attempt_go_unrecorded(path: Path, sandbox: Sandbox, online: Callable[[], None]) -> None:
    """Nothing is sent whose attempt, key and body the file did not take [I4]."""
    online()
    with Workspace.open(path) as ws:
        account(ws)
        write(path, "CREATE TRIGGER mine BEFORE UPDATE ON outbox BEGIN SELECT RAISE(IGNORE); END")
        with pytest.raises(DatabaseError, match="took 0 of 1 rows"):
            ws.push("plexus")
        assert sandbox.count("Account") == 0
        write(path, "DROP TRIGGER mine")
        assert ws.push("plexus").acked == 1


_HALF_WRITTEN = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=DELETE")
connection.execute("PRAGMA cache_size=1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE plexus_account SET description = hex(randomblob(20000))")
os.kill(os.getpid(), 9)
"""


def test_what_another_program_left_half_written_is_undone(path: Path) -> None:
    """A program in SQLite's other journal mode died in a transaction: reading and writing go on before it [I1 I20]."""
    with Workspace.open(path) as ws:
        ids = [account(ws, key=str(n)) for n in range(20)]
    subprocess.run([sys.executable, "-c", _HALF_WRITTEN, str(path)], check=False, timeout=60)
    journal = path.with_name("local.db-journal")
    assert journal.stat().st_size > 0
    assert migrate.integrity(path) == []
    assert not journal.exists()
    with Workspace.open(path) as ws:
        assert {(a["id"], a["description"]) for a in ws.plexus.find("Account")} == {(each, None) for each in ids}
        account(ws, key="after")


def test_tables_and_views_of_the_users_own_are_no_obstacle(path: Path, tmp_path: Path) -> None:
    """Listing works beside a view of a table that is gone, and an upgrade keeps what somebody put into the file [I20]."""
    left = unpacked(SCHEMAS[0], tmp_path / "old").path
    mine = (
        "CREATE TABLE notes (text)",
        "INSERT INTO notes VALUES ('mine')",
        "CREATE VIEW broken AS SELECT * FROM gone",
        "CREATE VIEW late AS SELECT count(*) AS n FROM outbox",
        "CREATE INDEX mine ON plexus_task (status)",
        "CREATE TRIGGER noted AFTER INSERT ON outbox BEGIN INSERT INTO notes VALUES (new.key); END",
    )
    for sql in mine:
        write(left, sql)
    syncer = Syncer(left, tmp_path)
    for words in (("db", "upgrade"), ("db", "check"), ("tables",), ("schema",), ("status",)):
        ended = syncer(*words)
        assert ended.code == 0, ended
    with Workspace.open(left) as ws:
        made = account(ws, key="noted")
    assert rows(left, "SELECT text FROM notes") == [("mine",), (made,)]
    kept = rows(left, "SELECT name FROM sqlite_master WHERE name IN ('broken', 'late', 'mine', 'noted')")
    assert len(kept) == 4
