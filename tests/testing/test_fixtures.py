"""The fixtures that other people's tests use, in a test run of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import syncer

ROOT = Path(syncer.__file__).parents[1]
THEIRS = """
import os

from syncer import Workspace


def test_a_program(syncer_sandbox, syncer_workspace):
    syncer_workspace.plexus.create("Account", {"name": "Lab", "key": "lab"})
    assert syncer_workspace.push("plexus").acked == 1
    assert len(syncer_sandbox.effects("Account", "create")) == 1


def test_offline(syncer_path):
    assert os.environ["SYNCER_DB"] == str(syncer_path)
    assert "PLEXUS_API_URL" not in os.environ
    with Workspace.open() as ws:
        assert ws.path == syncer_path
        assert ws.status().remotes["plexus"].pending == 0
"""
WRONG = """
import pytest

from syncer.testing import RemoteContract


class TestWrong(RemoteContract):
    remote, model, secret = "plexus", "Account", "PLEXUS_API_KEY"
"""


def ran(folder: Path, source: str, conftest: str = "") -> subprocess.CompletedProcess[str]:
    """A test run in a folder with these files, in an environment with somebody's settings."""
    (folder / "conftest.py").write_text(conftest, "utf-8")
    (folder / "test_theirs.py").write_text(source, "utf-8")
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PLEXUS_API_URL": "https://somebody.example/graphql"}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    return subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=120)


def test_programs_are_tested_with_the_fixtures(tmp_path: Path) -> None:
    """A workspace, a sandbox and a clean environment by one line in ``conftest.py``."""
    done = ran(tmp_path, THEIRS, 'pytest_plugins = ["syncer.testing.fixtures"]\n')
    assert "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("missing", ["a contract needs an upstream"])
def test_an_incomplete_contract_says_what_is_missing(tmp_path: Path, missing: str) -> None:
    """A subclass without an upstream fails with a sentence."""
    done = ran(tmp_path, WRONG)
    assert done.returncode == 1
    assert missing in done.stdout
