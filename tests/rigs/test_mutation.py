"""Mutations change the place that they name, only that, and say when it is not there or not alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.rigs.mutation import (
    After,
    Answers,
    Before,
    Drop,
    Inside,
    Keywords,
    Mutation,
    NotOnce,
    Swap,
    file_of,
    planted,
    words_of,
)

AT = "package.module:Room.work"
TEXT = """
UPDATE = table.update().values(state="sent", key=None)

class Room:
    def work(self, rows, key):
        lease.renew(tx)  # a comment
        found = open(path, "r", mode=1)
        if found and not key:
            return [row for row in rows if whole if row.key != 1]
        elif key:
            lock()
        else:
            unlock()
        return found or self.other(rows, key)

    def other(self, rows, key):
        lease.renew(tx)
        return rows
"""
CASES: list[tuple[Mutation, str, str]] = [
    (Drop("lease.renew(...)"), "lease.renew(tx)  # a comment", ""),
    (Drop("not key"), "if found and not key:", "if found:"),
    (Drop("whole"), "if whole if", "if"),
    (Drop("path"), "open(path, ", "open("),
    (Drop("if key: ..."), "elif key:\n            lock()\n        else:\n            unlock()", ""),
    (Swap("found = ...", "found = None"), 'found = open(path, "r", mode=1)', "found = None"),
    (Swap("open(path, ...)", "close(...)"), "open(path, ", "close("),
    (Swap("lock()", "key()\nlock()"), "            lock()", "            key()\n            lock()"),
    (Swap("lock()", "unlock"), "            lock()", "            unlock"),
    (Swap("... != 1", "... < 0"), "row.key != 1", "row.key < 0"),
    (
        Swap("[... for row in rows if whole if ...]", "list(rows)"),
        "[row for row in rows if whole if row.key != 1]",
        "list(rows)",
    ),
    (Swap("if key: ...", "if key and rows: ..."), "elif key:", "elif key and rows:"),
    (Swap('open(path, "r", mode=1)', "None"), 'open(path, "r", mode=1)', "None"),
    (Before("found = ...", "tx.commit()"), "        found", "        tx.commit()\n        found"),
    (After("lock()", "unlock()"), "            lock()", "            lock()\n            unlock()"),
    (Inside("lock()", "tx as t"), "            lock()", "            with tx as t:\n                lock()"),
    (Keywords("open", mode="2", more="()"), "mode=1", "mode=2, more=()"),
    (Keywords("open", mode=None), ", mode=1", ""),
]


def tree(text: str) -> str:
    """A text without what makes no difference."""
    return ast.unparse(ast.parse(text))


@pytest.mark.parametrize(("mutation", "old", "new"), CASES, ids=lambda case: str(case).split("\n")[0])
def test_a_mutation_changes_its_place_and_nothing_else(mutation: Mutation, old: str, new: str) -> None:
    """The tree is what an editor would make of the text, also where the text has another format."""
    assert old in TEXT
    wanted = tree(TEXT.replace(old, new, 1))
    assert tree(planted(TEXT, AT, mutation)) == wanted
    assert tree(planted(tree(TEXT), AT, mutation)) == wanted


def test_a_function_can_do_nothing_but_answer() -> None:
    """Its whole body is the answer."""
    assert "def work(self, rows, key):\n        return None\n" in planted(TEXT, AT, Answers("None"))


def test_a_constant_is_a_place_too() -> None:
    """What a module assigns to a name can be changed."""
    assert "values(key=None, state='lost')" in planted(TEXT, "package.module:UPDATE", Keywords("values", state="'lost'"))


@pytest.mark.parametrize(
    ("at", "mutation"),
    [
        (AT, Drop("gone()")),
        (AT, Drop("key")),
        (AT, Drop("open(path, ...)")),
        (AT, Keywords("shut", mode="2")),
        (AT, Keywords("open", mood=None)),
        ("package.module:UPDATE", Answers("None")),
        ("package.module:Room.rest", Drop("lease.renew(...)")),
        ("package.module:Room", Drop("lease.renew(...)")),
    ],
    ids=str,
)
def test_a_place_that_is_not_there_once_is_told(at: str, mutation: Mutation) -> None:
    """A source that moved on plants nothing in silence."""
    with pytest.raises(NotOnce):
        planted(TEXT, at, mutation)


def test_the_names_of_a_new_text_are_known() -> None:
    """Names and attributes that it uses, not those that it makes, nor those of Python."""
    assert words_of(Swap("a", "b = [len(c.d) for c in e]")) == {"d", "e"}
    assert words_of(Keywords("values", state="State.SENT", body=None)) == {"State", "SENT"}
    assert words_of(Drop("gone()")) == set()


def test_a_place_leads_to_its_file(tmp_path: Path) -> None:
    """A module is a file, a package its ``__init__.py``."""
    (tmp_path / "package").mkdir()
    assert file_of(tmp_path, "package:NAME") == tmp_path / "package" / "__init__.py"
    assert file_of(tmp_path, "package.module:Room.work") == tmp_path / "package" / "module.py"
