"""Syncer's own writing processes, stopped and let go at random: ``wal_writers.py FILE BOARD NAME`` is one of them."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

from syncer import Workspace
from tests.factory import result, scoring
from tests.files import rows
from tests.rigs.wal_reset import Board, Other
from tests.rigs.world import pause

_LONG = "x" * 40_000  # some ten pages a row and as many a change: the log soon is long enough to be folded


def writer(file: Path, board_path: Path, name: str) -> None:
    """Create records until the board says to end, opening the file anew now and then; tell which were accepted."""
    board = Board(board_path)
    accepted: dict[str, str] = {}
    while not board.over:
        with Workspace.open(file) as ws:
            ids = json.loads(file.with_suffix(".json").read_text())
            for _ in range(40):
                text = f"{name}-{len(accepted)}"
                made = ws.plexus.create("ScoreResult", result(ids, value=text, explanation=_LONG))
                accepted[made["id"]] = text
                board.done()
                if board.over:
                    break
    sys.stdout.write(json.dumps(accepted) + "\n")


def load(path: Path, seconds: float, *, writers: int = 2, seed: int = 1) -> tuple[dict[str, str], Counter[str]]:
    """Run so many writers for so long; what was accepted, by record id, and counts of what was done."""
    with Workspace.open(path) as ws:
        path.with_suffix(".json").write_text(json.dumps(scoring(ws)))
    random, counts = Random(seed), Counter[str]()
    accepted: dict[str, str] = {}
    with ExitStack() as stack:
        started = [_started(path, name, stack) for name in "abcdef"[:writers]]
        for each in started:
            each.work(1)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            each = random.choice(started)
            others = sum(other.board.rounds for other in started if other is not each)
            with each.stopped():
                pause(random.random() * 0.004)
            counts["stops"] += 1
            counts["overtaken"] += sum(other.board.rounds for other in started if other is not each) - others
            counts["restarts"] = max(counts["restarts"], _restarts(path))
            counts["wal_mb"] = max(counts["wal_mb"], _size(path) // 1_000_000)
            pause(random.random() * 0.004)
        for each in started:  # all at once: none may keep the others from their last write
            each.board.end()
        for each in started:
            accepted |= each.ended()
    counts["writes"] = len(accepted)
    return accepted, counts


def _started(path: Path, name: str, stack: ExitStack) -> Other:
    board = path.with_name(f"board-{name}")
    other = Other(["-m", "tests.rigs.wal_writers", str(path), str(board), name], Board(board))
    stack.callback(other.process.kill)
    return other


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _size(path: Path) -> int:
    try:
        return _log(path).stat().st_size
    except FileNotFoundError:
        return 0


def _restarts(path: Path) -> int:
    """How often the log was begun anew, as its header counts."""
    try:
        with _log(path).open("rb") as file:
            return int.from_bytes(file.read(16)[12:], "big")
    except FileNotFoundError:
        return 0


def lost(path: Path, accepted: dict[str, str]) -> list[Any]:
    """Accepted records without their row or their change, and changes that nobody was told of."""
    here = dict(rows(path, "SELECT id, value FROM plexus_score_result WHERE explanation = ?", _LONG))
    waiting = {key for (key,) in rows(path, "SELECT key FROM outbox WHERE model = 'ScoreResult'")}
    return sorted(set(accepted.items()) ^ set(here.items())) + sorted(set(accepted) ^ waiting)


if __name__ == "__main__":
    writer(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
