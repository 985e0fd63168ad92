"""What a person decides in a conflict: theirs, ours, the newest, or another value. One transaction a record.

Only the fields in conflict are decided; other edits of the record go out as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncer.engine.reconcile import diverged
from syncer.engine.reconcile.rebase import discard, put_row, replace_with_update, requeue
from syncer.errors import InvalidInput, RecordNotFound, UsageError
from syncer.merge import conflicts
from syncer.merge.conflicts import OpenConflict
from syncer.merge.rules import Rule, ruled
from syncer.merge.three_way import Side, merge_field
from syncer.outbox import queue
from syncer.records import bases, rows
from syncer.records.write import require_companions
from syncer.remote import Change, Op, Row, State
from syncer.schema.model import Model, Origin
from syncer.schema.values import checked, same
from syncer.store.database import Transaction
from syncer.suggest import near

TAKES = ("theirs", "ours", "newest")


@dataclass(frozen=True, slots=True)
class ResolvedConflict:
    """``seqs``: the changes that wait for the record now. ``left``: fields that nobody has decided yet.

    A record that differs as a whole is left as ``(None,)``.
    """

    model: Model
    key: str
    seqs: tuple[int, ...]
    left: tuple[str | None, ...] = ()


def located(
    tx: Transaction, models: Mapping[str, Mapping[str, Model]], name: str, remote: str | None, model: str | None
) -> tuple[Model, str]:
    """The record in conflict that ``name`` means: its key, or the number of the change that waits.

    Raises: RecordNotFound when none is open, UsageError when several are meant.
    """
    found = conflicts.matching(tx, name, remote, model)
    if len(found) > 1:
        kinds = ", ".join(f"{one.model} {one.key}" for one in found)
        raise UsageError(f"{name} may mean several records: {kinds}", hint="name the model too")
    if not found:
        raise RecordNotFound(f"there is no conflict of {name}", hint="syncer conflicts list shows what needs attention")
    (one,) = found
    if one.resolution is not None:
        raise RecordNotFound(
            "the conflict is resolved already",
            record=f"{one.remote} {one.model} {one.key}",
            why=f"{one.resolution}, {one.resolved_at}",
            hint="syncer conflicts list --all shows resolved ones, with both values",
        )
    return models[one.remote][one.model], one.key


def decide(
    tx: Transaction, model: Model, key: str, take: str | None, given: Mapping[str, Any] | None = None
) -> ResolvedConflict:
    """Settle the open conflicts of a record: ``given`` values first, by the remote's field names; the rest by ``take``.

    Raises: UsageError for what cannot be done, InvalidInput for a value the model refuses; then nothing has changed.
    """
    changes, open_ones = queue.of_record(tx, model, key), conflicts.open_of(tx, model, key)
    record = f"{model.remote} {model.name} {key}"
    if any(change.state is State.SENDING for change in changes):
        raise UsageError("the change is being sent", record=record, hint="wait for the sync to end")
    if not changes:
        conflicts.resolve(tx, model, key, "its change has left")
        return ResolvedConflict(model, key, ())
    stored = _stored(model, key, given or {}, open_ones)
    row = rows.get(tx, model, key)
    if any(one.field is None for one in open_ones) or row is None or not diverged.can_update(model):
        if stored:
            raise UsageError("there is no single value to set", record=record, hint="take theirs or ours")
        return _whole(tx, changes, open_ones, row, take)
    return _fields(tx, changes, open_ones, row, take, stored)


def _stored(model: Model, key: str, given: Mapping[str, Any], open_ones: Sequence[OpenConflict]) -> Row:
    names = [one.field for one in open_ones if one.field is not None]
    stored = checked(model, given, creating=False)
    for name in stored:
        if name not in names and names:
            raise InvalidInput(
                f"{name} is not in conflict",
                record=f"{model.remote} {model.name} {key}",
                hint=near(name, names) or f"in conflict: {', '.join(names)}",
            )
    return stored


def _whole(
    tx: Transaction, changes: Sequence[Change], open_ones: Sequence[OpenConflict], row: Row | None, take: str | None
) -> ResolvedConflict:
    """Settle what has no field of its own to decide: gone on one side, or nothing the remote would let be set."""
    first = changes[0]
    model, key, base = first.model, first.key, bases.get(tx, first.model, first.key)
    gone = any(one.field is None and one.theirs is None for one in open_ones) and first.op != Op.DELETE
    side = None if take is None else ruled(Rule(take), model, changes[-1].created_at, None if gone else base)
    if side is None:
        return ResolvedConflict(model, key, tuple(c.seq for c in changes), tuple(one.field for one in open_ones))
    how = _how(take, side)
    for one in open_ones:
        conflicts.settle(tx, one, how, ours=row if one.field is None else None)
    if gone:
        return ResolvedConflict(model, key, tuple(_end_gone(tx, changes, side, row)))
    if first.op == Op.DELETE:
        return ResolvedConflict(model, key, tuple(diverged.end_locally_deleted(tx, changes, side, _why(side))))
    if side == "theirs":
        discard(tx, model, key, changes, base, _why(side))
        return ResolvedConflict(model, key, ())
    if first.op == Op.CREATE and row is not None:
        raise UsageError(
            f"{model.remote} has no way to change a {model.name} that is there",
            record=first.record,
            hint="take theirs, or create yours under another id",
        )
    return ResolvedConflict(model, key, tuple(dict.fromkeys((requeue(tx, first), *(c.seq for c in changes[1:])))))


def _end_gone(tx: Transaction, changes: Sequence[Change], side: Side, row: Row | None) -> list[int]:
    first = changes[0]
    if side == "ours" and row is None:
        return [requeue(tx, first)]  # the delete behind it takes over
    if side == "ours" and not diverged.can_create(first.model):
        why = f"{first.model.remote} has no way to make it again"
        raise UsageError("the record is gone on the remote", record=first.record, why=why, hint="take theirs")
    return diverged.end_remotely_deleted(tx, changes, side, _why(side))


def _fields(
    tx: Transaction, changes: Sequence[Change], open_ones: Sequence[OpenConflict], row: Row, take: str | None, stored: Row
) -> ResolvedConflict:
    model, key = changes[0].model, changes[0].key
    record = bases.get(tx, model, key) or {}
    edited = _edited(changes, row)
    result: Row = {**record, **{name: row[name] for name in edited}}
    left: list[str | None] = []
    lost = False
    for one in open_ones:
        name = one.field or ""
        if name in stored:
            result[name], how = stored[name], "another value"
        else:
            side = None if take is None else ruled(Rule(take), model, edited.get(name), record)
            if side is None:
                left.append(name)
                continue
            how, lost = _how(take, side), lost or side == "theirs"
            if side == "theirs":
                result[name] = _theirs(model, one, row, record)
        conflicts.settle(tx, one, how, ours=row[name])
    require_companions(model, result, stored)
    put_row(tx, model, result)
    fields = [name for name in (*edited, *stored) if not same(model.by_name[name], result[name], record.get(name))]
    why = _why("theirs") if lost else "a conflict was resolved by hand"
    seq = replace_with_update(tx, model, key, changes, fields, why, lost=lost)
    if seq is None:
        return ResolvedConflict(model, key, ())
    if left:
        conflicts.waits_under(tx, model, key, seq)
        reason = f"both sides changed {', '.join(name or '' for name in left)}"
        queue.set_state(tx, seq, State.CONFLICT, code="conflict", reason=reason)
    elif seq == changes[0].seq:
        queue.reset_body(tx, seq)
    return ResolvedConflict(model, key, tuple(change.seq for change in queue.of_record(tx, model, key)), tuple(left))


def _edited(changes: Sequence[Change], row: Row) -> dict[str, str]:
    """When each field that waits was edited; of a create, all that it sets."""
    model = changes[0].model
    edited: dict[str, str] = {}
    for change in changes:
        names: Sequence[str] = change.fields
        if change.op == Op.CREATE:
            free = [f.name for f in model.fields if f.origin is Origin.CALLER and f.name not in model.key]
            names = [name for name in free if row[name] is not None and name in (change.fields or free)]
        edited |= dict.fromkeys(names, change.created_at)
    return edited


def _theirs(model: Model, one: OpenConflict, row: Row, record: Row) -> Any:
    """Their value; of a JSON object, with the keys that only we have changed."""
    field = model.by_name[one.field or ""]
    before = merge_field(field, one.base, one.ours, one.theirs, "base")[0]
    ours, theirs = row[field.name], record.get(field.name)
    if same(field, ours, before):
        return theirs
    return merge_field(field, before, ours, theirs, "theirs")[0]


def _how(take: str | None, side: Side) -> str:
    return side if take == side else f"{take}, {side}"


def _why(side: Side) -> str:
    return f"{side} taken by hand"
