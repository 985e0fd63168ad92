"""Between the values of Plexus's classes and those of the local file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from syncer.errors import RecordNotFound
from syncer.schema.model import Kind, Model
from syncer.schema.values import dumps, json_decoded


def absent(model: str, field: str, value: Any) -> RecordNotFound:
    """The error for a record that the local file lacks, saying what to pull."""
    pull = f"syncer pull plexus --model {model}"
    return RecordNotFound(
        f"no {model} with {field} {value!r} is in the local file",
        why=f"it does not exist, or was not fetched yet ({pull})",
        hint=f"check the {field}, or fetch what others wrote: {pull}",
    )


def inputs(model: Model, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as ``ws.plexus`` takes them: JSON given as text is decoded, and what JSON does not know becomes its text."""
    ready = {}
    for name, value in fields.items():
        field = model.by_name.get(name)
        ready[name] = as_json(value) if field is not None and field.kind is Kind.JSON and value is not None else value
    return ready


def as_json(value: Any) -> Any:
    """A value for a JSON field. Text that holds JSON counts as what it holds; dates and the like become text.

    What cannot be JSON at all (NaN, circles) comes back as it is: whoever checks it can name its field.
    """
    if isinstance(value, str):
        return json_decoded(value)
    with suppress(ValueError, TypeError, RecursionError):
        try:
            dumps(value)
        except TypeError:
            return json.loads(json.dumps(value, default=str))
    return value


def when(value: Any) -> datetime:
    """A time as an aware datetime; text without an offset is taken as UTC. Raises: ValueError."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
