"""R6: many processes on one file: writers, syncs, a reader that will not end, a sync that is suspended."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import syncer
from syncer import Workspace
from syncer.config import Settings
from syncer.errors import DatabaseBusy
from syncer.sandbox.server import Sandbox
from syncer.store.database import BUSY_MS, Database
from tests.factory import result, scoring
from tests.files import rows, write
from tests.rigs import settings
from tests.rigs.auditor import Auditor
from tests.rigs.faults import Fault
from tests.rigs.proxy import Proxy
from tests.rigs.writer import SHARED

ROOT = Path(syncer.__file__).parents[1]
WRITERS = 8
WRITES = 20
LIMIT_S = 60.0
_COUNT = "SELECT count(*) FROM plexus_score_result"


class Office:
    """One file, its upstream behind a proxy, and the processes at work on it."""

    def __init__(self, path: Path, sandbox: Sandbox, proxy: Proxy) -> None:
        self.path, self.sandbox, self.proxy = path, sandbox, proxy
        self.said: list[tuple[int, str]] = []
        self.environ = {**proxy.through(sandbox.settings), "PLEXUS_ACCOUNT_KEY": "lab", "PLEXUS_TIMEOUT_S": "20"}
        self._started: list[subprocess.Popen[str]] = []

    def workspace(self) -> Workspace:
        """The file as this process opens it."""
        return Workspace(Settings(str(self.path), environ=self.environ))

    def started(self, *words: str) -> subprocess.Popen[str]:
        """A process; the words are those behind ``python``."""
        process = subprocess.Popen(
            [sys.executable, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **self.environ, "SYNCER_DB": str(self.path), "PYTHONPATH": str(ROOT)},
        )
        self._started.append(process)
        return process

    def command(self, *words: str) -> subprocess.Popen[str]:
        """A running ``syncer``."""
        return self.started("-m", "syncer.cli.main", *words)

    def ended(self, process: subprocess.Popen[str], told: str = "") -> tuple[int, str]:
        """Exit code and everything that was written."""
        out, err = process.communicate(told, timeout=LIMIT_S)
        self.said.append((process.returncode, out + err))
        return self.said[-1]

    def close(self) -> None:
        """Nothing outlives its test."""
        for process in self._started:
            process.kill()
            process.wait(LIMIT_S)
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def office(path: Path, sandbox: Sandbox) -> Iterator[Office]:
    """An office whose traffic is audited."""
    with Proxy(sandbox.port, seed=settings.seed) as proxy:
        made = Office(path, sandbox, proxy)
        with made.workspace():
            proxy.look = Auditor(path)
        try:
            yield made
        finally:
            made.close()
        assert proxy.problems == []


class Reader:
    """A reader in the middle of a long SELECT, in a transaction of its own."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("BEGIN")
        self._first = self._connection.execute(_COUNT).fetchone()
        self._cursor = self._connection.execute("SELECT a.name FROM sqlite_schema a, sqlite_schema b")
        self._cursor.fetchone()

    def close(self) -> None:
        """Read to the end: what was seen at the beginning is what is seen now."""
        assert self._cursor.fetchone() is not None
        assert self._connection.execute(_COUNT).fetchone() == self._first
        self._connection.execute("COMMIT")
        self._connection.close()


def test_eight_writers_two_syncs_and_a_reader_lose_nothing_and_lock_nobody_out(office: Office) -> None:
    """All writes arrive once, nobody is told of a lock, no call waits longer than the busy limit [I3, I16, I21, I22]."""
    for round_ in range(settings.scale):
        _one_day(office, round_)


def _one_day(office: Office, round_: int) -> None:
    proxy = office.proxy
    with office.workspace() as ws:
        ids = _ids(ws, round_)
    proxy.kinds, proxy.rate = (Fault.LOST, Fault.CUT, Fault.ERROR), 0.05
    given = json.dumps(ids)
    writers = [
        office.started(str(ROOT / "tests/rigs/writer.py"), str(office.path), str(n), str(WRITES), given)
        for n in range(WRITERS)
    ]
    for process in writers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    done = threading.Event()
    syncs = [threading.Thread(target=_syncing, args=(office, done)) for _ in range(2)]
    reader = Reader(office.path)
    for thread in syncs:
        thread.start()
    try:
        wrote = [office.ended(process) for process in _told(writers)]
        reader.close()
    finally:
        done.set()
        for thread in syncs:
            thread.join()
    proxy.calm()
    assert {code for code, _ in wrote} == {0}, wrote
    assert {code for code, _ in office.said} <= {0, 4}, office.said
    refused = [text for code, text in office.said if code == 4 and "another sync" in text]
    assert all("wait for it to end" in text for text in refused)
    assert not [text for _, text in office.said if "locked" in text.lower() or "Traceback" in text]
    found = [json.loads(text.splitlines()[-1]) for _, text in wrote]
    longest_s = max(each["longest_s"] for each in found)
    assert longest_s < BUSY_MS / 1000
    _drained(office, ids, found)
    settings.tally(
        "processes",
        round=round_,
        writers=WRITERS,
        writes=WRITERS * WRITES,
        syncs=len(office.said) - WRITERS * (round_ + 1),
        refused=len(refused),
        longest_s=f"{longest_s:.2f}",
        faults=proxy.dealt.total(),
        lost=0,
        doubled=0,
    )


def _told(writers: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    """Let all of them begin."""
    for process in writers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return writers


def _ids(ws: Workspace, round_: int) -> dict[str, str]:
    if round_ == 0:
        ids = scoring(ws)
    else:
        first = ws.plexus.find("ScoreResult", limit=1)[0]
        ids = {name: first[name] for name in ("accountId", "scorecardId", "scoreId", "itemId")}
    return {**ids, "shared": ws.plexus.create("ScoreResult", result(ids))["id"]}


def _syncing(office: Office, done: threading.Event) -> None:
    while not done.is_set():
        office.ended(office.command("sync", "plexus"))


def _drained(office: Office, ids: dict[str, str], found: list[dict[str, Any]]) -> None:
    sandbox = office.sandbox
    with office.workspace() as ws:
        for _ in range(5):
            if ws.sync("plexus").exit_code == 0:
                break
        assert rows(office.path, "SELECT * FROM outbox") == []
        assert ws.status().consistent
        sent = len(office.proxy.writes())
        assert ws.sync("plexus").exit_code == 0
        assert len(office.proxy.writes()) == sent
        assert ws.verify("plexus").equal
        for key, value in [pair for each in found for pair in each["wanted"].items()]:
            there, here = sandbox.get("ScoreResult", key), ws.plexus.get("ScoreResult", key)
            assert (there and there["value"], here and here["value"]) == (value, value), key
        shared = sandbox.get("ScoreResult", ids["shared"]) or {}
        for name, each in zip(SHARED, found, strict=False):
            assert each["shared"] in (None, shared[name])
    effects = Counter((effect.key, effect.op) for effect in sandbox.effects("ScoreResult"))
    acked = Counter(rows(office.path, "SELECT key, op FROM ledger WHERE outcome = 'acked' AND model = 'ScoreResult'"))
    assert not [pair for pair, count in effects.items() if count > acked[pair]]


def test_a_second_sync_is_told_that_one_is_running(office: Office) -> None:
    """While an answer is awaited, another sync ends with 4 and says why; a writer and a reader do not notice [I21, I22]."""
    proxy = office.proxy
    with office.workspace() as ws:
        ids = scoring(ws)
        proxy.hold = lambda request: request.writes
        first = office.command("push", "plexus")
        assert proxy.held.wait(LIMIT_S)
        code, text = office.ended(office.command("push", "plexus"))
        assert (code, "another sync of plexus is running" in text, "wait for it to end" in text) == (4, True, True)
        made = ws.plexus.create("ScoreResult", result(ids))["id"]
        assert office.ended(office.command("query", _COUNT))[0] == 0
        assert len(proxy.writes()) == 1
        proxy.release.set()
        assert office.ended(first)[0] == 0
        assert ws.push("plexus").exit_code == 0
        assert office.sandbox.get("ScoreResult", made) is not None
        assert Counter(e.key for e in office.sandbox.effects()).most_common(1)[0][1] == 1
        assert ws.status().consistent


def test_a_sync_that_was_suspended_cannot_commit_over_its_successor(office: Office) -> None:
    """Stopped on the wire, overtaken, continued: its successor finishes the work, it is told and changes nothing [I21]."""
    proxy = office.proxy
    with office.workspace() as ws:
        ids = scoring(ws)
        made = ws.plexus.create("ScoreResult", result(ids))["id"]
        proxy.hold = lambda request: request.writes
        first = office.command("push", "plexus")
        assert proxy.held.wait(LIMIT_S)
        first.send_signal(signal.SIGSTOP)
        proxy.hold = lambda _: False
        write(office.path, "UPDATE _remote_state SET lease_until = '2000-01-01T00:00:00.000000Z'")
        assert ws.push("plexus").exit_code == 0
        ws.plexus.update("ScoreResult", made, {"value": "later"})
        before = _bookkeeping(office.path)
        proxy.release.set()
        first.send_signal(signal.SIGCONT)
        code, text = office.ended(first)
        assert (code, "another one took over" in text) == (4, True), text
        assert _bookkeeping(office.path) == before
        assert ws.push("plexus").exit_code == 0
        effects = Counter((e.key, e.op) for e in office.sandbox.effects())
        assert set(effects.values()) == {1}
        assert (office.sandbox.get("ScoreResult", made) or {})["value"] == "later"
        assert (rows(office.path, "SELECT * FROM outbox"), ws.status().consistent) == ([], True)


def _bookkeeping(path: Path) -> list[Any]:
    """Everything about changes."""
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in ("outbox", "ledger", "_base")]


def test_a_writer_behind_another_programs_lock_waits_and_then_says_so_in_plain_words(office: Office) -> None:
    """A foreign transaction that never ends: the write is refused in time and in plain words, and may be repeated [I22]."""
    with closing(sqlite3.connect(office.path, isolation_level=None)) as other, office.workspace() as ws:
        ws.database.close()
        quick = Database(office.path, busy_ms=300)
        other.execute("BEGIN IMMEDIATE")
        began = time.perf_counter()
        with pytest.raises(DatabaseBusy) as caught, quick.transaction():
            pass
        assert time.perf_counter() - began < 3.0
        assert "database is locked" not in caught.value.sentence
        other.execute("ROLLBACK")
        with quick.transaction() as tx:
            tx.script("UPDATE _remote_state SET fence = fence")
        quick.close()
