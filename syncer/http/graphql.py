"""GraphQL over POST: the envelope, and what the errors inside a 200 mean.

Source: docs/remotes/plexus.md#answers
Source: docs/remotes/plexus.md#errors
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from syncer.http.responses import decoded

_THROTTLED = ("throttl", "toomanyrequests", "throughput", "limitexceeded", "rate exceeded", "too many requests")
_UNKNOWN = (
    "internal", "timeout", "timed out", "service unavailable", "temporarily unavailable", "bad gateway",
    "connection reset", "connection aborted",
)  # fmt: skip
_TOO_BIG = ("mappingtemplate", "transformation too large")
_FAILED_INSIDE = re.compile(r"Status ?Code: 5\d\d", re.IGNORECASE)  # how AWS words that a table itself stumbled
_VALIDATION = re.compile(
    r"Validation error|variables input contains|coerced Null|invalid value|Unknown type|not defined|Syntax|Unable to parse",
    re.IGNORECASE,
)


class ErrorKind(Enum):
    """What one GraphQL error says of the field it belongs to."""

    CONDITION = "condition"  # a precondition failed: nothing applied
    THROTTLED = "throttled"  # nothing applied
    UNKNOWN = "unknown"  # may be applied
    TOO_BIG = "too big"  # a page; ask for less
    DENIED = "denied"  # this model is closed to our credentials
    REFUSED = "refused"  # for good


@dataclass(frozen=True, slots=True)
class GraphError:
    """One entry of ``errors``."""

    message: str
    kind: str = ""
    path: tuple[str | int, ...] = ()

    @property
    def error_kind(self) -> ErrorKind:
        """Judge by errorType first, by message where it is absent."""
        kind, message = self.kind.lower(), self.message.lower()
        both = f"{kind} {message}"
        if "conditionalcheckfailed" in kind:
            return ErrorKind.CONDITION
        if _any(_THROTTLED, kind):
            return ErrorKind.THROTTLED
        if _any(_TOO_BIG, both):
            return ErrorKind.TOO_BIG
        if kind in ("unauthorized", "unauthorizedexception"):
            return ErrorKind.DENIED
        if kind.startswith("dynamodb:"):
            return ErrorKind.UNKNOWN if _any(_UNKNOWN, kind) or _FAILED_INSIDE.search(message) else ErrorKind.REFUSED
        # Before the words that anybody's text may hold: a validation error quotes the value that it refuses.
        if _VALIDATION.search(self.message) or "composite sort key" in message:
            return ErrorKind.REFUSED
        if not kind and _any(_THROTTLED, message):
            return ErrorKind.THROTTLED
        return ErrorKind.UNKNOWN if _any(_UNKNOWN, both) else ErrorKind.REFUSED

    @property
    def in_answer(self) -> bool:
        """True when its alias ran: what failed is a field of the record that it answered with."""
        return len(self.path) > 1


def _any(words: tuple[str, ...], text: str) -> bool:
    return any(word in text for word in words)


@dataclass(frozen=True, slots=True)
class Envelope:
    """``data`` by alias, the errors of each alias, and that of the request as a whole.

    Nothing ran where there is no ``data`` and no alias has an error of its own, but the whole has.
    """

    data: Mapping[str, Any] | None
    by_alias: Mapping[str, GraphError] = field(default_factory=dict)
    whole: GraphError | None = None


def envelope(body: bytes) -> Envelope | None:
    """Read an answer; None when it is not a GraphQL answer at all (cut off, a web page)."""
    try:
        parsed = decoded(body)
    except ValueError:
        return None
    if not isinstance(parsed, dict) or not ({"data", "errors"} & parsed.keys()):
        return None
    data = parsed.get("data")
    by_alias: dict[str, GraphError] = {}
    whole: GraphError | None = None
    errors = parsed.get("errors") or []
    for entry in errors if isinstance(errors, list) else [errors]:
        error = _error(entry)
        if not error.path:
            whole = whole or error
        elif (before := by_alias.get(str(error.path[0]))) is None or (before.in_answer and not error.in_answer):
            by_alias[str(error.path[0])] = error
    return Envelope(data if isinstance(data, dict) else None, by_alias, whole)


def _error(entry: Any) -> GraphError:
    """One entry of ``errors``, whatever it is: that there is one means that something failed."""
    if not isinstance(entry, dict):
        return GraphError(str(entry) or "no message")
    path = tuple(entry["path"]) if isinstance(entry.get("path"), list) else ()
    return GraphError(str(entry.get("message") or "no message"), str(entry.get("errorType") or ""), path)
