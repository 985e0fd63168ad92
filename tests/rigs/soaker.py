"""A user's program that works for long: ``soaker.py FILE ROUNDS WRITES``, remotes by the environment.

It pulls all there is, pulls again, then round after round updates the same ``WRITES`` results, pushes, pulls and prunes.
It ends with one line of JSON: what the pulls brought, memory in megabytes, bytes of file and log, and what was last asked
for, by record id.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from syncer import Workspace, clock
from syncer.outbox import ledger
from syncer.store import maintenance

MODELS = ["Account", "ScoreResult"]


def memory_mb(name: str) -> float:
    """``VmHWM``, the most this process ever had, or ``VmRSS``, what it has now."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def pulled(ws: Workspace, seen: dict[str, Any]) -> list[int]:
    """[added, changed, unchanged] of a pull of everything; the largest log on the way goes into ``seen``."""
    log = ws.path.with_name(ws.path.name + "-wal")

    def look(_: object) -> None:
        seen["wal"] = max(seen["wal"], log.stat().st_size if log.exists() else 0)

    found = ws.pull("plexus", models=MODELS, watch=look).remotes["plexus"].pulled["ScoreResult"]
    look(None)
    return [found.added, found.changed, found.unchanged]


def main(file: str, rounds: int, writes: int) -> None:
    """Work, and say how it went."""
    seen: dict[str, Any] = {"wal": 0, "files": [], "rss": [], "pruned": 0, "acked": 0, "wanted": {}}
    with Workspace.open(file) as ws:
        ws.pull("plexus", models=MODELS, limit=1_000)
        seen["small_mb"] = memory_mb("VmHWM")
        seen["first"], seen["pull_mb"] = pulled(ws, seen), memory_mb("VmHWM")
        again = pulled(ws, seen)
        seen["second"] = again[:2]
        keys = [row["id"] for row in ws.plexus.find("ScoreResult", order_by="id", limit=writes)]
        for n in range(rounds):
            with ws.plexus.transaction() as unit:
                for key in keys:
                    unit.update("ScoreResult", key, {"value": f"round {n}"})
            seen["wanted"] = dict.fromkeys(keys, f"round {n}")
            seen["acked"] += ws.push("plexus").acked
            pulled(ws, seen)
            seen["pruned"] += ledger.prune(ws.database, clock.after(60.0)).changes
            maintenance.folded(ws.path)
            seen["files"].append(maintenance.size(ws.path))
            seen["rss"].append(memory_mb("VmRSS"))
        seen["closed"] = ws.status().consistent
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
