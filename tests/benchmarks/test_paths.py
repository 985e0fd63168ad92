"""The count of files on the way of one job: it runs, and it counts what it says it counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.paths import Walk, traced
from syncer import clock, redact

ROOT = Path(__file__).parents[2]
_LIMIT_S = 120


def test_a_call_in_another_file_is_a_move_and_may_be_one_back() -> None:
    """Calls within a file are no moves, a return is none, and what imports or lambdas do is left out."""
    walk = Walk()
    with traced(walk):
        clock.now()
        clock.stored_now()
        redact.redacted("nothing", ())
        clock.now()
    assert walk.entered == {"clock.py": 2, "redact.py": 1}
    assert (walk.moves, walk.back) == (2, 1)


def test_every_job_is_done_and_its_files_are_counted() -> None:
    """``python -m benchmarks paths --json`` walks all five jobs against a real sandbox and names the files."""
    command = [sys.executable, "-m", "benchmarks", "paths", "--json"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["findings"]
    files = {f["work"].split(":")[0]: f["notes"] for f in found if f["unit"] == "files"}
    assert set(files) == {"score", "push", "pull", "conflict", "command"}
    assert all(f["ours"] == len(f["notes"]) for f in found if f["unit"] == "files")
    assert all("engine/sync.py" in names for names in files.values())
    assert set(files["push"]) < set(files["score"])
    assert "cli/main.py" in files["command"]
    assert not any(name.startswith("sandbox/") for names in files.values() for name in names)
    moves = [f["ours"] for f in found if f["work"] == "  moves"]
    back = [f["ours"] for f in found if f["work"] == "  moves back"]
    # The first entry is no move; every other entry of a file is one back.
    assert [m - b + 1 for m, b in zip(moves, back, strict=True)] == [len(names) for names in files.values()]
