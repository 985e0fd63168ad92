"""``BatchJob``: a model of older deployments, at home in the local file where the deployment lacks it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import BatchJob
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.factory import account
from tests.files import rows

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def client(ws: Workspace) -> PlexusDashboardClient:
    """A client over a file of its own."""
    return PlexusDashboardClient(workspace=ws)


def batch(client: PlexusDashboardClient, account_id: str = "a", **fields: Any) -> BatchJob:
    """A new batch."""
    return BatchJob.create(client, account_id, "MultiStepScore", "openai", "small", {"n": 1}, **fields)


def test_a_new_batch(client: PlexusDashboardClient) -> None:
    """PENDING with a batch id of its own; parameters and unknown names are dropped, attributes are kept."""
    one, two = (
        batch(client),
        batch(client, status="OPEN", totalRequests=0, errorDetails={"e": 1}, startedAt=START, colour="red"),
    )
    assert (one.status, one.type, one.modelProvider, one.modelName) == ("PENDING", "MultiStepScore", "openai", "small")
    assert len({one.id, one.batchId, two.id, two.batchId}) == 4
    assert (two.status, two.totalRequests, two.errorDetails, two.startedAt) == ("OPEN", 0, {"e": 1}, START)
    assert BatchJob.get_by_id(two.id, client) == two
    empty = batch(client, scorecardId="", scoreId="")
    assert (empty.scorecardId, empty.scoreId) == (None, None)


def test_updates(client: PlexusDashboardClient, path: Path) -> None:
    """A new object each time, the old one as it was; the time of creation stands; a missing batch is not found."""
    made = batch(client)
    changed = made.update(status="CLOSED", completedRequests=3)
    assert (made.status, changed.status, changed.completedRequests, changed.batchId) == (
        "PENDING",
        "CLOSED",
        3,
        made.batchId,
    )
    for wrong in ({"createdAt": START}, {"colour": "red"}, {"completedRequests": "many"}, {"updatedAt": START}):
        with pytest.raises(InvalidInput, match="BatchJob"):
            made.update(**wrong)
    with pytest.raises(RecordNotFound, match="no BatchJob with id 'nobody'"):
        BatchJob.get_by_id("nobody", client)
    assert rows(path, "SELECT op FROM outbox") == [("create",)]


def test_only_what_changed_reaches_an_older_deployment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the model is deployed it is pushed; an update does not undo what others did meanwhile."""
    with Sandbox(Options(legacy=True)) as older:
        for name, value in older.settings.items():
            monkeypatch.setenv(name, value)
        with Workspace.open(path) as ws:
            client = PlexusDashboardClient(workspace=ws)
            made = batch(client, account(ws), errorDetails={"e": 1})
            assert ws.push("plexus").exit_code == 0
            (stored,) = older.rows("BatchJob")
            older.edit("BatchJob", made.id, status="RUNNING", updatedAt=stored["updatedAt"])
            made.update(completedRequests=3)
            assert ws.push("plexus").exit_code == 0
            (after,) = older.rows("BatchJob")
    assert json.loads(after["errorDetails"]) == {"e": 1}
    changed = {"status": "RUNNING", "completedRequests": 3, "updatedAt": after["updatedAt"]}
    assert after == {**stored, **changed}


def test_from_the_wire(client: PlexusDashboardClient) -> None:
    """Times are aware, JSON is decoded, names the class does not have are passed over, the dict stays as it is."""
    wire = {
        "id": "b", "accountId": "a", "status": "OPEN", "type": "t", "batchId": "x", "modelProvider": "p", "modelName": "m",
        "startedAt": "2026-03-04T05:06:07Z", "errorDetails": '{"e": 1}', "createdAt": "2026-03-04T05:06:07Z",
    }  # fmt: skip
    before = dict(wire)
    made = BatchJob.from_dict(wire, client)
    assert (made.startedAt, made.errorDetails, wire) == (START, {"e": 1}, before)
