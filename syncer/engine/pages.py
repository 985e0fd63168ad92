"""Putting a pulled page into the cache: clean rows are replaced where they differ, rows with waiting edits are merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from syncer.cache import bases, conflicts, rows
from syncer.cache.merge import merged
from syncer.describe import Model
from syncer.outbox import queue
from syncer.port import Row, State
from syncer.store.database import Transaction


@dataclass(slots=True)
class Stored:
    """What a page did: rows added, changed, found equal, and held because edits wait for them."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    held: int = 0


def apply(tx: Transaction, model: Model, page: Sequence[tuple[Any, ...]]) -> Stored:
    """Merge one page of stored tuples into the cache."""
    if not page:
        return Stored()
    of = rows.sql(model)
    by_key = {of.key_of(values): values for values in page}  # a record moved between pages may come twice
    keys = list(by_key)
    waiting = queue.waiting_keys(tx, model, keys)
    there = rows.known(tx, model, keys)
    touched = rows.put(tx, model, [values for key, values in by_key.items() if key not in waiting])
    added = sum(1 for key in keys if key not in there and key not in waiting)
    for key in waiting:
        merge(tx, model, key, of.as_row(by_key[key]))
    changed = touched - added
    return Stored(added, changed, len(keys) - len(waiting) - touched, len(waiting))


def merge(tx: Transaction, model: Model, key: str, record: Row) -> None:
    """Let ``record`` become the base of a row with waiting edits; what both sides changed becomes a conflict.

    Left alone: records whose create or delete waits (the push compares them), and those with a change that may be applied
    already (its replay will tell). An action keeps what it sets: whether it may still be done is the remote's to say.
    """
    changes = queue.of_record(tx, model, key)
    if any(not c.edits or c.state in (State.SENDING, State.AMBIGUOUS) for c in changes):
        return
    row, base = rows.get(tx, model, key), bases.get(tx, model, key)
    if row is None or base is None or record == base:
        return
    edited = frozenset(name for change in changes for name in change.fields)
    found = merged(model, base, row, record, edited)
    bases.put(tx, model, key, record)
    rows.put(tx, model, [rows.sql(model).as_tuple(found.row)])
    if model.action(changes[0].op) is not None:
        return
    if found.clashes:
        first = changes[0]
        conflicts.add(tx, model, key, first.seq, found.clashes)
        clashing = ", ".join(clash.field for clash in found.clashes)
        queue.settle(tx, first.seq, State.CONFLICT, code="conflict", reason=f"both sides changed {clashing}", spent=True)
    elif changes[0].body is not None and changes[0].state is State.PENDING:
        queue.thaw(tx, changes[0].seq)  # its condition names a version that is gone
