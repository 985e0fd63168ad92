"""Everything there is to say about a record that has not arrived, or has: read without the writing side."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from syncer.describe import Model
from syncer.outbox import naming, reasons, view
from syncer.outbox.naming import Named
from syncer.outbox.view import Models
from syncer.store.reader import Reader
from syncer.values import to_python

Missing = Callable[[str], Sequence[str]]
"""The settings that a remote, by name, still needs."""

_ATTEMPT = ("seq", "number", "at", "ended_at", "outcome", "code", "reason", "request_id")
_WAITING = "SELECT seq FROM outbox WHERE remote = ? AND model = ? AND key = ? ORDER BY seq"
_TAKEN = "SELECT seq, by_seq FROM ledger WHERE by_seq IS NOT NULL AND seq < ? ORDER BY seq DESC"
_PUSHED = "SELECT max(left_at) FROM ledger WHERE remote = ? AND model = ? AND key = ? AND door = 'acked'"
_PULLED = "SELECT max(at) FROM event WHERE remote = ? AND model = ? AND key = ? AND kind IN ('pulled', 'merged')"
_COMPLETE = "SELECT max(complete_at) FROM mark WHERE remote = ? AND model = ?"


def record(reader: Reader, models: Models, missing: Missing, remote: str, model: str, key: str) -> dict[str, Any]:
    """What waits for a record and why, as :func:`_told` says. Raises: RecordNotFound, UsageError."""
    return _told(reader, models, missing, naming.located(reader, models, remote, model, key), None)


def change(reader: Reader, models: Models, missing: Missing, seq: int) -> dict[str, Any]:
    """The same for the record of a change, which is told of under ``change`` if it has left. Raises: RecordNotFound."""
    return _told(reader, models, missing, naming.of_change(reader, models, seq), seq)


def _told(reader: Reader, models: Models, missing: Missing, named: Named, seq: int | None) -> dict[str, Any]:
    """``{"remote", "model", "key", "aliases", "exists", "waiting": [...], "change", "last_pushed_at", ...}``.

    Each that waits is what :func:`view.change` gives, with values as callers see them, its ``attempts_made`` and, what
    decides first, its ``reasons``. ``exists``: whether the file has a row of it.
    """
    model = named.model
    here = (model.remote, model.name)
    situation = reasons.situation(reader, model.remote, missing(model.remote))
    waiting = [int(number) for (number,) in reader.all(_WAITING, (*here, named.key))]
    gone = None if seq is None or seq in waiting else view.change(reader, models, seq)
    if gone is not None:
        gone["attempts_made"] = attempts(reader, seq or 0)
    return {
        "remote": model.remote,
        "model": model.name,
        "key": named.key,
        "aliases": list(named.keys[1:]),
        "exists": naming.row_of(reader, model, named.key) is not None,
        "waiting": [_waiting(reader, models, model, number, situation) for number in waiting],
        "change": gone,
        "last_pushed_at": _latest(reader, _PUSHED, here, named.keys),
        "last_pulled_at": _latest(reader, _PULLED, here, named.keys),
        "model_pulled_at": (reader.one(_COMPLETE, here) or (None,))[0],
    }


def _waiting(reader: Reader, models: Models, model: Model, seq: int, situation: reasons.Situation) -> dict[str, Any]:
    found = view.change(reader, models, seq) or {}
    found["reasons"] = [why.as_dict() for why in reasons.reasons(reader, models, found, situation)]
    found["attempts_made"] = attempts(reader, seq)
    if found["values"] is not None:
        seen = to_python(model, found["values"])
        found["values"] = {name: seen[name] for name in found["values"]}
    return found


def attempts(reader: Reader, seq: int) -> list[dict[str, Any]]:
    """Every attempt that did not end well, of a change and of those it took over, oldest first."""
    seqs = {seq}
    # What takes over is always the later one, so one look through the ledger, backwards, finds the whole chain.
    with reader.reading(_TAKEN, (seq,)) as (_, lines):
        for taken, by in lines:
            if by in seqs:
                seqs.add(taken)
    sql = f"SELECT {', '.join(_ATTEMPT)} FROM attempt WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY id"
    rows = reader.all(sql, (json.dumps(sorted(seqs)),))
    return [dict(zip(_ATTEMPT, row, strict=True)) for row in rows]


def _latest(reader: Reader, sql: str, here: tuple[str, str], keys: Sequence[str]) -> str | None:
    found = [reader.one(sql, (*here, key)) for key in keys]
    return max((row[0] for row in found if row and row[0]), default=None)
