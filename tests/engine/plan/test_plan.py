"""The plan is the sync: it lists exactly what the next one sends, and writes nothing (I23)."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncer import Workspace, clock, ids
from syncer.config import Settings
from syncer.engine import lease
from syncer.engine.plan.report import Plan, WouldSend
from syncer.errors import DatabaseError, UsageError
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from syncer.store.maintenance import copied
from tests.factory import account, result, scoring
from tests.files import rows, write
from tests.prefactor.talking import Talk
from tests.rigs import settings as rig

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
REFUSED = b'{"errors":[{"errorType":"BadRequest","message":"no such thing"}]}'


def numbers(plan: Plan) -> list[int | None]:
    """The numbers of all that would be sent."""
    return [planned.seq for planned in plan.changes]


def acked(path: Path) -> set[int]:
    """The numbers of the changes that reached their remote."""
    return {seq for (seq,) in rows(path, "SELECT seq FROM ledger WHERE outcome = 'acked'")}


def applied(sandbox: Sandbox, skipping: int = 0) -> list[tuple[str, str, str]]:
    """What Plexus has applied: op, model, key."""
    return [(effect.op, effect.model, effect.key) for effect in sandbox.effects()[skipping:]]


def told(planned: list[WouldSend]) -> list[tuple[str, str, str]]:
    """The same of a plan."""
    return [(one.op, one.model, one.key) for one in planned]


def fingerprint(path: Path) -> list[str]:
    """What the file and its log hold, byte for byte; a log that is not there is as good as an empty one."""
    files = [path, path.with_name(path.name + "-wal")]
    return [hashlib.sha256(file.read_bytes() if file.exists() else b"").hexdigest() for file in files]


def run_of(ws: Workspace, sandbox: Sandbox, **environment: str) -> str:
    """The local id of a new ABEJA run."""
    organization = sandbox.settings["ABEJA_ORGANIZATION_ID"]
    deployment = sandbox.settings["ABEJA_DEPLOYMENT_IDS"].split(",")[0]
    made = ws.abeja.create(
        "Run",
        {
            "organization_id": organization,
            "deployment_id": deployment,
            "model_version_id": "ver-1234567890123456",
            "status": "SUBMITTED",
            "user_env_vars": environment or {"MODE": "night"},
        },
    )
    return str(made["run_id"])


@pytest.fixture
def still() -> Iterator[clock.Virtual]:
    """Time that passes only where somebody waits."""
    source = clock.Virtual(START)
    with clock.using(source):
        yield source


def test_the_plan_of_a_first_push_is_the_push(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Parents before children, each with what it sets, found without a request; then the push does that, in that order."""
    made = scoring(synced)
    synced.plexus.create("ScoreResult", result(made))
    synced.plexus.update("Item", made["itemId"], {"description": "coalesced"})
    plan = synced.plan()
    assert sandbox.requests == 0
    assert plan.remotes["plexus"].stays == []
    item = next(one for one in plan.changes if one.model == "Item")
    assert item.fields["description"] == (None, "coalesced")
    assert (item.op, item.seq) == ("create", 7)
    assert synced.push().acked == len(plan.changes)
    assert applied(sandbox) == told(plan.changes)
    assert acked(path) == set(numbers(plan))


def test_not_one_byte_changes(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """File and write-ahead log are the same after a plan, with and without reading; no copy is left behind."""
    made = scoring(synced)
    synced.push("plexus")
    synced.plexus.update("Item", made["itemId"], {"description": "mine"})
    synced.plexus.create("ScoreResult", result(made))
    sandbox.edit("Item", made["itemId"], description="theirs")
    before, effects = fingerprint(path), len(sandbox.effects())
    folders = set(Path(tempfile.gettempdir()).glob("syncer-*"))
    synced.plan()
    synced.plan(pull=True)
    assert fingerprint(path) == before
    assert len(sandbox.effects()) == effects
    assert set(Path(tempfile.gettempdir()).glob("syncer-*")) <= folders


def test_a_log_that_nobody_has_folded_in_stays_as_it_is(path: Path, tmp_path: Path, online: Any) -> None:
    """A file that a killed process left with its log is planned from both, and neither is touched."""
    with Workspace.open(path) as ws:
        account(ws)
        left = tmp_path / "left.db"
        for end in ("", "-wal"):
            left.with_name(left.name + end).write_bytes(path.with_name(path.name + end).read_bytes())
    before = fingerprint(left)
    assert before[1] != hashlib.sha256(b"").hexdigest()
    with Workspace.open(left) as ws:
        assert told(ws.plan().changes)[0][:2] == ("create", "Account")
    assert fingerprint(left) == before


def test_what_stays_and_why(synced: Workspace, sandbox: Sandbox, path: Path, still: clock.Virtual) -> None:
    """Rejected, behind it, backing off, in conflict: each with its reason; the others are sent, as the plan says."""
    made = scoring(synced)
    conflicted = synced.plexus.create("Item", {"accountId": made["accountId"], "externalId": "call-2"})["id"]
    synced.push()
    rejected = synced.plexus.create("Item", {"accountId": made["accountId"], "externalId": "call-3"})["id"]
    sandbox.faults.fail_next(400, body=REFUSED)
    synced.push(wait_s=0)
    behind = synced.plexus.create("ScoreResult", result({**made, "itemId": rejected}))["id"]
    synced.plexus.update("Item", conflicted, {"description": "ours"})
    still.moment += timedelta(minutes=1)
    sandbox.edit("Item", conflicted, description="theirs")
    synced.push(wait_s=0)
    later = synced.plexus.create("ScoreResult", result(made))["id"]
    sandbox.faults.fail_next(503)
    synced.push(wait_s=0)
    good = synced.plexus.create("Item", {"accountId": made["accountId"], "externalId": "call-4"})["id"]
    plan = synced.plan("plexus")
    assert told(plan.changes) == [("create", "Item", good)]
    stays = {one.key: one for one in plan.remotes["plexus"].stays}
    assert {key: one.because for key, one in stays.items()} == {
        rejected: "rejected",
        behind: "blocked",
        conflicted: "conflict",
        later: "backing-off",
    }
    assert stays[behind].blocked_by == stays[rejected].seq
    assert "HTTP 400" in stays[behind].why
    assert (stays[later].until or "") > clock.stored_now()
    assert synced.push("plexus", wait_s=0).acked == 1
    assert still.slept == []


def test_a_remote_that_asked_to_wait_is_planned_nothing(synced: Workspace, sandbox: Sandbox, still: clock.Virtual) -> None:
    """A hold keeps everything here until its end, in the plan as in the push; neither waits."""
    account(synced)
    sandbox.faults.fail_next(429, {"Retry-After": "60"})
    synced.push("plexus", wait_s=0)
    plan = synced.plan("plexus")
    assert plan.changes == []
    assert [one.because for one in plan.remotes["plexus"].stays] == ["held"]
    assert still.slept == []


def test_without_settings_the_plan_says_what_is_missing(ws: Workspace) -> None:
    """What would be sent is known all the same."""
    made = account(ws)
    part = ws.plan().remotes["plexus"]
    assert told(part.sends) == [("create", "Account", made)]
    assert "PLEXUS_API_KEY" in part.missing
    assert ws.plan(pull=True).exit_code == 0


def test_nothing_waits(synced: Workspace, sandbox: Sandbox) -> None:
    """An empty plan for every remote, and no request."""
    plan = synced.plan()
    assert (list(plan.remotes), plan.changes, sandbox.requests) == (["plexus", "prefactor", "abeja"], [], 0)


def test_models_and_limit_choose_as_in_a_push(synced: Workspace, sandbox: Sandbox) -> None:
    """Only what the same push would send is planned; the rest of the model is beyond the limit."""
    made = account(synced)
    for n in range(3):
        synced.plexus.create("Item", {"accountId": made, "externalId": f"call-{n}"})
    assert told(synced.plan("plexus", models=["Account"]).changes) == [("create", "Account", made)]
    limited = synced.plan("plexus", limit=2)
    assert len(limited.changes) == 2
    assert {one.because for one in limited.remotes["plexus"].stays} == {"beyond-limit"}
    synced.push("plexus", limit=2)
    assert applied(sandbox) == told(limited.changes)


def test_what_is_wrongly_named(synced: Workspace) -> None:
    """No such remote or model: near names, as for a sync."""
    with pytest.raises(UsageError, match="no model 'Itm'"):
        synced.plan(models=["Itm"])
    with pytest.raises(UsageError, match="no remote 'plex'"):
        synced.plan("plex")


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    """Nothing is made for a plan."""
    gone = tmp_path / "gone.db"
    with Workspace.open(gone) as ws:
        gone.unlink()
        with pytest.raises(DatabaseError, match="no database"):
            ws.plan()
    assert not gone.exists()


def test_an_upsert_is_planned_as_what_it_becomes(synced: Workspace, sandbox: Sandbox) -> None:
    """Offline the plan says that it may be an update; where the remote may be asked, it is told of which record."""
    made = scoring(synced)
    synced.push("plexus")
    with synced.plexus.transaction() as unit:
        fields = {"accountId": made["accountId"], "externalId": "call-9", "description": "ours"}
        unit.create("Item", fields, upsert=["description"])
    sandbox.put(
        "Item", id="theirs", accountId=made["accountId"], externalId="call-9", description="theirs", isEvaluation=False
    )
    (offline,) = synced.plan("plexus").changes
    assert offline.op == "create"
    assert "to have the record already" in offline.note
    planned = synced.plan("plexus", pull=True).changes
    before = len(sandbox.effects())
    synced.push("plexus")
    assert told(planned) == applied(sandbox, before)
    assert planned[0].op == "update"
    assert planned[0].seq == offline.seq


def test_prefactor_in_order_with_ids_yet_to_be_given(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A whole run, instance, spans and their ends, under ids that only this file knows."""
    talk = Talk(synced, sandbox.prefactor.agent_id)
    instance = talk.active()
    root = talk.span(instance.id)
    talk.span(instance.id, parent_span_id=root.id)
    talk.finish(instance.id)
    local = f"local-{ids.new_key()}"
    fields = {
        "agent_id": sandbox.prefactor.agent_id,
        "status": "pending",
        "agent_version": {"name": "1", "external_identifier": "1"},
    }
    schema = {"external_identifier": "s", "span_schemas": {"step": {"type": "object"}}}
    synced.prefactor.create("AgentInstance", {"id": local, **fields, "agent_schema_version": schema})
    plan = synced.plan("prefactor")
    assert plan.remotes["prefactor"].stays == []
    assert {one.key for one in plan.changes if one.model == "AgentInstance"} == {instance.id, local}
    assert all(local not in str(one.fields) or one.key == local for one in plan.changes)
    assert synced.push("prefactor").acked == len(plan.changes)
    assert acked(path) == set(numbers(plan))
    effects = [(e.op, e.key) for e in sandbox.prefactor.effects() if e.key in {instance.id, root.id}]
    assert effects == [(one.op, one.key) for one in plan.changes if one.key in {instance.id, root.id}]


def test_children_of_ids_yet_to_be_given(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A span whose instance has only a local id is planned behind it, and names it as it is called here."""
    fields = {
        "agent_id": sandbox.prefactor.agent_id,
        "status": "pending",
        "agent_version": {"name": "1", "external_identifier": "1"},
    }
    schema = {"external_identifier": "s", "span_schemas": {"step": {"type": "object"}}}
    local = f"local-{ids.new_key()}"
    synced.prefactor.create("AgentInstance", {"id": local, **fields, "agent_schema_version": schema})
    span = {"agent_instance_id": local, "schema_name": "step", "status": "pending", "payload": {}}
    synced.prefactor.create("AgentSpan", {"id": f"local-{ids.new_key()}", **span})
    plan = synced.plan("prefactor")
    assert [one.model for one in plan.changes] == ["AgentInstance", "AgentSpan"]
    assert plan.changes[1].fields["agent_instance_id"] == (None, local)
    synced.push("prefactor", wait_s=0)
    assert acked(path) == set(numbers(plan))


def test_abeja_runs_and_one_that_will_be_refused(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Runs are planned as they go; one that its wire never sends stays, with what will be said of it."""
    good = run_of(synced, sandbox)
    bad = run_of(synced, sandbox)
    write(path, "UPDATE abeja_run SET user_env_vars = '[1]' WHERE run_id = ?", bad)
    plan = synced.plan("abeja")
    assert [one.key for one in plan.changes] == [good]
    assert [(one.key, one.because) for one in plan.remotes["abeja"].stays] == [(bad, "rejected")]
    report = synced.push("abeja")
    assert (report.acked, report.remotes["abeja"].rejected) == (1, 1)
    assert acked(path) == set(numbers(plan))


def test_what_may_have_arrived_is_planned_again(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A change whose answer was lost is listed as one that is sent, or looked for, again."""
    account(synced)
    sandbox.faults.lose_next_reply()
    synced.push("plexus", wait_s=0)
    write(path, "UPDATE outbox SET next_attempt_at = NULL")
    plan = synced.plan("plexus")
    assert "may have arrived" in plan.changes[0].note
    synced.push("plexus", wait_s=0)
    assert acked(path) == set(numbers(plan))


def test_while_a_sync_is_at_work(synced: Workspace, path: Path) -> None:
    """A plan takes no lease and is not kept from its work by one."""
    account(synced)
    held = lease.acquire(synced.database, "plexus")
    assert len(synced.plan("plexus").changes) == 1
    with synced.database.transaction() as tx:
        held.renew(tx)


def test_pull_tells_what_would_change_here(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """New, changed, gone and in conflict, with both values; then a sync does it."""
    made = scoring(synced)
    gone, both = (
        str(synced.plexus.create("Item", {"accountId": made["accountId"], "externalId": f"c-{n}"})["id"]) for n in range(2)
    )
    synced.sync("plexus")
    sandbox.put("Item", id="new", accountId=made["accountId"], externalId="c-9", isEvaluation=False)
    sandbox.edit("Score", made["scoreId"], name="Mood")
    sandbox.drop("Item", gone)
    sandbox.edit("Item", both, description="theirs")
    synced.plexus.update("Item", both, {"description": "ours"})
    write(path, "UPDATE ledger SET left_at = '2026-01-01T00:00:00.000000Z'")  # else it counts as only just written
    part = synced.plan("plexus", pull=True, full=True).remotes["plexus"]
    found = {one.key: one for one in part.arriving}
    assert {key: one.kind for key, one in found.items()} == {
        "new": "added",
        made["scoreId"]: "changed",
        gone: "removed",
        both: "conflict",
    }
    assert found[made["scoreId"]].fields["name"] == ("Tone", "Mood")
    assert found[both].fields == {"description": ("ours", "theirs")}
    assert part.pulled["Item"] == {"added": 1, "removed": 1, "conflict": 1}
    assert [(one.key, one.because) for one in part.stays] == [(both, "conflict")]
    assert synced.plexus.get("Item", "new") is None
    synced.sync("plexus", full=True)
    assert synced.plexus.get("Item", "new") is not None
    assert synced.plexus.get("Item", gone) is None
    again = synced.plan("plexus", pull=True, full=True).remotes["plexus"]
    assert again.arriving == []


def test_numbers_with_fractions_do_not_look_changed(synced: Workspace, sandbox: Sandbox) -> None:
    """A row that a pull writes again as it is is told of nowhere."""
    made = scoring(synced)
    names = ("accountId", "scorecardId", "scoreId")
    fields = {**{n: made[n] for n in names}, "type": "accuracy", "status": "RUNNING", "accuracy": 0.1 + 0.2}
    evaluation = synced.plexus.create("Evaluation", fields)["id"]
    synced.sync("plexus")
    sandbox.edit("Evaluation", evaluation, errorMessage="x")
    (one,) = synced.plan("plexus", pull=True).remotes["plexus"].arriving
    assert set(one.fields) == {"errorMessage", "updatedAt"}


def test_a_remote_that_cannot_be_read(synced: Workspace, sandbox: Sandbox, still: clock.Virtual) -> None:
    """Exit code 4 with the reason; what would be sent is told all the same, and nobody waits."""
    account(synced)
    sandbox.stop()
    plan = synced.plan("plexus", pull=True)
    part = plan.remotes["plexus"]
    assert (plan.exit_code, len(plan.changes), still.slept) == (4, 1, [])
    assert "reach" in (part.stopped or "")


def test_only_questions_are_asked(synced: Workspace, sandbox: Sandbox) -> None:
    """Reading for a plan applies nothing anywhere, on any of the three remotes."""
    made = scoring(synced)
    Talk(synced, sandbox.prefactor.agent_id).active()
    run_of(synced, sandbox)
    synced.plexus.create("ScoreResult", result(made))
    plan = synced.plan(pull=True)
    assert {name for name, part in plan.remotes.items() if part.sends} == {"plexus", "prefactor", "abeja"}
    assert sandbox.effects() == []
    assert sandbox.prefactor.effects() == []
    assert sandbox.abeja.effects() == []
    assert sandbox.requests > 0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["create", "edit", "delete", "item", "upsert", "push", "refused", "lost", "down", "theirs", "run"]),
        st.integers(0, 5),
    ),
    max_size=14,
)


class Random:
    """A file in a state that anything may have led to."""

    def __init__(self, folder: str, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.path = Path(folder) / "local.db"
        self.ws = Workspace(Settings(str(self.path), environ={**sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab"}))
        self.ids = scoring(self.ws)
        self.results: list[str] = []
        self.items = [self.ids["itemId"]]

    def act(self, name: str, number: int) -> None:
        """One step of a day."""
        records, results = self.ws.plexus, self.results
        if name == "create":
            item = self.items[number % len(self.items)]
            results.append(records.create("ScoreResult", result({**self.ids, "itemId": item}))["id"])
        elif name == "item":
            fields = {"accountId": self.ids["accountId"], "externalId": f"n-{len(self.items)}"}
            self.items.append(records.create("Item", fields)["id"])
        elif name == "upsert":
            with records.transaction() as unit:
                fields = {
                    "accountId": self.ids["accountId"],
                    "externalId": f"u-{number}-{len(self.items)}",
                    "description": "x",
                }
                self.items.append(unit.create("Item", fields, upsert=["description"])["id"])
        elif name == "run":
            run_of(self.ws, self.sandbox)
        elif name in ("edit", "delete", "theirs") and results:
            self._change(name, results[number % len(results)], number)
        elif name in ("push", "refused", "lost", "down"):
            self._push(name)

    def _change(self, name: str, key: str, number: int) -> None:
        if name == "theirs":
            if self.sandbox.get("ScoreResult", key) is not None:
                self.sandbox.edit("ScoreResult", key, value=f"theirs-{number}")
        elif name == "edit":
            self.ws.plexus.update("ScoreResult", key, {"value": f"v{number}"})
        else:
            self.ws.plexus.delete("ScoreResult", key)
            self.results.remove(key)

    def _push(self, how: str) -> None:
        faults = self.sandbox.faults
        if how == "refused":
            faults.fail_next(400, body=REFUSED, count=3)
        elif how == "lost":
            faults.lose_next_reply()
        elif how == "down":
            faults.fail_next(503)
        self.ws.push("plexus", wait_s=0)
        faults.clear()


@settings(max_examples=20 * rig.scale, deadline=None, suppress_health_check=list(HealthCheck), derandomize=rig.scale == 1)
@given(steps=STEPS, minutes=st.sampled_from([0, 1, 600]))
def test_from_any_state_the_plan_is_what_the_push_does(steps: list[tuple[str, int]], minutes: int) -> None:
    """Whatever waits, coalesced, rejected, blocked, late or in doubt: what is planned is what leaves, nothing else."""
    virtual = clock.Virtual(START)
    with tempfile.TemporaryDirectory() as folder, clock.using(virtual), Sandbox(Options()) as sandbox:
        day = Random(folder, sandbox)
        with day.ws as ws:
            for name, number in steps:
                day.act(name, number)
            virtual.sleep(60.0 * minutes)
            before, left, applied_before = fingerprint(day.path), acked(day.path), len(sandbox.effects())
            tried = set(rows(day.path, "SELECT seq, attempts FROM outbox"))
            plan = ws.plan()
            assert fingerprint(day.path) == before
            assert sorted(n for n in numbers(plan) if n) == sorted(set(numbers(plan)) - {None})
            ws.push(wait_s=0)
            now = set(rows(day.path, "SELECT seq, attempts FROM outbox"))
            conflicts = {seq for (seq,) in rows(day.path, "SELECT seq FROM outbox WHERE state = 'conflict'")}
            sent = (acked(day.path) - left) | {seq for seq, _ in now - tried}
            assert sent == set(numbers(plan)), (plan, rows(day.path, "SELECT * FROM outbox"))
            effects = applied(sandbox, applied_before)
            wanted = told([one for one in plan.remotes["plexus"].sends if one.seq not in conflicts])
            assert set(effects) <= set(wanted)
            stayed = {one.seq for part in plan.remotes.values() for one in part.stays}
            assert stayed == {seq for seq, _ in now} - conflicts | (stayed & conflicts)


def broken(path: Path) -> Path:
    """The folder of a copy that somebody failed to work with, sound and its owner's only."""
    found = path
    with suppress(RuntimeError), copied(path) as database:
        found = database.path.parent
        assert found.stat().st_mode & 0o777 == 0o700
        assert database.path.stat().st_mode & 0o777 == 0o600
        assert rows(database.path, "PRAGMA integrity_check") == [("ok",)]
        assert rows(database.path, "SELECT count(*) FROM outbox") == rows(path, "SELECT count(*) FROM outbox")
        raise RuntimeError("stop")
    return found


def test_a_copy_is_sound_private_and_gone_at_the_end(synced: Workspace, path: Path) -> None:
    """Also after an error."""
    account(synced)
    assert not broken(path).exists()


def test_what_the_deployment_has_no_place_for(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Once a push has found out, the plan knows: such changes stay, and what waits behind them."""
    fields = {"status": "OPEN", "type": "t", "batchId": "b", "modelProvider": "p", "modelName": "m"}
    made = synced.plexus.create("BatchJob", {"accountId": account(synced), **fields})["id"]
    synced.plexus.create("BatchJobScoringJob", {"batchJobId": made, "scoringJobId": "job"})
    synced.push("plexus")
    account(synced, key="after")
    plan = synced.plan("plexus")
    assert [one.model for one in plan.changes] == ["Account"]
    assert {one.model: one.because for one in plan.remotes["plexus"].stays} == {
        "BatchJob": "not-deployed",
        "BatchJobScoringJob": "blocked",
    }
    synced.push("plexus")
    assert acked(path) == {1, *numbers(plan)}


def test_fields_the_deployment_lacks(path: Path) -> None:
    """What is left out of a create waits in an update of its own that only the push adds: planned as it comes to be."""
    with Sandbox(Options(missing_fields={"Item": ["text"]})) as server:
        environment = {**server.settings, "PLEXUS_ACCOUNT_KEY": "lab"}
        with Workspace(Settings(str(path), environ=environment)) as ws:
            made = account(ws)
            ws.plexus.create("Item", {"accountId": made, "externalId": "one", "text": "kept"})
            ws.push("plexus")  # learns it
            two = ws.plexus.create("Item", {"accountId": made, "externalId": "two", "text": "kept"})["id"]
            plan = ws.plan("plexus")
            assert told(plan.changes) == [("create", "Item", two)]
            assert "text" not in plan.changes[0].fields
            added = [one for one in plan.remotes["plexus"].stays if one.key == two]
            assert [(one.seq, one.op, one.fields, one.because) for one in added] == [
                (None, "update", ("text",), "not-deployed")
            ]
            before = len(server.effects())
            ws.push("plexus")
            assert applied(server, before) == told(plan.changes)


def test_a_report_takes_along_what_is_not_known_here(synced: Workspace, sandbox: Sandbox) -> None:
    """Offline the plan says that there may be more; where the remote may be asked, it names every block."""
    report = synced.plexus.create("Report", {"accountId": account(synced), "name": "Weekly", "taskId": "task"})["id"]
    synced.push("plexus")
    sandbox.put_all("ReportBlock", [{"id": f"b-{n}", "reportId": report, "position": n, "type": "x"} for n in range(3)])
    synced.plexus.delete("Report", report)
    (offline,) = synced.plan("plexus").changes
    assert "ReportBlock" in offline.note
    planned = synced.plan("plexus", pull=True).changes
    assert told(planned)[-1] == ("delete", "Report", report)
    before = len(sandbox.effects())
    synced.push("plexus")
    assert sorted(applied(sandbox, before)) == sorted(told(planned))
