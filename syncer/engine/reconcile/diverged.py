"""A remote record meets a row with waiting changes: merged by the rules, or put before a person. For pull and push alike.

Base, row, changes and conflicts move together in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncer.engine.reconcile.rebase import discard, put_row, rebase_row, replace_with_update, requeue, requeue_as_create
from syncer.merge import conflicts
from syncer.merge.rules import MergeRules
from syncer.merge.three_way import FieldConflict, Merged, Side, differences, differing, listed, merge_record
from syncer.outbox import queue
from syncer.records import bases, events, rows
from syncer.remote import Change, Op, Row, State
from syncer.schema.model import Model, Origin
from syncer.store.database import Transaction

ASK = MergeRules()
"""No rules: a person is asked."""

MERGED = "merged"
"""Kind of the event of a row with waiting edits that took in what others wrote."""


def remote_edited(
    tx: Transaction, changes: Sequence[Change], record: Row, rules: MergeRules = ASK, sent: Row | None = None
) -> bool:
    """Both sides edited a record: ``changes`` are all that wait for it, surely not applied. True when a person is asked.

    ``sent``: what the first of them would have set, where a delete behind it has taken the row.
    """
    model, key = changes[0].model, changes[0].key
    base = bases.get(tx, model, key) or {}
    record = {**record, **{name: base.get(name) for name in model.absent}}  # of which the deployment can tell nothing
    row = rows.get(tx, model, key)
    edited = {name: change.created_at for change in changes for name in change.fields}
    plain = row is not None and all(change.op == Op.UPDATE for change in changes)
    if not plain:
        edited = dict.fromkeys(changes[0].fields or sent or (), changes[0].created_at)
    found = merge_record(
        model,
        base,
        {**base, **(sent or {})} if row is None else row,
        record,
        edited,
        asked=conflicts.asked(tx, model, key),
        decide=rules.decide(model, record, edited),
    )
    if changes[-1].op == Op.DELETE and not found.conflicts:
        requeue(tx, changes[0])  # gives way to the delete, which was meant for the record as it was known here
        return locally_deleted(tx, changes[-1], record, rules)
    bases.put(tx, model, key, record)
    if row is not None and plain:
        put_row(tx, model, found.row)
        _remember(tx, model, key, row, found)
        return _told(tx, changes, found, rules, "both sides changed")
    rebase_row(tx, model, key, record)
    if row is not None:
        _remember(tx, model, key, row, replace(found, row=rows.get(tx, model, key) or row))
    conflicts.add(tx, model, key, changes[0].seq, found.conflicts)
    if found.conflicts:
        _ask(tx, changes[0].seq, f"both sides changed {_names(found)}")
        return True
    requeue(tx, changes[0])
    return False


def id_taken(tx: Transaction, changes: Sequence[Change], record: Row, rules: MergeRules, sent: Row) -> bool:
    """The id of a create is taken by another's ``record``: from now on it is an update of that. True when a person is asked.

    ``changes``: all that wait for the record, the create first; ``sent``: what it would have set. An upsert
    sends its own fields over what it finds, without a question.
    """
    create = changes[0]
    model, key = create.model, create.key
    row = rows.get(tx, model, key)
    if row is None or not can_update(model):  # a delete waits behind, or there is no way to change what is there
        _ask_as_it_is(tx, create, record, sent)
        return True
    fixed = {*model.key, *(f.name for f in model.fields if f.origin is not Origin.CALLER)}
    edited = {n: create.created_at for n in create.fields or sent if n not in fixed}
    edited |= {n: change.created_at for change in changes[1:] for n in change.fields}
    judge = _upserting if create.fields else rules.decide(model, record, edited)
    found = merge_record(model, {}, row, record, edited, decide=judge)
    bases.put(tx, model, key, record)
    put_row(tx, model, found.row)
    _remember(tx, model, key, row, found)
    return _told(tx, changes, found, rules, "the id is taken on the remote by a record that differs in")


def _ask_as_it_is(tx: Transaction, create: Change, record: Row, sent: Row) -> None:
    model = create.model
    names = differing(model, sent, record, sent)
    bases.put(tx, model, create.key, record)
    conflicts.add(tx, model, create.key, create.seq, [FieldConflict(n, None, sent[n], record.get(n)) for n in names])
    _ask(tx, create.seq, f"the id is taken on the remote by a record that differs in {', '.join(names)}")


def locally_deleted(tx: Transaction, change: Change, record: Row, rules: MergeRules = ASK) -> bool:
    """A record whose delete waits was changed there. True when a person is asked."""
    model, key = change.model, change.key
    side = rules.side(model, None, change.created_at, record)
    how = None if side is None else rules.how(model, None, side)
    conflicts.add_whole(tx, model, key, change.seq, None, record, base=bases.get(tx, model, key), how=how)
    bases.put(tx, model, key, record)
    if side is None:
        _ask(tx, change.seq, "the record was changed on the remote after it was last seen here")
    else:
        end_locally_deleted(tx, [change], side, how or "")
    return side is None


def end_locally_deleted(tx: Transaction, changes: Sequence[Change], side: Side, why: str) -> list[int]:
    """Settle such a conflict for ``side``: delete it there too, or have it back. The numbers that wait now."""
    model, key = changes[0].model, changes[0].key
    if side == "ours":
        queue.reset_body(tx, changes[0].seq)
        return [change.seq for change in changes]
    discard(tx, model, key, changes, bases.get(tx, model, key), why)
    return []


def remotely_deleted(tx: Transaction, changes: Sequence[Change], rules: MergeRules = ASK, sent: Row | None = None) -> bool:
    """A record with waiting edits is no more on the remote. True when a person is asked.

    ``changes``: all that wait for it; ``sent``: what the first of them would have set.
    """
    first = changes[0]
    model, key = first.model, first.key
    row = rows.get(tx, model, key)
    if changes[-1].op == Op.DELETE:  # both sides deleted it
        requeue(tx, first)
        return False
    side = rules.side(model, None, changes[-1].created_at, None)
    if side == "ours" and (row is None or not can_create(model)):
        side = None
    how = None if side is None else rules.how(model, None, side)
    conflicts.add_whole(tx, model, key, first.seq, row or sent, None, base=bases.get(tx, model, key), how=how)
    if side is None:
        _ask(tx, first.seq, "the record no longer exists on the remote")
    else:
        end_remotely_deleted(tx, changes, side, how or "")
    return side is None


def end_remotely_deleted(tx: Transaction, changes: Sequence[Change], side: Side, why: str) -> list[int]:
    """Settle such a conflict for ``side``: make it there again, or let it go here too. The numbers that wait now."""
    model, key = changes[0].model, changes[0].key
    if side == "ours":
        return [requeue_as_create(tx, model, key, changes)]
    discard(tx, model, key, changes, None, why)
    return []


def can_update(model: Model) -> bool:
    """Whether fields of a record can be set on the remote; one with actions of its own changes by those only."""
    return Op.UPDATE in model.ops and not model.actions


def can_create(model: Model) -> bool:
    """Whether a record that is gone can be made again under its own id."""
    return Op.CREATE in model.ops and not model.local_ids


def _upserting(_: str) -> Side | None:
    return "ours"


def _told(tx: Transaction, changes: Sequence[Change], found: Merged, rules: MergeRules, clash: str) -> bool:
    """Let changes and conflicts say what the merge found. True when a person is asked."""
    first = changes[0]
    model, key = first.model, first.key
    upsert = first.op == Op.CREATE and first.fields
    settled = [] if upsert else [(c, rules.how(model, c.field, side)) for c, side in found.decided]
    lost = any(side == "theirs" for _, side in found.decided)
    why = "; ".join(f"{c.field}: {how}" for c, how in settled) or "the remote has the same"
    seq = replace_with_update(tx, model, key, changes, found.ours, why, lost=lost)
    conflicts.add_settled(tx, model, key, first.seq if seq is None else seq, settled)
    conflicts.add(tx, model, key, first.seq if seq is None else seq, found.conflicts)
    if seq is None:
        return False
    if found.conflicts:
        _ask(tx, seq, f"{clash} {_names(found)}")
        return True
    if seq == first.seq and first.state is not State.REJECTED and (first.body is not None or first.state is State.CONFLICT):
        queue.reset_body(tx, seq)  # its condition names a version that is gone
    return False


def _remember(tx: Transaction, model: Model, key: str, row: Row, found: Merged) -> None:
    """Let the history of a record say what a merge did to its row, if it did anything."""
    taken = set(differences(model, row, found.row))
    kept = {conflict.field for conflict, side in found.decided if side == "ours"}
    asked = {conflict.field for conflict in found.conflicts}
    words = {"taken": taken, "kept": kept, "asked about": asked}
    note = "; ".join(f"{word}: {', '.join(sorted(names))}" for word, names in words.items() if names)
    if note:
        events.note(tx, model, MERGED, [(key, listed(dict.fromkeys(taken | kept | asked)), note)])


def _names(found: Merged) -> str:
    return ", ".join(conflict.field for conflict in found.conflicts)


def _ask(tx: Transaction, seq: int, reason: str) -> None:
    queue.set_state(tx, seq, State.CONFLICT, code="conflict", reason=reason)
