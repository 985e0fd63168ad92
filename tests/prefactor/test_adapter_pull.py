"""Pulling from Prefactor: what others did comes home, however much more the API says than we know."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.prefactor import AgentInstance, AgentSpan
from syncer.remote import Limits
from syncer.sandbox import Sandbox
from tests.files import rows
from tests.prefactor.talking import Talk

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def talk(synced: Workspace, sandbox: Sandbox) -> Talk:
    """The client on a workspace that knows the sandbox's agent by one finished instance."""
    made = Talk(synced, sandbox.prefactor.agent_id)
    made.finish(made.active().id)
    synced.push("prefactor")
    return made


def pulled(ws: Workspace, **given: Any) -> dict[str, tuple[int, int]]:
    """(added, changed) of a pull that succeeds."""
    report = ws.pull("prefactor", **given)
    assert report.exit_code == 0, report
    return {name: (p.added, p.changed) for name, p in report.remotes["prefactor"].pulled.items()}


def page(*records: dict[str, Any], **pagination: Any) -> bytes:
    """A list as the API gives it."""
    return json.dumps({"status": "success", "summaries": list(records), "pagination": pagination or None}).encode()


def test_what_others_did_comes_home(synced: Workspace, talk: Talk, sandbox: Sandbox) -> None:
    """Instances of every agent known here and all their spans, over many pages; a second pull changes nothing."""
    for _ in range(120):
        sandbox.prefactor.put("agent_instance", status="complete")
    busy = sandbox.prefactor.put("agent_instance")["id"]
    for n in range(230):
        sandbox.prefactor.put("agent_span", agent_instance_id=busy, payload={"n": n})
    sandbox.prefactor.put("agent_instance", agent_id="nobody-here")
    assert pulled(synced) == {"AgentInstance": (121, 0), "AgentSpan": (230, 0)}
    assert sorted(s["payload"]["n"] for s in synced.prefactor.find("AgentSpan")) == list(range(230))
    assert pulled(synced) == {"AgentInstance": (0, 0), "AgentSpan": (0, 0)}
    sandbox.prefactor.edit("agent_instance", busy, status="complete")
    sandbox.prefactor.put("agent_span", agent_instance_id=busy)
    assert pulled(synced) == {"AgentInstance": (0, 1), "AgentSpan": (1, 0)}


def test_more_than_we_know(synced: Workspace, talk: Talk, sandbox: Sandbox) -> None:
    """An unknown status stays text, missing counters are 0, unknown fields are kept and shown."""
    sandbox.prefactor.put("agent_instance", id="odd", status="hibernating", mood={"is": ["good"]}, type="agent_instance")
    sandbox.prefactor.put("agent_span", id="step", agent_instance_id="odd", status="paused", payload=None, colour="red")
    pulled(synced)
    row = synced.query("SELECT status, extra ->> 'mood' AS mood FROM prefactor_agent_instance WHERE id = 'odd'")
    assert row == [{"status": "hibernating", "mood": '{"is":["good"]}'}]
    instance = talk.start("odd")
    assert isinstance(instance, AgentInstance)
    assert instance.mood == {"is": ["good"]}  # type: ignore[attr-defined]
    span = talk.finish_span("step", result_payload={"ok": True})
    assert isinstance(span, AgentSpan)
    assert (span.colour, span.payload, span.status) == ("red", {}, "complete")  # type: ignore[attr-defined]


def test_missing_and_mistaken_fields(synced: Workspace, talk: Talk, sandbox: Sandbox) -> None:
    """A record may lack almost everything, and hold values of other kinds; one without an id is left out and counted."""
    sparse = {
        "id": "sparse",
        "agent_id": talk.agent_id,
        "span_counts": {"total": 3},
        "started_at": "2026-01-01T09:00:00+09:00",
    }
    strange = {"id": "strange", "agent_id": talk.agent_id, "status": "failed", "inserted_at": "soon", "purpose": 7}
    sandbox.faults.fail_next(200, JSON, page(sparse, strange, {"status": "active"}, [1]))  # type: ignore[arg-type]
    report = synced.pull("prefactor", models=["AgentInstance"]).remotes["prefactor"]
    assert report.pulled["AgentInstance"].added == 2
    assert "2 records came without content" in report.notes[0]
    found = synced.prefactor.get("AgentInstance", "sparse")
    assert found is not None
    assert (found["status"], found["started_at"]) == (None, "2026-01-01T00:00:00.000000Z")
    counts = talk.finish("sparse").span_counts
    assert counts is not None
    assert (counts.total, counts.failed) == (3, 0)
    found = synced.prefactor.get("AgentInstance", "strange")
    assert found is not None
    assert (found["purpose"], found["inserted_at"]) == ("7", "soon")


def test_pages_that_lead_in_a_circle(synced: Workspace, talk: Talk, sandbox: Sandbox) -> None:
    """An offset that does not grow ends the list, and so does a page without records."""
    record = {"id": "r", "agent_id": talk.agent_id, "status": "complete"}
    for pagination in ({"next_page_offset": 0}, {"next_page_offset": "5"}, {}):
        sandbox.faults.fail_next(200, JSON, page(record, **pagination))
        before = sandbox.requests
        synced.pull("prefactor", models=["AgentInstance"])
        assert sandbox.requests - before == 1
    sandbox.faults.fail_next(200, JSON, page(next_page_offset=100))
    synced.pull("prefactor", models=["AgentInstance"])


def test_unfinished_instances_are_read_again(synced: Workspace, talk: Talk, sandbox: Sandbox) -> None:
    """What is not final is asked for by id, so that a termination arrives; what waits here is kept."""
    stopped, ours = talk.active(), talk.active()
    synced.push("prefactor")
    talk.finish(ours.id)
    sandbox.prefactor.terminate(stopped.id, "policy")
    sandbox.prefactor.edit("agent_instance", ours.id, purpose="eval")
    pulled(synced)
    found = {i["id"]: i for i in synced.prefactor.find("AgentInstance")}
    assert (found[stopped.id]["status"], found[stopped.id]["termination_reason"]) == ("terminated", "policy")
    assert (found[ours.id]["status"], found[ours.id]["purpose"]) == ("complete", "eval")
    assert synced.push("prefactor").exit_code == 0


def test_an_action_that_was_overtaken_is_no_conflict(synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path) -> None:
    """A finish still waits when a pull shows the run terminated: the push settles it by the remote's word."""
    instance = talk.active()
    synced.push("prefactor")
    talk.finish(instance.id, status="failed")
    sandbox.prefactor.terminate(instance.id)
    pulled(synced)
    assert rows(path, "SELECT op, state FROM outbox") == [("finish", "pending")]
    assert synced.sync("prefactor").exit_code == 0
    found = synced.prefactor.get("AgentInstance", instance.id)
    assert found is not None
    assert found["status"] == "terminated"


def test_a_run_made_elsewhere(synced: Workspace, talk: Talk, sandbox: Sandbox) -> None:
    """A start and a finish of what this file never saw go out; the stub then becomes the record."""
    theirs = sandbox.prefactor.put("agent_instance", status="pending", started_at=None)["id"]
    stub = talk.start(theirs)
    assert (stub.agent_id, stub.account_id, stub.status, stub.span_counts) == ("", "", "active", None)
    talk.finish_span(talk.span(theirs).id)
    talk.finish(theirs)
    assert synced.sync("prefactor").exit_code == 0
    found = synced.prefactor.get("AgentInstance", theirs)
    assert found is not None
    assert (found["agent_id"], found["status"], found["span_counts"]["finished"]) == (talk.agent_id, "complete", 1)


def test_a_token_that_may_only_write(synced: Workspace, talk: Talk, sandbox: Sandbox, monkeypatch: Any) -> None:
    """Pushing goes on with an ingestion token; the pull says what it needs instead of failing."""
    synced.settings.environ["PREFACTOR_API_TOKEN"] = "sandbox-prefactor-deployment-token"  # type: ignore[index]
    talk.active()
    report = synced.sync("prefactor")
    assert (report.exit_code, report.acked) == (0, 2)
    (note,) = set(report.remotes["prefactor"].notes)
    assert note == "this Prefactor token may write, but not read: pulling needs a token of the account"
    synced.settings.environ["PREFACTOR_API_TOKEN"] = "wrong"  # type: ignore[index]
    assert synced.pull("prefactor").remotes["prefactor"].stopped == "access-refused"


def test_a_stumbling_remote_is_asked_again(synced: Workspace, talk: Talk, sandbox: Sandbox) -> None:
    """Lost answers, failures, throttling and nonsense do not end a pull; a web page does."""
    sandbox.prefactor.put("agent_instance")
    with clock.using(clock.Virtual(START)):
        sandbox.faults.fail_next(503)
        sandbox.faults.lose_next_reply()
        sandbox.faults.fail_next(429, {"Retry-After": "2"})
        sandbox.faults.truncate_next()
        sandbox.faults.fail_next(200, JSON, b"[1, 2")
        assert pulled(synced)["AgentInstance"] == (1, 0)
        sandbox.faults.html_next()
        assert synced.pull("prefactor").remotes["prefactor"].stopped == "unreachable"


def test_a_killed_pull_goes_on_where_it_was(
    synced: Workspace, talk: Talk, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token of a list is stored with its page."""
    for _ in range(50):
        sandbox.prefactor.put("agent_instance", status="complete")
    monkeypatch.setattr("syncer.adapters.prefactor.adapter.Prefactor.limits", Limits(page=10))
    sandbox.faults.serve_next(2)
    sandbox.faults.fail_next(401, count=2)
    assert synced.pull("prefactor").exit_code == 4
    assert rows(path, "SELECT token FROM _checkpoint WHERE model = 'AgentInstance'") == [("20",)]
    assert pulled(synced)["AgentInstance"][0] > 0
    assert len(synced.prefactor.find("AgentInstance")) == 51


def test_what_only_we_know_is_not_asked_for(synced: Workspace, sandbox: Sandbox) -> None:
    """Records that still have a local id, and agents nobody named, cost no request."""
    Talk(synced, "an-agent").active()
    synced.prefactor.create("AgentInstance", {"agent_id": "an-agent", "status": "pending"})
    before = sandbox.requests
    assert pulled(synced) == {"AgentInstance": (0, 0), "AgentSpan": (0, 0)}
    assert sandbox.requests - before == 1


def test_a_pull_may_bring_what_a_lost_answer_made(synced: Workspace, sandbox: Sandbox) -> None:
    """The record whose id we never learned comes by pull first; when its create is repeated, both become one, edits kept."""
    talk = Talk(synced, "an-agent")
    local = talk.register()
    sandbox.faults.lose_next_reply()
    synced.push("prefactor", wait_s=0)
    talk.start(local.id)
    talk.finish(local.id, status="failed")
    pulled(synced)
    assert len(synced.prefactor.find("AgentInstance")) == 2
    with clock.using(clock.Virtual(clock.now())):
        assert synced.push("prefactor").exit_code == 0
    (there,) = sandbox.prefactor.rows("agent_instance")
    (here,) = synced.prefactor.find("AgentInstance")
    assert (here["id"], here["status"], here["started_at"]) == (there["id"], "failed", there["started_at"])
