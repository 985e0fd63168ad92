"""The stages of a task, written and read inside one transaction.

Stage configurations are dicts with the names of a TaskStage's fields; ``status_message``, ``total_items`` and their like are
taken for the same. None means absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from syncer import clock
from syncer.errors import InvalidInput
from syncer.records.api import UnitOfWork

Record = Mapping[str, Any]

_SPELLINGS = {
    "status_message": "statusMessage",
    "started_at": "startedAt",
    "completed_at": "completedAt",
    "estimated_completion_at": "estimatedCompletionAt",
    "processed_items": "processedItems",
    "total_items": "totalItems",
}
_OWN = frozenset({"id", "taskId", "name", "order"})  # what makes a stage the one it is: progress never changes it


def of_task(unit: UnitOfWork, task_id: str) -> list[dict[str, Any]]:
    """The stages of a task in the local file, in their order."""
    return unit.find("TaskStage", {"taskId": task_id}, order_by="order")


def fields_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields a stage configuration names. Raises: InvalidInput."""
    if not isinstance(config, Mapping):
        raise InvalidInput(f"a stage is described by a dict, not by {config!r}")
    return {_SPELLINGS.get(n, n): value for n, value in config.items() if value is not None and n != "client"}


def checked(configs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The fields of every configuration, each with its name and order. Raises: InvalidInput naming what one lacks."""
    found = [fields_of(config) for config in configs]
    for number, fields in enumerate(found):
        missing = [name for name in ("name", "order") if name not in fields]
        if missing:
            raise InvalidInput(f"stage {number} has no {' and no '.join(missing)}", hint="every stage needs name and order")
    return found


def added(unit: UnitOfWork, task: Record, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A new stage of ``task``, PENDING unless ``fields`` say otherwise."""
    return unit.create("TaskStage", {"status": "PENDING", **fields, "taskId": task["id"]})


def current(unit: UnitOfWork, task: Record) -> dict[str, Any] | None:
    """The stage a task is at: the one it names, else its first one that runs; None when there is neither."""
    named = task["currentStageId"]
    stage = unit.get("TaskStage", named) if named is not None else None
    return stage or next((s for s in of_task(unit, task["id"]) if s["status"] == "RUNNING"), None)


def complete(unit: UnitOfWork, task_id: str) -> None:
    """Every stage that has not failed is COMPLETED now, and has started if it had not."""
    now = clock.stored_now()
    for stage in of_task(unit, task_id):
        if stage["status"] != "FAILED":
            begun = stage["startedAt"] or now
            unit.update("TaskStage", stage["id"], {"status": "COMPLETED", "completedAt": now, "startedAt": begun})


def fail(unit: UnitOfWork, task: Record, message: str, current_items: int | None) -> bool:
    """The stage a task is at has FAILED with ``message``; False when it is at none."""
    stage = current(unit, task)
    if stage is None:
        return False
    changes: dict[str, Any] = {"status": "FAILED", "statusMessage": f"Error: {message}", "completedAt": clock.stored_now()}
    if current_items is not None:
        changes["processedItems"] = current_items
    unit.update("TaskStage", stage["id"], changes)
    return True


def progressed(unit: UnitOfWork, task: Record, configs: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Bring the stages named by ``configs`` up to date; all stages of the task after it, new ones last.

    A stage that is missing is created (order 0 unless given). A status that is not given is PENDING; a start is the task's
    own, if it has one.
    """
    stages = {stage["id"]: stage for stage in of_task(unit, task["id"])}
    ids = {stage["name"]: key for key, stage in reversed(stages.items())}  # of two alike, the first in order
    for name, config in configs.items():
        fields = {"status": "PENDING", **fields_of(config)}
        if task["startedAt"] is not None:
            fields["startedAt"] = task["startedAt"]
        if name in ids:
            changes = {n: value for n, value in fields.items() if n not in _OWN}
            stage = unit.update("TaskStage", ids[name], changes)
        else:
            stage = added(unit, task, {"order": 0, **fields, "name": name})
        stages[stage["id"]] = stage
    return [*stages.values()]
