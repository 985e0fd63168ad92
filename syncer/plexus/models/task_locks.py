"""Locks on tasks: one holder at a time among all processes that share the local file.

A lock is two columns of the task's row that stay in this file: who holds it and until when. Taking and giving back compare
and set them inside one write transaction, so two processes can never both succeed. A lock ends by itself: whoever comes
later takes it over, and what its old holder still tries to give back is no longer his. It guards nothing across machines:
the remote has no place for it.

Source: docs/remotes/plexus.md#tasks
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from syncer import clock, ids
from syncer.errors import InvalidInput, RecordLocked, RecordNotFound
from syncer.records.api import UnitOfWork

_MODEL = "Task"
_LONGEST_S = 366 * 24 * 3600.0


def acquire(unit: UnitOfWork, task_id: str, timeout_s: float) -> tuple[str, datetime]:
    """A new lock on a task: its token, and the moment it ends.

    The token names its holder: ``<uuid>@<host>:<pid>``. Raises: RecordLocked while somebody holds one, RecordNotFound,
    InvalidInput for a time-out that is no number of seconds above 0 and up to a year.
    """
    until = clock.after(_seconds(timeout_s))
    row = unit.get(_MODEL, task_id)
    if row is None:
        raise RecordNotFound(
            f"there is no task {task_id!r} to lock in the local file", hint="fetch it: syncer pull plexus --model Task"
        )
    token, ends = row["lockToken"], row["lockExpires"]
    if token is not None and ends is not None and ends > clock.stored_now():
        raise held(task_id, token, ends)
    token = f"{ids.new_id()}@{ids.owner()}"
    stored = unit.update(_MODEL, task_id, {"lockToken": token, "lockExpires": until})
    return token, clock.parsed(stored["lockExpires"])


def release(unit: UnitOfWork, task_id: str, token: str) -> bool:
    """Give a lock back; False when it is not there to give: it ended and somebody else has one, or the task is gone."""
    row = unit.get(_MODEL, task_id)
    if row is None or row["lockToken"] != token:
        return False
    unit.update(_MODEL, task_id, {"lockToken": None, "lockExpires": None})
    return True


def held(task_id: str, token: str, ends: str) -> RecordLocked:
    """The error for a task that is locked until ``ends`` (stored form)."""
    holder = token.partition("@")[2] or "another process"
    return RecordLocked(
        "the task is locked",
        record=f"plexus Task {task_id}",
        why=f"{holder} holds its lock until {clock.usual_text(ends)}",
        hint="try again once it is released or has ended",
    )


def _seconds(timeout: Any) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= _LONGEST_S:
        raise InvalidInput(f"a lock cannot last {timeout!r} seconds", hint="give a number above 0 and up to a year")
    return float(timeout)
