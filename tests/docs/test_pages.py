"""The pages on architecture and words name only what there is: files, classes, tables, columns and states."""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import pytest

from syncer import Workspace

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
TERMS = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", GLOSSARY, re.MULTILINE)[1:]
PAGES = pytest.mark.parametrize("page", [ARCHITECTURE, GLOSSARY], ids=["architecture", "glossary"])
REMOTES = ("plexus", "prefactor", "abeja")
NO_TABLES = {"syncer", *REMOTES, "theirs", "ours", "newest", "ask"}
NAME = r"[a-z_<>][\w<>]*"


@cache
def trees() -> tuple[ast.Module, ...]:
    """Every module of the package, read once."""
    return tuple(ast.parse(path.read_text("utf-8")) for path in (ROOT / "syncer").rglob("*.py"))


@cache
def classes() -> dict[str, set[str]]:
    """Names of classes, each with what its body defines or its properties return."""
    found: dict[str, set[str]] = {}
    for tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(members(node))
    return found


def members(node: ast.ClassDef) -> Iterator[str]:
    """Names of fields, values and methods of a class."""
    for part in node.body:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            yield part.name
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            yield part.target.id
        elif isinstance(part, ast.Assign):
            yield from (target.id for target in part.targets if isinstance(target, ast.Name))


@pytest.fixture
def columns(ws: Workspace) -> dict[str, set[str]]:
    """Tables and views of a fresh file, each with its columns."""
    with closing(sqlite3.connect(ws.path)) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
        return {name: {row[1] for row in connection.execute(f"PRAGMA table_info({name})")} for name in names}


def quoted(page: str, pattern: str) -> list[str]:
    """What stands between backticks and is all of ``pattern``."""
    return re.findall(rf"(?<!`)`({pattern})`(?!`)", page)


def spelt_out(path: str) -> list[str]:
    """``path`` once for every platform where it says ``<remote>``."""
    return [path.replace("<remote>", name) for name in REMOTES] if "<remote>" in path else [path]


def exists(path: str) -> bool:
    """Whether a file or folder is there, named from the top or from ``syncer/`` on."""
    return all((ROOT / one).exists() or (ROOT / "syncer" / one).exists() for one in spelt_out(path))


@PAGES
def test_every_file_and_folder_exists(page: str) -> None:
    """A path on a page can be opened."""
    files = re.findall(rf"(?:{NAME}/)*{NAME}\.py", page)
    folders = re.findall(rf"(?<![\w/.<])((?:{NAME}/)+)(?![\w<])", page)
    assert files
    assert folders
    assert sorted(path for path in {*files, *folders} if not exists(path)) == []


@PAGES
def test_every_class_exists(page: str) -> None:
    """A class on a page can be found by its name, with the member that is named."""
    named = quoted(page, r"[A-Z]\w*[a-z]\w*(?:\.\w+)?")
    missing = [n for n in named if n.split(".")[0] not in classes()]
    missing += [n for n in named if "." in n and n not in missing and n.split(".")[1] not in classes()[n.split(".")[0]]]
    assert sorted(missing) == []


@PAGES
def test_every_table_and_column_exists(page: str, columns: dict[str, set[str]]) -> None:
    """A table on a page is in a fresh file; so is each column that is named with its table."""
    dotted = [name.split(".") for name in quoted(page, r"[a-z_]+\.[a-z_]+") if not name.endswith((".py", ".md"))]
    tables = {*re.findall(r"(?<![\w/])_[a-z]\w+", page), *(table for table, _ in dotted)}
    tables |= set(re.findall(r"(?:tables?|tables such as|view) `(\w+)`", page))
    if page is ARCHITECTURE:
        tables |= {name for name in quoted(page, r"[a-z_]+") if name not in NO_TABLES}
    assert tables
    assert sorted(tables - set(columns)) == []
    assert [f"{table}.{column}" for table, column in dotted if column not in columns[table]] == []


def test_every_state_and_function_of_the_glossary_exists() -> None:
    """A state is a value of ``State``, an outcome a text of the code, a function is in the file that is named with it."""
    values = [node.value for tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    states = {name.lower() for name in classes()["State"] if name.isupper()}
    wheres = " ".join(where for *_, where in TERMS)
    named = {name for text in re.findall(r"states? ((?:`\w+`(?:, )?)+)", wheres) for name in re.findall(r"\w+", text)}
    assert named == states
    outcomes = re.findall(r"outcome `(\w+)`", wheres)
    assert len(set(outcomes)) == 3
    assert set(outcomes) <= {value for value in values if isinstance(value, str)}
    for name, path in re.findall(r"function `(\w+)` in `([\w/.]+)`", wheres):
        assert (ROOT / path).is_file(), path
        assert f"\ndef {name}(" in (ROOT / path).read_text("utf-8"), (name, path)


def test_the_terms_are_in_order_and_said_where_they_are() -> None:
    """Alphabetical, each once, each in whole sentences, each with a place to look."""
    names = [term for term, *_ in TERMS]
    assert names == sorted(set(names))
    assert all(what[0].isupper() and what.rstrip(")")[-1] == "." for _, what, _ in TERMS)
    assert all("`" in where for *_, where in TERMS)
