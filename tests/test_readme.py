"""The README works as written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_python_examples_run(tmp_path: Path) -> None:
    """Every Python block runs as it stands, in an empty folder."""
    assert len(blocks("python")) == 3
    for block in blocks("python"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", block],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert re.search(r"^[1-9]\d* changes are pending$", done.stdout, re.MULTILINE)


def test_the_two_commands_come_first() -> None:
    """The first two shell blocks are the main job and the tests, in that order; CI runs the second as it stands."""
    first, second = blocks("sh")[:2]
    assert "syncer demo" in first
    assert "pytest" in second


def test_links_lead_somewhere() -> None:
    """Every relative link names a file of the repository."""
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (Path(__file__).parents[1] / target).exists(), target
