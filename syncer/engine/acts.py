"""What a person does to waiting changes: try again, or drop. Each act is one transaction, and the ledger tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncer import clock
from syncer.cache import bases, conflicts, rows
from syncer.describe import Model
from syncer.engine.settle import rebase_row, send_anew
from syncer.errors import RecordNotFound, UsageError
from syncer.outbox import queue
from syncer.port import Change, Op, State
from syncer.store.database import Database, Transaction

Models = Mapping[str, Mapping[str, Model]]


@dataclass(frozen=True, slots=True)
class Dropped:
    """``seqs``: the changes discarded, later ones of the record included. ``dangling``: waiting records that point at it."""

    seqs: tuple[int, ...]
    dangling: int


def retry(database: Database, models: Models, seqs: Sequence[int]) -> list[int]:
    """Make changes due now. A parked one is sent anew from the row as it is; one in conflict goes over the remote's value.

    Returns the numbers they wait under now. Raises: RecordNotFound for a number that waits no more.
    """

    def work(tx: Transaction) -> list[int]:
        return [_retry(tx, _waiting(tx, models, seq)) for seq in seqs]

    return database.write(work)


def _retry(tx: Transaction, change: Change) -> int:
    if change.state is State.SENDING:
        raise UsageError(f"change {change.seq} is being sent", record=change.record, hint="wait for the sync to end")
    if change.state is State.AMBIGUOUS:
        queue.settle(tx, change.seq, State.AMBIGUOUS, code="retried", reason="tried again by hand")
        return change.seq
    if change.state is State.CONFLICT:
        conflicts.resolve(tx, change.model, change.key, "ours")
        if change.op == Op.CREATE:
            return _as_update(tx, change)
    send_anew(tx, change)
    return change.seq


def _as_update(tx: Transaction, change: Change) -> int:
    """A create whose id is taken becomes an update of the record that has it."""
    row, base = rows.get(tx, change.model, change.key), bases.get(tx, change.model, change.key)
    if row is None or base is None:
        queue.thaw(tx, change.seq)
        return change.seq
    fixed = {*change.model.key, *(f.name for f in change.model.stamps)}
    fields = [f.name for f in change.model.fields if f.name not in fixed and row[f.name] != base.get(f.name)]
    seq = queue.append(tx, change.model, change.key, Op.UPDATE, clock.stored_now(), fields=fields)
    queue.leave(tx, [change.seq], "superseded", by=seq, why="the id is taken: sent as an update")
    return seq


def drop(database: Database, models: Models, seq: int) -> Dropped:
    """Discard a change and every later one of its record; the row goes back to what the remote has (or goes away).

    Raises: RecordNotFound for a number that waits no more, UsageError while it is being sent.
    """
    return database.write(lambda tx: _drop(tx, models, _waiting(tx, models, seq)))


def _drop(tx: Transaction, models: Models, change: Change) -> Dropped:
    waiting = queue.of_record(tx, change.model, change.key)
    gone = [c for c in waiting if c.seq >= change.seq]
    if any(c.state is State.SENDING for c in gone):
        raise UsageError(f"change {change.seq} is being sent", record=change.record, hint="wait for the sync to end")
    queue.leave(tx, [c.seq for c in gone], "discarded", why="dropped by hand")
    conflicts.resolve(tx, change.model, change.key, "theirs")
    base = bases.get(tx, change.model, change.key)
    dangling = 0
    if change.op == Op.CREATE and base is None:
        rows.remove(tx, change.model, change.key)
        dangling = _pointing_at(tx, models[change.model.remote], change)
    elif base is not None:
        if rows.get(tx, change.model, change.key) is None:
            rows.add(tx, change.model, base)
        rebase_row(tx, change.model, change.key, base)
        if len(gone) == len(waiting):
            bases.drop(tx, change.model, change.key)
    return Dropped(tuple(c.seq for c in gone), dangling)


def _pointing_at(tx: Transaction, models: Mapping[str, Model], change: Change) -> int:
    """How many records with something waiting refer to the record of ``change``."""
    found = 0
    for model in models.values():
        for field in model.references:
            if field.ref == change.model.name:
                keys = rows.keys_where(tx, model, field.name, change.key)
                found += len(queue.waiting_keys(tx, model, keys))
    return found


def _waiting(tx: Transaction, models: Models, seq: int) -> Change:
    change = queue.by_seq(tx, seq, models)
    if change is None:
        raise RecordNotFound(f"no change {seq} is waiting", hint="syncer outbox list shows what waits")
    return change
