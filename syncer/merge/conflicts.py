"""Conflicts with every value they were found with: those that wait for a person, and those that are settled."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from syncer import clock
from syncer.merge.three_way import FieldConflict
from syncer.schema.model import Model
from syncer.store.database import Statement, Transaction
from syncer.store.schema import CONFLICT

OVERTAKEN = "overtaken"
"""How a conflict ends that is no longer so: the record has changed again."""

_c = CONFLICT.c
_COLUMNS = (
    "remote", "model", "key", "seq", "field", "base", "ours", "theirs", "detected_at", "resolved_at", "resolution",
)  # fmt: skip
_ADD = Statement(CONFLICT.insert().values({n: sa.bindparam(n) for n in _COLUMNS}))
_OPEN = (_c.model == sa.bindparam("m"), _c.key == sa.bindparam("k"), _c.resolved_at.is_(None))
_LIST = Statement(
    sa.select(_c.id, _c.seq, _c.field, _c.base, _c.ours, _c.theirs, _c.detected_at).where(*_OPEN).order_by(_c.id)
)
_RESOLVE = Statement(CONFLICT.update().where(*_OPEN).values(resolved_at=sa.bindparam("at"), resolution=sa.bindparam("how")))
_SETTLE = Statement(
    CONFLICT.update()
    .where(_c.id == sa.bindparam("i"))
    .values(resolved_at=sa.bindparam("at"), resolution=sa.bindparam("how"), ours=sa.bindparam("mine"))
)
_CALLED = Statement(
    sa.select(_c.remote, _c.model, _c.key, _c.resolved_at, _c.resolution)
    .where(
        sa.or_(_c.key == sa.bindparam("name"), _c.seq == sa.bindparam("number")),
        sa.or_(sa.bindparam("r").is_(None), _c.remote == sa.bindparam("r")),
        sa.or_(sa.bindparam("m").is_(None), _c.model == sa.bindparam("m")),
    )
    .order_by(_c.id.desc())
)
_WAITS_UNDER = Statement(CONFLICT.update().where(*_OPEN).values(seq=sa.bindparam("s")))


@dataclass(frozen=True, slots=True)
class OpenConflict:
    """A conflict that waits for a person. ``field`` is None, and ``ours`` and ``theirs`` are rows, for a whole record."""

    id: int
    seq: int | None
    field: str | None
    base: Any
    ours: Any
    theirs: Any
    detected_at: str


def open_of(tx: Transaction, model: Model, key: str) -> list[OpenConflict]:
    """The open conflicts of a record, oldest first."""
    return [
        OpenConflict(number, seq, field, _value(base), _value(ours), _value(theirs), at)
        for number, seq, field, base, ours, theirs, at in tx.all(_LIST, {"m": model.name, "k": key})
    ]


@dataclass(frozen=True, slots=True)
class ConflictMatch:
    """A record that has or had a conflict. ``resolution`` is how the last one ended, None while one is open."""

    remote: str
    model: str
    key: str
    resolved_at: str | None
    resolution: str | None


def matching(tx: Transaction, name: str, remote: str | None = None, model: str | None = None) -> list[ConflictMatch]:
    """The records that ``name`` may mean: a record's key, or the number of a change. Those with open conflicts if any."""
    number = int(name) if name.isascii() and name.isdecimal() and len(name) < 19 else None
    found = [ConflictMatch(*row) for row in tx.all(_CALLED, {"name": name, "number": number, "r": remote, "m": model})]
    open_ones = [one for one in found if one.resolved_at is None]
    latest: dict[tuple[str, str, str], ConflictMatch] = {}
    for one in open_ones or found:
        latest.setdefault((one.remote, one.model, one.key), one)
    return list(latest.values())


def asked(tx: Transaction, model: Model, key: str) -> dict[str, FieldConflict]:
    """The open conflicts of a record by field."""
    return {
        c.field: FieldConflict(c.field, c.base, c.ours, c.theirs) for c in open_of(tx, model, key) if c.field is not None
    }


def add(tx: Transaction, model: Model, key: str, seq: int, field_conflicts: Iterable[FieldConflict]) -> None:
    """Let ``field_conflicts`` be the open ones of a record.

    One that is open already stays; one that is no more is overtaken.
    """
    new = {conflict.field: conflict for conflict in field_conflicts}
    since: dict[str, str] = {}
    for known in open_of(tx, model, key):
        conflict = new.get(known.field or "")
        if conflict is not None and (conflict.base, conflict.ours, conflict.theirs) == (
            known.base,
            known.ours,
            known.theirs,
        ):
            del new[conflict.field]
            continue
        if conflict is not None:
            since[conflict.field] = known.detected_at
        settle(tx, known, OVERTAKEN)
    for field, conflict in new.items():
        _add(tx, model, key, seq, conflict, since.get(field))
    waits_under(tx, model, key, seq)


def add_settled(tx: Transaction, model: Model, key: str, seq: int, settled: Iterable[tuple[FieldConflict, str]]) -> None:
    """Record conflicts that a rule has settled, each with how: the value that lost is kept all the same."""
    open_fields = {known.field: known for known in open_of(tx, model, key)}
    at = clock.stored_now()  # one moment for all, by which they are shown as one
    for conflict, how in settled:
        if conflict.field in open_fields:
            settle(tx, open_fields[conflict.field], how, at=at)
        else:
            _add(tx, model, key, seq, conflict, how=how, at=at)


def add_whole(
    tx: Transaction, model: Model, key: str, seq: int, ours: Any, theirs: Any, *, base: Any = None, how: str | None = None
) -> None:
    """Record that the record as a whole differs: gone there, or changed there while deleted here. All three are rows.

    ``how``: what rule has settled it; without one it waits for a person.
    """
    first = next((known for known in open_of(tx, model, key) if known.field is None), None)
    resolve(tx, model, key, how or OVERTAKEN)
    conflict = FieldConflict("", base if first is None else first.base, ours, theirs)
    _add(tx, model, key, seq, conflict, None if first is None else first.detected_at, how=how)


def waits_under(tx: Transaction, model: Model, key: str, seq: int) -> None:
    """Let the open conflicts of a record belong to change ``seq``."""
    tx.run(_WAITS_UNDER, {"m": model.name, "k": key, "s": seq})


def settle(tx: Transaction, known: OpenConflict, how: str, *, ours: Any = None, at: str | None = None) -> None:
    """Close one conflict. ``ours``: our value as it was in the end, where it has changed since. ``at``: when, if not now."""
    mine = known.ours if ours is None else ours
    tx.run(_SETTLE, {"i": known.id, "at": at or clock.stored_now(), "how": how, "mine": _json(mine)})


def resolve(tx: Transaction, model: Model, key: str, how: str) -> int:
    """Close the open conflicts of a record; how many."""
    return tx.run(_RESOLVE, {"m": model.name, "k": key, "at": clock.stored_now(), "how": how})


def _add(
    tx: Transaction,
    model: Model,
    key: str,
    seq: int,
    conflict: FieldConflict,
    since: str | None = None,
    *,
    how: str | None = None,
    at: str | None = None,
) -> None:
    now = at or clock.stored_now()
    values = (_json(conflict.base), _json(conflict.ours), _json(conflict.theirs))
    ends = (now, how) if how is not None else (None, None)
    tx.run(_ADD, (model.remote, model.name, key, seq, conflict.field or None, *values, since or now, *ends))


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _value(text: str | None) -> Any:
    return None if text is None else json.loads(text)
