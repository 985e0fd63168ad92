"""Rows 13 and 14: reading the local file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import record
from benchmarks.report import Finding, rate
from benchmarks.timing import interleaved, say, watched
from syncer import Workspace
from syncer.adapters.plexus import codec

_TABLE = record.SCORE_RESULT.table
_BY_KEY = f"SELECT {', '.join(record.COLUMNS)} FROM {_TABLE} WHERE id = ?"
_BY_INDEX = f"SELECT {', '.join(record.COLUMNS)} FROM {_TABLE} WHERE item_id = ? AND type = ? ORDER BY id LIMIT 10"
_AGGREGATE = f"SELECT score_id, value, count(*) AS n, avg(confidence) AS mean FROM {_TABLE} GROUP BY score_id, value"
_COVERED = f"SELECT type, status, count(*) AS n, max(updated_at) AS latest FROM {_TABLE} GROUP BY type, status"


def run(rounds: int, quick: bool, *, count: int = 200_000) -> list[Finding]:
    """All findings on reads, over a file of ``count`` score results."""
    count = min(count, 20_000) if quick else count
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ours.db"
        keys, items = _filled(path, count)
        with record.workspace(path) as ws, closing(sqlite3.connect(path)) as connection:
            return [
                *_lookups(ws, connection, keys, items, f"{count:,} rows", rounds),
                *_aggregates(ws, connection, f"{count:,} rows", rounds),
            ]


def _filled(path: Path, count: int) -> tuple[list[str], list[str]]:
    """A workspace with ``count`` rows; some keys and items to look up, in random order."""
    say(f"  making a file of {count:,} rows")
    record.workspace(path).close()
    read = codec.reader(record.SCORE_RESULT)
    keys: set[str] = set()
    items: set[str] = set()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA cache_size=-400000")
        insert = f"INSERT INTO {_TABLE} VALUES ({record.MARKS}, ?)"

        def rows() -> Any:
            for number, made in enumerate(record.wire_records(count)):
                if number % (count // 4000) == 0:
                    keys.add(made["id"])
                    items.add(made["itemId"])
                yield read(made)

        connection.executemany(insert, rows())
    random = Random(3)
    return random.sample(sorted(keys), len(keys)), random.sample(sorted(items), len(items))


def _lookups(
    ws: Workspace, connection: sqlite3.Connection, keys: list[str], items: list[str], size: str, rounds: int
) -> list[Finding]:
    get, find = ws.plexus.get, ws.plexus.find

    def raw_get(key: str) -> Any:
        return connection.execute(_BY_KEY, (key,)).fetchone()

    def raw_find(item: str) -> Any:
        return connection.execute(_BY_INDEX, (item, "prediction")).fetchall()

    by_key = interleaved(
        {"ours": partial(_each, lambda key: get("ScoreResult", key), keys), "raw": partial(_each, raw_get, keys)}, rounds
    )
    few = items[:500]
    by_index = interleaved(
        {
            "ours": partial(_each, lambda item: find("ScoreResult", {"itemId": item, "type": "prediction"}, limit=10), few),
            "raw": partial(_each, raw_find, few),
        },
        rounds,
    )
    return [
        rate("13", f"get by key as a dict, {size}", by_key, "ours", "raw", len(keys), 0.35, 0.5),
        rate("13", f"find 10 by an index as dicts, {size}", by_index, "ours", "raw", len(few), 0.35, 0.5),
    ]


def _each(work: Callable[[str], Any], wanted: list[str]) -> float:
    if not all(map(work, wanted[:50])):
        raise RuntimeError("a row is missing")
    with watched() as watch:
        for one in wanted:
            work(one)
    return watch.wall_s


def _aggregates(ws: Workspace, connection: sqlite3.Connection, size: str, rounds: int) -> list[Finding]:
    found = []
    for name, sql in (("aggregate of all rows", _AGGREGATE), ("aggregate an index covers", _COVERED)):
        samples = interleaved(
            {
                "ours": partial(_timed, partial(ws.query, sql)),
                "raw": partial(_timed, lambda sql=sql: connection.execute(sql).fetchall()),
            },
            rounds,
        )
        found.append(rate("14", f"{name}, {size}", samples, "ours", "raw", 1, 0.95, 13.0))
    return found


def _timed(work: Callable[[], Any]) -> float:
    with watched() as watch:
        work()
    return watch.wall_s
