"""Tasks: work that runs in stages, reports its progress, and can be locked.

Every method that writes several records writes them in one transaction: all of it is stored, or nothing.

Source: docs/remotes/plexus.md#tasks
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import InitVar, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncer import clock
from syncer.errors import InvalidInput
from syncer.plexus import resolution
from syncer.plexus.convert import inputs, when
from syncer.plexus.models import task_locks
from syncer.plexus.models import task_stages as steps
from syncer.plexus.models.base_model import BaseModel, Record
from syncer.plexus.models.task_stage import TaskStage
from syncer.records.api import UnitOfWork

if TYPE_CHECKING:
    from syncer.plexus.session import Session

_MOST_STAGES = 5
_LOCK_FIELDS = ("lockToken", "lockExpires")
_log = logging.getLogger(__name__)


@dataclass
class Task(BaseModel):
    """A piece of work. ``metadata`` and ``errorDetails`` are dicts; the stages are records of their own: :meth:`get_stages`.

    ``lock_token`` and ``lock_expires`` tell of the lock that this instance holds (:meth:`acquire_lock`), of no other.
    """

    id: str
    accountId: str
    type: str
    status: str
    target: str
    command: str
    description: str | None = None
    metadata: dict[str, Any] | None = None
    createdAt: datetime | None = None
    updatedAt: datetime | None = None
    startedAt: datetime | None = None
    completedAt: datetime | None = None
    estimatedCompletionAt: datetime | None = None
    errorMessage: str | None = None
    errorDetails: dict[str, Any] | None = None
    stdout: str | None = None
    stderr: str | None = None
    output: str | None = None
    error: str | None = None
    attachedFiles: list[str] | None = None
    currentStageId: str | None = None
    workerNodeId: str | None = None
    dispatchStatus: str | None = None
    scorecardId: str | None = None
    scoreId: str | None = None
    client: InitVar[Session | None] = None
    lock_token: str | None = field(init=False, default=None, repr=False, compare=False)
    lock_expires: datetime | None = field(init=False, default=None, repr=False, compare=False)

    @classmethod
    def create(cls, client: Session, type: str, target: str, command: str, **kwargs: Any) -> Task:
        """A new task, stored when this returns; its status is PENDING unless ``kwargs`` say otherwise.

        ``kwargs``: any field of a task. ``accountId`` is by default the client's account: its context's, else the one that
        ``PLEXUS_ACCOUNT_KEY`` names. Raises: InvalidInput when no account is named, RecordNotFound when the local file does
        not have it (both ValueErrors).
        """
        return cls._created(client, cls._new(client, type, target, command, kwargs))

    @classmethod
    def create_with_stages(
        cls, client: Session, type: str, target: str, command: str, stages: list[dict[str, Any]], **kwargs: Any
    ) -> Task:
        """A new task with its stages, in one transaction; the first of them is its current one.

        ``stages``: up to 5 dicts with ``name``, ``order`` and, if wanted, ``status`` (PENDING), ``statusMessage``,
        ``totalItems``, ``estimatedCompletionAt``. The rest is as for :meth:`create`. Raises: InvalidInput (a ValueError) for
        more than 5, or for one without name or order.
        """
        if len(stages) > _MOST_STAGES:
            raise InvalidInput(f"a task is created with at most {_MOST_STAGES} stages, not with {len(stages)}")
        wanted = steps.checked(stages)
        fields = inputs(cls.model(), cls._new(client, type, target, command, kwargs))
        with client.records.transaction() as unit:
            record = unit.create("Task", fields)
            made = [steps.added(unit, record, each) for each in wanted]
            if made:
                record = unit.update("Task", record["id"], {"currentStageId": made[0]["id"]})
        return cls._loaded(record, client)

    @classmethod
    def list_tasks(cls, client: Session, updated_at: str = "", limit: int = 100) -> list[Task]:
        """Every task of the local file that changed at or after ``updated_at`` (ISO 8601; ``""``: ever), newest first.

        ``limit`` was the size of a page; the list is complete whatever it is. Raises: InvalidInput (a ValueError).
        """
        where: dict[str, Any] = {}
        if updated_at:
            try:
                where["updatedAt"] = {"ge": when(updated_at)}
            except (TypeError, ValueError) as exc:
                raise InvalidInput(f"updated_at cannot be {updated_at!r}", why=str(exc)) from exc
        return cls._all(client, where, "-updatedAt")

    def update(self, **kwargs: Any) -> Task:
        """This task with these fields changed, here and in the local file; None removes a value, only what differs is sent.

        Raises: InvalidInput (a ValueError) for ``createdAt``, a field a task does not have, or a value it does not take;
        RecordNotFound.
        """
        _refuse(kwargs, ("createdAt", *_LOCK_FIELDS))
        self._refresh(self._changed(kwargs))
        return self

    def get_stages(self) -> list[TaskStage]:
        """The stages of this task in the local file, all of them, by ``order``."""
        return TaskStage._all(self._own_client, {"taskId": self.id}, "order")

    def start_processing(self) -> None:
        """Say that this task runs, from now on: status RUNNING."""
        self.update(status="RUNNING", startedAt=clock.now())

    def complete_processing(self) -> None:
        """Say that this task is done, now: it and every stage that has not failed are COMPLETED."""
        with self._writing() as unit:
            steps.complete(unit, self.id)
            self._set(unit, {"status": "COMPLETED", "completedAt": clock.now()})

    def fail_current_stage(
        self, error_message: str, error_details: dict[str, Any] | None = None, current_items: int | None = None
    ) -> None:
        """Say that the stage this task is at has FAILED, with ``Error: `` and the message.

        That stage is the current one, else the first that runs; when there is none, nothing is written. ``current_items``
        becomes its ``processedItems``; ``error_details`` are the task's business: :meth:`fail_processing`.
        """
        with self._writing() as unit:
            self._fail_stage(unit, error_message, current_items)

    def fail_processing(
        self, error_message: str, error_details: dict[str, Any] | None = None, current_items: int | None = None
    ) -> None:
        """Say that this task has FAILED, now, with message and details, and so has the stage it is at."""
        changes = {"status": "FAILED", "errorMessage": error_message, "completedAt": clock.now()}
        if error_details is not None:
            changes["errorDetails"] = error_details
        with self._writing() as unit:
            self._fail_stage(unit, error_message, current_items)
            self._set(unit, changes)

    def create_stage(
        self,
        name: str,
        order: int,
        status: str = "PENDING",
        status_message: str | None = None,
        total_items: int | None = None,
        estimated_completion_at: str | None = None,
        **kwargs: Any,
    ) -> TaskStage:
        """A new stage of this task; the one with ``order`` 1 becomes its current one. ``kwargs``: more fields of a stage."""
        given = {
            "name": name,
            "order": order,
            "status": status,
            "statusMessage": status_message,
            "totalItems": total_items,
            "estimatedCompletionAt": estimated_completion_at,
        }
        with self._writing() as unit:
            task = self._row(unit)
            fields = steps.fields_of({"startedAt": task["startedAt"], **given, **kwargs})
            made = steps.added(unit, task, fields)
            if order == 1:
                self._set(unit, {"currentStageId": made["id"]})
        return TaskStage._loaded(made, self._client)

    def create_stages_batch(self, stage_configs: list[dict[str, Any]]) -> list[TaskStage]:
        """New stages of this task in one transaction, as they are given; the one of the lowest order becomes current.

        ``stage_configs``: dicts as for :meth:`create_with_stages`, as many as wanted. Raises: InvalidInput (a ValueError)
        for one without name or order; then none is stored.
        """
        wanted = steps.checked(stage_configs)
        if not wanted:
            return []
        with self._writing() as unit:
            task = self._row(unit)
            made = [steps.added(unit, task, fields) for fields in wanted]
            self._set(unit, {"currentStageId": min(made, key=lambda stage: int(stage["order"]))["id"]})
        return [TaskStage._loaded(record, self._client) for record in made]

    def advance_stage(self, stage: TaskStage) -> None:
        """Let ``stage`` be the current one; it started when this task did, if that is known. Raises: InvalidInput."""
        if stage.taskId != self.id:
            raise InvalidInput(f"stage {stage.id} is of task {stage.taskId}, not of {self.id}")
        with self._writing() as unit:
            task = self._row(unit)
            begun = {} if task["startedAt"] is None else {"startedAt": task["startedAt"]}
            record = unit.update("TaskStage", stage.id, begun)
            self._set(unit, {"currentStageId": stage.id})
        stage._refresh(record)

    def update_progress(
        self,
        current_items: int,
        total_items: int,
        stage_configs: dict[str, dict[str, Any]],
        estimated_completion_at: datetime | None = None,
    ) -> list[TaskStage]:
        """Bring task and stages up to date in one transaction; all stages of the task after it, new ones last.

        ``stage_configs``: by the name of the stage, a dict of ``status`` (PENDING), ``statusMessage``, ``processedItems``,
        ``totalItems``, ``completedAt``, ``estimatedCompletionAt`` and ``order`` (of a new one, 0); None and what is left out
        stay as they are. ``estimated_completion_at`` is the task's; None removes it. Items are counted by stage:
        ``current_items`` and ``total_items`` are not stored, as in the original.
        """
        with self._writing() as unit:
            task = self._set(unit, {"estimatedCompletionAt": estimated_completion_at})
            found = steps.progressed(unit, task, stage_configs)
        return [TaskStage._loaded(record, self._client) for record in found]

    def acquire_lock(self, timeout: int = 1800) -> None:
        """Hold this task's lock for ``timeout`` seconds, alone among all processes that share the local file.

        A lock that has ended is taken over. It is never sent: other machines do not see it. Raises: RecordLocked (with who
        holds it and until when), RecordNotFound.
        """
        with self._own_client.records.transaction() as unit:
            token, ends = task_locks.acquire(unit, self.id, timeout)
        self.lock_token, self.lock_expires = token, ends

    def release_lock(self) -> None:
        """Give the lock back that this instance holds. One that ended and that somebody else took over stays theirs."""
        if self.lock_token is not None:
            with self._own_client.records.transaction() as unit:
                task_locks.release(unit, self.id, self.lock_token)
        self.lock_token = self.lock_expires = None

    @classmethod
    def _new(cls, client: Session, type: str, target: str, command: str, given: Mapping[str, Any]) -> dict[str, Any]:
        _refuse(given, _LOCK_FIELDS)
        fields = {"type": type, "target": target, "command": command, **given}
        fields["status"] = fields.get("status") or "PENDING"
        fields["accountId"] = fields.get("accountId") or resolution.id_of(client)
        return fields

    @contextmanager
    def _writing(self) -> Iterator[UnitOfWork]:
        """A transaction; when it is through, this instance is what it left of the task."""
        with self._own_client.records.transaction() as unit:
            yield unit
            record = self._row(unit)
        self._refresh(record)

    def _row(self, unit: UnitOfWork) -> Record:
        return unit.update("Task", self.id, {})  # the row as it is; its absence is an error

    def _set(self, unit: UnitOfWork, changes: Mapping[str, Any]) -> Record:
        return unit.update("Task", self.id, inputs(self.model(), changes))

    def _fail_stage(self, unit: UnitOfWork, message: str, current_items: int | None) -> None:
        if not steps.fail(unit, self._row(unit), message, current_items):
            _log.warning("plexus Task %s is at no stage: none was set to FAILED", self.id)


def _refuse(given: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if name in given:
            hint = "use acquire_lock() and release_lock()" if name in _LOCK_FIELDS else None
            raise InvalidInput(f"the {name} of a task cannot be set", hint=hint)
