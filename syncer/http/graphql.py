"""GraphQL over POST: the envelope, and what the errors inside a 200 mean. Source: spec/plexus.md 2.2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from syncer.http.bodies import decoded

_THROTTLED = ("throttl", "toomanyrequests", "throughput", "limitexceeded", "rate exceeded", "too many requests")
_UNKNOWN = (
    "internal", "timeout", "timed out", "service unavailable", "temporarily unavailable", "bad gateway",
    "connection reset", "connection aborted",
)  # fmt: skip
_TOO_BIG = ("mappingtemplate", "transformation too large")
_VALIDATION = re.compile(
    r"Validation error|variables input contains|coerced Null|invalid value|Unknown type|not defined|Syntax|Unable to parse",
    re.IGNORECASE,
)


class Meaning(Enum):
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
    def meaning(self) -> Meaning:
        """Judge by errorType first, by message where it is absent."""
        kind, message = self.kind.lower(), self.message.lower()
        both = f"{kind} {message}"
        if "conditionalcheckfailed" in kind:
            return Meaning.CONDITION
        if any(word in kind for word in _THROTTLED) or (not kind and any(word in message for word in _THROTTLED)):
            return Meaning.THROTTLED
        if any(word in both for word in _TOO_BIG):
            return Meaning.TOO_BIG
        if kind in ("unauthorized", "unauthorizedexception"):
            return Meaning.DENIED
        if kind.startswith("dynamodb:") or _VALIDATION.search(self.message) or "composite sort key" in message:
            return Meaning.REFUSED
        return Meaning.UNKNOWN if any(word in both for word in _UNKNOWN) else Meaning.REFUSED


@dataclass(frozen=True, slots=True)
class Envelope:
    """``data`` by alias (None: nothing ran), the errors of each alias, and those of the request as a whole."""

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
    errors = parsed.get("errors")
    for entry in errors if isinstance(errors, list) else ():
        if not isinstance(entry, dict):
            continue
        path = tuple(entry["path"]) if isinstance(entry.get("path"), list) else ()
        error = GraphError(str(entry.get("message") or "no message"), str(entry.get("errorType") or ""), path)
        if path:
            by_alias.setdefault(str(path[0]), error)
        elif whole is None:
            whole = error
    return Envelope(data if isinstance(data, dict) else None, by_alias, whole)
