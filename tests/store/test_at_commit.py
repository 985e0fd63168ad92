"""What happens to the files while a COMMIT is on its way, behind each look that is made before it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from syncer.app import Workspace
from syncer.config import Settings
from syncer.errors import SyncerError, UnknownOutcome
from tests.files import rows

FRAME = 24 + 4096


def at_commit(ws: Workspace, act: Callable[[sqlite3.Connection], None]) -> None:
    """Do this when SQLite begins the next COMMIT."""
    writer = ws.database._writer
    assert writer is not None

    def watch(statement: str) -> None:
        if statement == "COMMIT":
            writer.connection.set_trace_callback(None)
            act(writer.connection)

    writer.connection.set_trace_callback(watch)


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

        at_commit(ws, cut)
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
    there = {str(key) for (key,) in rows(path, "SELECT key FROM plexus_account")}
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

        at_commit(ws, remove)
        told = None
        try:
            written(ws, "at the removal")
            accepted.append("at the removal")
        except UnknownOutcome as exc:
            told = exc
        assert told is None or what in ("database", "-shm"), told
        accepted += [f"after{n}" for n in range(3) if written(ws, f"after{n}")]
    found = {str(key) for (key,) in rows(path, "SELECT key FROM plexus_account")}
    if what == "database":
        accepted = [key for key in accepted if key.startswith("after")]  # the others are in the file that was put aside
    assert set(accepted) <= found
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
