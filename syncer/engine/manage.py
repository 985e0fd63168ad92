"""What a person does to waiting changes: try again, drop, settle a conflict. Each is one transaction, told by the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncer.engine.reconcile.rebase import rebase_row, requeue
from syncer.engine.reconcile.resolve import TAKES, ResolvedConflict, decide, located
from syncer.errors import RecordNotFound, UsageError
from syncer.merge import conflicts
from syncer.outbox import queue
from syncer.records import bases, rows
from syncer.remote import Change, Op, State
from syncer.schema.model import Model
from syncer.store.database import Database, Transaction
from syncer.suggest import near

Models = Mapping[str, Mapping[str, Model]]


@dataclass(frozen=True, slots=True)
class Dropped:
    """``seqs``: the changes discarded, later ones of the record included. ``dangling``: waiting records that point at it."""

    seqs: tuple[int, ...]
    dangling: int


def retry(database: Database, models: Models, seqs: Sequence[int]) -> list[int]:
    """Make changes due now. A rejected one is sent anew from the row as it is; one in conflict goes over the remote's value.

    Returns the numbers they wait under now. Raises: RecordNotFound for a number that waits no more.
    """

    def work(tx: Transaction) -> list[int]:
        return [now for seq in seqs for now in _retry(tx, _waiting(tx, models, seq))]

    return database.write(work)


def _retry(tx: Transaction, change: Change) -> Sequence[int]:
    if change.state is State.SENDING:
        raise UsageError(f"change {change.seq} is being sent", record=change.record, hint="wait for the sync to end")
    if change.state is State.AMBIGUOUS:
        queue.set_state(tx, change.seq, State.AMBIGUOUS, code="retried", reason="tried again by hand")
        return [change.seq]
    if change.state is State.CONFLICT:
        return decide(tx, change.model, change.key, "ours").seqs[:1]
    return [requeue(tx, change)]


def resolve(
    database: Database,
    models: Models,
    name: str,
    *,
    take: str | None = None,
    given: Mapping[str, Any] | None = None,
    remote: str | None = None,
    model: str | None = None,
) -> ResolvedConflict:
    """Settle the conflict of the record with key ``name``, or of the change with that number.

    ``take``: whose value stands, one of :data:`syncer.engine.reconcile.resolve.TAKES`; ``given``: values of single fields.
    Raises: RecordNotFound, UsageError, InvalidInput; then nothing has changed.
    """
    if take is None and not given:
        raise UsageError("say how to resolve it", hint="take theirs, ours or newest, or set values")
    if take is not None and take not in TAKES:
        raise UsageError(f"there is no way to take {take!r}", hint=near(take, TAKES) or f"take {', '.join(TAKES)}")
    return database.write(lambda tx: decide(tx, *located(tx, models, name, remote, model), take, given))


def in_conflict(database: Database, models: Models, name: str, remote: str | None, model: str | None) -> Model:
    """The description of the record in conflict that ``name`` means. Raises: RecordNotFound, UsageError."""
    return database.read(lambda tx: located(tx, models, name, remote, model)[0])


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
    lost = change.op != Op.DELETE and any(
        one.field is None and one.theirs is None for one in conflicts.open_of(tx, change.model, change.key)
    )
    queue.move_to_ledger(tx, [c.seq for c in gone], "discarded", why="dropped by hand")
    if any(c.state is State.CONFLICT for c in gone):
        conflicts.resolve(tx, change.model, change.key, "theirs")
    base = bases.get(tx, change.model, change.key)
    dangling = 0
    if len(gone) == len(waiting) and (lost or (change.op == Op.CREATE and base is None)):
        bases.drop(tx, change.model, change.key)
        rows.remove(tx, change.model, change.key)
        dangling = _pointing_at(tx, models[change.model.remote], change)
    elif base is not None:
        if rows.get(tx, change.model, change.key) is None:
            rows.add(tx, change.model, base)
        rebase_row(tx, change.model, change.key, base)
        if all(c.op == Op.CREATE for c in waiting if c not in gone):  # what the remote will have of it is the row itself
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
        raise RecordNotFound(f"no change {seq} is pending", hint="syncer outbox list shows what is pending")
    return change
