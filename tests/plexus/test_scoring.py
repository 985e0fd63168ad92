"""Jobs put into batches: never twice, never too many, whoever else does the same at the same moment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import BatchJob, Evaluation, ScoringJob
from syncer.plexus.models.scoring import batch_scoring_job, update_evaluation
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.factory import scoring
from tests.files import rows

ROOT = Path(__file__).parents[2]


@pytest.fixture
def client(ws: Workspace) -> PlexusDashboardClient:
    """A client over a file of its own."""
    return PlexusDashboardClient(workspace=ws)


def put(client: PlexusDashboardClient, item: str, **fields: Any) -> tuple[ScoringJob, BatchJob]:
    """A job for an item, and its batch, which there is."""
    given: dict[str, Any] = {
        "scorecardId": "card", "accountId": "acc", "model_provider": "openai", "model_name": "small", "scoreId": "score",
    }  # fmt: skip
    job, batch = batch_scoring_job(client, item, **{**given, **fields})
    assert batch is not None
    return job, batch


def held(path: Path) -> dict[str, int]:
    """How many jobs each batch holds, by its links."""
    return dict(rows(path, "SELECT batch_job_id, count(*) FROM plexus_batch_job_scoring_job GROUP BY 1"))


def test_a_job_and_its_batch_are_made(client: PlexusDashboardClient, path: Path) -> None:
    """Job PENDING with its batch's id and metadata, batch OPEN and counted, one link; other arguments go to the batch."""
    job, batch = put(client, "i1", metadata={"n": 1}, parameters={"p": 1}, status="RUNNING", totalRequests=5, colour="red")
    assert (job.status, job.itemId, job.scoreId, job.metadata, job.batchId) == ("PENDING", "i1", "score", {"n": 1}, batch.id)
    assert (batch.status, batch.type, batch.scoringJobCountCache) == ("OPEN", "MultiStepScore", 1)
    assert (batch.accountId, batch.scorecardId, batch.scoreId, batch.totalRequests) == ("acc", "card", "score", 5)
    assert held(path) == {batch.id: 1}
    assert ScoringJob.get_by_id(job.id, client) == job
    assert BatchJob.get_by_id(batch.id, client) == batch
    assert ScoringJob.get_batch_job(job.id, client) == batch


def test_jobs_share_a_batch_until_it_is_full(client: PlexusDashboardClient, path: Path) -> None:
    """The job that fills a batch closes it, what is returned says so, and the next job opens another."""
    made = [put(client, f"i{n}", max_batch_size=3) for n in range(7)]
    seen = [(batch.scoringJobCountCache, batch.status) for _, batch in made]
    assert seen == [(1, "OPEN"), (2, "OPEN"), (3, "CLOSED")] * 2 + [(1, "OPEN")]
    assert sorted(held(path).values()) == [1, 3, 3]
    assert {job.batchId for job, _ in made} == set(held(path))
    assert put(client, "alone", model_name="other", max_batch_size=1)[1].status == "CLOSED"


def test_the_same_work_is_found_again(client: PlexusDashboardClient, path: Path) -> None:
    """Same item and score: the same job and batch, nothing new stored. Another score of the item is another job."""
    job, batch = put(client, "i1")
    waiting = rows(path, "SELECT count(*) FROM outbox")
    again = put(client, "i1", model_name="other", metadata={"n": 2}, max_batch_size=1)
    assert again == (job, batch)
    assert rows(path, "SELECT count(*) FROM outbox") == waiting
    other, same = put(client, "i1", scoreId="score-2")
    assert (other.id != job.id, same.id, same.scoringJobCountCache) == (True, batch.id, 2)
    bare, _ = put(client, "i1", scoreId=None)
    assert put(client, "i1", scoreId=None)[0] == bare
    assert put(client, "i1", scoreId=None, scorecardId="card-2")[0].id != bare.id


def test_a_job_without_a_batch_has_none(client: PlexusDashboardClient) -> None:
    """A job made by itself comes back alone."""
    job = ScoringJob.create(client, "acc", "card", "i1", {}, scoreId="score")
    assert batch_scoring_job(client, "i1", "card", "acc", "openai", "small", scoreId="score") == (job, None)


@pytest.mark.parametrize(
    "other", [{"accountId": "a2"}, {"scorecardId": "c2"}, {"model_provider": "p2"}, {"model_name": "m2"}]
)
def test_unlike_jobs_have_batches_of_their_own(client: PlexusDashboardClient, other: dict[str, str]) -> None:
    """Account, scorecard, provider and model must be the batch's."""
    assert put(client, "i1")[1].id != put(client, "i2", **other)[1].id


def test_fullness_is_what_the_links_say(client: PlexusDashboardClient, ws: Workspace) -> None:
    """Neither the count kept on a batch nor its totalRequests decides; a batch that is not OPEN takes nothing."""
    first = put(client, "i1", totalRequests=99)[1]
    first.update(scoringJobCountCache=99)
    assert put(client, "i2", max_batch_size=3)[1].id == first.id
    ws.plexus.create("BatchJobScoringJob", {"batchJobId": first.id, "scoringJobId": "pulled"})
    second = put(client, "i3", max_batch_size=3)[1]
    assert second.id != first.id
    assert put(client, "i4", max_batch_size=9)[1].id == first.id
    first.update(status="RUNNING")
    assert put(client, "i5", max_batch_size=9)[1].id == second.id


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"max_batch_size": 0}, "max_batch_size cannot be 0"),
        ({"scorecardId": None}, "needs scorecardId"),
        ({"metadata": {"n": float("inf")}}, "ScoringJob.metadata cannot be"),
        ({"totalRequests": "many"}, "BatchJob.totalRequests cannot be 'many'"),
    ],
)
def test_a_wrong_argument_leaves_nothing_behind(
    client: PlexusDashboardClient, path: Path, wrong: dict[str, Any], said: str
) -> None:
    """Batch, job, link and count are one transaction: an error in any of them stores none."""
    with pytest.raises(InvalidInput) as caught:
        put(client, "i1", **wrong)
    assert said in str(caught.value)
    assert rows(path, "SELECT * FROM outbox") == rows(path, "SELECT * FROM plexus_batch_job") == []


def test_threads_never_overfill_a_batch_nor_double_a_job(client: PlexusDashboardClient, path: Path) -> None:
    """Eight threads ask for the same forty items: forty jobs, batches full to the last one, every answer the stored one."""
    items = [f"i{n % 40}" for n in range(120)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda item: put(client, item, max_batch_size=6), items))
    assert rows(path, "SELECT count(*), count(DISTINCT item_id) FROM plexus_scoring_job") == [(40, 40)]
    assert Counter(held(path).values()) == {6: 6, 4: 1}
    assert len({job.id for job, _ in answers}) == 40
    assert client.workspace.status().consistent


_WORKER = """
import sys
from syncer import Workspace
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models.scoring import batch_scoring_job
with Workspace.open(sys.argv[1]) as ws:
    client = PlexusDashboardClient(workspace=ws)
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(30):
        batch_scoring_job(client, f"i{n}", "card", "acc", "openai", "small", scoreId="score", max_batch_size=4)
"""


def test_processes_never_overfill_a_batch_nor_double_a_job(ws: Workspace, path: Path) -> None:
    """Three processes put the same thirty items into batches of four at the same time."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(3)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        codes = [process.wait(60) for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    assert codes == [0, 0, 0]
    assert rows(path, "SELECT count(*), count(DISTINCT item_id) FROM plexus_scoring_job") == [(30, 30)]
    assert Counter(held(path).values()) == {4: 7, 2: 1}


def test_today_only_the_jobs_leave(synced: Workspace, sandbox: Sandbox) -> None:
    """On a deployment without batches the jobs arrive, the batches stay, and nobody is bothered: exit 0, again and again."""
    client = PlexusDashboardClient(workspace=synced)
    ids = scoring(synced)
    job, batch = put(client, ids["itemId"], **{n: ids[n] for n in ("accountId", "scorecardId", "scoreId")})
    report = synced.push("plexus")
    assert (report.exit_code, report.acked, report.remotes["plexus"].unsupported) == (0, 6, 2)
    assert [row["id"] for row in sandbox.rows("ScoringJob")] == [job.id]
    assert "batchId" not in sandbox.rows("ScoringJob")[0]
    again = synced.sync("plexus")
    assert (again.exit_code, again.requests) == (0, 0)
    assert ScoringJob.get_batch_job(job.id, client) == batch


def test_all_of_it_reaches_an_older_deployment(
    path: Path, monkeypatch: pytest.MonkeyPatch, online: Callable[[], None]
) -> None:
    """Batch, job and link arrive in that order, and a batch that was filled meanwhile is closed there too."""
    with Sandbox(Options(legacy=True)) as older:
        online()
        for name, value in older.settings.items():
            monkeypatch.setenv(name, value)
        with Workspace.open(path) as ws:
            client = PlexusDashboardClient(workspace=ws)
            ids = {n: v for n, v in scoring(ws).items() if n in ("accountId", "scorecardId", "scoreId")}
            first, batch = put(client, "i1", **ids, max_batch_size=2)
            assert ws.push("plexus").exit_code == 0
            put(client, "i2", **ids, max_batch_size=2)
            assert ws.push("plexus").exit_code == 0
            (stored,) = older.rows("BatchJob")
            assert (stored["id"], stored["status"], stored["scoringJobCountCache"]) == (batch.id, "CLOSED", 2)
            assert [link["batchJobId"] for link in older.rows("BatchJobScoringJob")] == [batch.id, batch.id]
            order = [effect.key for effect in older.effects()]
            for link in older.rows("BatchJobScoringJob"):
                assert order.index(link["id"]) > max(order.index(link["batchJobId"]), order.index(link["scoringJobId"]))
            assert older.rows("ScoringJob")[0]["id"] == first.id


def test_update_evaluation(synced: Workspace, sandbox: Sandbox) -> None:
    """Raw data under the mutation's name, JSON decoded; durable, pushed as an update, and a missing one is not found."""
    client = PlexusDashboardClient(workspace=synced)
    made = Evaluation.create(client, "accuracy", scoring(synced)["accountId"])
    synced.push("plexus")
    data = update_evaluation(client, made.id, accuracy=0.5, metrics='[{"value": 1}]')["updateEvaluation"]
    assert (data["id"], data["accuracy"], data["metrics"]) == (made.id, 0.5, [{"value": 1}])
    assert data["updatedAt"] > data["createdAt"]
    assert json.loads(json.dumps(data)) == data
    assert synced.push("plexus").exit_code == 0
    stored = sandbox.rows("Evaluation")[0]
    assert (stored["accuracy"], json.loads(stored["metrics"])) == (0.5, [{"value": 1}])
    with pytest.raises(RecordNotFound, match="nobody"):
        update_evaluation(client, "nobody", accuracy=0.5)
