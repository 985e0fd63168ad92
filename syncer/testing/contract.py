"""What every remote must keep, as tests: one effect a change, whatever is lost, refused or put off.

.. code-block:: python

    class TestTales(RemoteContract):
        remote, model, secret = "tales", "Tale", "TALES_TOKEN"
        edit, deletes = {"title": "other"}, True

        @pytest.fixture
        def upstream(self):
            with TalesServer() as server:
                yield server

        def create(self, records, upstream):
            return records.create("Tale", {"title": "Edda"})["id"]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import pytest

from syncer import clock
from syncer.adapters import registry
from syncer.engine import lease
from syncer.engine.report import RemoteReport
from syncer.errors import SyncRunning
from syncer.records.api import Records
from syncer.remote import Op
from syncer.testing import environment
from syncer.workspace import Workspace

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
"""Where the clock stands in tests that let hours pass."""
_CANARY = "canary-8f2e"


class Upstream(Protocol):
    """The service that a remote is tested against, with faults on demand. A real server on this machine, not a stand-in."""

    @property
    def settings(self) -> Mapping[str, str]:
        """What a client needs, by environment name."""
        ...

    @property
    def requests(self) -> int:
        """How many requests have come."""
        ...

    def applied(self) -> Sequence[object]:
        """What creates have made: one entry for each record, twice the same if it was made twice."""
        ...

    def lose_next_reply(self) -> None:
        """Apply the next write, and hang up instead of answering."""
        ...

    def fail_next(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """Answer the next request with this HTTP status; nothing is applied."""
        ...


class RemoteContract:
    """The contract. A subclass called ``Test...`` names its remote and says how to write a record."""

    remote: str
    """The name of the remote."""
    model: str
    """The model of the record that :meth:`create` makes."""
    secret: str
    """The environment name of a setting that the service refuses to work without."""
    edit: Mapping[str, Any] | None = None
    """Changes to that record, where the service takes edits."""
    deletes: bool = False
    """Whether the service deletes such a record."""

    def __init_subclass__(cls, **given: Any) -> None:
        """What the service cannot do has no test in its contract, rather than one that is skipped."""
        super().__init_subclass__(**given)
        for name, can in (
            ("test_an_edit_arrives_once", cls.edit is not None),
            ("test_a_delete_arrives_and_stays", cls.deletes),
        ):
            setattr(cls, name, getattr(RemoteContract, name) if can else None)

    @pytest.fixture
    def upstream(self) -> Iterator[Upstream]:
        """The service, at rest and empty, for the length of a test. To be overridden."""
        raise NotImplementedError("a contract needs an upstream")

    def create(self, records: Records, upstream: Any) -> str:
        """Write a record that points at nothing; its key. To be overridden."""
        raise NotImplementedError("a contract needs a record")

    def found_elsewhere(self, mine: Workspace, other: Workspace, upstream: Any) -> None:
        """Do in ``other`` what it takes until a pull finds the records of ``mine``, if anything."""

    @pytest.fixture
    def workspace(self, upstream: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
        """A workspace that is configured for the service, and for nothing else."""
        environment.cleared(monkeypatch, tmp_path)
        for name, value in upstream.settings.items():
            monkeypatch.setenv(name, value)
        with Workspace.open(tmp_path / "contract.db") as workspace:
            yield workspace

    def test_the_description_is_usable(self, workspace: Workspace) -> None:
        """The remote is found by its name, says what it needs, and knows the model of the contract."""
        models = registry.models(self.remote)
        assert self.model in models
        assert all(model.remote == self.remote for model in models.values())
        assert self.secret in {setting.env for setting in registry.declared(self.remote) if setting.secret}
        assert registry.missing_settings(self.remote, workspace.settings) == []
        made = workspace.remote(self.remote)
        assert (made.name, list(made.missing_settings())) == (self.remote, [])
        assert made.pull_sources().get("place"), "without the address, a pull from another server would go on in the middle"
        assert self.edit is None or Op.UPDATE in models[self.model].ops
        assert not self.deletes or Op.DELETE in models[self.model].ops

    def test_written_offline_pushed_once(self, workspace: Workspace, upstream: Any) -> None:
        """The record arrives, the outbox empties, the ledger closes, a second push sends nothing."""
        self.create(workspace.records(self.remote), upstream)
        assert (self._push(workspace).acked, self._waiting(workspace)) == (1, [])
        assert len(upstream.applied()) == 1
        assert workspace.status().consistent
        assert self._push(workspace).requests == 0

    def test_a_plan_says_what_a_push_does(self, workspace: Workspace, upstream: Any) -> None:
        """A plan names the change, asks nothing of the service and leaves the file as it was."""
        self.create(workspace.records(self.remote), upstream)
        sends = workspace.plan(self.remote).remotes[self.remote].sends
        assert [(each.model, each.op) for each in sends] == [(self.model, "create")]
        assert (upstream.requests, self._waiting(workspace)) == (0, [("pending", 0)])
        assert self._push(workspace).acked == 1

    def test_a_lost_reply_is_one_effect(self, workspace: Workspace, upstream: Any) -> None:
        """Applied, answer lost, asked again: one record upstream, one acknowledgement here."""
        self.create(workspace.records(self.remote), upstream)
        with clock.using(clock.Virtual(START)):
            upstream.lose_next_reply()
            if not self._push(workspace, wait_s=0).acked:  # a remote that can be asked at once may know it already
                assert [state for state, _ in self._waiting(workspace)] == ["ambiguous"]
                clock.sleep(3600)
                assert self._push(workspace, wait_s=600).acked == 1
        assert len(upstream.applied()) == 1
        assert workspace.status().consistent

    def test_a_server_error_that_applied_nothing_is_one_effect(self, workspace: Workspace, upstream: Any) -> None:
        """A 503 may have applied it or not: afterwards there is exactly one."""
        self.create(workspace.records(self.remote), upstream)
        with clock.using(clock.Virtual(START)):
            upstream.fail_next(503)
            self._push(workspace, wait_s=0)
            for _ in range(4):
                clock.sleep(3600)
                self._push(workspace, wait_s=600)
        assert self._waiting(workspace) == []
        assert len(upstream.applied()) == 1

    def test_a_crash_while_sending_is_one_effect(self, workspace: Workspace, upstream: Any) -> None:
        """The process died after the request was applied: what it left as sending ends as one record."""
        self.create(workspace.records(self.remote), upstream)
        with clock.using(clock.Virtual(START)):
            upstream.lose_next_reply()
            self._push(workspace, wait_s=0)
            with workspace.database.transaction() as tx:
                tx.script("UPDATE outbox SET state = 'sending', next_attempt_at = NULL")
            clock.sleep(3600)
            for _ in range(3):
                self._push(workspace, wait_s=600)
                clock.sleep(3600)
        assert (self._waiting(workspace), len(upstream.applied())) == ([], 1)

    def test_refused_credentials_cost_nothing(
        self, workspace: Workspace, upstream: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """401: the remote is stopped, no attempt is spent, the secret shows nowhere, the next push delivers."""
        self.create(workspace.records(self.remote), upstream)
        monkeypatch.setenv(self.secret, _CANARY)
        with Workspace.open(workspace.path) as other:
            part = self._push(other)
        assert (part.stopped, self._waiting(workspace)) == ("access-refused", [("pending", 0)])
        assert _CANARY not in repr(part)
        log = workspace.path.with_name(workspace.path.name + "-wal")
        assert _CANARY.encode() not in workspace.path.read_bytes() + log.read_bytes()
        assert self._push(workspace).acked == 1

    def test_throttling_is_remembered(self, workspace: Workspace, upstream: Any) -> None:
        """429 with Retry-After holds the remote, also for the next process; then the record arrives once."""
        self.create(workspace.records(self.remote), upstream)
        with clock.using(clock.Virtual(START)):
            upstream.fail_next(429, {"Retry-After": "300"})
            assert self._push(workspace).stopped == "throttled"
            before = upstream.requests
            with Workspace.open(workspace.path) as other:
                assert self._push(other).acked == 0
            assert upstream.requests == before
            clock.sleep(301)
            assert self._push(workspace).acked == 1
        assert len(upstream.applied()) == 1

    def test_one_sync_at_a_time(self, workspace: Workspace) -> None:
        """A remote under lease is not touched by a second sync."""
        lease.acquire(workspace.database, self.remote)
        with pytest.raises(SyncRunning):
            self._push(workspace)

    def test_others_find_the_record(self, workspace: Workspace, upstream: Any, tmp_path: Path) -> None:
        """What was pushed here is pulled there, and pulling again changes nothing."""
        self.create(workspace.records(self.remote), upstream)
        self._push(workspace)
        with Workspace.open(tmp_path / "other.db") as other:
            self.found_elsewhere(workspace, other, upstream)
            first = other.pull(self.remote).remotes[self.remote]
            assert sum(p.added for p in first.pulled.values()) == 1
            again = other.pull(self.remote).remotes[self.remote]
            assert sum(p.added + p.changed for p in again.pulled.values()) == 0

    def test_an_edit_arrives_once(self, workspace: Workspace, upstream: Any) -> None:
        """An edit whose answer is lost is there afterwards, and both sides are equal."""
        assert self.edit is not None
        records = workspace.records(self.remote)
        key = self.create(records, upstream)
        self._push(workspace)
        records.update(self.model, key, self.edit)
        with clock.using(clock.Virtual(START)):
            upstream.lose_next_reply()
            self._push(workspace, wait_s=0)
            clock.sleep(3600)
            self._push(workspace, wait_s=600)
        assert (self._waiting(workspace), len(upstream.applied())) == ([], 1)
        workspace.pull(self.remote, full=True)
        record = records.get(self.model, key) or {}
        assert {name: record.get(name) for name in self.edit} == self.edit
        assert workspace.verify(self.remote).exit_code == 0

    def test_a_delete_arrives_and_stays(self, workspace: Workspace, upstream: Any) -> None:
        """A delete whose answer is lost is done once; no pull brings the record back."""
        records = workspace.records(self.remote)
        key = self.create(records, upstream)
        self._push(workspace)
        records.delete(self.model, key)
        with clock.using(clock.Virtual(START)):
            upstream.lose_next_reply()
            self._push(workspace, wait_s=0)
            clock.sleep(3600)
            self._push(workspace, wait_s=600)
        assert self._waiting(workspace) == []
        workspace.pull(self.remote, full=True)
        assert records.get(self.model, key) is None
        assert workspace.status().consistent

    def _push(self, workspace: Workspace, **options: Any) -> RemoteReport:
        return workspace.push(self.remote, **options).remotes[self.remote]

    def _waiting(self, workspace: Workspace) -> list[tuple[str, int]]:
        """State and attempts of what waits."""
        found = workspace.query("SELECT state, attempts FROM outbox WHERE remote = ?", (self.remote,))
        return [(row["state"], row["attempts"]) for row in found]
