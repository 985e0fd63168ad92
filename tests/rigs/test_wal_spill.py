"""SQLite 3.11.0 to 3.50.1: an undone savepoint in a transaction larger than the page cache, then a kill."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from syncer.store.file.sqlite_bugs import known_bugs
from tests.rigs import settings

BUGGY = any(bug.name == "wal-savepoint-spill" for bug in known_bugs(sqlite3.sqlite_version))
FILES = 20
_SETTINGS = ("journal_mode=WAL", "wal_autocheckpoint=0", "synchronous=OFF", "cache_size=5")
_SUM = "SELECT count(*), sum(length(x)), sum(y) FROM t"


def survived(folder: Path, random: Random, spill: str) -> bool:
    """Whether what was committed is there after a kill: in a copy of file and log, without the index that memory holds."""
    path, copy = folder / "spill.db", folder / "copy.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for setting in (
            "journal_mode=WAL",
            "wal_autocheckpoint=0",
            "synchronous=OFF",
            "cache_size=5",
            f"cache_spill={spill}",
        ):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB, y REAL)")
        connection.execute("CREATE INDEX i ON t (y)")
        connection.executemany("INSERT INTO t VALUES (?, randomblob(700), ?)", [(n, n) for n in range(60)])
        for _ in range(12):
            connection.execute("BEGIN IMMEDIATE")
            for _ in range(random.randint(1, 3)):
                _part(connection, random)
            connection.execute("COMMIT")
        wanted = connection.execute(_SUM).fetchone()
        shutil.copy(f"{path}-wal", f"{copy}-wal")
        shutil.copy(path, copy)
    with closing(sqlite3.connect(copy)) as connection:
        return bool(connection.execute(_SUM).fetchone() == wanted)


def _part(connection: sqlite3.Connection, random: Random) -> None:
    connection.execute("SAVEPOINT part")
    for _ in range(random.randint(1, 20)):
        if random.random() < 0.6:
            room, key = random.randint(100, 3000), random.randrange(60)
            connection.execute("UPDATE t SET x = randomblob(?) WHERE id = ?", (room, key))
        else:
            connection.execute(
                "INSERT OR REPLACE INTO t VALUES (?, randomblob(900), ?)", (random.randrange(200), random.random())
            )
    if random.random() < 0.5:
        connection.execute("ROLLBACK TO part")
    connection.execute("RELEASE part")


@pytest.mark.parametrize("spill", ["ON", "OFF"])
def test_undone_savepoints_cost_accepted_transactions_only_where_the_cache_spills(tmp_path: Path, spill: str) -> None:
    """With ``cache_spill=OFF`` what was accepted survives a kill; as it comes, an SQLite with the bug loses some [I33]."""
    random, lost = Random(settings.seed), 0
    for number in range(FILES * settings.scale):
        (folder := tmp_path / str(number)).mkdir()
        lost += not survived(folder, random, spill)
        shutil.rmtree(folder)
    settings.tally("wal-spill", files=FILES * settings.scale, shown=lost)
    assert (lost > 0) is (BUGGY and spill == "ON")
