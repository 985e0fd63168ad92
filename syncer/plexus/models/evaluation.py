"""Evaluations: how good a score or a scorecard is on items whose answers are known.

Source: docs/remotes/plexus.md#evaluation
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncer.plexus.models.base_model import BaseModel

if TYPE_CHECKING:
    from syncer.plexus.session import Session


@dataclass
class Evaluation(BaseModel):
    """One run of an evaluation.

    ``parameters``, ``metrics``, ``errorDetails``, ``confusionMatrix`` and the two distributions are decoded JSON;
    ``elapsedSeconds`` and ``estimatedRemainingSeconds`` are whole seconds.
    """

    id: str
    type: str
    accountId: str
    status: str
    createdAt: datetime
    updatedAt: datetime
    client: InitVar[Session | None] = None
    parameters: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    inferences: int | None = None
    accuracy: float | None = None
    cost: float | None = None
    startedAt: datetime | None = None
    elapsedSeconds: int | None = None
    estimatedRemainingSeconds: int | None = None
    totalItems: int | None = None
    processedItems: int | None = None
    errorMessage: str | None = None
    errorDetails: dict[str, Any] | None = None
    scorecardId: str | None = None
    scoreId: str | None = None
    scoreVersionId: str | None = None
    confusionMatrix: dict[str, Any] | None = None
    scoreGoal: str | None = None
    datasetClassDistribution: dict[str, Any] | None = None
    isDatasetClassDistributionBalanced: bool | None = None
    predictedClassDistribution: dict[str, Any] | None = None
    isPredictedClassDistributionBalanced: bool | None = None
    taskId: str | None = None

    @classmethod
    def create(
        cls,
        client: Session,
        type: str,
        accountId: str,
        *,
        status: str = "PENDING",
        scorecardId: str | None = None,
        scoreId: str | None = None,
        taskId: str | None = None,
        **kwargs: Any,
    ) -> Evaluation:
        """Store a new evaluation; durable when it returns, sent at the next sync.

        ``kwargs``: any other field; JSON fields take dicts and lists, or JSON text. ``accuracy``, which Plexus requires, is
        0.0 unless given. Raises: InvalidInput (a ValueError) naming the field.
        """
        ids = {"scorecardId": scorecardId or None, "scoreId": scoreId or None, "taskId": taskId or None}
        return cls._created(client, {"type": type, "accountId": accountId, "status": status, **ids, **kwargs})

    @classmethod
    def get_by_id(cls, id: str, client: Session, include_score_results: bool = False) -> Evaluation:
        """The evaluation with this id in the local file. Raises: RecordNotFound (a ValueError).

        ``include_score_results`` is taken and changes nothing, as in the original: an evaluation shows no results.
        """
        return cls._existing(client, id)

    def update(self, **kwargs: Any) -> None:
        """Change these fields here and, at the next sync, on Plexus; durable when it returns, and this instance shows it.

        Updates that wait are sent as one. Raises: InvalidInput (a ValueError) for a field or value Plexus does not take,
        RecordNotFound; then nothing was changed.
        """
        self._refresh(self._changed(kwargs))
