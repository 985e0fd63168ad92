"""What the arguments of ``create_run`` must be; everything wrong is found before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncer.adapters.abeja.codec import MARKER
from syncer.adapters.abeja.exceptions import BadRequest

_MOST_RETRIES = 9


def place(**names: Any) -> dict[str, str]:
    """``names`` as they came. Raises: BadRequest for an id that no address can hold."""
    for name, value in names.items():
        if not isinstance(value, str) or value in ("", ".", ".."):
            raise _wrong(name, f"must be the id of one, not {value!r}")
    return names


def texts(name: str, value: Any) -> dict[str, str] | None:
    """An object of texts, or None. Raises: BadRequest."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise _wrong(name, "must be a dict of texts")
    return dict(value)


def environment(value: Any) -> dict[str, str]:
    """The variables of a run. Raises: BadRequest, also for the name that syncer keeps for itself."""
    variables = texts("environment", value) or {}
    if MARKER in variables:
        raise _wrong("environment", f"{MARKER} is reserved: syncer finds runs again by it")
    return variables


def whole(name: str, value: Any, most: int | None = None) -> int | None:
    """A whole number, zero or above where it has a limit, or None. Raises: BadRequest."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(name, f"must be a whole number, not {value!r}")
    if most is not None and not 0 <= value <= most:
        raise _wrong(name, f"must be 0 to {most}, not {value}")
    return value


def retry_count(value: Any) -> int | None:
    """How often the platform tries a run again: 0 to 9, or None. Raises: BadRequest."""
    return whole("retry_count", value, _MOST_RETRIES)


def alias(value: Any) -> dict[str, str] | None:
    """The models of a run from ``model_id``; None without one. Raises: BadRequest."""
    if value is not None and not isinstance(value, str):
        raise _wrong("model_id", f"must be a text, not {value!r}")
    return {"alias": value} if value else None


def _wrong(name: str, why: str) -> BadRequest:
    return BadRequest("bad_request", f"{name} {why}", [{"field": name, "message": why}])
