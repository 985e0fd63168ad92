"""Rows 1, 3 and 4: durable local writes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from benchmarks import record
from benchmarks.record import Raw
from benchmarks.report import Finding, rate
from benchmarks.timing import Case, interleaved, watched

_THREADS = 8
_MANY = 1000
_NAMES = tuple(record.SCORE_RESULT.by_name)
_JSON = ("metadata", "trace", "cost", "attachments")


def run(rounds: int, quick: bool) -> list[Finding]:
    """All findings on writes."""
    count = 600 if quick else 3000
    found: list[Finding] = []
    for synchronous, floor in (("NORMAL", 0.75), ("FULL", 0.80)):
        found += _single(synchronous, floor, count, rounds)
    found += _thousands(count * 5, rounds)
    found.append(_threads(count, rounds))
    return found


def _single(synchronous: str, floor: float, count: int, rounds: int) -> list[Finding]:
    records = _records(count)
    samples = interleaved(
        {
            "ours": partial(_ours, records, synchronous, _one_by_one),
            "raw": partial(_raw, records, synchronous, record.raw_file, raw_singles),
            "ready": partial(_raw, [raw_row(r) for r in records], synchronous, record.raw_file, raw_ready_singles),
            "indexes": partial(_raw, records, synchronous, record.raw_on_our_tables, raw_singles),
        },
        rounds,
    )
    name = f"one write a transaction, {synchronous}"
    return [
        rate("1", name, samples, "ours", "raw", count, floor, 1.0),
        rate("", "  against raw with tuples made beforehand", samples, "ours", "ready", count),
        rate("", "  against raw statements on our tables, 12 indexes", samples, "ours", "indexes", count),
    ]


def _thousands(count: int, rounds: int) -> list[Finding]:
    records = _records(count)
    samples = interleaved(
        {
            "ours": partial(_ours, records, "FULL", _in_thousands),
            "raw": partial(_raw, records, "FULL", record.raw_file, raw_thousands),
            "indexes": partial(_raw, records, "FULL", record.raw_on_our_tables, raw_thousands),
        },
        rounds,
    )
    return [
        rate("3", "1,000 writes a transaction, FULL", samples, "ours", "raw", count, 0.80, 1.0),
        rate("", "  against raw statements on our tables, 12 indexes", samples, "ours", "indexes", count),
    ]


def _threads(count: int, rounds: int) -> Finding:
    records = _records(count)
    cases: dict[str, Case] = {
        "ours": partial(_ours, records, "FULL", _from_threads),
        "raw": partial(_raw, records, "FULL", record.raw_file, raw_singles),
    }
    return rate(
        "4", "eight threads of single writes, FULL, over one raw", interleaved(cases, rounds), "ours", "raw", count, 2.0, 4.0
    )


def _records(count: int) -> list[dict[str, Any]]:
    random = Random(7)
    return [record.fields(random) for _ in range(count)]


Create = Callable[[str, Mapping[str, Any]], Any]


def _ours(records: list[dict[str, Any]], synchronous: str, work: Callable[[Any, list[dict[str, Any]]], None]) -> float:
    with TemporaryDirectory() as folder, record.workspace(Path(folder) / "ours.db", synchronous.lower()) as ws:
        ws.plexus.create("ScoreResult", records[0])  # the first write opens the file and makes the SQL
        with watched() as watch:
            work(ws.plexus, records)
        return watch.wall_s


def _one_by_one(plexus: Any, records: list[dict[str, Any]]) -> None:
    for fields in records:
        plexus.create("ScoreResult", fields)


def _in_thousands(plexus: Any, records: list[dict[str, Any]]) -> None:
    for start in range(0, len(records), _MANY):
        plexus.create_many("ScoreResult", records[start : start + _MANY])


def _from_threads(plexus: Any, records: list[dict[str, Any]]) -> None:
    workers = [threading.Thread(target=_one_by_one, args=(plexus, records[n::_THREADS])) for n in range(_THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def _raw(
    records: list[Any],
    synchronous: str,
    opened: Callable[[Path, str], Raw],
    work: Callable[[Raw, list[Any]], None],
) -> float:
    with TemporaryDirectory() as folder:
        raw = opened(Path(folder) / "raw.db", synchronous)
        with closing(raw.connection):
            with watched() as watch:
                work(raw, records)
            return watch.wall_s


def raw_row(fields: dict[str, Any]) -> tuple[Any, ...]:
    """By hand what no writer of the record can leave out: an id, two times, JSON as text."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")[:23] + "Z"
    row = {**fields, "id": str(uuid4()), "createdAt": now, "updatedAt": now}
    for name in _JSON:
        row[name] = json.dumps(row[name])
    return tuple([row.get(name) for name in _NAMES])


def raw_singles(raw: Raw, records: list[dict[str, Any]]) -> None:
    """INSERT row, INSERT change, COMMIT, from the same dicts as ours."""
    raw_ready_singles(raw, map(raw_row, records))


def raw_ready_singles(raw: Raw, rows: Iterable[tuple[Any, ...]]) -> None:
    """INSERT row, INSERT change, COMMIT and nothing else."""
    execute = raw.connection.execute
    for row in rows:
        execute("BEGIN IMMEDIATE")
        execute(raw.insert, row)
        execute(raw.insert_change, (row[0], row[-2]))
        execute("COMMIT")


def raw_thousands(raw: Raw, records: list[dict[str, Any]]) -> None:
    """executemany twice a transaction."""
    for start in range(0, len(records), _MANY):
        rows = [raw_row(fields) for fields in records[start : start + _MANY]]
        raw.connection.execute("BEGIN IMMEDIATE")
        raw.connection.executemany(raw.insert, rows)
        raw.connection.executemany(raw.insert_change, [(row[0], row[-2]) for row in rows])
        raw.connection.execute("COMMIT")
