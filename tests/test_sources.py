"""What a docstring, comment or page cites is in a clone."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("syncer", "tests", "benchmarks", "migrations", "docs")
PAGES = ("abeja", "plexus", "prefactor")
CITED = re.compile(r"Source: (docs/remotes/[a-z]+\.md)#([a-z0-9-]+)")
"""The whole line, blanks at its ends aside; a second heading is a second line."""
NAMED = re.compile(r"(?<![\w<>{}/.*-])(?:\.{0,2}/)?(?:[\w.-]+/)+[\w.-]+\.(?:md|json|jsonl)\b|(?<![\w<>{}/.*-])[\w-]+\.md\b")
"""A page or data file: any ``.md``, and what else is named with its folder."""


OUTSIDE = re.compile(r"(?<![\w<>])(?:/|\.\./)?(?:\w+/)*shared/\w[\w./-]*|(?<![\w<>/])(?:\.\./)*spec/\w[\w./-]*")
"""Folders of the machine on which this is written; ``spec`` is a folder below a remote's here."""


def said(path: Path) -> Iterator[str]:
    """The docstrings and comments of a module, or the text of a page without its fenced blocks."""
    if path.suffix == ".md":
        yield re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        return
    with path.open("rb") as file:
        yield from (t.string for t in tokenize.tokenize(file.readline) if t.type == tokenize.COMMENT)
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def files(*suffixes: str) -> list[Path]:
    """Every file of the tree with one of ``suffixes``."""
    found = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.suffix in suffixes]
    return sorted([*found, *(p for p in ROOT.iterdir() if p.suffix in suffixes)])


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors that GitHub gives the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = 0
        while (anchor := f"{plain}-{number}" if number else plain) in found:
            number += 1
        found.add(anchor)
    return frozenset(found)


def test_every_source_is_a_heading_of_a_page() -> None:
    """Each ``Source:`` line names one heading of one page, and nothing else."""
    wrong, cited = [], set()
    for path in files(".py"):
        for line in (line.strip() for text in said(path) for line in text.splitlines()):
            if not re.search(r"\bSources?:(?=\s|$)", line):
                continue
            found = CITED.fullmatch(line)
            if found is None or not (ROOT / found[1]).is_file() or found[2] not in anchors(ROOT / found[1]):
                wrong.append(f"{path.relative_to(ROOT)}: {line}")
            else:
                cited.add(found[1])
    assert wrong == []
    assert cited == {f"docs/remotes/{name}.md" for name in PAGES}


def test_what_is_cited_is_in_a_clone() -> None:
    """Every page and data file that a docstring, comment or page names is there: from the top, or from the file itself."""
    wrong = []
    for path in files(".py", ".md"):
        for text in said(path):
            named = [name for name in NAMED.findall(text) if not ((ROOT / name).is_file() or (path.parent / name).is_file())]
            wrong += [f"{path.relative_to(ROOT)}: {name}" for name in [*named, *OUTSIDE.findall(text)]]
    assert wrong == []


def test_links_to_headings_lead_somewhere() -> None:
    """Every ``#heading`` in a link of a page is a heading there."""
    wrong = []
    for path in files(".md"):
        for text in said(path):
            for name, anchor in re.findall(r"\]\((?!http)([^)#\s]*)#([^)\s]+)\)", text):
                page = (path.parent / name) if name else path
                if not page.is_file() or anchor not in anchors(page.resolve()):
                    wrong.append(f"{path.relative_to(ROOT)}: {name}#{anchor}")
    assert wrong == []
