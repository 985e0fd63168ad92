"""One of many processes that write one file: ``writer.py FILE NAME WRITES IDS``, told by a line to begin.

It ends with one line of JSON: ``wanted`` by record id (null: deleted), ``shared`` what it last gave the shared record, and
``longest_s``, the longest that a single call took.
"""

from __future__ import annotations

import json
import sys
import time
from random import Random
from typing import Any

from syncer import Workspace
from syncer.config import Settings

SHARED = ("explanation", "code", "type", "status")


def main(file: str, name: str, writes: int, given: dict[str, str]) -> None:
    """Write and say what was written."""
    random, longest_s, shared = Random(name), 0.0, None
    wanted: dict[str, Any] = {}
    with Workspace(Settings(file)) as ws:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        references = {k: v for k, v in given.items() if k != "shared"}
        for number in range(writes):
            began = time.perf_counter()
            text, kind = f"{name}-{number}", random.random()
            living = [key for key, value in wanted.items() if value is not None]
            if kind < 0.5 or not living:
                wanted[ws.plexus.create("ScoreResult", {**references, "value": text})["id"]] = text
            elif kind < 0.75:
                key = random.choice(living)
                ws.plexus.update("ScoreResult", key, {"value": text})
                wanted[key] = text
            elif kind < 0.85:
                key = random.choice(living)
                ws.plexus.delete("ScoreResult", key)
                wanted[key] = None
            elif int(name) < len(SHARED):
                ws.plexus.update("ScoreResult", given["shared"], {SHARED[int(name)]: text})
                shared = text
            longest_s = max(longest_s, time.perf_counter() - began)
    sys.stdout.write(json.dumps({"wanted": wanted, "shared": shared, "longest_s": longest_s}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), json.loads(sys.argv[4]))
