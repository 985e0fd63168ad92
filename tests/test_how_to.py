"""The page on adding a remote works as it is written, from an empty folder to the end."""

from __future__ import annotations

import os
import re
import site
import subprocess
from pathlib import Path

import pytest

import syncer

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "how-to" / "add-a-remote.md").read_text("utf-8")
FILES = re.findall(r"Write `([\w./]+)`(?:(?!^```).)*?^```\w+\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run(folder: Path, script: str) -> str:
    """Run a block of the page as it stands; what it prints."""
    mine = {"VIRTUAL_ENV", "PYTHONPATH", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER"}
    environ = {name: value for name, value in os.environ.items() if name not in mine}
    # What an index would give is there already, see below; building needs nothing from it either.
    environ |= {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "SYNCER_ALLOW": "file-system"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with every file of the page, and the environment that its commands make."""
    folder = tmp_path_factory.mktemp("jots")
    for name, content in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    make, rest = COMMANDS[0].split("\n", 1)
    run(folder, make)
    (packages,) = (folder / ".venv").glob("lib/python*/site-packages")
    there = [*site.getsitepackages(), str(Path(syncer.__file__).parents[1])]
    (packages / "instead-of-an-index.pth").write_text("\n".join([*there, ""]), "utf-8")
    command = folder / ".venv" / "bin" / "syncer"
    command.write_text(f"#!{folder}/.venv/bin/python\nfrom syncer.cli.main import main\nmain()\n", "utf-8")
    command.chmod(0o755)
    (folder / "said").write_text(run(folder, rest), "utf-8")
    return folder


def test_every_file_is_taken_from_the_page() -> None:
    """The files that the page tells to write, in its order, and its two blocks of commands."""
    assert [name for name, _ in FILES] == [
        "pyproject.toml",
        "syncer_jots/__init__.py",
        "syncer_jots/wire.py",
        "tests/service.py",
        "tests/test_contract.py",
    ]
    assert len(COMMANDS) == 2


def test_from_an_empty_folder_to_green(project: Path) -> None:
    """The commands of the page install the package and pass the contract."""
    said = (project / "said").read_text("utf-8")
    assert re.search(r"^\d+ passed", said, re.MULTILINE), said
    assert "failed" not in said


def test_the_remote_is_used(project: Path) -> None:
    """The last commands show what waits, and the table."""
    said = run(project, COMMANDS[1])
    assert "JOTS_API_URL" in said
    assert re.search(r"create +Jot", said)
    assert "buy milk" in said
