"""Fields and choices one side does not know: nothing is lost, nothing is nulled, nobody is held up (I19)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.adapters.plexus.spec import MODELS
from syncer.engine.push.send import Delivery
from syncer.errors import InvalidInput
from syncer.remote import DESCRIBED_ANEW, Change, Op, Receipt, ReceiptKind, State
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from syncer.schema import values
from tests.factory import account
from tests.files import rows, write

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DAY_S = 86_400
KEPT = "this deployment of plexus has no Item.text (1): kept here, not sent"
Serve = Callable[..., Sandbox]


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calling it serves another schema over the same records, at the same address; only one at a time."""
    running: list[Sandbox] = []

    def serve(**options: Any) -> Sandbox:
        port = 0
        if running:
            port = running[-1].port
            running.pop().stop()
        server = Sandbox(Options(db=tmp_path / "upstream.db", **options), port).start()
        running.append(server)
        for name, value in server.settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PLEXUS_ACCOUNT_KEY", "lab")
        return server

    yield serve
    for server in running:
        server.stop()


def item(ws: Workspace, **fields: Any) -> str:
    """The id of a new item of a new account."""
    return str(ws.plexus.create("Item", {"accountId": account(ws), "externalId": "x", **fields})["id"])


def outbox(path: Path) -> list[Any]:
    """What waits."""
    return rows(path, "SELECT op, fields, state, attempts, code FROM outbox ORDER BY seq")


def extra(path: Path) -> Any:
    """Unknown fields of the only item."""
    ((text,),) = rows(path, "SELECT extra FROM plexus_item")
    return json.loads(text)


def test_fields_the_deployment_has_besides_come_home_and_stay(upstream: Serve, path: Path) -> None:
    """Once found they are pulled; a local edit, its push, a merge and a rename of choices leave them and send none."""
    server = upstream(extra_fields={"Item": {"mood": "String", "n": "Int", "all": "[String]"}})
    with Workspace.open(path) as ws:
        key = item(ws)
        ws.sync("plexus")
        server.edit("Item", key, mood="glad", n=0, all=["a", "b"])
        ws.sync("plexus")
        assert rows(path, "SELECT extra FROM plexus_item") == [(None,)]
        findings = [f for f in ws.doctor(remote=True).findings if f.check == "plexus schema" and f.verdict == "warn"]
        assert [f.text.partition(", unknown")[0] for f in findings] == [
            "this deployment of plexus has Item.all, Item.mood, Item.n"
        ]
    with Workspace.open(path) as ws:  # another process, later
        ws.pull("plexus", full=True)
        assert extra(path) == {"mood": "glad", "n": 0, "all": ["a", "b"]}
        ws.plexus.update("Item", key, {"description": "ours"})
        assert extra(path)["mood"] == "glad"
        ws.push("plexus")
        assert extra(path)["mood"] == "glad"
        ws.plexus.update("Item", key, {"description": "ours again"})
        server.edit("Item", key, mood="sad", externalId="theirs")
        ws.pull("plexus")
        assert extra(path) == {"mood": "sad", "n": 0, "all": ["a", "b"]}
        ws.sync("plexus")
        there = server.get("Item", key)
        assert there is not None
        assert {name: there[name] for name in ("mood", "n", "all", "description", "externalId")} == {
            "mood": "sad", "n": 0, "all": ["a", "b"], "description": "ours again", "externalId": "theirs",
        }  # fmt: skip
        assert ws.sync("plexus").pulled == 0
        assert ws.doctor().exit_code == 0


def test_a_field_the_deployment_lacks_is_kept_here_without_a_probe(upstream: Serve, path: Path) -> None:
    """The first refusal is looked into by itself: the record goes out without the field, whose value waits here, quietly."""
    server = upstream(missing_fields={"Item": ["text"]})
    with Workspace.open(path) as ws:
        key = item(ws, text="hello", description="d")
        report = ws.sync("plexus").remotes["plexus"]
        assert (report.exit_code, report.acked, report.rejected, report.will_retry, report.unsupported) == (0, 2, 0, 0, 1)
        assert [n for n in report.notes if "Item" in n] == [KEPT]
        assert (server.get("Item", key) or {})["description"] == "d"
        assert outbox(path) == [("update", '["text"]', "pending", 0, "field-not-deployed")]
        assert ws.status().consistent
        before = server.requests
        report = ws.push("plexus").remotes["plexus"]
        assert (report.exit_code, report.requests, report.notes) == (0, 0, [KEPT])
        assert server.requests == before
        server.edit("Item", key, description="theirs")
        assert ws.pull("plexus").exit_code == 0
        assert ws.plexus.get("Item", key)["text"] == "hello"  # type: ignore[index]
        assert rows(path, "SELECT description, text FROM plexus_item") == [("theirs", "hello")]
        assert ws.doctor().exit_code == 0


def test_a_mixed_update_goes_out_by_half(upstream: Serve, path: Path) -> None:
    """What the deployment takes is sent, the rest waits behind it; a delete takes both along."""
    server = upstream(missing_fields={"Item": ["text"]})
    with Workspace.open(path) as ws:
        key = item(ws, text="hello")
        ws.push("plexus")
        ws.plexus.update("Item", key, {"text": "new", "description": "d"})
        report = ws.push("plexus").remotes["plexus"]
        assert (report.exit_code, report.acked, report.unsupported) == (0, 1, 1)
        assert (server.get("Item", key) or {})["description"] == "d"
        assert rows(path, "SELECT description, text FROM plexus_item") == [("d", "new")]
        assert outbox(path) == [("update", '["text"]', "pending", 0, "field-not-deployed")]
        assert ws.doctor().exit_code == 0
        ws.plexus.delete("Item", key)
        assert ws.push("plexus").exit_code == 0
        assert server.get("Item", key) is None
        assert (outbox(path), ws.status().consistent) == ([], True)


def test_it_leaves_when_the_deployment_has_a_place(upstream: Serve, path: Path) -> None:
    """A day later one request looks again; once the field is there the value goes out, exactly once."""
    with clock.using(clock.Virtual(START)) as now:
        server = upstream(missing_fields={"Item": ["text"]})
        with Workspace.open(path) as ws:
            key = item(ws, text="hello")
            ws.push("plexus")
            now.sleep(DAY_S + 1)
            before = server.requests
            assert ws.push("plexus").exit_code == 0
            assert server.requests == before + 1
            server = upstream()
            assert ws.push("plexus").requests == 0
            now.sleep(DAY_S + 1)
            report = ws.push("plexus").remotes["plexus"]
            assert (report.exit_code, report.acked, report.unsupported, report.notes) == (0, 1, 0, [])
            assert (server.get("Item", key) or {})["text"] == "hello"
            assert rows(path, "SELECT count(*) FROM _schema_drift") == [(0,)]
            assert (outbox(path), ws.status().consistent) == ([], True)


def test_another_deployment_gets_it_at_once(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one address lacks says nothing of another."""
    upstream = tmp_path / "up.db"
    for options in (Options(db=upstream, missing_fields={"Item": ["text"]}), Options(db=upstream)):
        with Sandbox(options) as server:
            for name, value in server.settings.items():
                monkeypatch.setenv(name, value)
            with Workspace.open(path) as ws:
                if options.missing_fields:
                    key = item(ws, text="hello")
                assert ws.push("plexus").exit_code == 0
                there = server.get("Item", key) or {}
                assert there.get("text") == (None if options.missing_fields else "hello")
    assert outbox(path) == []


def test_a_field_lost_since_the_last_pull_keeps_its_values(upstream: Serve, path: Path) -> None:
    """What was pulled stays when the deployment drops the field; an edit of it is no conflict, and goes out later."""
    server = upstream()
    with Workspace.open(path) as ws:
        key, other = item(ws, text="old"), str(ws.plexus.create("Account", {"name": "B", "key": "b"})["id"])
        ws.plexus.create("Item", {"accountId": other, "externalId": "y", "text": "untouched"})
        ws.sync("plexus")
        upstream(missing_fields={"Item": ["text"]})
        ws.plexus.update("Item", key, {"text": "new", "description": "d"})
        for _ in range(2):
            report = ws.sync("plexus", full=True).remotes["plexus"]
            assert (report.exit_code, report.conflicts, report.unsupported) == (0, 0, 1)
        assert sorted(rows(path, "SELECT text FROM plexus_item")) == [("new",), ("untouched",)]
        server = upstream()
        assert ws.doctor(remote=True).exit_code == 0
        assert ws.sync("plexus").exit_code == 0
        assert (server.get("Item", key) or {})["text"] == "new"
        assert (outbox(path), ws.status().consistent) == ([], True)


def test_many_items_cost_one_look(upstream: Serve, path: Path) -> None:
    """Hundreds of records with the field cost one refusal and one question more than without, and none is rejected."""
    server = upstream(missing_fields={"Item": ["text"]})
    with Workspace.open(path) as ws:
        made = account(ws)
        ws.plexus.create_many("Item", [{"accountId": made, "externalId": str(n), "text": "t"} for n in range(300)])
        report = ws.push("plexus").remotes["plexus"]
        assert (report.exit_code, report.acked, report.rejected, report.unsupported) == (0, 301, 0, 300)
        assert server.count("Item") == 300
        assert len({effect.key for effect in server.effects("Item")}) == len(server.effects("Item")) == 300
        assert server.requests <= 20


def test_without_introspection_a_refusal_that_names_the_field_will_do(upstream: Serve, path: Path) -> None:
    """A pull learns field by field from the refusals; what a push cannot learn is rejected with the remote's words."""
    server = upstream()
    with Workspace.open(path) as ws:
        key = item(ws, description="d")
        ws.sync("plexus")
        server = upstream(missing_fields={"Item": ["text", "metadata"]}, introspection=False)
        server.edit("Item", key, description="theirs")
        report = ws.pull("plexus").remotes["plexus"]
        assert report.exit_code == 0
        assert rows(path, "SELECT description FROM plexus_item") == [("theirs",)]
        assert rows(path, "SELECT model, field, kind FROM _schema_drift") == [
            ("Item", "metadata", "absent"),
            ("Item", "text", "absent"),
        ]


def test_a_push_that_cannot_learn_parks_with_the_reason(upstream: Serve, path: Path) -> None:
    """A refusal that names no field, of a deployment that does not tell its schema, stops that record alone."""
    server = upstream(missing_fields={"Item": ["text"]}, introspection=False)
    with Workspace.open(path) as ws:
        bad = item(ws, text="hello")
        good = ws.plexus.create("Item", {"accountId": account(ws, key="b"), "externalId": "y"})["id"]
        report = ws.push("plexus").remotes["plexus"]
        assert (report.exit_code, report.rejected) == (3, 1)
        assert server.get("Item", good) is not None
        assert server.get("Item", bad) is None
        assert rows(path, "SELECT reason FROM outbox")[0][0].startswith("The variables input contains a field")


def test_a_lost_answer_and_then_a_lacking_field_make_one_record(upstream: Serve, path: Path) -> None:
    """A create that may have been applied, whose field has gone since, ends as one record and keeps the value here."""
    server = upstream()
    with Workspace.open(path) as ws:
        made = account(ws)
        ws.push("plexus")
        key = str(ws.plexus.create("Item", {"accountId": made, "externalId": "x", "text": "hello"})["id"])
        server.faults.lose_next_reply()
        ws.push("plexus", wait_s=0)
        assert rows(path, "SELECT state FROM outbox") == [("ambiguous",)]
        server = upstream(missing_fields={"Item": ["text"]})
        assert ws.push("plexus", wait_s=60).exit_code == 0
        assert [effect.op for effect in server.effects("Item")] == ["create"]
        assert server.get("Item", key) is not None
        assert ws.plexus.get("Item", key)["text"] == "hello"  # type: ignore[index]
        assert (ws.status().consistent, ws.doctor().exit_code) == (True, 0)


def test_a_probe_that_is_not_answered_parks_nothing(upstream: Serve, path: Path) -> None:
    """When the question about the schema gets lost, the changes wait for the next try."""
    server = upstream(missing_fields={"Item": ["text"]})
    with Workspace.open(path) as ws:
        made = account(ws)
        ws.push("plexus")
        ws.plexus.create("Item", {"accountId": made, "externalId": "x", "text": "hello"})
        server.faults.serve_next()
        server.faults.fail_next(503)
        report = ws.push("plexus", wait_s=0).remotes["plexus"]
        assert (report.rejected, report.will_retry) == (0, 1)
        assert ws.push("plexus", wait_s=60).exit_code == 0
        assert server.count("Item") == 1


def test_a_record_that_could_not_be_read_is_not_taken_for_gone(upstream: Serve, path: Path) -> None:
    """A document refused as a whole says nothing about its records: no row goes away over it."""
    server = upstream()
    with Workspace.open(path) as ws:
        key = item(ws, text="mine", description="d")
        ws.sync("plexus")
        ws.plexus.update("Item", key, {"description": "ours"})
        server.edit("Item", key, externalId="theirs")
        server = upstream(missing_fields={"Item": ["text"]})
        report = ws.push("plexus", wait_s=60).remotes["plexus"]
        assert (report.exit_code, report.conflicts) == (0, 0)
        there = server.get("Item", key) or {}
        assert (there["description"], there["externalId"]) == ("ours", "theirs")
        assert ws.plexus.get("Item", key)["text"] == "mine"  # type: ignore[index]


def test_an_update_sends_no_null_for_what_nobody_set(synced: Workspace, sandbox: Sandbox) -> None:
    """Fields that others filled meanwhile are still there after our update of another field."""
    key = item(synced)
    synced.push("plexus")
    synced.plexus.update("Item", key, {"description": "ours"})
    sandbox.edit("Item", key, updatedAt=(sandbox.get("Item", key) or {})["updatedAt"], text="theirs", metadata={"a": 1})
    assert synced.push("plexus").exit_code == 0
    there = sandbox.get("Item", key) or {}
    assert (there["text"], there["metadata"], there["description"]) == ("theirs", '{"a":1}', "ours")


def test_a_choice_nobody_here_knows_survives(synced: Workspace, sandbox: Sandbox) -> None:
    """It is pulled, may be given back as it is, and is not sent; a choice that is really new is refused as before."""
    made = account(synced)
    synced.sync("plexus")
    times = {"createdAt": "2026-03-04T05:06:07.000Z", "updatedAt": "2026-03-04T05:06:07.000Z"}
    sandbox.put("ChatSession", id="s", accountId=made, status="HIBERNATING", category="c", **times)
    synced.pull("plexus")
    session = synced.plexus.get("ChatSession", "s")
    assert session is not None
    assert session["status"] == "HIBERNATING"
    synced.plexus.update("ChatSession", "s", {"status": "HIBERNATING", "category": "d"})
    with synced.plexus.transaction() as unit:
        unit.update("ChatSession", "s", {"status": "HIBERNATING", "category": "e"})
    with pytest.raises(InvalidInput, match="one of ACTIVE"):
        synced.plexus.update("ChatSession", "s", {"status": "ASLEEP"})
    assert synced.push("plexus").exit_code == 0
    there = sandbox.get("ChatSession", "s") or {}
    assert (there["status"], there["category"]) == ("HIBERNATING", "e")


def test_made_anew_is_no_failure_of_the_remote() -> None:
    """A batch of which nothing went out because it must be made anew says nothing about how well the remote is."""
    change = Change(1, MODELS["Item"], "i", Op.CREATE, (), "k", State.PENDING, 0)
    anew = Receipt(1, ReceiptKind.LATER, code=DESCRIBED_ANEW)
    assert not Delivery([(change, anew)]).failed
    assert Delivery([(change, anew), (change, Receipt(1, ReceiptKind.LATER, code="throttled"))]).failed


def test_an_answer_that_leaves_unknown_fields_out_takes_none_away(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """What a REST remote said before of a record stays, and what it now says besides is added."""
    instance = sandbox.prefactor.put("agent_instance", status="active", started_at="2026-03-04T05:06:07Z")["id"]
    known = (instance, sandbox.prefactor.agent_id, "active")
    write(path, "INSERT INTO prefactor_agent_instance (id, agent_id, status) VALUES (?, ?, ?)", *known)
    sandbox.prefactor.edit("agent_instance", instance, mood="glad", deep={"a": [1]})
    assert synced.pull("prefactor").exit_code == 0
    seen = "SELECT json_extract(extra, '$.mood', '$.deep', '$.more') FROM prefactor_agent_instance"
    assert rows(path, seen) == [('["glad",{"a":[1]},null]',)]
    synced.prefactor.act("AgentInstance", instance, "finish", {"status": "complete"})
    details = {"type": "agent_instance", "id": instance, "status": "complete", "more": 1}
    body = json.dumps({"status": "success", "details": details}).encode()
    sandbox.faults.fail_next(200, body=body)
    assert synced.push("prefactor", wait_s=0).exit_code == 0
    assert rows(path, seen) == [('["glad",{"a":[1]},1]',)]


def test_unknown_fields_of_a_run_stay(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """ABEJA may say more of a run than we know; the next pull of it changes nothing."""
    sandbox.abeja.put(cost={"yen": 3})
    assert synced.pull("abeja").pulled == 1
    assert rows(path, "SELECT json_extract(extra, '$.cost.yen') FROM abeja_run") == [(3,)]
    assert synced.pull("abeja", full=True).pulled == 0


@pytest.mark.parametrize("hostile", ['{"$text": 5}', '{"$text": {"updatedAt": 5}}', '{"$text": null}', '"$text"'])
def test_no_unknown_field_can_pass_for_our_own(hostile: str) -> None:
    """A remote's field may be called like the place where spellings of times are kept."""
    row = {"updatedAt": "2026-03-04T05:06:07.000000Z", "extra": hostile}
    assert values.verbatim(row, "updatedAt") == "2026-03-04T05:06:07.000Z"
