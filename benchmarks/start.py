"""Rows 15 to 17: how long a command takes to start, against ``python -c "import click"`` in the same interpreter."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from benchmarks import record
from benchmarks.report import Finding, slowness
from benchmarks.timing import Case, Samples, interleaved, median
from benchmarks.upstream import Upstream

_ROOT = Path(__file__).parents[1]
_CLI = ("-m", "syncer.cli.main")
_CLICK = ("-c", "import click")
_LEAST_RUNS = 15
_BOUNDS = {"15": (1.25, 1.1), "16": (1.4, 1.2), "17": (4.0, 3.0)}
_COMMANDS = (
    ("15", ("--version",)),
    ("15", ("--help",)),
    ("16", ("query", "SELECT count(*) FROM plexus_score_result")),
    ("16", ("status",)),
    ("16", ("outbox", "list")),
    ("17", ("push",)),
    ("17", ("pull",)),
)
_FINE = (0, 3)  # 3: records need attention, which is an answer too


def run(rounds: int, quick: bool) -> list[Finding]:
    """All findings on commands that have nothing to do, and so show what starting costs."""
    if not (_ROOT / "syncer" / "cli" / "main.py").exists():
        print("start: there is no syncer/cli/main.py yet", file=sys.stderr)
        return []
    with Upstream() as upstream, TemporaryDirectory() as folder:
        path = Path(folder) / "start.db"
        record.workspace(path).close()
        home = {"HOME": folder, "XDG_CONFIG_HOME": folder, "XDG_DATA_HOME": folder}
        environ = {**os.environ, **home, **upstream.settings, "PYTHONPATH": str(_ROOT), "SYNCER_DB": str(path)}
        environ.pop("SYNCER_CONFIG", None)
        waiting = {arguments: _server_s(arguments, environ, upstream) for _, arguments in _COMMANDS}
        cases: dict[str, Case] = {"click": partial(_took, _CLICK, environ, 0.0)}
        for _, arguments in _COMMANDS:
            cases[" ".join(arguments)] = partial(_took, (*_CLI, *arguments), environ, waiting[arguments])
        samples = interleaved(cases, 5 if quick else max(rounds, _LEAST_RUNS))
    return [_finding(number, arguments, samples) for number, arguments in _COMMANDS]


def _finding(number: str, arguments: tuple[str, ...], samples: Samples) -> Finding:
    floor, stretch = _BOUNDS[number]
    return slowness(number, f"syncer {' '.join(arguments)}"[:40], samples, " ".join(arguments), "click", floor, stretch)


def _took(arguments: tuple[str, ...], environ: Mapping[str, str], less_s: float) -> float:
    """Seconds of one process from start to end, less what the server took of them."""
    start = time.perf_counter()
    ended = subprocess.run([sys.executable, *arguments], env=dict(environ), capture_output=True, check=False)
    took = time.perf_counter() - start
    if ended.returncode not in _FINE:
        raise RuntimeError(f"{' '.join(arguments)} ended with {ended.returncode}: {ended.stderr.decode()[-500:]}")
    return took - less_s


def _server_s(arguments: tuple[str, ...], environ: Mapping[str, str], upstream: Upstream) -> float:
    """Seconds the sandbox takes for the requests of this command; the first run also fills every cache."""
    _took((*_CLI, *arguments), environ, 0.0)
    before = upstream.traffic()
    _took((*_CLI, *arguments), environ, 0.0)
    requests = upstream.traffic().since(before).requests
    return requests * _round_trip_s(upstream.settings) if requests else 0.0


def _round_trip_s(settings: Mapping[str, str]) -> float:
    """Seconds of one small question over a connection that is open."""
    address = urlsplit(settings["PLEXUS_API_URL"])
    line = http.client.HTTPConnection(address.hostname or "", address.port)
    headers = {"Content-Type": "application/json", "x-api-key": settings["PLEXUS_API_KEY"]}
    body = json.dumps(
        {"query": "query Q($n: Int) {page: listAccounts(limit: $n) {items {id} nextToken}}", "variables": {"n": 9}}
    )
    took = []
    for _ in range(50):
        start = time.perf_counter()
        line.request("POST", address.path, body, headers)
        line.getresponse().read()
        took.append(time.perf_counter() - start)
    line.close()
    return median(took)
