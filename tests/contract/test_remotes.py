"""The contract of remotes, kept by each built-in one against the sandbox. What is peculiar to one is tested in its room."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from syncer import Workspace, ids
from syncer.adapters import registry
from syncer.records.api import Records
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from syncer.testing import RemoteContract


@dataclass(frozen=True)
class Subject:
    """One remote: how to write a record that stands alone, how often the upstream applied it, a setting that is a secret."""

    name: str
    make: Callable[[Records, Sandbox], str]
    applied: Callable[[Sandbox], list[str]]
    secret: str


def _account(records: Records, _: Sandbox) -> str:
    return str(records.create("Account", {"name": "Lab", "key": f"lab-{ids.new_key()}"})["id"])


def _instance(records: Records, sandbox: Sandbox) -> str:
    fields = {
        "agent_id": sandbox.prefactor.agent_id,
        "status": "pending",
        "agent_version": {"name": "v1", "external_identifier": "v1"},
        "agent_schema_version": {"external_identifier": "s1", "span_schemas": {"step": {"type": "object"}}},
        "update_current_version": True,
    }
    return str(records.create("AgentInstance", {"id": f"local-{ids.new_key()}", **fields})["id"])


def _run(records: Records, sandbox: Sandbox) -> str:
    organization = sandbox.settings["ABEJA_ORGANIZATION_ID"]
    deployment = sandbox.settings["ABEJA_DEPLOYMENT_IDS"].split(",")[0]
    fields = {
        "organization_id": organization,
        "deployment_id": deployment,
        "model_version_id": "ver-1234567890123456",
        "status": "SUBMITTED",
        "user_env_vars": {"MODE": "night"},
    }
    return str(records.create("Run", {"run_id": f"local-{ids.new_key()}", **fields})["run_id"])


SUBJECTS = {
    s.name: s
    for s in (
        Subject("plexus", _account, lambda s: [e.key for e in s.effects("Account", "create")], "PLEXUS_API_KEY"),
        Subject(
            "prefactor",
            _instance,
            lambda s: [e.mark for e in s.prefactor.effects("agent_instance")],
            "PREFACTOR_API_TOKEN",
        ),
        Subject("abeja", _run, lambda s: [e.mark for e in s.abeja.effects("run")], "PLATFORM_AUTH_TOKEN"),
    )
}


class Service:
    """The sandbox as the upstream of one remote."""

    def __init__(self, sandbox: Sandbox, subject: Subject) -> None:
        self.sandbox = sandbox
        self._subject = subject

    @property
    def settings(self) -> Mapping[str, str]:
        """What a client needs."""
        return self.sandbox.settings

    @property
    def requests(self) -> int:
        """How many requests have come."""
        return self.sandbox.requests

    def applied(self) -> Sequence[object]:
        """What creates have made."""
        return self._subject.applied(self.sandbox)

    def lose_next_reply(self) -> None:
        """Apply, and hang up."""
        self.sandbox.faults.lose_next_reply()

    def fail_next(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        """Fail, and apply nothing."""
        self.sandbox.faults.fail_next(status, headers)


class BuiltIn(RemoteContract):
    """What the contracts of the built-in remotes share."""

    @pytest.fixture
    def upstream(self) -> Iterator[Service]:
        """A sandbox on a port of its own."""
        with Sandbox(Options()) as sandbox:
            yield Service(sandbox, SUBJECTS[self.remote])

    def create(self, records: Records, upstream: Any) -> str:
        """A record that stands alone."""
        return SUBJECTS[self.remote].make(records, upstream.sandbox)


class TestPlexus(BuiltIn):
    """Plexus keeps the contract."""

    remote, model, secret = "plexus", "Account", "PLEXUS_API_KEY"
    edit = {"name": "Other"}  # noqa: RUF012

    def found_elsewhere(self, mine: Workspace, other: Workspace, upstream: Any) -> None:
        """Accounts are pulled by their keys."""
        ((account),) = mine.plexus.find("Account")
        other.settings.environ["PLEXUS_ACCOUNT_KEY"] = account["key"]  # type: ignore[index]


class TestPrefactor(BuiltIn):
    """Prefactor keeps the contract."""

    remote, model, secret = "prefactor", "AgentInstance", "PREFACTOR_API_TOKEN"

    def found_elsewhere(self, mine: Workspace, other: Workspace, upstream: Any) -> None:
        """Instances are listed by agent: another file knows the agent by a record of its own."""
        self.create(other.prefactor, upstream)
        other.push("prefactor")


class TestAbeja(BuiltIn):
    """ABEJA keeps the contract."""

    remote, model, secret = "abeja", "Run", "PLATFORM_AUTH_TOKEN"


def test_every_remote_has_a_subject() -> None:
    """A built-in remote without its contract fails here."""
    assert tuple(SUBJECTS) == registry.BUILT_IN
    assert {cls.remote for cls in BuiltIn.__subclasses__()} == set(registry.BUILT_IN)
