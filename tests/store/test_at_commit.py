"""What happens to the files while a COMMIT is on its way, behind each look that is made before it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from syncer.config import Settings
from syncer.errors import SyncerError, UnknownOutcome
from syncer.workspace import Workspace
from tests.files import rows

FRAME = 24 + 4096


def when(ws: Workspace, word: str, act: Callable[[sqlite3.Connection], None]) -> None:
    """Do this once when SQLite begins the next statement that begins with ``word``."""
    writer = ws.database._writer
    assert writer is not None

    def watch(statement: str) -> None:
        if statement.startswith(word):
            writer.connection.set_trace_callback(None)
            act(writer.connection)

    writer.connection.set_trace_callback(watch)


def behind(act: Callable[[], object]) -> None:
    """Do this once right behind the statement that is running: when the next call begins."""

    def look(_: FrameType, event: str, __: Any) -> None:
        if event == "call":
            sys.setprofile(None)
            act()

    sys.setprofile(look)


def drop_locks(path: Path) -> None:
    """What a program does that reads its own files: all of SQLite's locks of this process are gone."""
    for end in ("", "-wal", "-shm"):
        path.with_name(f"{path.name}{end}").read_bytes()


@contextmanager
def stranger(path: Path) -> Iterator[Callable[[str], None]]:
    """Another program on the file, which knows SQLite's locks only; executes a statement when asked to."""
    text = (
        "import sqlite3, sys\n"
        "file = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)\n"
        "for line in sys.stdin:\n"
        "    file.execute(line)\n"
        "    print('done', flush=True)\n"
        "file.close()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", text, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None
    assert other.stdout is not None

    def do(statement: str) -> None:
        other.stdin.write(f"{statement}\n")  # type: ignore[union-attr]
        other.stdin.flush()  # type: ignore[union-attr]
        assert other.stdout.readline() == "done\n"  # type: ignore[union-attr]

    try:
        do("SELECT count(*) FROM outbox")
        yield do
    finally:
        other.communicate(timeout=30)


@pytest.fixture
def ws(path: Path) -> Iterator[Workspace]:
    """With some writes in its log."""
    with Workspace.open(path):
        pass
    with Workspace(Settings(str(path), durability="normal")) as made:
        for n in range(5):
            written(made, f"before{n}")
        yield made


def names(path: Path) -> set[str]:
    """Of the accounts in the file."""
    return {str(key) for (key,) in rows(path, "SELECT key FROM plexus_account")}


def written(ws: Workspace, key: str) -> str:
    """The record's id."""
    return str(ws.plexus.create("Account", {"name": "x" * 300, "key": key})["id"])


@pytest.mark.parametrize("remembered", [True, False], ids=["in memory", "not in memory"])
@pytest.mark.parametrize("kept", ["nothing", "the header", "half", "all but the last page", "half of the last page"])
def test_a_log_that_is_cut_at_the_commit_is_noticed(path: Path, kept: str, remembered: bool) -> None:
    """What SQLite has in its memory is kept; else it is told, no hole is saved, and the next write works [I33]."""
    with Workspace.open(path):
        pass
    log = path.with_name(f"{path.name}-wal")
    with Workspace(Settings(str(path), durability="normal")) as ws:
        accepted = [f"before{n:02}" for n in range(20) if written(ws, f"before{n:02}")]
        whole = log.stat().st_size
        frames = (whole - 32) // FRAME
        keep = {
            "nothing": 0,
            "the header": 32,
            "half": 32 + frames // 2 * FRAME,
            "all but the last page": 32 + (frames - 1) * FRAME,
            "half of the last page": whole - FRAME // 2,
        }[kept]

        def cut(connection: sqlite3.Connection) -> None:
            os.truncate(log, keep)  # its length is the same again behind the COMMIT, with a hole in it
            if not remembered:
                connection.execute("PRAGMA shrink_memory")  # as in a large database

        when(ws, "COMMIT", cut)
        told = []
        for key in ("at the cut", "after1", "after2", "after3"):
            try:
                written(ws, key)
                accepted.append(key)
            except SyncerError as exc:
                told.append(exc)
        assert len(told) <= (0 if remembered else 2), told
        assert accepted[-2:] == ["after2", "after3"]
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    there = names(path)
    lost = [key for key in accepted if key not in there]
    assert not lost or (told and not remembered), (lost, told)
    assert not {key for key in lost if key.startswith("after")}


@pytest.mark.parametrize("what", ["-wal", "-shm", "both", "database"])
def test_files_that_are_removed_at_the_commit_take_nothing_along(path: Path, tmp_path: Path, what: str) -> None:
    """What was committed to a file without a name is saved, or it is told that nobody knows [I33]."""
    other = tmp_path / "other.db"
    with Workspace.open(other):
        pass
    with Workspace(Settings(str(path), durability="normal")) as ws:
        accepted = [f"before{n}" for n in range(5) if written(ws, f"before{n}")]

        def remove(_: sqlite3.Connection) -> None:
            if what == "database":
                other.replace(path)
            else:
                for end in ("-wal", "-shm") if what == "both" else (what,):
                    path.with_name(f"{path.name}{end}").unlink()

        when(ws, "COMMIT", remove)
        told = None
        try:
            written(ws, "at the removal")
            accepted.append("at the removal")
        except UnknownOutcome as exc:
            told = exc
        assert (told is not None) == (what == "database") or what == "-shm", told
        accepted += [f"after{n}" for n in range(3) if written(ws, f"after{n}")]
    found = names(path)
    if what == "database":
        accepted = [key for key in accepted if key.startswith("after")]  # the others are in the file that was put aside
    assert set(accepted) <= found
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_who_comes_and_goes_removes_no_log_of_a_program_that_lost_its_locks(ws: Workspace, path: Path) -> None:
    """SQLite removes the log with the last connection that it knows of: ours is known also without its own locks [I33]."""
    log = path.with_name(f"{path.name}-wal")
    before = log.stat().st_ino
    drop_locks(path)
    with stranger(path):
        pass
    assert log.stat().st_ino == before
    written(ws, "after")
    assert "after" in names(path)


def test_a_program_of_ours_waits_for_a_commit_that_lost_its_locks(ws: Workspace, path: Path) -> None:
    """Both are accepted: none commits over the other, and of none it is unknown [I33]."""
    text = "import sys; from syncer import Workspace; w = Workspace.open(sys.argv[1]); print('open', flush=True); input(); "
    text += "w.plexus.create('Account', {'name': 'x', 'key': 'theirs'}); w.close()"
    other = subprocess.Popen(
        [sys.executable, "-c", text, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"

    def come(_: sqlite3.Connection) -> None:
        drop_locks(path)
        assert other.stdin is not None
        other.stdin.write("go\n")
        other.stdin.flush()
        with suppress(subprocess.TimeoutExpired):
            other.wait(0.5)  # it ends here only if it did not wait for us

    when(ws, "COMMIT", come)
    written(ws, "ours")
    other.communicate(timeout=30)
    assert other.returncode == 0
    assert {"ours", "theirs"} <= names(path)


def test_a_stranger_that_commits_inside_a_transaction_without_locks_is_not_overwritten(ws: Workspace, path: Path) -> None:
    """Right before the COMMIT it is seen that somebody was there: the write is done once more, behind his [I33]."""
    with stranger(path) as do:

        def come(_: sqlite3.Connection) -> None:
            drop_locks(path)
            do("UPDATE plexus_account SET name = 'theirs' WHERE key = 'before1'")

        when(ws, "INSERT", come)
        written(ws, "ours")
    assert "ours" in names(path)
    assert rows(path, "SELECT key FROM plexus_account WHERE name = 'theirs'") == [("before1",)]


def test_a_stranger_that_commits_over_a_commit_without_locks_is_told(ws: Workspace, path: Path) -> None:
    """He began before our COMMIT and ended behind it: what we wrote is gone, and nobody says that it is there [I33]."""
    with stranger(path) as do:

        def come(_: sqlite3.Connection) -> None:
            drop_locks(path)
            do("BEGIN IMMEDIATE")
            do("UPDATE plexus_account SET name = 'theirs' WHERE key = 'before1'")
            behind(lambda: do("COMMIT"))

        when(ws, "COMMIT", come)
        with pytest.raises(UnknownOutcome):
            written(ws, "ours")
    assert "ours" not in names(path)
    written(ws, "after")
    assert "after" in names(path)


def test_a_database_that_is_replaced_inside_a_transaction_gets_the_write(ws: Workspace, path: Path, tmp_path: Path) -> None:
    """Before the COMMIT nothing is lost yet: a single write is repeated on the file that is there now [I33]."""
    other = tmp_path / "other.db"
    with Workspace.open(other):
        pass
    when(ws, "INSERT", lambda _: (other.replace(path), None)[1])
    written(ws, "ours")
    assert names(path) == {"ours"}


def test_nothing_saves_the_log_or_spills_into_it_by_itself(ws: Workspace) -> None:
    """Every connection that can write, SQLAlchemy's too, leaves it to who holds the writer's lock [I33]."""
    writer = ws.database._writer
    assert writer is not None
    with writer.folding():
        pass
    assert writer._second is not None
    with ws.database.engine.connect() as connection:
        found = [writer.connection, writer._second.connection, connection.connection.driver_connection]
        for each in found:
            assert each.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)  # type: ignore[union-attr]
            assert each.execute("PRAGMA cache_spill").fetchone() == (0,)  # type: ignore[union-attr]
            assert each.execute("PRAGMA mmap_size").fetchone() == (0,)  # type: ignore[union-attr]
