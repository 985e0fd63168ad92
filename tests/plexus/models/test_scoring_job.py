"""``ScoringJob``: what is kept of what callers give, and how jobs and their batches are found."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import BatchJob, ScoringJob
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


def job(client: PlexusDashboardClient, ids: dict[str, str], **fields: Any) -> ScoringJob:
    """A new job for the score."""
    taken = {name: ids[name] for name in ("accountId", "scorecardId", "itemId")}
    return ScoringJob.create(client, **{**taken, "parameters": {"n": 1}, "scoreId": ids["scoreId"], **fields})


def test_a_job_is_created_and_arrives(client: PlexusDashboardClient, ids: dict[str, str], sandbox: Sandbox) -> None:
    """PENDING by default; parameters and unknown names are dropped; the batch's id stays here, the rest is on the remote."""
    with clock.using(clock.Virtual(START)):
        made = job(
            client, ids, metadata={"n": [1]}, errorDetails='{"e": 1}', startedAt=START, batchId="b", colour="red", id="x"
        )
    assert (made.status, made.createdAt, made.updatedAt, made.startedAt) == ("PENDING", START, START, START)
    assert (made.metadata, made.errorDetails, made.batchId, made.id == "x") == ({"n": [1]}, {"e": 1}, "b", False)
    assert client.workspace.push("plexus").exit_code == 0
    (stored,) = sandbox.rows("ScoringJob")
    assert (json.loads(stored.pop("metadata")), json.loads(stored.pop("errorDetails"))) == ({"n": [1]}, {"e": 1})
    now = "2026-03-04T05:06:07.000Z"
    assert stored == {
        "id": made.id, "status": "PENDING", "createdAt": now, "startedAt": now, "updatedAt": stored["updatedAt"], **ids,
    }  # fmt: skip
    assert ScoringJob.get_by_id(made.id, client).batchId == "b"


def test_empty_values_are_none(client: PlexusDashboardClient, ids: dict[str, str]) -> None:
    """Empty ids count as absent; an empty dict is metadata like any other."""
    made = job(client, ids, scoreId="", evaluationId="", batchId="", metadata={}, status=None)
    assert (made.scoreId, made.evaluationId, made.batchId, made.metadata, made.status) == (None, None, None, {}, "PENDING")


def test_an_update_is_a_new_object(client: PlexusDashboardClient, ids: dict[str, str], sandbox: Sandbox) -> None:
    """Only what changed is sent, metadata as JSON; a changed batchId alone is nobody else's business."""
    made = job(client, ids)
    client.workspace.push("plexus")
    changed = made.update(status="RUNNING", metadata={"n": 2}, startedAt=START)
    assert (made.status, changed.status, changed.metadata, changed.startedAt) == ("PENDING", "RUNNING", {"n": 2}, START)
    sandbox.edit("ScoringJob", made.id, errorMessage="theirs", updatedAt=sandbox.rows("ScoringJob")[0]["updatedAt"])
    assert client.workspace.push("plexus").exit_code == 0
    (stored,) = sandbox.rows("ScoringJob")
    assert (stored["status"], json.loads(stored["metadata"]), stored["errorMessage"]) == ("RUNNING", {"n": 2}, "theirs")
    assert changed.update(batchId="b").batchId == "b"
    assert client.workspace.status().remotes["plexus"].pending == 0


def test_updates_that_cannot_be(client: PlexusDashboardClient, ids: dict[str, str]) -> None:
    """The time of creation stands, unknown fields are named, a missing job is not found; all are ValueErrors."""
    made = job(client, ids)
    for wrong in ({"createdAt": START}, {"colour": "red"}, {"status": None}):
        with pytest.raises(InvalidInput, match="ScoringJob"):
            made.update(**wrong)
    with pytest.raises(RecordNotFound, match="no ScoringJob with id 'nobody'") as caught:
        ScoringJob.get_by_id("nobody", client)
    assert "syncer pull plexus --model ScoringJob" in str(caught.value.hint)
    assert isinstance(caught.value, ValueError)


def test_what_a_job_needs(client: PlexusDashboardClient, ids: dict[str, str]) -> None:
    """A job without an item is refused at once."""
    with pytest.raises(InvalidInput, match="ScoringJob needs itemId"):
        job(client, ids, itemId=None)


def test_jobs_are_found_by_item_and_score(client: PlexusDashboardClient, ids: dict[str, str]) -> None:
    """By item: the oldest job. By item and score: that one's, whatever card is asked; for no score: within the card."""
    with clock.using(clock.Virtual(START)) as now:
        made = []
        for fields in ({"scoreId": "other"}, {}, {}, {"scoreId": None}, {"scoreId": None, "scorecardId": "card-2"}):
            made.append(job(client, ids, **fields))
            now.sleep(1)
    other, ours, _, bare, far = made
    item, card = ids["itemId"], ids["scorecardId"]
    found = ScoringJob.find_by_item_id(item, client)
    assert found is not None
    assert found.id == other.id
    ours.update(status="RUNNING")
    assert ScoringJob.find_existing_job(client, item, card, ids["scoreId"]) == {"id": ours.id, "status": "RUNNING"}
    assert ScoringJob.find_existing_job(client, item, "any", ids["scoreId"]) == {"id": ours.id, "status": "RUNNING"}
    assert ScoringJob.find_existing_job(client, item, card, None) == {"id": bare.id, "status": "PENDING"}  # type: ignore[arg-type]
    assert ScoringJob.find_existing_job(client, item, "card-2", "") == {"id": far.id, "status": "PENDING"}
    assert ScoringJob.find_existing_job(client, item, card, "unknown") is None
    assert ScoringJob.find_by_item_id("nobody", client) is None


def test_the_batch_of_a_job(client: PlexusDashboardClient, ids: dict[str, str], synced: Workspace) -> None:
    """Links tell, also those of pulled jobs without a batchId; a link to a batch that is not here is passed over."""
    batch = BatchJob.create(client, ids["accountId"], "MultiStepScore", "openai", "small", {})
    linked, known, lost = job(client, ids), job(client, ids, batchId=batch.id), job(client, ids, batchId="gone")
    for one, target in ((linked, "gone"), (linked, batch.id), (known, batch.id), (lost, "gone")):
        synced.plexus.create("BatchJobScoringJob", {"batchJobId": target, "scoringJobId": one.id})
    found = [ScoringJob.get_batch_job(one.id, client) for one in (linked, known, lost)]
    assert [one.id if one else None for one in found] == [batch.id, batch.id, None]
    assert ScoringJob.get_batch_job("nobody", client) is None


def test_a_pull_leaves_the_batch_alone(
    client: PlexusDashboardClient, ids: dict[str, str], sandbox: Sandbox, path: Any
) -> None:
    """What others change on the remote arrives, and the id kept only here stays."""
    made = job(client, ids, batchId="b")
    client.workspace.push("plexus")
    sandbox.edit("ScoringJob", made.id, status="RUNNING")
    assert client.workspace.pull("plexus").exit_code == 0
    assert rows(path, "SELECT status, batch_id FROM plexus_scoring_job") == [("RUNNING", "b")]
