"""R8: many records and long work: memory stays that of a page, log and file stay bounded, nothing is lost or doubled.

20,000 records times the multiplier. 200,000: ``SYNCER_RIG=10 nice python -m pytest tests/rigs/test_soak.py -s``; a million:
``SYNCER_RIG=50``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from syncer import clock
from syncer.sandbox.server import Sandbox
from tests.files import rows
from tests.rigs import settings

ROOT = Path(__file__).parents[2]
RECORDS = 20_000 * settings.scale
ROUNDS = 10 * min(settings.scale, 10)
WRITES = 500
LIMIT_S = 120 * settings.scale
BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
PULL_MB = 100  # SQLite's own page cache is 64 of it
WAL_BYTES = 40_000_000


def filled(sandbox: Sandbox) -> None:
    """An account with its results, one a minute, long ago."""
    at = clock.wire(clock.stored(BEGAN))
    sandbox.put("Account", id="acc", name="Lab", key="lab", createdAt=at, updatedAt=at)
    ids = {"itemId": "i", "accountId": "acc", "scorecardId": "card", "scoreId": "score"}
    fields = {**ids, "value": "Yes", "type": "prediction", "status": "COMPLETED", "explanation": "because " * 20}
    for start in range(0, RECORDS, 20_000):
        made = []
        for n in range(start, min(RECORDS, start + 20_000)):
            when = clock.wire(clock.stored(BEGAN + timedelta(seconds=20 * n)))
            made.append({"id": f"r{n:07}", **fields, "createdAt": when, "updatedAt": when})
        sandbox.put_all("ScoreResult", made)


def soaked(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """What the program says in the end."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SYNCER_", "PLEXUS_"))}
    env = inherited | {"PYTHONPATH": str(ROOT)} | dict(environment)
    line = [sys.executable, str(Path(__file__).with_name("soaker.py")), str(path), str(ROUNDS), str(WRITES)]
    done = subprocess.run(line, env=env, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_long_work_stays_small_and_loses_nothing(sandbox: Sandbox, path: Path) -> None:
    """Memory is that of a page, log and file do not grow with the rounds, every write has one effect [I2 I3 I12 I16 I25]."""
    filled(sandbox)
    seen = soaked(path, {**sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab"})
    told = {name: value for name, value in seen.items() if name != "wanted"}
    assert rows(path, "SELECT count(*) FROM plexus_score_result") == [(RECORDS,)], told
    assert seen["second"] == [0, 0], told
    assert seen["pull_mb"] - seen["small_mb"] < PULL_MB, told
    assert max(seen["rss"]) - seen["pull_mb"] < PULL_MB, told
    assert seen["rss"][-1] - seen["rss"][1] < 20, told
    assert seen["wal"] < WAL_BYTES, told
    assert seen["files"][-1] <= seen["files"][1] * 1.05 + 1_000_000, told
    assert (seen["acked"], seen["pruned"], seen["closed"]) == (ROUNDS * WRITES,) * 2 + (True,), told
    effects = Counter(effect.key for effect in sandbox.effects("ScoreResult", "update"))
    assert set(effects) == set(seen["wanted"]), told
    assert set(effects.values()) == {ROUNDS}, told
    assert all((sandbox.get("ScoreResult", key) or {})["value"] == value for key, value in seen["wanted"].items()), told
    here = dict(rows(path, "SELECT id, value FROM plexus_score_result WHERE value LIKE 'round%'"))
    assert here == seen["wanted"], told
    secret = sandbox.settings["PLEXUS_API_KEY"].encode()
    assert secret not in path.read_bytes(), told
    settings.tally(
        "soak",
        records=RECORDS,
        writes=seen["acked"],
        rounds=ROUNDS,
        lost=0,
        doubled=0,
        pull_mb=round(seen["pull_mb"] - seen["small_mb"]),
        rounds_mb=round(seen["rss"][-1] - seen["rss"][1]),
        wal_mb=round(seen["wal"] / 1e6, 1),
        file_mb=[round(seen["files"][n] / 1e6, 1) for n in (0, -1)],
    )
