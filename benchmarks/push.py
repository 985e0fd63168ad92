"""Rows 5, 6 and 8: draining an outbox to the sandbox, ack included."""

from __future__ import annotations

import http.client
import json
import queue
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from benchmarks import record
from benchmarks.report import Finding, rate
from benchmarks.timing import Watch, interleaved, median, watched
from benchmarks.upstream import Traffic, Upstream
from benchmarks.write import raw_row
from syncer.adapters import registry
from syncer.engine.sync import Sync

BATCH = 100


@dataclass
class _Seen:
    """What each round of one case measured besides the seconds."""

    watches: list[Watch] = field(default_factory=list)
    traffic: list[Traffic] = field(default_factory=list)


def run(rounds: int, quick: bool) -> list[Finding]:
    """All findings on pushes."""
    count = 1000 if quick else 10_000
    with Upstream() as near:
        found = _measured("5", "drain, one sender, no latency", near, count, 1, rounds, 0.75, 0.9)
    for latency_ms, floor in ((20, 0.70), (100, 0.85)):
        with Upstream(latency_ms) as far:
            name = f"drain, four senders, {latency_ms} ms a request"
            found += _measured("6", name, far, count, 4, rounds, floor, 0.9)
    return found


def _measured(
    number: str, name: str, upstream: Upstream, count: int, senders: int, rounds: int, floor: float, stretch: float
) -> list[Finding]:
    for drain in (ours, raw):
        drain(upstream, 300, senders, _Seen())  # the sandbox has now compiled the documents of both
    seen = {"ours": _Seen(), "raw": _Seen()}
    samples = interleaved(
        {
            "ours": partial(ours, upstream, count, senders, seen["ours"]),
            "raw": partial(raw, upstream, count, senders, seen["raw"]),
        },
        rounds,
    )
    cpu = {who: [watch.cpu_s for watch in seen[who].watches] for who in seen}
    least = -(-count // BATCH)
    requests = median([t.requests for t in seen["ours"].traffic])
    connections = median([t.connections for t in seen["ours"].traffic])
    return [
        rate(number, f"{name} ({count:,})", samples, "ours", "raw", count, floor, stretch),
        rate("", "  processor time of the client alone", cpu, "ours", "raw", count, unit="/cpu s"),
        _at_most("8", "  requests", requests, least, least),
        _at_most("8", "  connections", connections, senders, senders),
    ]


def _at_most(number: str, name: str, ours: float, raw: float, most: float) -> Finding:
    return Finding(number, name, ours, raw, "", ours, floor=most, stretch=raw, at_most=True)


def ours(upstream: Upstream, count: int, senders: int, seen: _Seen) -> float:
    """Seconds in which a workspace sends ``count`` fresh changes."""
    with TemporaryDirectory() as folder, record.workspace(Path(folder) / "ours.db", **upstream.settings) as ws:
        random = Random()
        ws.plexus.create_many("ScoreResult", [record.fields(random) for _ in range(count)])
        remote = registry.remote("plexus", ws.settings)
        remote.limits = replace(remote.limits, senders=senders)
        before = upstream.traffic()
        with watched() as watch:
            report = Sync(ws.database).run([remote], pull=False)
        _note(seen, watch, upstream.traffic().since(before), count)
        if report.remotes["plexus"].pending:
            raise RuntimeError(f"{report.remotes['plexus'].waiting} changes stayed behind")
        return watch.wall_s


def raw(upstream: Upstream, count: int, senders: int, seen: _Seen) -> float:
    """Seconds in which a plain script does the same."""
    with TemporaryDirectory() as folder:
        made = record.raw_file(Path(folder) / "raw.db", "FULL")
        with closing(made.connection) as connection:
            random = Random()
            rows = [raw_row(record.fields(random)) for _ in range(count)]
            connection.execute("BEGIN")
            connection.executemany(made.insert, rows)
            connection.executemany(made.insert_change, [(row[0], row[-2]) for row in rows])
            connection.execute("COMMIT")
            before = upstream.traffic()
            with watched() as watch:
                raw_drain(connection, upstream.settings, senders)
            _note(seen, watch, upstream.traffic().since(before), count)
            return watch.wall_s


def _note(seen: _Seen, watch: Watch, traffic: Traffic, count: int) -> None:
    if traffic.score_results != count:
        raise RuntimeError(f"{traffic.score_results} of {count} records arrived")
    seen.watches.append(watch)
    seen.traffic.append(traffic)


_NAMES = tuple(record.SCORE_RESULT.by_name)
_SELECT = f"""
SELECT outbox.seq, {", ".join(f"score_result.{c}" for c in record.COLUMNS)}
FROM outbox JOIN score_result ON score_result.id = outbox.key WHERE outbox.seq > ? ORDER BY outbox.seq LIMIT {BATCH}
"""


def raw_drain(connection: sqlite3.Connection, settings: Mapping[str, str], senders: int) -> None:
    """Read the outbox, post 100 aliases a request over one connection a sender, delete what was answered."""
    batches: queue.Queue[list[tuple[Any, ...]]] = queue.Queue()
    last = 0
    while rows := connection.execute(_SELECT, (last,)).fetchall():
        last = rows[-1][0]
        batches.put(rows)
    turn = threading.Lock()
    failures: list[BaseException] = []

    def send() -> None:
        try:
            _send_all(batches, connection, turn, settings)
        except BaseException as exc:  # noqa: BLE001 - raised again below, in the caller's thread
            failures.append(exc)

    workers = [threading.Thread(target=send) for _ in range(senders)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]


def _send_all(
    batches: queue.Queue[list[tuple[Any, ...]]],
    connection: sqlite3.Connection,
    turn: threading.Lock,
    settings: Mapping[str, str],
) -> None:
    address = urlsplit(settings["PLEXUS_API_URL"])
    line = http.client.HTTPConnection(address.hostname or "", address.port)
    headers = {"Content-Type": "application/json", "x-api-key": settings["PLEXUS_API_KEY"]}
    while True:
        try:
            rows = batches.get_nowait()
        except queue.Empty:
            break
        line.request("POST", address.path, _document(rows), headers)
        answer = json.loads(line.getresponse().read())
        if "errors" in answer or len(answer["data"]) != len(rows):
            raise RuntimeError(f"the sandbox answered {str(answer)[:300]}")
        with turn:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("DELETE FROM outbox WHERE seq = ?", [row[:1] for row in rows])
            connection.execute("COMMIT")
    line.close()


def _document(rows: Sequence[tuple[Any, ...]]) -> bytes:
    given = ",".join(f"$i{n}:CreateScoreResultInput!" for n in range(len(rows)))
    asked = " ".join(f"m{n}:createScoreResult(input:$i{n}){{id updatedAt createdAt}}" for n in range(len(rows)))
    return json.dumps(
        {
            "query": f"mutation Push({given}){{{asked}}}",
            "variables": {f"i{n}": _input(row[1:]) for n, row in enumerate(rows)},
        }
    ).encode()


def _input(row: Sequence[Any]) -> dict[str, Any]:
    found = {name: value for name, value in zip(_NAMES, row, strict=True) if value is not None}
    found["attachments"] = json.loads(found["attachments"])
    found["correct"] = bool(found["correct"])
    return found
