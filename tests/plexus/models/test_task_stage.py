"""Task stages: created, changed, pushed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncer import Workspace, clock
from syncer.errors import RecordNotFound
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import Task, TaskStage
from syncer.sandbox.server import Sandbox
from tests.factory import account
from tests.files import rows

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client of a workspace that is configured for the sandbox, whose account is in the local file."""
    account(synced)
    return PlexusDashboardClient(workspace=synced)


@pytest.fixture
def stage(client: PlexusDashboardClient) -> TaskStage:
    """A stage of a task."""
    task = Task.create(client, "a", "b", "c")
    return TaskStage.create(client, task.id, "Load", 1, "PENDING", "soon", totalItems=9, startedAt=START)


def test_a_stage_is_what_was_given(stage: TaskStage, client: PlexusDashboardClient) -> None:
    """Its fields, with times aware; the task's pointer is left alone."""
    assert (stage.name, stage.order, stage.status, stage.statusMessage) == ("Load", 1, "PENDING", "soon")
    assert (stage.totalItems, stage.processedItems, stage.startedAt, stage.completedAt) == (9, None, START, None)
    assert TaskStage.get_by_id(stage.id, client) == stage
    assert Task.get_by_id(stage.taskId, client).currentStageId is None


@pytest.mark.parametrize("name", ["createdAt", "updatedAt", "totalItms"])
def test_a_create_takes_only_what_a_stage_has(client: PlexusDashboardClient, name: str) -> None:
    """Times of the server's and unknown names are refused before anything is stored."""
    with pytest.raises(ValueError, match=name):
        TaskStage.create(client, "t", "Load", 1, "PENDING", **{name: START})
    assert client.records.find("TaskStage") == []


def test_an_update_drops_none_except_counts(stage: TaskStage, path: Path, synced: Workspace) -> None:
    """None leaves a field as it is; a count it removes. Only what differs is queued; the instance is returned."""
    stage.update(processedItems=4)
    synced.push("plexus")
    assert stage.update(statusMessage=None, processedItems=None, totalItems=10, completedAt=START, name="Load") is stage
    assert (stage.statusMessage, stage.processedItems, stage.totalItems, stage.completedAt) == ("soon", None, 10, START)
    assert rows(path, "SELECT fields FROM outbox") == [('["completedAt", "processedItems", "totalItems"]',)]


def test_the_time_of_creation_is_fixed(stage: TaskStage) -> None:
    """A ValueError, and the rest of that update is not written either."""
    with pytest.raises(ValueError, match="createdAt"):
        stage.update(createdAt=START, status="RUNNING")
    assert TaskStage.get_by_id(stage.id, stage._own_client).status == "PENDING"


def test_a_naive_time_is_refused(stage: TaskStage) -> None:
    """The remote would refuse it: better now than at the push."""
    with pytest.raises(ValueError, match="time zone"):
        stage.update(completedAt=datetime(2026, 3, 4))  # noqa: DTZ001 - what is tested


def test_start_complete_fail(stage: TaskStage, client: PlexusDashboardClient) -> None:
    """Each sets its status and message; only completing sets a time."""
    stage.start_processing()
    assert (stage.status, stage.statusMessage, stage.startedAt) == ("RUNNING", "Processing...", START)
    stage.fail_processing("no room")
    assert (stage.status, stage.statusMessage, stage.completedAt) == ("FAILED", "no room", None)
    with clock.using(clock.Virtual(START)):
        stage.complete_processing()
    assert (stage.status, stage.statusMessage, stage.completedAt) == ("COMPLETED", "Complete", START)
    assert TaskStage.get_by_id(stage.id, client) == stage


def test_the_remote_gets_it(stage: TaskStage, synced: Workspace, sandbox: Sandbox) -> None:
    """Created after its task, then updated: the remote's record is this one, its times the server's."""
    assert synced.push("plexus").exit_code == 0
    stage.update(status="RUNNING", processedItems=3)
    assert synced.push("plexus").exit_code == 0
    found = sandbox.get("TaskStage", stage.id)
    assert found is not None
    wanted = {"taskId": stage.taskId, "name": "Load", "order": 1, "status": "RUNNING", "processedItems": 3, "totalItems": 9}
    assert {name: found[name] for name in wanted} == wanted
    assert found["startedAt"] == "2026-03-04T05:06:07.000Z"
    models = [effect.model for effect in sandbox.effects()]
    assert models.index("Task") < models.index("TaskStage")


def test_a_missing_stage(client: PlexusDashboardClient, stage: TaskStage) -> None:
    """Not found on read and on update, as a ValueError that names the id."""
    with pytest.raises(ValueError, match="no TaskStage with id 'gone'"):
        TaskStage.get_by_id("gone", client)
    client.records.delete("TaskStage", stage.id)
    with pytest.raises(RecordNotFound, match=stage.id):
        stage.start_processing()
