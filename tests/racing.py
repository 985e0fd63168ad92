"""The same script in two processes at once, on one local file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def raced(script: Path, *arguments: str, processes: int = 2) -> list[str]:
    """What each of the processes wrote after ``ready``. They start together: each is told to go when all are ready."""
    started = [
        subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(processes)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        wrote = [process.communicate(timeout=60)[0] for process in started]
        assert [process.returncode for process in started] == [0] * processes
        return wrote
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.communicate()
