"""What happened to one record, newest first: writes here, what left and came, merges, conflicts, new ids. Only reads.

It is put together from what is kept anyway: outbox and ledger, events, conflicts and the map of ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from syncer.store.reader import Reader
from syncer.views.lookup import Named

Entry = dict[str, Any]
"""``{"at", "kind", "op", "seq", "by", "fields", "note", "attempts", "values"}``, without what does not apply."""

_OF = "remote = ? AND model = ? AND key = ?"
_WAITING = f"SELECT seq, op, fields, created_at, state, attempts FROM outbox WHERE {_OF}"
_GONE = f"SELECT seq, op, fields, created_at, outcome, by_seq, attempts, left_at, reason FROM ledger WHERE {_OF}"
_EVENTS = f"SELECT at, kind, fields, note FROM _event WHERE {_OF}"
_CONFLICTS = f"SELECT seq, field, base, ours, theirs, detected_at, resolved_at, resolution FROM conflict WHERE {_OF}"
_RENAMED = "SELECT local_id, remote_id, mapped_at FROM _id_map WHERE remote = ? AND model = ? AND local_id = ?"
_ORDER = ("written", "conflict", "superseded", "renamed", "merged", "resolved", "discarded", "acked")


def of(reader: Reader, named: Named, limit: int | None = None) -> list[Entry]:
    """Up to ``limit`` entries of the history of a record under all its ids, newest first."""
    found: list[Entry] = []
    for key in named.keys:
        where = (named.model.remote, named.model.name, key)
        for read in (_writes, _events, _conflicts, _renames):
            found += read(reader, where)
    found.sort(key=_place, reverse=True)
    return found if limit is None else found[:limit]


def _place(entry: Entry) -> tuple[str, int, int]:
    """Where an entry belongs; of those at the same moment, the one that must have come first is older."""
    kind = entry["kind"]
    return entry["at"], entry.get("by") or entry.get("seq") or 0, _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _writes(reader: Reader, where: Sequence[str]) -> Iterator[Entry]:
    for seq, op, fields, created_at, state, attempts in reader.all(_WAITING, where):
        yield _entry(
            created_at, "written", seq=seq, op=op, fields=fields, note=f"in the outbox: {state}", attempts=attempts or None
        )
    for seq, op, fields, created_at, outcome, by_seq, attempts, left_at, reason in reader.all(_GONE, where):
        yield _entry(created_at, "written", seq=seq, op=op, fields=fields)
        note = "; ".join(filter(None, (f"by change {by_seq}" if by_seq else None, reason))) or None
        yield _entry(left_at, outcome, seq=seq, op=op, by=by_seq, fields=fields, note=note, attempts=attempts or None)


def _events(reader: Reader, where: Sequence[str]) -> Iterator[Entry]:
    for at, kind, fields, note in reader.all(_EVENTS, where):
        yield _entry(at, kind, fields=fields, note=note or None)


def _conflicts(reader: Reader, where: Sequence[str]) -> Iterator[Entry]:
    for seq, field, base, ours, theirs, detected_at, resolved_at, resolution in reader.all(_CONFLICTS, where):
        values = {name: _value(text) for name, text in (("base", base), ("ours", ours), ("theirs", theirs))}
        fields = None if field is None else json.dumps([field])
        yield _entry(detected_at, "conflict", seq=seq, fields=fields, values=values)
        if resolved_at is not None:
            yield _entry(resolved_at, "resolved", seq=seq, fields=fields, note=resolution)


def _renames(reader: Reader, where: Sequence[str]) -> Iterator[Entry]:
    for local, remote, at in reader.all(_RENAMED, where):
        if local != remote:
            yield _entry(at, "renamed", note=f"{local} is {remote} on the remote")


def _entry(at: str, kind: str, *, fields: str | None = None, **rest: Any) -> Entry:
    told = {"at": at, "kind": kind, "fields": json.loads(fields) if fields else None, **rest}
    return {name: value for name, value in told.items() if value is not None}


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)
