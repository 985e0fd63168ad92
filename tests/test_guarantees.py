"""The page of guarantees names a test for each, and only tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

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
    """I1 to I25, in order, each with its promise in a sentence."""
    assert [number for number, *_ in ROWS] == [f"I{n}" for n in range(1, 26)]
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
