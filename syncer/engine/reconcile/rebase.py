"""What becomes of the waiting changes of one record when its ground has moved. All in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from syncer.outbox import queue
from syncer.records import bases, rows
from syncer.remote import Change, Op, Row
from syncer.schema.model import Model
from syncer.store.database import Transaction


def requeue(tx: Transaction, change: Change, idem_key: str | None = None) -> int:
    """Let a change that is surely not applied be made anew from its row; a delete that waits behind it takes over.

    ``idem_key``: its key, where that never left this machine. Returns the number that now waits.
    """
    last = queue.tail(tx, change.model, change.key)
    if last is not None and last.op == Op.DELETE and last.seq != change.seq:
        queue.move_to_ledger(tx, [change.seq], "superseded", by=last.seq)
        return last.seq
    queue.reset_body(tx, change.seq, idem_key)
    return change.seq


def rebase_row(tx: Transaction, model: Model, key: str, record: Row) -> None:
    """Let the row be ``record`` with every waiting edit on top."""
    row = rows.get(tx, model, key)
    if row is None:
        return
    edited = {name for change in queue.of_record(tx, model, key) for name in change.fields}
    kept = {name: row[name] for name in edited}
    put_row(tx, model, {**record, **kept})


def put_row(tx: Transaction, model: Model, row: Row) -> None:
    """Let this be the row of its record; what is kept only here stays as it is."""
    rows.put(tx, model, [rows.sql(model).as_tuple(row)])


def replace_with_update(
    tx: Transaction, model: Model, key: str, changes: Sequence[Change], fields: Iterable[str], why: str, *, lost: bool
) -> int | None:
    """Let an update of ``fields`` be all that still waits of ``changes``, which are all that wait for the record.

    Returns its number, None when no field is left: then they leave as *discarded* if something of ours is ``lost``, else
    as *acked*, the remote having it all. ``why`` goes into the ledger with them.
    """
    wanted = frozenset(fields)
    seqs = [change.seq for change in changes]
    if not wanted:
        queue.move_to_ledger(tx, seqs, "discarded" if lost else "acked", why=why)
        bases.drop(tx, model, key)
        return None
    if all(change.op == Op.UPDATE for change in changes) and {n for c in changes for n in c.fields} == wanted:
        return seqs[0]
    # Its time stays that of the edit, by which a later conflict is judged.
    seq = queue.enqueue(tx, model, key, Op.UPDATE, changes[-1].created_at, fields=wanted)
    queue.move_to_ledger(tx, seqs, "superseded", by=seq, why=why)
    return seq


def requeue_as_create(tx: Transaction, model: Model, key: str, changes: Sequence[Change]) -> int:
    """Let a create of the row take the place of ``changes``, the remote having lost the record; its number."""
    seq = queue.enqueue(tx, model, key, Op.CREATE, changes[-1].created_at)
    queue.move_to_ledger(
        tx, [change.seq for change in changes], "superseded", by=seq, why="the remote has it no more: made again"
    )
    bases.drop(tx, model, key)
    return seq


def discard(tx: Transaction, model: Model, key: str, changes: Sequence[Change], record: Row | None, why: str) -> None:
    """Discard ``changes``, all that wait for the record; the row becomes ``record``, or goes away with it."""
    queue.move_to_ledger(tx, [change.seq for change in changes], "discarded", why=why)
    bases.drop(tx, model, key)
    if record is None:
        rows.remove(tx, model, key)
    else:
        put_row(tx, model, record)
