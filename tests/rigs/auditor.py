"""Looks at the local file from outside, as a second process would, at the moment a request leaves for the upstream."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from syncer import ids
from tests.rigs.faults import Request

BUSY_S = 5.0
_SENDING = "SELECT idem_key, body, body_hash, key FROM outbox WHERE state = 'sending' AND remote = ?"


class Auditor:
    """What must hold whenever a request is on the wire. Raises AssertionError; use as ``proxy.look``.

    The attempt is committed before: an outbox row in state sending has the very body and its hash (I4). Under one key only
    one body ever leaves (I4). The file can be locked for writing at once: no transaction spans the network (I22). No
    reference to a local id leaves (I18).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.hashes: dict[str, str] = {}
        self.sent: dict[str, int] = {}

    def __call__(self, request: Request) -> None:
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=BUSY_S)) as file:
            file.execute("BEGIN IMMEDIATE")
            rows = file.execute(_SENDING, (request.remote,)).fetchall() if request.writes else []
            file.execute("ROLLBACK")
        if not request.writes:
            return
        frozen = [(key, json.loads(body), body, hashed, record) for key, body, hashed, record in rows]
        for wanted in _parts(request):
            found = [row for row in frozen if _is(request.remote, row[1], wanted)]
            assert found, f"{request.remote} was sent what no attempt is noted of: {json.dumps(wanted)[:300]}"
            for key, _, body, hashed, _ in found:
                assert _marker(request.remote, wanted) in (None, key), (
                    f"not the key that is noted: {json.dumps(wanted)[:300]}"
                )
                assert hashed == hashlib.sha256(body.encode()).hexdigest(), f"the hash of {key} is of another body"
                self._only(key, wanted)

    def _only(self, key: str, wanted: Any) -> None:
        text = json.dumps(wanted, sort_keys=True)
        assert self.hashes.setdefault(key, text) == text, f"under the key {key}, {text} after {self.hashes[key]}"
        self.sent[key] = self.sent.get(key, 0) + 1
        references = [value for name, value in _values(wanted) if name.lower().endswith("id") and isinstance(value, str)]
        assert not [value for value in references if ids.is_local(value)], f"a local id left: {text[:300]}"


def _parts(request: Request) -> list[Any]:
    """Every write in a request, as its outbox row has it."""
    document = request.document
    if request.remote != "plexus":
        return [document]
    given = document["variables"]
    parts = []
    for n in range(sum(name.startswith("i") for name in given)):
        part = {"input": given[f"i{n}"]}
        parts.append({**part, "condition": given[f"c{n}"]} if f"c{n}" in given else part)
    return parts


def _is(remote: str, frozen: Any, wanted: Any) -> bool:
    if remote == "plexus":
        return {name: frozen[name] for name in ("input", "condition") if name in frozen} == wanted
    return bool(frozen["body" if remote == "prefactor" else "run"] == wanted)


def _marker(remote: str, wanted: Any) -> str | None:
    """The key that a write carries on the wire, where it carries one."""
    if remote == "plexus":
        return None
    found: str = wanted["idempotency_key"] if remote == "prefactor" else wanted["environment"]["SYNCER_OP_ID"]
    return found


def _values(document: Any) -> list[tuple[str, Any]]:
    if isinstance(document, dict):
        return [pair for name, value in document.items() for pair in ((name, value), *_values(value))]
    return [pair for value in document for pair in _values(value)] if isinstance(document, list) else []
