"""The page of guarantees names a test for each, and only tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from syncer.config import DANGERS, LOCAL
from syncer.store.file.sqlite_bugs import known_bugs
from tests.rigs.long import RIGS, counted, row

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "guarantees.md").read_text("utf-8")
ROWS = re.findall(r"^\| (I\d+) \| (.+?) \| (.+?) \| ?(.*?) ?\|$", PAGE, re.MULTILINE)


@cache
def named_in(path: Path) -> frozenset[str]:
    """The names of the tests and test machines of a file."""
    tree = ast.parse(path.read_text("utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = {n.name for n in ast.walk(tree) if isinstance(n, functions) and n.name.startswith("test_")}
    cases = {t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    return frozenset(names | {name for name in cases if name.startswith("Test")})


def test_every_invariant_has_a_row() -> None:
    """I1 to I25 and I33, in order, each with its promise in a sentence."""
    assert [number for number, *_ in ROWS] == [f"I{n}" for n in (*range(1, 26), 33)]
    assert all(promise.endswith(".") for _, promise, *_ in ROWS)


def test_every_named_test_exists() -> None:
    """A row without a test that can be run is no guarantee."""
    for number, _, held_by, _ in ROWS:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", held_by)
        assert named, number
        for path, name in named:
            assert (ROOT / path).is_file(), (number, path)
            found = named_in(ROOT / path)
            assert found if not name else name in found, (number, path, name)


def test_every_rig_has_a_long_run() -> None:
    """Each rig whose length or chance can be set belongs to one long profile, and the page tells what that one counted."""
    of_rigs = [file for rig in RIGS for file in rig.files]
    assert len(of_rigs) == len(set(of_rigs))
    assert all((ROOT / "tests" / file).is_file() for file in of_rigs)
    settable = {
        f"{path.parent.name}/{path.name}"
        for path in (ROOT / "tests").glob("*/test_*.py")
        if "tally(" in path.read_text("utf-8") or "rig.scale" in path.read_text("utf-8")
    }
    assert settable <= set(of_rigs)
    for rig in RIGS:
        assert re.search(rf"^\| {rig.name} \| {re.escape(rig.about)} \|", PAGE, re.MULTILINE), rig.name


def test_what_rigs_tell_is_added_up() -> None:
    """Over tests by name, the largest where a sum says nothing; what is lost or doubled has columns of its own."""
    kill, soak = "rig kill: seed=7, kills=20, lost=0", "rig soak: kills=3, wal_mb=17.3, lost=1, doubled=2, file_mb=[1.5, 2]"
    total = counted(f"\n{kill}\n.\n{soak}\n")
    assert total == {"kills": 23, "lost": 1, "wal_mb": 17, "doubled": 2}
    shown = row(RIGS[0], [501, 502], total, 61.2)
    assert shown.startswith(f"| {RIGS[0].name} | {RIGS[0].about} | 501, 502 | kills 23, wal mb 17 |")
    assert shown.endswith("| 1 | 2 | 61 s |")


def test_the_section_on_the_file_says_what_the_code_does() -> None:
    """Its good file systems, dangers with their words, and tests are those of the program, in the order of the program."""
    section = PAGE[PAGE.index("## The file") : PAGE.index("## Long runs")]
    listed = re.search(r"^Good kinds of file systems are (.+?) The mount table", section, re.MULTILINE | re.DOTALL)
    assert listed is not None
    assert set(re.findall(r"`(\w+)`", listed[1])) == LOCAL - {"squashfs", "erofs", "iso9660", "cramfs"}
    assert tuple(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE)) == DANGERS
    for bug in known_bugs("3.40.1"):
        assert ".".join(map(str, bug.fixed)) in section, bug.name
    for path in re.findall(r"`(tests/[\w/]+\.py)`", section):
        assert (ROOT / path).is_file(), path
