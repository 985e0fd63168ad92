"""Tasks and what they do to their stages: in one transaction each, and on the remote exactly as here."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import ClientContext, PlexusDashboardClient
from syncer.plexus.models import Task, TaskStage
from syncer.sandbox.server import Sandbox
from tests.factory import account
from tests.files import rows

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LATER = START + timedelta(hours=1)
STAGES = [{"name": "Load", "order": 1}, {"name": "Score", "order": 2, "totalItems": 40, "status_message": "soon"}]


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client of a workspace that is configured for the sandbox, whose account is in the local file."""
    account(synced)
    return PlexusDashboardClient(workspace=synced)


def task(client: PlexusDashboardClient, **fields: Any) -> Task:
    """A task with two stages."""
    return Task.create_with_stages(client, "Evaluation", "scorecard/quality", "evaluate", STAGES, **fields)


def stored(client: PlexusDashboardClient, made: Task) -> dict[str, Any]:
    """The task's row as it is in the file."""
    found = client.records.get("Task", made.id)
    assert found is not None
    return found


def statuses(made: Task) -> list[str]:
    """The status of each stage, in order."""
    return [stage.status for stage in made.get_stages()]


def test_a_task_belongs_to_the_account_of_the_settings(client: PlexusDashboardClient) -> None:
    """PLEXUS_ACCOUNT_KEY names the account; the task is PENDING, with times and JSON as Python has them."""
    made = Task.create(client, "Report", "report/1", "run", metadata={"deep": [None, 1]}, description="night run")
    assert made.accountId == client.records.find("Account", {"key": "lab"})[0]["id"]
    assert (made.status, made.metadata, made.description) == ("PENDING", {"deep": [None, 1]}, "night run")
    assert made.createdAt is not None
    assert made.createdAt.tzinfo is UTC
    assert Task.get_by_id(made.id, client) == made


def test_what_is_given_wins(client: PlexusDashboardClient) -> None:
    """Account, status, id and times of the caller's are kept."""
    made = Task.create(client, "a", "b", "c", id="mine", accountId="other", status="RUNNING", createdAt=START)
    assert (made.id, made.accountId, made.status, made.createdAt) == ("mine", "other", "RUNNING", START)


def test_the_context_names_the_account_before_the_settings(client: PlexusDashboardClient) -> None:
    """A client made for one account uses that: by its id if it has it, else by its key."""
    other = account(client.workspace, key="other")
    by_key = PlexusDashboardClient(context=ClientContext(account_key="other"), workspace=client.workspace)
    by_id = PlexusDashboardClient(context=ClientContext(account_id="given"), workspace=client.workspace)
    assert Task.create(by_key, "a", "b", "c").accountId == other
    assert Task.create(by_id, "a", "b", "c").accountId == "given"


def test_without_an_account_nothing_is_stored(ws: Workspace) -> None:
    """No account named, or one the file does not have: a ValueError that says what to do."""
    with pytest.raises(ValueError, match="no account is named") as unset:
        Task.create(PlexusDashboardClient(workspace=ws), "a", "b", "c")
    assert isinstance(unset.value, InvalidInput)
    assert "PLEXUS_ACCOUNT_KEY" in str(unset.value.hint)
    with pytest.raises(ValueError, match="key 'gone'") as unknown:
        Task.create_with_stages(
            PlexusDashboardClient(context=ClientContext(account_key="gone"), workspace=ws), "a", "b", "c", STAGES
        )
    assert isinstance(unknown.value, RecordNotFound)
    assert "syncer pull plexus --model Account" in str(unknown.value.hint)
    assert ws.plexus.find("Task") == []


def test_a_task_with_stages_is_one_transaction(client: PlexusDashboardClient, path: Path) -> None:
    """Task and stages are there, the first is current; a stage that is refused takes everything with it."""
    made = task(client, description="both")
    first, second = made.get_stages()
    assert (made.currentStageId, made.description) == (first.id, "both")
    assert (second.name, second.order, second.status, second.totalItems) == ("Score", 2, "PENDING", 40)
    assert second.statusMessage == "soon"
    before = rows(path, "SELECT seq, model FROM outbox")
    with pytest.raises(ValueError, match="TaskStage"):
        Task.create_with_stages(client, "a", "b", "c", [{"name": "ok", "order": 1}, {"name": "bad", "order": "two"}])
    assert rows(path, "SELECT seq, model FROM outbox") == before
    assert [t["id"] for t in client.records.find("Task")] == [made.id]


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        ([{"name": str(n), "order": n} for n in range(6)], "at most 5"),
        ([{"order": 1}], "stage 0 has no name"),
        ([{"name": "a", "order": 1}, {"name": "b"}], "stage 1 has no order"),
        (["Load"], "not by 'Load'"),
        ([{"name": "a", "order": 1, "colour": "red"}], "colour"),
    ],
)
def test_stages_are_checked_first(client: PlexusDashboardClient, stages: Any, says: str) -> None:
    """More than five, a nameless one, one without order, an unknown field: a ValueError, and no task."""
    with pytest.raises(ValueError, match=says):
        Task.create_with_stages(client, "a", "b", "c", stages)
    assert client.records.find("Task") == []


def test_the_remote_ends_up_with_task_stages_and_pointer(
    client: PlexusDashboardClient, synced: Workspace, sandbox: Sandbox, path: Path
) -> None:
    """Task and stages point at each other: pushed to the end, each was created once and the pointer is set."""
    made = task(client, metadata={"n": 1})
    assert synced.push("plexus").exit_code == 0
    assert rows(path, "SELECT * FROM outbox") == []
    upstream = sandbox.get("Task", made.id)
    assert upstream is not None
    assert upstream["currentStageId"] == made.currentStageId
    assert json.loads(upstream["metadata"]) == {"n": 1}
    assert {"lockToken", "lockExpires"}.isdisjoint(upstream)
    found = sorted((s["order"], s["name"], s["taskId"], s["status"], s["id"]) for s in sandbox.rows("TaskStage"))
    assert found == [(s.order, s.name, made.id, "PENDING", s.id) for s in made.get_stages()]
    assert [e.key for e in sandbox.effects("Task", "create")] == [made.id]
    assert len(sandbox.effects("TaskStage", "create")) == 2
    assert synced.push("plexus").requests == 0


def test_a_lost_reply_leaves_task_stages_and_pointer_once(
    client: PlexusDashboardClient, synced: Workspace, sandbox: Sandbox
) -> None:
    """Each answer of the push is lost in turn: in the end each record was created once and the pointer is set."""
    made = task(client)
    with clock.using(clock.Virtual(START)):
        for _ in range(3):
            sandbox.faults.lose_next_reply()
            synced.push("plexus", wait_s=0)
            clock.sleep(3600)
        assert synced.push("plexus", wait_s=600).exit_code == 0
    upstream = sandbox.get("Task", made.id)
    assert upstream is not None
    assert upstream["currentStageId"] == made.get_stages()[0].id
    created = [effect.key for effect in sandbox.effects(op="create")]
    assert len(created) == len(set(created)) == 4
    assert synced.status().consistent


def test_a_whole_life_reaches_the_remote(client: PlexusDashboardClient, synced: Workspace, sandbox: Sandbox) -> None:
    """Start, progress, advance, complete, with pushes between: the remote has what the file has, field by field."""
    made = task(client)
    synced.push("plexus")
    made.start_processing()
    first, second = made.get_stages()
    first.start_processing()
    made.update_progress(1, 40, {"Load": {"status": "RUNNING", "processedItems": 1}}, LATER)
    synced.push("plexus")
    first.complete_processing()
    made.advance_stage(second)
    made.complete_processing()
    assert synced.push("plexus").exit_code == 0
    for model in ("Task", "TaskStage"):
        for ours in synced.plexus.find(model):
            theirs = sandbox.get(model, ours["id"])
            assert theirs is not None
            for name in set(ours) - {"lockToken", "lockExpires", "createdAt", "updatedAt"}:
                mine = clock.wire(ours[name]) if name.endswith("At") and ours[name] else ours[name]
                assert theirs.get(name) == mine, name


def test_update_sends_only_what_differs(client: PlexusDashboardClient, synced: Workspace, path: Path) -> None:
    """The instance is returned, changed; what is equal already is not queued; None removes."""
    made = task(client, description="old", errorMessage="oops")
    synced.push("plexus")
    assert made.update(status="PENDING", description="new", errorMessage=None, startedAt=START) is made
    assert (made.description, made.errorMessage, made.startedAt) == ("new", None, START)
    assert rows(path, "SELECT fields FROM outbox") == [('["description", "errorMessage", "startedAt"]',)]


def test_a_stale_instance_resurrects_nothing(client: PlexusDashboardClient) -> None:
    """What another instance wrote stays when an older one changes something else."""
    old = task(client)
    Task.get_by_id(old.id, client).update(status="COMPLETED")
    old.update(output="done")
    assert (stored(client, old)["status"], old.status) == ("COMPLETED", "COMPLETED")


@pytest.mark.parametrize("name", ["createdAt", "lockToken", "lockExpires", "colour", "id"])
def test_some_fields_cannot_be_changed(client: PlexusDashboardClient, name: str) -> None:
    """The time of creation, the lock, the id and what is no field: a ValueError, nothing written."""
    made = task(client)
    before = stored(client, made)
    with pytest.raises(ValueError, match=name):
        made.update(**{name: "x", "output": "y"})
    assert stored(client, made) == before


def test_starting_says_when(client: PlexusDashboardClient) -> None:
    """RUNNING since now."""
    made = task(client)
    with clock.using(clock.Virtual(START)):
        made.start_processing()
    assert (made.status, made.startedAt) == ("RUNNING", START)
    assert statuses(made) == ["PENDING", "PENDING"]


def test_completing_completes_what_has_not_failed(client: PlexusDashboardClient) -> None:
    """Stages that failed stay so; the others are done, and have a start."""
    made = task(client)
    first, second = made.get_stages()
    first.update(startedAt=START)
    second.fail_processing("no")
    third = made.create_stage("End", 3)
    with clock.using(clock.Virtual(LATER)):
        made.complete_processing()
    assert (made.status, made.completedAt, statuses(made)) == ("COMPLETED", LATER, ["COMPLETED", "FAILED", "COMPLETED"])
    found = {stage.id: (stage.startedAt, stage.completedAt) for stage in made.get_stages()}
    assert found == {first.id: (START, LATER), second.id: (None, None), third.id: (LATER, LATER)}


def test_the_current_stage_fails(client: PlexusDashboardClient) -> None:
    """The one the task names, though another runs; the task itself goes on."""
    made = task(client)
    made.get_stages()[1].start_processing()
    with clock.using(clock.Virtual(LATER)):
        made.fail_current_stage("disk full", {"free": 0}, current_items=7)
    stage = made.get_stages()[0]
    assert (stage.status, stage.statusMessage, stage.processedItems) == ("FAILED", "Error: disk full", 7)
    assert (stage.completedAt, statuses(made), made.status) == (LATER, ["FAILED", "RUNNING"], "PENDING")


def test_without_a_current_stage_the_first_that_runs_fails(
    client: PlexusDashboardClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither named nor running: said in the log, nothing written, the task fails all the same."""
    made = task(client)
    made.update(currentStageId=None)
    made.fail_current_stage("why")
    assert statuses(made) == ["PENDING", "PENDING"]
    assert made.id in caplog.text
    made.get_stages()[1].start_processing()
    made.fail_processing("why", {"code": 3}, 2)
    assert statuses(made) == ["PENDING", "FAILED"]
    assert (made.status, made.errorMessage, made.errorDetails) == ("FAILED", "why", {"code": 3})
    assert made.completedAt is not None


def test_failing_is_one_transaction(client: PlexusDashboardClient) -> None:
    """A value the task does not take leaves its stage as it was, and the instance too."""
    made = task(client)
    with pytest.raises(ValueError, match="errorMessage"):
        made.fail_processing(17)  # type: ignore[arg-type]
    assert (statuses(made), made.status, stored(client, made)["status"]) == (["PENDING"] * 2, "PENDING", "PENDING")


def test_a_new_stage_starts_with_its_task(client: PlexusDashboardClient) -> None:
    """It takes the task's start; order 1 makes it the current one; what is None is absent."""
    made = Task.create(client, "a", "b", "c")
    early = made.create_stage("Early", 2, total_items=3, processedItems=None, client=client)
    assert (made.currentStageId, early.startedAt, early.totalItems) == (None, None, 3)
    made.update(startedAt=START)
    first = made.create_stage("First", 1, "RUNNING", "go", estimated_completion_at="2026-03-05T00:00:00Z", processedItems=1)
    assert (made.currentStageId, first.startedAt, first.status, first.statusMessage) == (first.id, START, "RUNNING", "go")
    assert first.estimatedCompletionAt == datetime(2026, 3, 5, tzinfo=UTC)
    assert (first.processedItems, first.taskId) == (1, made.id)
    assert [stage.id for stage in made.get_stages()] == [first.id, early.id]


def test_a_batch_of_stages_is_one_transaction(client: PlexusDashboardClient, path: Path) -> None:
    """They come back as they were given, the lowest order is current; one bad one and there is none."""
    made = Task.create(client, "a", "b", "c")
    assert made.create_stages_batch([]) == []
    found = made.create_stages_batch([{"name": str(n), "order": 9 - n, "total_items": n} for n in range(7)])
    assert [stage.order for stage in found] == [9, 8, 7, 6, 5, 4, 3]
    assert (made.currentStageId, [stage.totalItems for stage in found]) == (found[-1].id, [*range(7)])
    with pytest.raises(ValueError, match="stage 1 has no order"):
        made.create_stages_batch([{"name": "x", "order": 0}, {"name": "y"}])
    with pytest.raises(ValueError, match="order"):
        made.create_stages_batch([{"name": "x", "order": 0}, {"name": "y", "order": "0"}])
    assert len(made.get_stages()) == 7
    assert made.currentStageId == found[-1].id == stored(client, made)["currentStageId"]


def test_advancing_moves_pointer_and_start(client: PlexusDashboardClient) -> None:
    """The stage becomes current and starts with the task; a stage of another task is refused."""
    made = task(client)
    second = made.get_stages()[1]
    made.update(startedAt=START)
    made.advance_stage(second)
    assert (made.currentStageId, second.startedAt) == (second.id, START)
    other = task(client)
    with pytest.raises(ValueError, match=other.id):
        made.advance_stage(other.get_stages()[0])


def test_progress_is_one_transaction_and_one_change_each(client: PlexusDashboardClient, path: Path) -> None:
    """Known stages are updated, missing ones made, all come back; many reports leave one change a record."""
    made = task(client)
    made.update(startedAt=START)
    configs: dict[str, dict[str, Any]] = {
        "Score": {"status": "RUNNING", "processedItems": 5, "statusMessage": None, "order": 99},
        "Extra": {"totalItems": 2, "completedAt": LATER},
    }
    for count in range(1, 4):
        configs["Score"]["processedItems"] = count
        found = made.update_progress(count, 40, configs, LATER)
    assert [(s.name, s.order, s.status) for s in found] == [
        ("Extra", 0, "PENDING"), ("Load", 1, "PENDING"), ("Score", 2, "RUNNING"),
    ]  # fmt: skip
    by_name = {stage.name: stage for stage in found}
    assert (by_name["Score"].processedItems, by_name["Score"].statusMessage) == (3, "soon")
    assert (by_name["Score"].startedAt, by_name["Extra"].startedAt, by_name["Load"].startedAt) == (START, START, None)
    assert by_name["Extra"].completedAt == LATER
    assert made.estimatedCompletionAt == LATER
    assert rows(path, "SELECT model, count(*) FROM outbox GROUP BY model ORDER BY model") == [
        ("Account", 1), ("Task", 1), ("TaskStage", 3),
    ]  # fmt: skip
    made.update_progress(4, 40, {})
    assert made.estimatedCompletionAt is None


def test_progress_that_is_refused_changes_nothing(client: PlexusDashboardClient) -> None:
    """The second stage's count is no number: the first is as it was, and so is the instance."""
    made = task(client)
    with pytest.raises(ValueError, match="processedItems"):
        made.update_progress(1, 2, {"Load": {"status": "RUNNING"}, "Score": {"processedItems": "many"}}, LATER)
    assert (statuses(made), made.estimatedCompletionAt) == (["PENDING", "PENDING"], None)
    assert stored(client, made)["estimatedCompletionAt"] is None


def test_progress_from_many_threads_makes_each_stage_once(client: PlexusDashboardClient) -> None:
    """All report the same new stage at the same time: there is one, with one of their counts."""
    made = task(client)

    def report(count: int) -> None:
        Task.get_by_id(made.id, client).update_progress(count, 8, {"Extra": {"processedItems": count, "order": 3}})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(report, range(8)))
    assert [stage.name for stage in made.get_stages()] == ["Load", "Score", "Extra"]
    assert made.get_stages()[2].processedItems in range(8)


def test_tasks_are_listed_newest_first_and_completely(client: PlexusDashboardClient) -> None:
    """Whatever the page size; since a moment given as text or time, that moment included."""
    made = [Task.create(client, "a", "b", str(n), updatedAt=START + timedelta(days=n)) for n in range(5)]
    newest = [t.id for t in reversed(made)]
    assert [t.id for t in Task.list_tasks(client, limit=2)] == newest
    assert [t.id for t in Task.list_tasks(client, "2026-03-06T05:06:07.000Z")] == newest[:3]
    assert [t.id for t in Task.list_tasks(client, "2026-03-06")] == newest[:3]
    with pytest.raises(ValueError, match="yesterday"):
        Task.list_tasks(client, "yesterday")


def test_a_missing_task_is_one_kind_of_error(client: PlexusDashboardClient) -> None:
    """A ValueError naming class, id and what to pull, from every method that needs the row."""
    with pytest.raises(ValueError, match="no Task with id 'gone'") as absent:
        Task.get_by_id("gone", client)
    assert "syncer pull plexus --model Task" in str(absent.value.hint)  # type: ignore[attr-defined]
    made = task(client)
    stage = made.get_stages()[0]
    client.records.delete("Task", made.id)
    for call in (made.start_processing, made.complete_processing, lambda: made.advance_stage(stage)):
        with pytest.raises(RecordNotFound):
            call()
    with pytest.raises(RecordNotFound):
        made.create_stage("x", 1)
    assert stage.id in {s["id"] for s in client.records.find("TaskStage")}
    with pytest.raises(ValueError, match="has no client"):
        Task("id", "account", "a", "PENDING", "b", "c").get_stages()


def test_a_record_of_the_remote_becomes_a_task(client: PlexusDashboardClient) -> None:
    """As GraphQL answers it: JSON text decoded, times aware, unknown and nested parts no harm, the dict as it was."""
    record = {
        "id": "t", "accountId": "a", "type": "x", "status": "RUNNING", "target": "y", "command": "z",
        "metadata": '{"a": 1}', "createdAt": "2026-03-04T05:06:07.000Z", "stages": {"items": [{"id": "s"}]}, "more": 1,
    }  # fmt: skip
    before = json.dumps(record)
    made = Task.from_dict(record, client)
    assert (made.metadata, made.createdAt, made.lock_token) == ({"a": 1}, START, None)
    assert json.dumps(record) == before
    assert set(Task.fields().split()) >= {"id", "currentStageId", "errorDetails"}
    assert "lock_token" not in Task.fields()
    assert isinstance(task(client).get_stages()[0], TaskStage)
