"""The core knows no platform: none of their words stands below the adapters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "syncer"
ABOVE = ("adapters", "plexus", "prefactor", "abeja", "sandbox", "demo", "cli", "testing", "diagnostics")
"""The adapters themselves, and what is above them."""
FACES = ("__init__.py", "workspace.py")
WORD = re.compile(r"plexus|app\s?sync|amplify|aws[a-z]|prefactor|abeja", re.IGNORECASE)
CITED = re.compile(r"^Source: docs/remotes/[a-z]+\.md#[a-z0-9-]+$", re.MULTILINE)
"""A page that tells how a real service behaves may be cited anywhere."""
CORE = sorted(p for p in PACKAGE.rglob("*.py") if p.relative_to(PACKAGE).parts[0] not in (*ABOVE, *FACES))


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_platform_is_named_below_the_adapters(path: Path) -> None:
    """A word of one platform in the core is a rule of that platform that others have to follow."""
    text = CITED.sub("", path.read_text("utf-8"))
    assert [line for line in text.splitlines() if WORD.search(line)] == []


def test_the_words_are_known() -> None:
    """The search finds what it is to find."""
    assert all(WORD.search(text) for text in ("PLEXUS_API_URL", "AWSJSON", "AppSync", "[abeja]"))
    assert len(CORE) > 100
