"""The record all subjects use, a score result of 22 fields and 1.2 kB, and the raw SQL a person would write for it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from syncer import Workspace, config
from syncer.adapters.plexus.spec import MODELS

ACCOUNT = "0d8f3c1e-7a51-4f0b-9a0e-5f9d3f1c2b44"
SCORE_RESULT = MODELS["ScoreResult"]
COLUMNS = SCORE_RESULT.columns
_EXPLANATION = (
    "The agent greeted the caller by name, confirmed the account number and read the disclosure in full before asking for "
    "consent. The caller agreed at 00:42. No payment details were taken outside the secure form. The closing statement was "
    "given, but the survey was not offered, which this scorecard does not require for calls from existing members."
)
_START = datetime(2026, 1, 1, tzinfo=UTC)
_dumps = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))

MARKS = ", ".join("?" * len(COLUMNS))
TABLE = f"CREATE TABLE score_result ({COLUMNS[0]} TEXT PRIMARY KEY, {', '.join(COLUMNS[1:])})"
INDEXES = (
    "CREATE INDEX ix_account ON score_result (account_id, updated_at)",
    "CREATE INDEX ix_item ON score_result (item_id)",
)
OUTBOX = "CREATE TABLE outbox (seq INTEGER PRIMARY KEY, model TEXT, key TEXT, op TEXT, created_at TEXT)"
INSERT = f"INSERT INTO score_result ({', '.join(COLUMNS)}) VALUES ({MARKS})"
INSERT_CHANGE = "INSERT INTO outbox (model, key, op, created_at) VALUES ('ScoreResult', ?, 'create', ?)"
UPSERT = (
    f"{INSERT} ON CONFLICT ({COLUMNS[0]}) DO UPDATE SET " + ", ".join(f"{c} = excluded.{c}" for c in COLUMNS[1:])
)  # fmt: skip


def fields(random: Random) -> dict[str, Any]:
    """What a caller gives to ``create``: Python values, no id, no times."""
    latency = random.randrange(300, 4000)
    return {
        "value": random.choice(("Yes", "No")),
        "explanation": _EXPLANATION,
        "confidence": round(random.random(), 4),
        "metadata": {"channel": "voice", "language": "en-US", "agent": f"agent-{latency % 97}", "seconds": latency},
        "trace": {"node": "consent", "model": "small-4", "prompt_tokens": latency, "output_tokens": latency // 9},
        "correct": latency % 7 != 0,
        "cost": {"llm_calls": 2, "total_cost": latency / 1e6, "currency": "USD"},
        "attachments": [f"scoreresults/{latency}/log.txt"],
        "type": "prediction",
        "status": "COMPLETED",
        "itemId": _id(random, 5000),
        "accountId": ACCOUNT,
        "scoringJobId": str(UUID(int=random.getrandbits(128), version=4)),
        "scorecardId": _id(random, 5),
        "scoreVersionId": _id(random, 120),
        "scoreId": _id(random, 40),
        "code": "200",
    }


def _id(random: Random, choices: int) -> str:
    return str(UUID(int=Random(random.randrange(choices) * 7919 + choices).getrandbits(128), version=4))


def wire_records(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """``count`` records as AppSync answers them, ascending in ``updatedAt``; the same for the same seed."""
    random = Random(seed)
    for number in range(count):
        moment = (_START + timedelta(milliseconds=137 * number)).isoformat(timespec="milliseconds")[:23] + "Z"
        given = fields(random)
        made = {"id": str(UUID(int=random.getrandbits(128), version=4)), "createdAt": moment, "updatedAt": moment}
        given |= {name: _dumps(given[name]) for name in ("metadata", "trace", "cost")} | made
        yield {name: given.get(name) for name in SCORE_RESULT.by_name}


def wire_tuple(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """A record from the wire as a raw row: what ``json.loads`` gave, the one list as text."""
    values = list(record.values())
    values[_ATTACHMENTS] = _dumps(values[_ATTACHMENTS])
    return tuple(values)


_ATTACHMENTS = COLUMNS.index("attachments")


@dataclass(frozen=True)
class Raw:
    """A raw database and the two INSERTs of one write."""

    connection: sqlite3.Connection
    insert: str = INSERT
    insert_change: str = INSERT_CHANGE


def raw_file(path: Path, synchronous: str) -> Raw:
    """A new raw database: write-ahead log and ``synchronous`` as ours, all else as SQLite has it."""
    raw = Raw(_connected(path, synchronous))
    for statement in (TABLE, *INDEXES, OUTBOX):
        raw.connection.execute(statement)
    return raw


def raw_on_our_tables(path: Path, synchronous: str) -> Raw:
    """Raw statements on a file of ours, its indexes and caches included: what is missing there is our own code."""
    workspace(path).close()
    insert = INSERT.replace("score_result", SCORE_RESULT.table)
    insert_change = (
        "INSERT INTO outbox (remote, model, key, op, state, attempts, created_at, idem_key) VALUES "
        "('plexus', 'ScoreResult', ?, 'create', 'pending', 0, ?, lower(hex(randomblob(16))))"
    )
    raw = Raw(_connected(path, synchronous), insert, insert_change)
    raw.connection.execute("PRAGMA cache_size=-65536")
    raw.connection.execute("PRAGMA wal_autocheckpoint=4000")
    return raw


def _connected(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA synchronous={synchronous}")
    return connection


def workspace(path: Path, durability: str = "full", **environ: str) -> Workspace:
    """A workspace at ``path`` that sees ``environ`` only, with the one account that all records belong to."""
    opened = Workspace(config.load(path, environ={"SYNCER_DURABILITY": durability, **environ}))
    with closing(sqlite3.connect(path)) as connection, connection:
        moment = "2026-01-01T00:00:00.000000Z"
        sql = (
            "INSERT OR IGNORE INTO plexus_account (id, name, key, created_at, updated_at) VALUES (?, 'Bench', 'bench', ?, ?)"
        )
        connection.execute(sql, (ACCOUNT, moment, moment))
    return opened
