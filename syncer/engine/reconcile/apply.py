"""Putting a pulled page into the file: clean rows are replaced where they differ, rows with waiting edits are merged.

A pulled record that a create of our own made is told by its key: it is the answer to a create that
still waits for one, or a second effect of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncer.engine import id_remap
from syncer.engine.reconcile import diverged
from syncer.engine.reconcile.diverged import ASK
from syncer.engine.reconcile.rebase import rebase_row
from syncer.merge.rules import MergeRules
from syncer.merge.three_way import differences, listed
from syncer.outbox import ledger, queue
from syncer.records import bases, events, rows
from syncer.remote import Op, Row, State
from syncer.schema.model import Model
from syncer.store.database import Transaction

PULLED = "pulled"
"""Kind of the event of a row that a pull has changed."""


@dataclass(slots=True)
class Stored:
    """What a page did: rows added, changed, found equal, and held because edits wait for them."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    held: int = 0


def apply(
    tx: Transaction,
    model: Model,
    page: Sequence[tuple[Any, ...]],
    rules: MergeRules = ASK,
    *,
    current: bool = False,
) -> Stored:
    """Merge one page of stored tuples into the cache, ``rules`` saying who wins where both sides changed the same.

    A record from before what has only just been acknowledged here is left out: lists and reads lag behind writes. It is
    within the overlap of the next pull. ``current``: these are known to be from after it.
    """
    if not page:
        return Stored()
    of = rows.sql(model)
    by_key = {of.key_of(values): values for values in page}  # a record moved between pages may come twice
    keys = list(by_key)
    waiting = queue.waiting_keys(tx, model, keys)
    there = rows.tuples(tx, model, keys)
    free = [key for key in keys if key not in waiting] if waiting else keys
    news = [key for key in free if not rows.equal(model, there.get(key), by_key[key])]
    if not current:
        past = _past(tx, model, {key: (there.get(key), by_key[key]) for key in news})
        news = [key for key in news if key not in past]
    touched = rows.put(tx, model, [by_key[key] for key in news])
    changed = [key for key in news if key in there]
    added = len(news) - len(changed)
    _tell(tx, model, {key: (there[key], by_key[key]) for key in changed})
    for key in waiting:
        apply_to_pending(tx, model, key, of.as_row(by_key[key]), rules, current=current)
    return Stored(added, touched - added, len(free) - touched, len(waiting))


def _past(tx: Transaction, model: Model, found: Mapping[str, tuple[Sequence[Any] | None, Sequence[Any]]]) -> set[str]:
    """Those of the records that are from before what we have just changed or deleted, by key: (what is here, record)."""
    if model.changed_at not in model.by_name:
        return set()
    at = rows.sql(model).names.index(model.changed_at)
    older = [key for key, (here, record) in found.items() if here is None or _before(record[at], here[at])]
    acked = ledger.recently_acked(tx, model, older) if older else {}
    return {key for key, op in acked.items() if (op == Op.DELETE) == (found[key][0] is None)}


def _before(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one < other


def _tell(tx: Transaction, model: Model, changed: Mapping[str, tuple[Sequence[Any], Sequence[Any]]]) -> None:
    """Let the history of each row say which fields have changed, unless it is only the way in which they are written."""
    as_row = rows.sql(model).as_row
    fields = {key: differences(model, as_row(before), as_row(after)) for key, (before, after) in changed.items()}
    if fields:
        events.note(tx, model, PULLED, [(key, listed(names), "") for key, names in fields.items() if names])


def apply_to_pending(
    tx: Transaction, model: Model, key: str, record: Row, rules: MergeRules = ASK, *, current: bool = False
) -> None:
    """Let ``record`` become the base of a row with waiting edits; what both sides changed is settled by a rule, or asked.

    Left alone: records whose create waits (the push compares them), and those with a change that may be applied
    already (its replay will tell). An action keeps what it sets: whether it may still be done is the remote's to say.
    ``current`` as for :func:`apply`.
    """
    changes = queue.of_record(tx, model, key)
    base = bases.get(tx, model, key)
    if base is None or record == base or any(c.state in (State.SENDING, State.AMBIGUOUS) for c in changes):
        return
    if (
        not current
        and _before(record.get(model.changed_at), base.get(model.changed_at))
        and ledger.recently_acked(tx, model, [key])
    ):
        return
    if len(changes) == 1 and changes[0].op == Op.DELETE:
        if record.get(model.changed_at) is None or record[model.changed_at] != base.get(model.changed_at):
            diverged.locally_deleted(tx, changes[0], record, rules)
        else:
            bases.put(tx, model, key, record)  # nobody has edited it: we had not seen all of it
    elif all(c.op == Op.UPDATE for c in changes) and rows.known(tx, model, [key]):
        diverged.remote_edited(tx, changes, record, rules)
    elif all(c.edits for c in changes):
        bases.put(tx, model, key, record)
        rebase_row(tx, model, key, record)


_TWICE = "{model} {other} was made by the same create as {key}: a request was applied twice, remove one of them"


def correlate(tx: Transaction, models: Mapping[str, Model], model: Model, made: Mapping[str, str]) -> list[str]:
    """Let each pulled record that a waiting create made be that create's answer; a sentence for every one made twice.

    ``made``: idempotency keys by record key, the record to keep before others of the same key. Records known
    here say nothing new.
    """
    known = rows.known(tx, model, made)
    fresh = {key: idem_key for key, idem_key in made.items() if key not in known}
    if not fresh:
        return []
    waiting, kept = (
        ledger.pending_by_idempotency_key(tx, model, fresh.values()),
        ledger.acked_by_idempotency_key(tx, model, fresh.values()),
    )
    notes = []
    for key, idem_key in fresh.items():
        if idem_key in kept:
            notes.append(_TWICE.format(model=model.name, other=key, key=kept[idem_key]))
            continue
        kept[idem_key] = key
        if idem_key in waiting:
            seq, local = waiting[idem_key]
            id_remap.rename(tx, models, model, local, key)
            queue.move_to_ledger(tx, [seq], "acked", why="a pull found the record")
    return notes
