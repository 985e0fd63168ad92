"""The reference pages say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.prefactor.inventory import inventory

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """The script that builds the pages."""
    spec = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_those_the_code_makes(build: ModuleType) -> None:
    """A signature or docstring that changed needs ``python docs/build.py``."""
    made = build.pages()
    there = {p.relative_to(DOCS): p.read_text("utf-8") for name in build.PACKAGES for p in (DOCS / name).glob("*.md")}
    assert sorted(there) == sorted(made)
    assert [str(path) for path in made if made[path] != there[path]] == []


def test_every_documented_class_of_plexus_has_a_page(build: ModuleType) -> None:
    """The classes of the original's documentation can all be looked up."""
    named = {entry["class"] for entry in inventory("plexus") if entry["origin"] == "seed"}
    assert named <= {path.stem for path in build.pages()}
