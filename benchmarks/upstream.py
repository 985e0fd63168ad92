"""The sandbox in a process of its own, so that it shares neither the interpreter lock nor the figures of the client.

Run as a module it is that process: it prints its settings as one JSON line, then answers each line on stdin with one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from syncer.install import hint

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Traffic:
    """What came in so far, and how many score results there are."""

    requests: int
    connections: int
    score_results: int

    def since(self, before: Traffic) -> Traffic:
        """The difference."""
        return Traffic(
            self.requests - before.requests,
            self.connections - before.connections,
            self.score_results - before.score_results,
        )


class Upstream:
    """A running sandbox child: ``with Upstream(latency_ms=20) as upstream: ...``."""

    def __init__(self, latency_ms: float = 0) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.upstream", str(latency_ms)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )
        self.settings: dict[str, str] = self._heard()

    def traffic(self) -> Traffic:
        """What the sandbox counted."""
        assert self._child.stdin
        self._child.stdin.write("traffic\n")
        self._child.stdin.flush()
        return Traffic(**self._heard())

    def _heard(self) -> dict[str, Any]:
        assert self._child.stdout
        line = self._child.stdout.readline()
        if not line:
            raise SystemExit(f"the sandbox did not start; if it is not installed: {hint('sandbox')}")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self._child.communicate()  # the end of its stdin ends it


def serve(latency_ms: float) -> None:
    """Be the child until stdin ends."""
    from syncer.sandbox import Options, Sandbox

    with Sandbox(Options(latency_ms=latency_ms)) as sandbox:
        print(json.dumps(sandbox.settings), flush=True)
        for _ in sys.stdin:
            seen = Traffic(sandbox.requests, sandbox.connections, sandbox.count("ScoreResult"))
            print(json.dumps(seen.__dict__), flush=True)


if __name__ == "__main__":
    serve(float(sys.argv[1]))
