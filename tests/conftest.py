"""What every room's tests share: a fresh file, a real upstream, an environment without anybody's settings."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncer import Workspace
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox

ACCOUNT_KEY = "lab"


@pytest.fixture(scope="session", autouse=True)
def _own_folder_for_copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is left in the folder for temporary files is of this process alone, however many run tests beside it."""
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("temporary"))
    os.environ["TMPDIR"], inherited = tempfile.tempdir, os.environ.get("TMPDIR")
    yield
    tempfile.tempdir = before
    del os.environ["TMPDIR"]
    if inherited is not None:
        os.environ["TMPDIR"] = inherited


@pytest.fixture(autouse=True)
def _nobodys_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the person who runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith(("PLEXUS_", "PREFACTOR_", "ABEJA_", "PLATFORM_", "SYNCER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the local file goes."""
    return tmp_path / "local.db"


@pytest.fixture
def ws(path: Path) -> Iterator[Workspace]:
    """A workspace without any remote configured."""
    with Workspace.open(path) as workspace:
        yield workspace


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A strict upstream on a port of its own."""
    with Sandbox(Options()) as server:
        yield server


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Callable[[], None]:
    """Calling it sets the environment as a user of the sandbox would."""

    def connect() -> None:
        for name, value in sandbox.settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PLEXUS_ACCOUNT_KEY", ACCOUNT_KEY)

    return connect


@pytest.fixture
def synced(path: Path, online: Callable[[], None]) -> Iterator[Workspace]:
    """A workspace configured for the sandbox."""
    online()
    with Workspace.open(path) as workspace:
        yield workspace
