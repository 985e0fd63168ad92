"""Batch jobs: scoring jobs that go to a model's provider together.

Older deployments of Plexus have them, today's do not: there they are kept in the local file.

Source: docs/remotes/plexus.md#scoring-jobs
Source: docs/remotes/plexus.md#deployments-that-differ
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncer import ids
from syncer.errors import InvalidInput
from syncer.plexus.record import BaseModel

if TYPE_CHECKING:
    from syncer.plexus.client import _BaseAPIClient

_TAKEN = (
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
    client: InitVar[_BaseAPIClient | None] = None

    @classmethod
    def create(
        cls,
        client: _BaseAPIClient,
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
    taken = {name: others[name] for name in _TAKEN if others.get(name) is not None}
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
