"""The classes a score's code can answer with.

Source: docs/remotes/plexus.md#score
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

BINARY = 2
"""How many classes a score has that names none."""


def listed(code: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The entries under ``classes`` that have a name, each with whatever else it says."""
    return [entry for entry in _dicts((code or {}).get("classes")) if "name" in entry]


def count(code: Mapping[str, Any] | None) -> int:
    """How many different values the nodes of ``graph`` can give; 2 when they name none."""
    return len({_token(value) for node in _dicts((code or {}).get("graph")) for value in _values(node)}) or BINARY


def _values(node: Mapping[str, Any]) -> Iterator[Any]:
    valid = node.get("valid_classes")
    if isinstance(valid, list):
        yield from valid
    for condition in _dicts(node.get("conditions")):
        output = condition.get("output")
        if isinstance(output, dict) and "value" in output:
            yield output["value"]


def _dicts(listed: Any) -> list[dict[str, Any]]:
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []


def _token(value: Any) -> Any:
    """Something that is equal for equal values and can be in a set."""
    return repr(value) if isinstance(value, dict | list) else value
