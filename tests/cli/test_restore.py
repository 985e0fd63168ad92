"""``db backup``, ``restore`` and ``recover`` on ugly days: crashes, old logs, damage, kills, programs that hold the file."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from syncer import Workspace
from tests.cli.conftest import ROOT, Syncer
from tests.files import rows, write

Processes = Callable[[subprocess.Popen[str]], subprocess.Popen[str]]

CRASHES = """
import os, signal, sys
from syncer import Workspace
ws = Workspace.open(sys.argv[1])
for n in range(int(sys.argv[2])):
    ws.plexus.create("Item", {"id": f"late-{n}", "accountId": "acc-1", "isEvaluation": False})
for key in sys.argv[3:]:
    ws.plexus.update("Item", key, {"description": "edited late"})
os.kill(os.getpid(), signal.SIGKILL)
"""
HOLDS = """
import sys
from syncer import Workspace
ws = Workspace.open(sys.argv[1])
ws.plexus.get("Item", "item-0")
print("open", flush=True)
sys.stdin.read()
"""


def crashed(syncer: Syncer, count: int, *edited: str) -> None:
    """A program writes and dies, so that what it wrote is in the log only."""
    line = [sys.executable, "-c", CRASHES, str(syncer.path), str(count), *edited]
    done = subprocess.run(line, env=syncer.environment(), check=False, timeout=60, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    assert log_of(syncer.path).stat().st_size


def log_of(path: Path) -> Path:
    """The write-ahead log of a file."""
    return path.with_name(f"{path.name}-wal")


def items(path: Path) -> set[str]:
    """The ids of all items in a file, read without leaving anything beside it."""
    return {key for (key,) in rows(path, "SELECT id FROM plexus_item")}


def sound(syncer: Syncer) -> None:
    """The file is sound, its ledger closes, and doctor finds nothing wrong in it."""
    assert syncer("doctor").code == 0


@pytest.fixture
def saved(filled: Syncer, tmp_path: Path) -> Path:
    """A backup of three items."""
    return Path(filled("db", "backup", str(tmp_path / "saved.db"), "--json").json["backup"])


def test_a_backup_restored_after_a_crash_has_nothing_of_the_old_log(filled: Syncer, saved: Path) -> None:
    """The old log goes with the old file, the pair still opens as one, and what is written after the restore stays."""
    crashed(filled, 30, "item-1")
    done = filled("db", "restore", str(saved), "--json").json
    assert items(filled.path) == {"item-0", "item-1", "item-2"}
    previous = Path(done["previous"])
    assert done["set_aside"] == [str(previous), str(log_of(previous))]
    assert len(done["beyond"]["pending"]) == 31
    sound(filled)
    with Workspace.open(filled.path) as ws:
        ws.plexus.create("Item", {"id": "after", "accountId": "acc-1", "isEvaluation": False})
    assert "after" in items(filled.path)
    assert len(items(previous)) == 33
    sound(filled)


def test_what_only_the_old_file_knew_is_told_and_brought(filled: Syncer, saved: Path) -> None:
    """The command that restore names makes a file with all of it, whose ledger closes, and that can be put in place."""
    crashed(filled, 2, "item-1")
    write(filled.path, "UPDATE outbox SET state = 'sending', attempts = 1 WHERE key = 'late-0'")
    told = filled("db", "restore", str(saved))
    assert told.code == 0
    assert "3 changes are pending in the old file only, and are nowhere else" in told.out
    assert "1 changes merged into later changes" in told.out
    command = next(line for line in told.out.splitlines() if "syncer db recover" in line).partition("syncer ")[2]
    with Workspace.open(filled.path) as ws:
        ws.plexus.create("Item", {"id": "after", "accountId": "acc-1", "isEvaluation": False})
    made = filled(*command.split())
    assert made.code == 0, made
    new = Path(f"{filled.path}.recovered")
    assert items(new) == {"item-0", "item-1", "item-2", "late-0", "late-1", "after"}
    assert rows(new, "SELECT description FROM plexus_item WHERE id = 'item-1'") == [("edited late",)]
    assert rows(new, "SELECT state FROM outbox WHERE key = 'late-0'") == [("ambiguous",)]
    assert rows(new, "SELECT count(*) FROM outbox WHERE key = 'item-1'") == [(1,)]
    assert filled("db", "restore", str(new)).code == 0
    sound(filled)
    again = filled(*command.split(), "--into", f"{filled.path}.again", "--json").json
    assert (again["brought"], again["held"]) == ([], [])


def test_a_change_that_does_not_fit_is_reported(filled: Syncer, saved: Path) -> None:
    """Where the same record was edited in both files, both edits stay where they are."""
    crashed(filled, 0, "item-1")
    previous = filled("db", "restore", str(saved), "--json").json["previous"]
    with Workspace.open(filled.path) as ws:
        ws.plexus.update("Item", "item-1", {"description": "edited here"})
    made = filled("db", "recover", previous)
    assert made.code == 3
    assert "1 changes not brought" in made.out
    assert "the old file does not know it" in made.out
    assert rows(Path(f"{filled.path}.recovered"), "SELECT description FROM plexus_item WHERE id = 'item-1'") == [
        ("edited here",)
    ]


def test_a_log_set_aside_is_recovered_with_a_copy_of_its_database(filled: Syncer, saved: Path, tmp_path: Path) -> None:
    """A lone log beside a copy of its database gives back what was accepted; both stay as they are."""
    crashed(filled, 5)
    copy, log = tmp_path / "copy.db", tmp_path / "log"
    shutil.copy(filled.path, copy)
    log_of(filled.path).rename(log)
    filled.path.unlink()
    filled.path.with_name(f"{filled.path.name}-shm").unlink()
    assert filled("db", "restore", str(saved)).code == 0
    before = copy.read_bytes(), log.read_bytes()
    done = filled("db", "recover", str(copy), "--log", str(log), "--json").json
    assert len(done["brought"]) == 5
    assert (copy.read_bytes(), log.read_bytes()) == before
    assert len(items(Path(done["path"]))) == 8
    assert Path(done["path"]).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("named", ["lab.db", "other.db"])
def test_restore_refuses_while_anyone_has_the_file_open(
    filled: Syncer, saved: Path, processes: Processes, named: str
) -> None:
    """Exit 5 and the reason; a second name (link) of the file is no way around it. Later it works."""
    crashed(filled, 1)
    holder = processes(
        subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(filled.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=filled.environment(), cwd=ROOT,
        )
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    if named == "other.db":
        filled.path.with_name(named).symlink_to(filled.path)
        filled.env["SYNCER_DB"] = str(filled.path.with_name(named))
    ended = filled("db", "restore", str(saved), "--json")
    assert (ended.code, ended.error["code"]) == (5, "database-busy")
    assert str(holder.pid) in ended.error["why"]
    holder.communicate("")
    assert filled("db", "restore", str(saved)).code == 0
    sound(filled)


def test_this_process_too(filled: Syncer, saved: Path) -> None:
    """A workspace of the same process keeps its locks, its file and its writes."""
    from syncer.errors import DatabaseBusy
    from syncer.store.rescue.restore import restore

    with Workspace.open(filled.path) as ws:
        ws.plexus.create("Item", {"id": "mine", "accountId": "acc-1", "isEvaluation": False})
        with pytest.raises(DatabaseBusy, match="this process"):
            restore(saved, filled.path)
        assert filled("query", "SELECT 1").code == 0
        ws.plexus.create("Item", {"id": "mine-2", "accountId": "acc-1", "isEvaluation": False})
    assert {"mine", "mine-2"} <= items(filled.path)


@pytest.mark.parametrize("place", ["restore-copied", "restore-set-aside:1", "restore-set-aside:2", "restored"])
def test_a_kill_leaves_the_old_pair_or_the_new_file(filled: Syncer, saved: Path, place: str) -> None:
    """Never is a database beside another one's log; what is missing is told, and the next restore goes on or back."""
    crashed(filled, 3)
    assert filled("db", "restore", str(saved), env={"SYNCER_FAILPOINT": place}).code == -signal.SIGKILL
    asides = list(filled.path.parent.glob("*.before-restore"))
    if place.startswith("restore-set-aside"):
        assert not filled.path.exists()
        for words in (("status",), ("init",)):
            ended = filled(*words)
            assert ended.code == 5
            assert str(asides[0]) in ended.err
        assert not filled.path.exists()
        back = filled("db", "restore", str(asides[0]))
        assert "the old file is back" in back.out
        assert len(items(filled.path)) == 6
    elif place == "restore-copied":
        assert len(items(filled.path)) == 6
    else:
        assert not log_of(filled.path).exists()
        assert items(filled.path) == {"item-0", "item-1", "item-2"}
        assert len(items(asides[0])) == 6
    assert filled("db", "restore", str(saved)).code == 0
    assert items(filled.path) == {"item-0", "item-1", "item-2"}
    assert [name for name in filled.path.parent.iterdir() if name.name.startswith(".")] == []
    sound(filled)


def test_a_restore_that_fails_between_the_names_takes_the_old_pair_back(filled: Syncer, saved: Path) -> None:
    """The file has its name again, with its log, and nothing is left beside them."""
    crashed(filled, 3)
    assert filled("db", "restore", str(saved), env={"SYNCER_FAILPOINT": "restore-set-aside:2:raise"}).code == 1
    assert {name.name for name in filled.path.parent.glob("*local.db*")} == {"local.db", "local.db-shm", "local.db-wal"}
    assert len(items(filled.path)) == 6


def test_an_interrupted_restore_goes_on_at_once(filled: Syncer, saved: Path) -> None:
    """Restoring again after a kill between the names needs no other step; all that was accepted is in the file set aside."""
    crashed(filled, 3)
    assert filled("db", "restore", str(saved), env={"SYNCER_FAILPOINT": "restore-set-aside"}).code == -signal.SIGKILL
    done = filled("db", "restore", str(saved), "--json").json
    assert len(done["beyond"]["pending"]) == 3
    sound(filled)


def test_a_damaged_file_is_restored_over_and_read_around(filled: Syncer, saved: Path) -> None:
    """A file that SQLite cannot read is set aside as it is; recover brings what is readable and counts the rest."""
    with Workspace.open(filled.path) as ws:
        for n in range(300):
            ws.plexus.create("Item", {"id": f"more-{n}", "accountId": "acc-1", "isEvaluation": False})
    ((page,),) = rows(
        filled.path, "SELECT pageno FROM dbstat WHERE name = 'plexus_item' AND pagetype = 'leaf' LIMIT 1 OFFSET 3"
    )
    with closing(sqlite3.connect(filled.path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    content = bytearray(filled.path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    filled.path.write_bytes(content)
    ended = filled("db", "backup", str(filled.path.with_name("bad.db")))
    assert ended.code == 5
    assert not filled.path.with_name("bad.db").exists()
    evidence = filled("db", "backup", str(filled.path.with_name("bad.db")), "--damaged")
    assert (evidence.code, "only evidence" in evidence.out) == (5, True)
    done = filled("db", "restore", str(saved), "--json").json
    assert Path(done["previous"]).read_bytes() == bytes(content)
    made = filled("db", "recover", done["previous"], "--json", "--into", str(filled.path.with_name("new.db")))
    assert made.code == 3
    facts = made.json
    assert 0 < facts["skipped"]["plexus_item"] < 100
    assert len(facts["brought"]) == 300
    assert filled("db", "restore", facts["path"]).code == 0
    assert filled("db", "check").code == 0
    assert "lost the rows" in filled("doctor").out


def test_what_is_no_backup_is_refused(filled: Syncer, tmp_path: Path, saved: Path) -> None:
    """Another program's file, text, a newer schema, a hole in the ledger, the database itself: nothing is moved."""
    text, stranger, newer, holed = (tmp_path / name for name in ("text", "stranger.db", "newer.db", "holed.db"))
    text.write_text("notes" * 1000)
    write(stranger, "CREATE TABLE theirs (x)")
    for copy in (newer, holed):
        shutil.copy(saved, copy)
    write(newer, "UPDATE alembic_version SET version_num = '9999'")
    write(holed, "DELETE FROM outbox WHERE seq = 2")
    before = filled.path.read_bytes()
    for backup in (text, stranger, newer, holed, filled.path, tmp_path / "missing"):
        ended = filled("db", "restore", str(backup))
        assert ended.code == 5, (backup, ended)
        assert "Traceback" not in ended.err
    assert filled.path.read_bytes() == before
    assert list(tmp_path.glob("*.before-restore*")) == []


def test_a_hole_is_named_and_closed_by_recover(filled: Syncer) -> None:
    """Doctor names the number that is nowhere and the row that is lost; the recovered file counts the number as lost."""
    write(filled.path, "DELETE FROM outbox WHERE seq = 2")
    write(filled.path, "DELETE FROM plexus_item WHERE id = 'item-2'")
    told = filled("doctor")
    assert told.code == 5
    assert "numbers of which nothing is there: 2" in told.out
    assert "1 of Item (change 4)" in told.out
    assert "syncer db recover" in told.out
    assert filled("db", "backup").code == 5
    made = filled("db", "recover", str(filled.path), "--json")
    assert (made.code, made.json["lost"]) == (3, 1)
    assert filled("db", "restore", made.json["path"]).code == 0
    assert filled("db", "check").code == 0


def test_doctor_names_a_log_of_another_database(filled: Syncer, saved: Path) -> None:
    """A backup copied over the file by hand, the old log beside it: said before SQLite mixes them, and both taken apart."""
    crashed(filled, 10)
    shutil.copy(saved, filled.path)
    filled.path.with_name(f"{filled.path.name}-shm").unlink()
    before = log_of(filled.path).read_bytes()
    told = filled("doctor")
    assert told.code == 5
    assert "belongs to another database" in told.out
    assert log_of(filled.path).read_bytes() == before
    assert filled("db", "restore", str(saved)).code == 0
    sound(filled)
    (kept,) = filled.path.parent.glob("*.before-restore-wal")
    assert kept.read_bytes() == before


def test_a_backup_is_durable_private_and_leaves_nothing(filled: Syncer, tmp_path: Path) -> None:
    """One file for its owner only, under the laxest umask; an old log beside the chosen name is never mixed in."""
    target = tmp_path / "folder" / "copy.db"
    previous = os.umask(0)
    try:
        assert filled("db", "backup", str(target)).code == 0
    finally:
        os.umask(previous)
    assert [name.name for name in target.parent.iterdir()] == ["copy.db"]
    assert (target.stat().st_mode & 0o777, target.stat().st_nlink) == (0o600, 1)
    (tmp_path / "other.db-wal").write_bytes(b"x" * 100)
    ended = filled("db", "backup", str(tmp_path / "other.db"))
    assert ended.code == 5
    assert "log of another database" in ended.err
    assert not (tmp_path / "other.db").exists()
