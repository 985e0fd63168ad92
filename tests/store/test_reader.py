"""Queries: anything may be read, nothing written, nothing run for ever."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from syncer import Workspace
from syncer.errors import DatabaseError, QueryError
from syncer.store.reader import Reader
from tests.factory import account


def test_rows_are_dicts_in_the_order_of_the_query(ws: Workspace) -> None:
    """Columns keep their order, also without rows; names that repeat are kept apart."""
    account(ws)
    found = ws.query("SELECT key, name AS n, key, 1 AS key FROM plexus_account")
    assert found.columns == ["key", "n", "key:2", "key:3"]
    assert found == [{"key": "lab", "n": "Lab", "key:2": "lab", "key:3": 1}]
    assert ws.query("SELECT 1 AS x WHERE 0").columns == ["x"]


def test_parameters_and_limit(ws: Workspace) -> None:
    """Values are bound, by position or name; a limit says that it cut."""
    for n in range(3):
        account(ws, key=str(n))
    assert ws.query("SELECT key FROM plexus_account WHERE key = ?", ["1"]) == [{"key": "1"}]
    assert ws.query("SELECT key FROM plexus_account WHERE key = :k", {"k": "2"}) == [{"key": "2"}]
    cut = ws.query("SELECT key FROM plexus_account ORDER BY key", limit=2)
    assert (len(cut), cut.truncated) == (2, True)
    assert not ws.query("SELECT key FROM plexus_account", limit=3).truncated


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM outbox",
        "UPDATE outbox SET state = 'x'",
        "CREATE TABLE t (x)",
        "CREATE TEMP TABLE t (x)",
        "DROP TABLE outbox",
        "ATTACH 'other.db' AS o",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA writable_schema = ON",
        "VACUUM INTO 'copy.db'",
        "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM outbox",
        "",
        "nonsense",
    ],
)
def test_what_is_not_reading_is_refused(ws: Workspace, sql: str, tmp_path: Path) -> None:
    """Writing, attaching, pragmas, extensions, second statements: all refused with a reason, nothing changed."""
    account(ws)
    with pytest.raises(QueryError) as caught:
        ws.query(sql)
    assert caught.value.exit_code == 2
    assert ws.query("SELECT count(*) AS n FROM outbox") == [{"n": 1}]
    assert not (tmp_path / "other.db").exists()


def test_a_query_that_runs_too_long_is_stopped(ws: Workspace) -> None:
    """The time limit ends what never would."""
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    with pytest.raises(QueryError, match=r"longer than 0[.]05 s"):
        ws.query(endless, timeout_s=0.05)


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("SELECT * FROM plexus_acount", "plexus_account"),
        ("SELECT nme FROM plexus_account", "name"),
        ("SELECT a.descripton FROM plexus_account a", "description"),
    ],
)
def test_misspelt_names_get_near_ones(ws: Workspace, sql: str, hint: str) -> None:
    """Tables and columns that do not exist are answered with those that do."""
    with pytest.raises(QueryError) as caught:
        ws.query(sql)
    assert hint in (caught.value.hint or "")


def test_a_long_reader_does_not_stop_writers(ws: Workspace, path: Path) -> None:
    """A reader in the middle of its rows sees its own moment; writing goes on."""
    for n in range(200):
        account(ws, key=str(n))
    with closing(sqlite3.connect(path)) as reader:
        cursor = reader.execute("SELECT key FROM plexus_account")
        cursor.fetchone()
        account(ws, key="meanwhile")
        assert len(cursor.fetchall()) == 199


def test_a_missing_file_names_the_command(tmp_path: Path) -> None:
    """Reading never makes a file."""
    with pytest.raises(DatabaseError) as caught:
        Reader(tmp_path / "none.db")
    assert "syncer init" in (caught.value.hint or "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sql", ["SELECT length(hex(zeroblob(400000000)))", "SELECT zeroblob(900000000)", "SELECT length(randomblob(200000000))"]
)
def test_no_value_takes_gigabytes(ws: Workspace, sql: str) -> None:
    """One function call is not looked at by the clock: what it may make is bounded, and only while a caller's SQL runs."""
    with pytest.raises(QueryError, match="too big"):
        ws.query(sql, timeout_s=5)
    assert ws.query("SELECT length(zeroblob(50000000)) AS n") == [{"n": 50_000_000}]
