"""Idempotency: a key seen before gets the answer it got the first time.

Decided here: a key counts per operation (``agent_spans/create``), the same one over REST and
in bulk. Only what was applied is remembered: a refused request may be sent again with its key once its reason is gone.
The same key with another body is refused. The header ``Idempotency-Key`` is not read. For a span create the key may be at
the top or inside ``details``; two different ones are refused. Keys never expire.

Source: docs/remotes/prefactor.md#idempotency
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from syncer.sandbox.documents import Document, Documents, canonical
from syncer.sandbox.prefactor.problems import invalid, key_reused

NAME = "idempotency_key"
LONGEST = 64
SHORTEST_IN_BULK = 8


class KeyUse(NamedTuple):
    """One key that was used; ``repeats`` is how often it came again and nothing was applied."""

    operation: str
    key: str
    body_hash: str
    repeats: int


class Keys:
    """Every key that was applied. Callers hold a transaction."""

    def __init__(self, table: Documents) -> None:
        self._table = table

    def once(self, operation: str, key: str | None, body: Mapping[str, Any], work: Callable[[], Document]) -> Document:
        """What ``work`` answers, or answered when the key came first. Raises: Problem."""
        if key is None:
            return work()
        body_hash = hashlib.sha256(canonical(body).encode()).hexdigest()
        name = f"{operation} {key}"
        seen = self._table.get(name)
        if seen is None:
            seen = {"name": name, "operation": operation, "key": key, "body_hash": body_hash, "repeats": 0, "answer": work()}
        elif seen["body_hash"] != body_hash:
            raise key_reused(key)
        else:
            seen["repeats"] += 1
        self._table.put(seen)
        answer: Document = seen["answer"]
        return answer

    def all(self) -> list[KeyUse]:
        """Every key, in the order of first use."""
        return [KeyUse(*(doc[name] for name in KeyUse._fields)) for doc in self._table.find()]


def key_of(params: Mapping[str, Any], details: Mapping[str, Any] | None = None) -> str | None:
    """The key at the top, or in ``details``. Raises: Problem."""
    found = {key for part in (params, details or {}) if (key := _checked(part.get(NAME))) is not None}
    if len(found) > 1:
        raise invalid({NAME: ["differs from the one inside details"]})
    return found.pop() if found else None


def without_key(params: Mapping[str, Any]) -> Document:
    """The body that must be the same under the same key."""
    return {name: value for name, value in params.items() if name != NAME}


def _checked(key: Any) -> str | None:
    if key is None:
        return None
    if not isinstance(key, str):
        raise invalid({NAME: ["is not a string"]})
    if not 1 <= len(key) <= LONGEST:
        raise invalid({NAME: [f"should be 1 to {LONGEST} characters"]})
    return key
