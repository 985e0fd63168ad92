"""A refusal by ABEJA on its way through the outbox: class name as code, the rest as one line of JSON.

What waits outlives the process that sent it, and the caller who asks for the run's outcome gets the exception back.
"""

from __future__ import annotations

import json
from typing import Any

from syncer.abeja.exceptions import BY_STATUS, HttpError
from syncer.values import dumps

UNKNOWN_OUTCOME = "unknown-outcome"
"""Code of a create of which nobody can tell whether it was applied."""

_ROOM = 1800  # the outbox keeps 2,000 characters
_CLASSES: tuple[type[HttpError], ...] = (HttpError, *BY_STATUS.values())
_KINDS = {kind.__name__: kind for kind in _CLASSES}


def written(error: HttpError) -> tuple[str, str]:
    """Code and reason for the outbox; what is too long loses its detail, then its end."""
    said = error._asdict()
    if len(dumps(said)) > _ROOM:
        said.pop("error_detail", None)
    if (excess := len(dumps(said)) - _ROOM) > 0:
        description = str(said["error_description"])
        said["error_description"] = description[: max(0, len(description) - excess)]
        said["error"] = str(said["error"])[:200]
    return type(error).__name__, dumps(said)


def read(code: str | None, reason: str | None) -> HttpError | None:
    """The exception that was written, None when what is there tells of something else."""
    kind = _KINDS.get(code or "")
    if kind is None:
        return None
    try:
        said: Any = json.loads(reason or "")
        return kind(**said)
    except (ValueError, TypeError):
        return kind(code or "", reason or "")
