"""The example keeps the contract that every remote keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from syncer.records.api import Records
from syncer.testing import RemoteContract
from tests.distributions import install_project
from tests.example_remote.server import NotesServer


class Service:
    """The notes service as the upstream of the contract."""

    def __init__(self, server: NotesServer) -> None:
        self.server = server

    @property
    def settings(self) -> Mapping[str, str]:
        """What a client needs."""
        return self.server.settings

    @property
    def requests(self) -> int:
        """How many requests have come."""
        return self.server.requests

    def applied(self) -> Sequence[object]:
        """What creates have made."""
        return [key for key, method in self.server.applied if method == "POST"]

    def lose_next_reply(self) -> None:
        """Apply, and hang up."""
        self.server.lose_next_reply()

    def fail_next(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """Fail, and apply nothing."""
        self.server.fail_next(status, headers)


class TestNotes(RemoteContract):
    """Notes keep the contract."""

    remote, model, secret = "notes", "Notebook", "NOTES_TOKEN"
    edit, deletes = {"name": "Other"}, True

    @pytest.fixture
    def upstream(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
        """The package is installed, and its service runs."""
        monkeypatch.syspath_prepend(install_project(tmp_path / "site", Path(__file__).parent))
        with NotesServer() as server:
            yield Service(server)

    def create(self, records: Records, upstream: Any) -> str:
        """A notebook."""
        return str(records.create("Notebook", {"name": "Field"})["id"])
