"""``Evaluation``: progress written often, kept at once, sent as one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import Evaluation
from syncer.sandbox.server import Sandbox
from tests.factory import scoring
from tests.files import rows

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client over a file that can be pushed to the sandbox."""
    return PlexusDashboardClient(workspace=synced)


@pytest.fixture
def ids(synced: Workspace) -> dict[str, str]:
    """Account, scorecard, score and item."""
    return scoring(synced)


def evaluation(client: PlexusDashboardClient, ids: dict[str, str], **fields: Any) -> Evaluation:
    """A new evaluation of the score."""
    return Evaluation.create(client, "accuracy", ids["accountId"], **{"scoreId": ids["scoreId"], **fields})


def waiting(path: Path) -> list[Any]:
    """Operation and fields of what waits."""
    return rows(path, "SELECT op, fields FROM outbox WHERE model = 'Evaluation' ORDER BY seq")


def test_an_evaluation_is_created_and_arrives(client: PlexusDashboardClient, ids: dict[str, str], sandbox: Sandbox) -> None:
    """Accuracy is filled in, empty ids are left out, JSON may be dicts, lists or text, and the remote has exactly that."""
    with clock.using(clock.Virtual(START)):
        made = evaluation(
            client, ids, scorecardId="", taskId="", parameters={"n": 1}, metrics=[{"name": "f1"}],
            confusionMatrix='{"matrix": [[1]]}', totalItems=0, isDatasetClassDistributionBalanced=False,
        )  # fmt: skip
    assert (made.status, made.accuracy, made.createdAt, made.updatedAt) == ("PENDING", 0.0, START, START)
    assert (made.scorecardId, made.taskId, made.totalItems) == (None, None, 0)
    assert (made.parameters, made.metrics, made.confusionMatrix) == ({"n": 1}, [{"name": "f1"}], {"matrix": [[1]]})
    assert client.workspace.push("plexus").exit_code == 0
    (stored,) = sandbox.rows("Evaluation")
    assert {n: json.loads(stored.pop(n)) for n in ("parameters", "metrics", "confusionMatrix")} == {
        "parameters": {"n": 1}, "metrics": [{"name": "f1"}], "confusionMatrix": {"matrix": [[1]]},
    }  # fmt: skip
    assert stored == {
        "id": made.id, "type": "accuracy", "accountId": ids["accountId"], "scoreId": ids["scoreId"], "status": "PENDING",
        "accuracy": 0.0, "totalItems": 0, "isDatasetClassDistributionBalanced": False,
        "createdAt": "2026-03-04T05:06:07.000Z", "updatedAt": stored["updatedAt"],
    }  # fmt: skip


def test_an_update_is_durable_shows_in_the_instance_and_returns_none(
    client: PlexusDashboardClient, ids: dict[str, str], path: Path
) -> None:
    """The file has the new values when the call returns, and so has the object, times included."""
    with clock.using(clock.Virtual(START)) as now:
        made = evaluation(client, ids)
        now.sleep(60)
        assert made.update(status="RUNNING", processedItems=3, metrics=[{"value": 0.5}], startedAt=START) is None  # type: ignore[func-returns-value]
    assert (made.status, made.processedItems, made.metrics, made.startedAt) == ("RUNNING", 3, [{"value": 0.5}], START)
    assert (made.updatedAt - made.createdAt).total_seconds() == 60
    assert rows(path, "SELECT status, processed_items, metrics FROM plexus_evaluation") == [
        ("RUNNING", 3, '[{"value":0.5}]')
    ]
    assert Evaluation.get_by_id(made.id, client) == made


def test_queued_updates_are_sent_as_one(
    client: PlexusDashboardClient, ids: dict[str, str], path: Path, sandbox: Sandbox
) -> None:
    """A hundred steps before the first push are one create; a hundred after it one update with all their fields."""
    made = evaluation(client, ids)
    for n in range(100):
        made.update(processedItems=n)
    assert waiting(path) == [("create", None)]
    client.workspace.push("plexus")
    for n in range(100):
        made.update(processedItems=n + 100, accuracy=n / 100)
    made.update(status="COMPLETED")
    assert waiting(path) == [("update", '["accuracy", "processedItems", "status"]')]
    assert client.workspace.push("plexus").exit_code == 0
    assert [effect.op for effect in sandbox.effects("Evaluation")] == ["create", "update"]
    (stored,) = sandbox.rows("Evaluation")
    assert (stored["processedItems"], stored["accuracy"], stored["status"]) == (199, 0.99, "COMPLETED")


def test_an_update_that_changes_nothing_is_not_sent(client: PlexusDashboardClient, ids: dict[str, str], path: Path) -> None:
    """Equal values, JSON compared by what it holds, leave nothing waiting."""
    made = evaluation(client, ids, parameters={"a": 1, "b": 2})
    client.workspace.push("plexus")
    made.update(parameters='{"b": 2, "a": 1}', status="PENDING")
    assert waiting(path) == []


def test_an_update_shows_what_others_wrote(client: PlexusDashboardClient, ids: dict[str, str], synced: Workspace) -> None:
    """Two objects of one evaluation: the second's update neither loses nor hides the first's."""
    made = evaluation(client, ids)
    other = Evaluation.get_by_id(made.id, client)
    other.update(totalItems=10)
    made.update(processedItems=1)
    assert (made.totalItems, made.processedItems) == (10, 1)
    assert synced.plexus.get("Evaluation", made.id)["totalItems"] == 10  # type: ignore[index]


@pytest.mark.parametrize("wrong", [{"acuracy": 1.0}, {"accuracy": None}, {"accuracy": "high"}, {"elapsedSeconds": 2**31}])
def test_a_wrong_update_changes_nothing(client: PlexusDashboardClient, ids: dict[str, str], wrong: dict[str, Any]) -> None:
    """The error is a ValueError naming the field; file and object stay as they were."""
    made = evaluation(client, ids, accuracy=0.5)
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        made.update(status="RUNNING", **wrong)
    assert (made.status, made.accuracy) == ("PENDING", 0.5)
    assert Evaluation.get_by_id(made.id, client) == made


def test_reading(client: PlexusDashboardClient, ids: dict[str, str]) -> None:
    """The flag for score results is taken; a missing evaluation is a ValueError that says what to pull."""
    made = evaluation(client, ids)
    assert Evaluation.get_by_id(made.id, client, include_score_results=True) == made
    with pytest.raises(RecordNotFound, match="no Evaluation with id 'nobody'") as caught:
        Evaluation.get_by_id("nobody", client)
    assert isinstance(caught.value, ValueError)
    assert "syncer pull plexus --model Evaluation" in str(caught.value.hint)


def test_what_an_evaluation_needs(client: PlexusDashboardClient) -> None:
    """Without its account it is refused at once, and a misspelt field is named."""
    with pytest.raises(InvalidInput, match="Evaluation needs accountId"):
        Evaluation.create(client, "accuracy", None)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="no field 'parameter'"):
        Evaluation.create(client, "accuracy", "a", parameter={})


def test_from_the_wire(client: PlexusDashboardClient) -> None:
    """Times are aware and JSON is decoded; the dict given stays as it is."""
    wire = {
        "id": "e", "type": "accuracy", "accountId": "a", "status": "DONE", "createdAt": "2026-03-04T05:06:07Z",
        "updatedAt": "2026-03-04T05:06:07+00:00", "metrics": '[{"value": 1}]', "scoreResults": {"items": []},
    }  # fmt: skip
    before = dict(wire)
    made = Evaluation.from_dict(wire, client)
    assert (made.createdAt, made.updatedAt, made.metrics, wire) == (START, START, [{"value": 1}], before)
