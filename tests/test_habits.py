"""What a newcomer and a hosted machine rely on is there, and one place says the same as the other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

import syncer

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))


def commands(job: str) -> list[str]:
    """What a job of the hosted workflow runs."""
    return [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]


def test_the_types_are_in_the_wheel() -> None:
    """Type checkers read our annotations; the gate checks a user's program against the installed wheel."""
    assert (ROOT / "syncer" / "py.typed").exists()
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["syncer"]
    assert "program.py" in (ROOT / ".ci" / "run").read_text("utf-8")
    compile((ROOT / "tests" / "typed" / "program.py").read_text("utf-8"), "program.py", "exec")


def test_the_version_stands_in_one_place() -> None:
    """The build reads it from ``syncer/version.py``, and so do the changelog and the program."""
    assert "version" not in PROJECT["project"]
    assert PROJECT["tool"]["hatch"]["version"] == {"path": "syncer/version.py"}
    assert PROJECT["tool"]["towncrier"]["package"] == "syncer"
    assert "version" not in PROJECT["tool"]["towncrier"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", syncer.__version__)


def test_linux_runs_the_gate_on_every_python() -> None:
    """The Pythons of the workflow are those that the package says it is for."""
    told = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["project"]["classifiers"]))
    gate = WORKFLOW["jobs"]["gate"]
    assert gate["strategy"]["matrix"]["python"] == told
    assert gate["runs-on"] == "ubuntu-latest"
    assert commands("gate") == [".ci/run"]


def test_the_other_systems_run_the_tests() -> None:
    """macOS and Windows run the whole suite."""
    assert WORKFLOW["jobs"]["tests"]["strategy"]["matrix"]["os"] == ["macos-latest", "windows-latest"]
    assert "python -m pytest -q -n auto" in commands("tests")


def test_just_knows_the_daily_commands() -> None:
    """Each recipe that CONTRIBUTING.md names is in the justfile, and has a comment that ``just --list`` shows."""
    recipes = re.findall(r"^# .+\n(\w+)(?: \*\w+)?:$", (ROOT / "justfile").read_text("utf-8"), re.MULTILINE)
    named = re.findall(r"`just (\w+)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert {"test", "lint", "types", "docs", "bench"} <= set(named) <= set(recipes)


def test_hooks_run_the_tools_of_the_dev_extra() -> None:
    """No hook brings a version of its own: each runs a tool that ``pip install -e '.[dev]'`` puts into ``.venv``."""
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert {hook["id"] for hook in hooks} >= {"ruff", "format", "mypy", "codespell", "trailing-whitespace"}
    assert all(hook["entry"].startswith(".venv/bin/") for hook in hooks)
    extra = {re.split(r"[>=\[]", wanted)[0] for wanted in PROJECT["project"]["optional-dependencies"]["dev"]}
    assert extra >= {"ruff", "mypy", "codespell", "pre-commit", "pre-commit-hooks", "rust-just", "towncrier"}


def test_every_piece_of_the_changelog_has_a_kind() -> None:
    """towncrier passes a file by whose kind it does not know, so that its entry would be lost."""
    kinds = [kind["directory"] for kind in PROJECT["tool"]["towncrier"]["type"]]
    pieces = {path.name for path in (ROOT / "changelog.d").iterdir()} - {"README.md"}
    assert [name for name in pieces if not re.fullmatch(rf"\+[a-z0-9-]+\.({'|'.join(kinds)})\.md", name)] == []
    marker = PROJECT["tool"]["towncrier"]["start_string"]
    assert (ROOT / "CHANGELOG.md").read_text("utf-8").count(marker) == 1


def test_a_newcomer_needs_five_commands() -> None:
    """The first block of CONTRIBUTING.md goes from a clone to a commit."""
    (block, *_) = re.findall(r"^```sh\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    lines = block.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("git clone")
    assert lines[-1].startswith("git commit")
