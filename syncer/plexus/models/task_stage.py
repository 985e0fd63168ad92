"""Stages: the steps of a task.

Source: docs/remotes/plexus.md#tasks
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncer import clock
from syncer.errors import InvalidInput
from syncer.plexus.models.base_model import BaseModel

if TYPE_CHECKING:
    from syncer.plexus.session import Session

_REMOVABLE = ("processedItems", "totalItems")


@dataclass
class TaskStage(BaseModel):
    """One step of a task. ``order`` says where it stands among the others; items are counted, times are UTC."""

    id: str
    taskId: str
    name: str
    order: int
    status: str
    statusMessage: str | None = None
    startedAt: datetime | None = None
    completedAt: datetime | None = None
    estimatedCompletionAt: datetime | None = None
    processedItems: int | None = None
    totalItems: int | None = None
    client: InitVar[Session | None] = None

    @classmethod
    def create(
        cls,
        client: Session,
        taskId: str,
        name: str,
        order: int,
        status: str,
        statusMessage: str | None = None,
        **kwargs: Any,
    ) -> TaskStage:
        """A new stage, stored when this returns. The task's ``currentStageId`` stays as it is.

        ``kwargs``: ``startedAt``, ``completedAt``, ``estimatedCompletionAt`` (aware datetimes or ISO 8601 text with an
        offset), ``processedItems``, ``totalItems``. Raises: InvalidInput (a ValueError).
        """
        fields = {"taskId": taskId, "name": name, "order": order, "status": status, "statusMessage": statusMessage}
        return cls._created(client, {**kwargs, **fields})

    def update(self, **kwargs: Any) -> TaskStage:
        """This stage with these fields changed, here and in the local file; only what differs is sent.

        None leaves a field as it is, except ``processedItems`` and ``totalItems``, which it removes. Raises: InvalidInput
        (a ValueError) for ``createdAt``, a field a stage does not have, or a value it does not take; RecordNotFound.
        """
        if "createdAt" in kwargs:
            raise InvalidInput("the createdAt of a stage cannot be changed")
        changes = {name: value for name, value in kwargs.items() if value is not None or name in _REMOVABLE}
        self._refresh(self._changed(changes))
        return self

    def start_processing(self) -> None:
        """Say that this stage runs: status RUNNING, message ``Processing...``. When it started is the task's to say."""
        self.update(status="RUNNING", statusMessage="Processing...")

    def complete_processing(self) -> None:
        """Say that this stage is done, now: status COMPLETED, message ``Complete``."""
        self.update(status="COMPLETED", statusMessage="Complete", completedAt=clock.now())

    def fail_processing(self, error_message: str) -> None:
        """Say that this stage has failed: status FAILED, and ``error_message`` as its message."""
        self.update(status="FAILED", statusMessage=error_message)
