"""Scoring jobs: that an item is to be scored, and how far that is.

Source: docs/remotes/plexus.md#scoring-jobs
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncer.errors import InvalidInput
from syncer.plexus.record import BaseModel

if TYPE_CHECKING:
    from syncer.plexus.client import _BaseAPIClient
    from syncer.plexus.models.batch_job import BatchJob

_TAKEN = (
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
    client: InitVar[_BaseAPIClient | None] = None

    @classmethod
    def create(
        cls,
        client: _BaseAPIClient,
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
    def find_by_item_id(cls, item_id: str, client: _BaseAPIClient) -> ScoringJob | None:
        """The oldest job of the item, for whichever score; None without one."""
        return cls._first(client, {"itemId": item_id}, "createdAt")

    @classmethod
    def find_existing_job(
        cls, client: _BaseAPIClient, item_id: str, scorecard_id: str, score_id: str | None
    ) -> dict[str, Any] | None:
        """``{"id", "status"}`` of the oldest job of the item for this score, None without one.

        Without ``score_id``: of the oldest that is for no score, within ``scorecard_id``; a score alone tells its scorecard.
        """
        found = cls._first(client, same_work(item_id, scorecard_id, score_id), "createdAt")
        return None if found is None else {"id": found.id, "status": found.status}

    @classmethod
    def get_batch_job(cls, scoring_job_id: str, client: _BaseAPIClient) -> BatchJob | None:
        """The batch that the job is in, None when it is in none that the local file has."""
        from syncer.plexus.jobs import batch_of
        from syncer.plexus.models.batch_job import BatchJob

        job = client.records.get("ScoringJob", scoring_job_id)
        found = batch_of(client.records, scoring_job_id, job["batchId"] if job else None)
        return None if found is None else BatchJob.from_dict(found, client)


def new_job(accountId: str, scorecardId: str, itemId: str, others: dict[str, Any]) -> dict[str, Any]:
    """The fields of a new job; of ``others`` those that a job has."""
    taken = {name: others[name] for name in _TAKEN if others.get(name) is not None}
    for name in ("scoreId", "evaluationId", "batchId"):
        taken[name] = taken.get(name) or None
    return {"status": "PENDING", **taken, "accountId": accountId, "scorecardId": scorecardId, "itemId": itemId}


def same_work(item_id: str, scorecard_id: str, score_id: str | None) -> dict[str, Any]:
    """Where to look for jobs that do the same: of this item and score, or of this item and scorecard for no score."""
    if score_id:
        return {"itemId": item_id, "scoreId": score_id}
    return {"itemId": item_id, "scoreId": None, "scorecardId": scorecard_id}
