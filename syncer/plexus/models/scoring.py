"""Scoring jobs, and the batches they go to a model's provider in.

A scoring job says that an item is to be scored, and how far that is. Older deployments of Plexus
have batch jobs, today's do not: there they are kept in the local file.

Source: docs/remotes/plexus.md#client
Source: docs/remotes/plexus.md#scoring-jobs
Source: docs/remotes/plexus.md#deployments-that-differ
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from syncer import ids
from syncer.adapters.plexus.spec import MODELS
from syncer.errors import InvalidInput
from syncer.plexus.convert import inputs
from syncer.plexus.models.base_model import BaseModel
from syncer.plexus.models.evaluation import Evaluation
from syncer.records import rows

if TYPE_CHECKING:
    from syncer.plexus.session import Session
    from syncer.records.api import UnitOfWork

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
    client: Session,
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


def _with_room(unit: UnitOfWork, wanted: dict[str, str], most: int, others: Mapping[str, Any]) -> dict[str, Any]:
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


def update_evaluation(client: Session, id: str, **kwargs: Any) -> dict[str, Any]:
    """Change fields of an evaluation here and, at the next sync, on Plexus: ``{"updateEvaluation": record}``.

    The record has Plexus's field names; times are ISO 8601 text, JSON is decoded. Raises: RecordNotFound, InvalidInput (both
    ValueErrors).
    """
    return {"updateEvaluation": client.records.update("Evaluation", id, inputs(Evaluation.model(), kwargs))}


_TAKEN_BY_JOB = (
    "status", "scoreId", "evaluationId", "metadata", "errorMessage", "errorDetails", "startedAt", "completedAt", "batchId",
)  # fmt: skip


@dataclass
class ScoringJob(BaseModel):
    """A job that scores one item. ``batchId`` is the id of its :class:`BatchJob`, kept in the local file only.

    ``metadata`` and ``errorDetails`` are decoded JSON.
    """

    id: str
    accountId: str
    status: str
    createdAt: datetime
    updatedAt: datetime
    scorecardId: str
    itemId: str
    startedAt: datetime | None = None
    completedAt: datetime | None = None
    errorMessage: str | None = None
    errorDetails: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    evaluationId: str | None = None
    scoreId: str | None = None
    batchId: str | None = None
    client: InitVar[Session | None] = None

    @classmethod
    def create(
        cls,
        client: Session,
        accountId: str,
        scorecardId: str,
        itemId: str,
        parameters: dict[str, Any] | None,
        **kwargs: Any,
    ) -> ScoringJob:
        """Store a new job, PENDING unless ``status`` says otherwise.

        ``kwargs``: status, scoreId, evaluationId, metadata, errorMessage, errorDetails, startedAt, completedAt, batchId.
        ``parameters`` and all other names are dropped, as in the original: Plexus keeps no such fields.
        Raises: InvalidInput (a ValueError).
        """
        return cls._created(client, new_job(accountId, scorecardId, itemId, kwargs))

    def update(self, **kwargs: Any) -> ScoringJob:
        """A new instance with these fields changed; this one stays as it is.

        Raises: InvalidInput (a ValueError) for ``createdAt`` and for what Plexus does not take, RecordNotFound.
        """
        if "createdAt" in kwargs:
            raise InvalidInput("ScoringJob.createdAt cannot be changed", record=self.id)
        return self._loaded(self._changed(kwargs), self._client)

    @classmethod
    def find_by_item_id(cls, item_id: str, client: Session) -> ScoringJob | None:
        """The oldest job of the item, for whichever score; None without one."""
        return cls._first(client, {"itemId": item_id}, "createdAt")

    @classmethod
    def find_existing_job(
        cls, client: Session, item_id: str, scorecard_id: str, score_id: str | None
    ) -> dict[str, Any] | None:
        """``{"id", "status"}`` of the oldest job of the item for this score, None without one.

        Without ``score_id``: of the oldest that is for no score, within ``scorecard_id``; a score alone tells its scorecard.
        """
        found = cls._first(client, same_work(item_id, scorecard_id, score_id), "createdAt")
        return None if found is None else {"id": found.id, "status": found.status}

    @classmethod
    def get_batch_job(cls, scoring_job_id: str, client: Session) -> BatchJob | None:
        """The batch that the job is in, None when it is in none that the local file has."""

        job = client.records.get("ScoringJob", scoring_job_id)
        found = batch_of(client.records, scoring_job_id, job["batchId"] if job else None)
        return None if found is None else BatchJob.from_dict(found, client)


def new_job(accountId: str, scorecardId: str, itemId: str, others: dict[str, Any]) -> dict[str, Any]:
    """The fields of a new job; of ``others`` those that a job has."""
    taken = {name: others[name] for name in _TAKEN_BY_JOB if others.get(name) is not None}
    for name in ("scoreId", "evaluationId", "batchId"):
        taken[name] = taken.get(name) or None
    return {"status": "PENDING", **taken, "accountId": accountId, "scorecardId": scorecardId, "itemId": itemId}


def same_work(item_id: str, scorecard_id: str, score_id: str | None) -> dict[str, Any]:
    """Where to look for jobs that do the same: of this item and score, or of this item and scorecard for no score."""
    if score_id:
        return {"itemId": item_id, "scoreId": score_id}
    return {"itemId": item_id, "scoreId": None, "scorecardId": scorecard_id}


_TAKEN_BY_BATCH = (
    "status", "scorecardId", "scoreId", "errorMessage", "errorDetails", "startedAt", "estimatedEndAt", "completedAt",
    "totalRequests", "completedRequests", "failedRequests", "scoringJobCountCache",
)  # fmt: skip


@dataclass
class BatchJob(BaseModel):
    """A batch of scoring jobs. ``batchId`` names it at the model's provider; ``errorDetails`` is decoded JSON.

    ``scoringJobCountCache`` is how many jobs it held when one was last put into it.
    """

    id: str
    accountId: str
    status: str
    type: str
    batchId: str
    modelProvider: str
    modelName: str
    scoringJobCountCache: int | None = None
    startedAt: datetime | None = None
    estimatedEndAt: datetime | None = None
    completedAt: datetime | None = None
    totalRequests: int | None = None
    completedRequests: int | None = None
    failedRequests: int | None = None
    errorMessage: str | None = None
    errorDetails: dict[str, Any] | None = None
    scorecardId: str | None = None
    scoreId: str | None = None
    client: InitVar[Session | None] = None

    @classmethod
    def create(
        cls,
        client: Session,
        accountId: str,
        type: str,
        modelProvider: str,
        modelName: str,
        parameters: dict[str, Any] | None,
        **kwargs: Any,
    ) -> BatchJob:
        """Store a new batch with a fresh ``batchId``, PENDING unless ``status`` says otherwise.

        ``kwargs``: any other attribute of a batch. ``parameters`` and all other names are dropped, as in the original:
        Plexus keeps no such fields. Raises: InvalidInput (a ValueError).
        """
        return cls._created(client, new_batch(accountId, type, modelProvider, modelName, kwargs))

    def update(self, **kwargs: Any) -> BatchJob:
        """A new instance with these fields changed, and only they are sent; this one stays as it is.

        Raises: InvalidInput (a ValueError) for ``createdAt`` and for what Plexus does not take, RecordNotFound.
        """
        if "createdAt" in kwargs:
            raise InvalidInput("BatchJob.createdAt cannot be changed", record=self.id)
        return self._loaded(self._changed(kwargs), self._client)


def new_batch(accountId: str, type: str, modelProvider: str, modelName: str, others: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new batch; of ``others`` those that a batch has."""
    taken = {name: others[name] for name in _TAKEN_BY_BATCH if others.get(name) is not None}
    for name in ("scorecardId", "scoreId"):
        taken[name] = taken.get(name) or None
    return {
        "status": "PENDING",
        **taken,
        "accountId": accountId,
        "type": type,
        "batchId": ids.new_id(),
        "modelProvider": modelProvider,
        "modelName": modelName,
    }
