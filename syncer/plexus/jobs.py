"""What the client does with scoring jobs and evaluations beyond single records: putting jobs into batches.

Source: docs/remotes/plexus.md#client
Source: docs/remotes/plexus.md#scoring-jobs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from syncer.cache import rows
from syncer.errors import InvalidInput
from syncer.plexus.models.batch_job import BatchJob, new_batch
from syncer.plexus.models.evaluation import Evaluation
from syncer.plexus.models.scoring_job import ScoringJob, new_job, same_work
from syncer.plexus.record import inputs
from syncer.plexus.spec import MODELS

if TYPE_CHECKING:
    from syncer.engine.unit import Unit
    from syncer.plexus.client import _BaseAPIClient

_LINK = "BatchJobScoringJob"


class _Reading(Protocol):
    """What the records of a workspace and an open transaction have in common."""

    def get(self, model: str, key: str) -> dict[str, Any] | None: ...

    def find(
        self,
        model: str,
        where: Mapping[str, Any] | None = None,
        *,
        order_by: str | Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]: ...


def batch_scoring_job(
    client: _BaseAPIClient,
    itemId: str,
    scorecardId: str,
    accountId: str,
    model_provider: str,
    model_name: str,
    scoreId: str | None = None,
    parameters: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    max_batch_size: int = 20,
    **kwargs: Any,
) -> tuple[ScoringJob, BatchJob | None]:
    """The job that scores the item for this score, and the batch it is in; both are made where there is none.

    A job that is there already comes back with its batch, or None when it is in no batch. A new one (PENDING) goes into the
    oldest OPEN batch of the same account, scorecard, provider and model that holds fewer than ``max_batch_size`` jobs, or
    into a new one; the job that fills a batch closes it. All of it is one transaction, so that threads and processes on
    the same file never overfill a batch and never make the same job twice.

    ``kwargs``: attributes of the batch, if one is made; its status is OPEN all the same. ``parameters`` are dropped, as in
    the original. Raises: InvalidInput (a ValueError); then nothing was stored.
    """
    if max_batch_size < 1:
        raise InvalidInput(f"max_batch_size cannot be {max_batch_size!r}", hint="a batch holds at least one job")
    with client.records.transaction() as unit:
        found = unit.find("ScoringJob", same_work(itemId, scorecardId, scoreId), order_by="createdAt", limit=1)
        if found:
            job, batch = found[0], batch_of(unit, found[0]["id"], found[0]["batchId"])
        else:
            wanted = {
                "accountId": accountId, "scorecardId": scorecardId, "modelProvider": model_provider, "modelName": model_name,
            }  # fmt: skip
            batch = _with_room(unit, wanted, max_batch_size, {"scoreId": scoreId, **kwargs})
            others = {"scoreId": scoreId, "metadata": metadata, "batchId": batch["id"]}
            fields = inputs(MODELS["ScoringJob"], new_job(accountId, scorecardId, itemId, others))
            job = unit.create("ScoringJob", fields)
            unit.create(_LINK, {"batchJobId": batch["id"], "scoringJobId": job["id"]})
    return ScoringJob.from_dict(job, client), None if batch is None else BatchJob.from_dict(batch, client)


def _with_room(unit: Unit, wanted: dict[str, str], most: int, others: Mapping[str, Any]) -> dict[str, Any]:
    """An open batch, or a new one, with one more job counted; closed if that one fills it."""
    for batch in unit.find("BatchJob", {**wanted, "status": "OPEN"}, order_by="createdAt"):
        held = len(rows.keys_where(unit.tx, MODELS[_LINK], "batchJobId", batch["id"]))
        if held < most:
            return unit.update("BatchJob", batch["id"], _counted(held + 1, most))
    given = {**others, "scorecardId": wanted["scorecardId"], **_counted(1, most)}
    kind = others.get("type") or "MultiStepScore"
    fields = new_batch(wanted["accountId"], kind, wanted["modelProvider"], wanted["modelName"], given)
    return unit.create("BatchJob", inputs(MODELS["BatchJob"], fields))


def _counted(jobs: int, most: int) -> dict[str, Any]:
    return {"scoringJobCountCache": jobs, "status": "OPEN" if jobs < most else "CLOSED"}


def batch_of(reading: _Reading, job_id: str, batch_id: str | None) -> dict[str, Any] | None:
    """The record of the batch that a job is linked to; ``batch_id``, where known, spares a walk over all links."""
    links: list[dict[str, Any]] = []
    if batch_id is not None:
        links = reading.find(_LINK, {"batchJobId": batch_id, "scoringJobId": job_id}, limit=1)
    if not links:
        links = reading.find(_LINK, {"scoringJobId": job_id}, order_by="createdAt")
    found = (reading.get("BatchJob", link["batchJobId"]) for link in links)
    return next((batch for batch in found if batch is not None), None)


def update_evaluation(client: _BaseAPIClient, id: str, **kwargs: Any) -> dict[str, Any]:
    """Change fields of an evaluation here and, at the next sync, on Plexus: ``{"updateEvaluation": record}``.

    The record has Plexus's field names; times are ISO 8601 text, JSON is decoded. Raises: RecordNotFound, InvalidInput (both
    ValueErrors).
    """
    return {"updateEvaluation": client.records.update("Evaluation", id, inputs(Evaluation.model(), kwargs))}
