"""A user's program: writes accounts until told to stop, and says each id once the call has returned."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFINED = ROOT / "tests" / "rigs" / "confined.py"

WRITE = """
import sys
from syncer import Workspace
from syncer.errors import SyncerError
try:
    with Workspace.open(sys.argv[1]) as ws:
        for number in range(int(sys.argv[3])):
            made = ws.plexus.create("Account", {"name": "x" * 1000, "key": f"{sys.argv[2]}-{number}"})
            print(made["id"], flush=True)
except SyncerError as exc:
    print(f"{exc.code}|{exc.sentence}|{exc.hint}", file=sys.stderr)
    sys.exit(exc.exit_code)
"""


@dataclass(frozen=True)
class Wrote:
    """``ids``: what was accepted. ``code``: how the program ended; ``said``: code, sentence and hint of its error."""

    ids: list[str]
    code: int
    said: str


def confined(*command: str, most_bytes: int = 0) -> list[str]:
    """``command`` without root's power over file modes, no file growing beyond ``most_bytes`` (0: any)."""
    return [sys.executable, str(CONFINED), str(most_bytes), *command]


def environment(path: Path) -> dict[str, str]:
    """For a process that works on ``path`` and knows nothing of anybody's settings."""
    home = str(path.parent.parent)
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "SYNCER_DB": str(path),
        "HOME": home,
        "XDG_CONFIG_HOME": f"{home}/no-config",
    }


def wrote(path: Path, name: str, count: int, *, most_bytes: int = 0) -> Wrote:
    """What a program that writes ``count`` accounts to ``path`` came to."""
    command = confined(sys.executable, "-c", WRITE, str(path), name, str(count), most_bytes=most_bytes)
    done = subprocess.run(command, env=environment(path), capture_output=True, text=True, timeout=60, check=False)
    return Wrote(done.stdout.split(), done.returncode, done.stderr)


def ran(path: Path, *words: str, most_bytes: int = 0) -> Wrote:
    """What ``syncer WORDS`` on ``path`` came to; ``said`` is all it wrote."""
    command = confined(sys.executable, "-m", "syncer.cli.main", *words, most_bytes=most_bytes)
    done = subprocess.run(command, env=environment(path), capture_output=True, text=True, timeout=60, check=False)
    return Wrote([], done.returncode, done.stdout + done.stderr)
