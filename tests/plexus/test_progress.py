"""Progress of long local work: a bar on a terminal, the caller's own, or silence."""

from __future__ import annotations

import sys

import pytest

from syncer.plexus.progress import advancing


def drawn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool) -> str:
    """What is seen on standard error while three steps are made."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "xterm")
    with advancing("Deleting things", 3) as advance:
        for _ in range(3):
            advance(1)
    seen = capsys.readouterr()
    assert seen.out == ""
    return seen.err


def test_a_bar_is_drawn_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A person who looks sees what is done; nothing reaches standard output."""
    assert "Deleting things" in drawn(monkeypatch, capsys, terminal=True)


def test_nobody_looks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe there is silence."""
    assert drawn(monkeypatch, capsys, terminal=False) == ""


def test_rich_is_optional(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where rich is not installed there is no bar, and no error either."""
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    assert drawn(monkeypatch, capsys, terminal=True) == ""
