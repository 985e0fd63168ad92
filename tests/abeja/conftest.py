"""A sandbox platform and clients over local files that are configured for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncer import Workspace, clock
from syncer.abeja import APIClient
from syncer.sandbox import Sandbox
from tests.abeja.rig import settings_of

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def still() -> Iterator[clock.Virtual]:
    """Time that passes only where somebody waits."""
    source = clock.Virtual(START)
    with clock.using(source):
        yield source


@pytest.fixture
def connected(still: clock.Virtual, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """The environment of a user of the sandbox's ABEJA, whose clock stands still."""
    for name, value in settings_of(sandbox).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def joined(connected: None, path: Path) -> Iterator[Workspace]:
    """A workspace configured for the sandbox's ABEJA."""
    with Workspace.open(path) as workspace:
        yield workspace


@pytest.fixture
def client(joined: Workspace) -> APIClient:
    """A client over it."""
    return APIClient(workspace=joined)
