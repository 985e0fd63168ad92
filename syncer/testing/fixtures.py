"""Fixtures for tests of programs that use ``syncer``: ``pytest_plugins = ["syncer.testing.fixtures"]``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from syncer.testing import environment
from syncer.workspace import Workspace

if TYPE_CHECKING:
    from syncer.sandbox.server import Sandbox


@pytest.fixture
def syncer_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No setting of the person who runs the test reaches it; set others with what this gives."""
    environment.cleared(monkeypatch, tmp_path)
    return monkeypatch


@pytest.fixture
def syncer_path(tmp_path: Path, syncer_settings: pytest.MonkeyPatch) -> Path:
    """Where the local file of the test is: ``SYNCER_DB`` names it, so programs and commands use it too."""
    path = tmp_path / "syncer.db"
    syncer_settings.setenv("SYNCER_DB", str(path))
    return path


@pytest.fixture
def syncer_sandbox(syncer_settings: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox of the built-in platforms on a port of its own; the environment leads to it."""
    from syncer.sandbox.server import Sandbox

    with Sandbox() as sandbox:
        for name, value in sandbox.settings.items():
            syncer_settings.setenv(name, value)
        yield sandbox


@pytest.fixture
def syncer_workspace(syncer_path: Path) -> Iterator[Workspace]:
    """A workspace on a fresh file. Ask for ``syncer_sandbox`` before it to have the platforms too."""
    with Workspace.open(syncer_path) as workspace:
        yield workspace
