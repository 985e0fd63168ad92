"""What people are told to install is this program, not the stranger's of the same name."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

import syncer
from syncer.install import DISTRIBUTION, hint, upgrade_hint

ROOT = Path(__file__).parents[1]
FOLDERS = ("syncer", "migrations", "docs", "tests", "benchmarks")
FILES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml")
SPELT_HERE = {ROOT / "syncer" / "install.py", Path(__file__)}
STRANGERS = re.compile(r"install\s+(?:-U\s+|--upgrade\s+)?['\"]?syncer(?![\w-])|(?<![\w.\]])syncer\[")
COMMAND = re.compile(r"\b(?:pip3?|pipx|uv|uvx|poetry|conda)\s+(?:pip\s+)?(?:install|add)\b")
OF_A_CHECKOUT = re.compile(r"-e '\.\[\w+\]'")


def texts() -> list[Path]:
    """Every source and every page."""
    kinds = (".py", ".md", ".toml", ".yml", ".yaml", ".txt")
    found = [p for name in FOLDERS for p in (ROOT / name).rglob("*") if p.suffix in kinds]
    return sorted({*found, *(ROOT / name for name in FILES)} - SPELT_HERE)


def told(pattern: re.Pattern[str]) -> list[str]:
    """The lines with ``pattern``."""
    lines = ((p, line) for p in texts() for line in p.read_text("utf-8", "replace").splitlines())
    return [f"{p.relative_to(ROOT)}: {line.strip()}" for p, line in lines if pattern.search(line)]


def test_nothing_installs_the_stranger() -> None:
    """No text asks for the distribution that has our name on the index."""
    assert told(STRANGERS) == []


def test_one_function_says_how_to_install() -> None:
    """Only ``hint`` spells an install command; a checkout's own, of the folder it is in, stand on the pages."""
    assert [line for line in told(COMMAND) if not OF_A_CHECKOUT.search(line)] == []


@pytest.mark.parametrize("text", ["pip install syncer", "pip install -U syncer", "pip install 'syncer[sandbox]'"])
def test_the_strangers_name_is_known(text: str) -> None:
    """What the texts are searched for is found in each of its spellings, and ours is not taken for it."""
    assert STRANGERS.search(text)
    assert COMMAND.search(text)
    assert not STRANGERS.search(text.replace("syncer", DISTRIBUTION))


def test_hints_name_what_is_built() -> None:
    """The distribution of the hints is the one that is built and installed, every extra among its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["name"] == DISTRIBUTION
    assert (hint(), hint("sandbox")) == (f"pip install {DISTRIBUTION}", f"pip install '{DISTRIBUTION}[sandbox]'")
    assert upgrade_hint() == f"upgrade syncer: pip install -U {DISTRIBUTION}"
    asked = {name for path in texts() for name in re.findall(r'\bhint\("(\w+)"\)', path.read_text("utf-8", "replace"))}
    assert asked <= set(project["optional-dependencies"])
    assert version(DISTRIBUTION) == syncer.__version__
    assert {found.value for found in entry_points(group="console_scripts", name="syncer")} == {"syncer.cli.main:main"}
