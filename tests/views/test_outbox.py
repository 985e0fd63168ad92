"""Waiting changes as people ask about them."""

from __future__ import annotations

from pathlib import Path

from syncer import Workspace
from syncer.adapters import registry
from syncer.adapters.plexus.spec import MODELS
from syncer.sandbox.server import Sandbox
from syncer.store.reader import Reader
from syncer.views import outbox as views_outbox
from tests.factory import account, result, scoring
from tests.files import write
from tests.sample_records import everything

ALL = {"plexus": MODELS}


def test_every_model_can_be_listed_and_shown(ws: Workspace, path: Path) -> None:
    """Each waiting change tells what it would set, whatever its columns are called."""
    made = everything(ws.plexus)
    with Reader(path) as reader:
        found = views_outbox.changes(reader, ALL)
        assert [c["model"] for c in found] == [model for model, _, _ in made]
        for listed in found:
            shown = views_outbox.change(reader, ALL, listed["seq"])
            assert shown is not None
            assert shown["values"]


def test_what_is_in_the_way_is_named(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A child names the create of its parent, a successor the change before it, the rest nothing."""
    ids = scoring(synced)
    child = synced.plexus.create("ScoreResult", result(ids))["id"]
    with Reader(path) as reader:
        blocked = {c["key"]: c["blocked_by"] for c in views_outbox.changes(reader, ALL)}
    assert blocked[ids["accountId"]] is None
    assert blocked[ids["scorecardId"]] == 1
    assert blocked[child] in (2, 4, 5, 1)
    sandbox.faults.lose_next_reply()
    synced.push(wait_s=0)
    synced.plexus.update("Account", ids["accountId"], {"name": "B"})
    with Reader(path) as reader:
        (last,) = views_outbox.changes(reader, ALL, model="Account", state="pending")
        assert last["blocked_by"] == 1


def test_changes_that_left_are_still_known(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A number that was given out once is never unknown; one that was not is."""
    account(synced)
    synced.push()
    with Reader(path) as reader:
        gone = views_outbox.change(reader, ALL, 1)
        assert gone is not None
        assert gone["outcome"] == "acked"
        assert views_outbox.change(reader, ALL, 2) is None


def test_filters_and_limit(ws: Workspace, path: Path) -> None:
    """Only what was asked for, in order."""
    scoring(ws)
    write(path, "UPDATE outbox SET state = 'rejected' WHERE seq = 2")
    with Reader(path) as reader:
        assert [c["seq"] for c in views_outbox.changes(reader, ALL, state="rejected")] == [2]
        assert [c["seq"] for c in views_outbox.changes(reader, ALL, remote="plexus", limit=2)] == [1, 2]
        assert views_outbox.changes(reader, ALL, remote="other") == []


def test_an_instance_ends_behind_its_spans(ws: Workspace, path: Path) -> None:
    """The end of an agent instance names the span change that must go first; a span names its instance's start."""
    agent = ws.prefactor.create("AgentInstance", {"agent_id": "a", "status": "pending"})["id"]
    ws.prefactor.act("AgentInstance", agent, "start", {"status": "active"})
    ws.prefactor.create("AgentSpan", {"agent_instance_id": agent, "schema_name": "s", "status": "active"})
    ws.prefactor.act("AgentInstance", agent, "finish", {"status": "complete"})
    with Reader(path) as reader:
        found = views_outbox.changes(reader, {"prefactor": registry.models("prefactor")})
    assert [(c["op"], c["blocked_by"]) for c in found] == [("create", None), ("start", 1), ("create", 1), ("finish", 1)]
