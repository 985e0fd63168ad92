"""An upsert whose record the remote has already: the create gives way to an update of what the caller gave.

The remote's record becomes the base, the row is that record with what the caller gave on top, and the ledger tells what took
over the create. All in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncer.cache import bases, rows
from syncer.cache.merge import differing
from syncer.describe import Model, Origin
from syncer.outbox import queue
from syncer.port import Change, Op, Row, State
from syncer.store.database import Transaction

_THERE = "the remote had it already"


def offered(model: Model, row: Row) -> list[str]:
    """What a plain create would send if the record were there: what was set by the caller, not what was filled in."""
    return [
        f.name
        for f in model.fields
        if f.origin is Origin.CALLER and f.fill_in is None and f.ref is None and row.get(f.name) is not None
    ]


def take_over(tx: Transaction, change: Change, record: Row) -> bool:
    """Put an update in the place of the create ``change``, whose key is that of ``record``, the remote's.

    True when there is anything to send.
    """
    model, key = change.model, change.key
    others = [c for c in queue.of_record(tx, model, key) if c.seq != change.seq]
    ours = rows.get(tx, model, key)
    if ours is None:
        _deleted_since(tx, change, others, record)
        return False
    base = bases.get(tx, model, key)
    if base is not None and any(c.state in (State.SENDING, State.AMBIGUOUS) for c in others):
        record = base  # the replay of what may be applied compares with it; what it is not tells the next pull
    fields = _to_send(model, change.fields, ours, record)
    kept = {*fields, *(name for c in others for name in c.fields)}
    rows.put(tx, model, [rows.sql(model).as_tuple({**record, **{name: ours[name] for name in sorted(kept)}})])
    if fields:
        earlier = _as_last(others[-1]) if others else None
        seq = queue.append(tx, model, key, Op.UPDATE, change.created_at, fields=fields, earlier=earlier)
        queue.leave(tx, [change.seq], "superseded", by=seq, why=f"{_THERE}: sent as an update")
    else:
        queue.leave(tx, [change.seq], "acked", why=_THERE)
    if fields or others:
        bases.put(tx, model, key, record)
    else:
        bases.drop(tx, model, key)
    return bool(fields)


def _as_last(change: Change) -> queue.Last:
    return queue.Last(
        change.seq, change.op, change.state, frozenset(change.fields), change.body is not None, change.idem_key
    )


def _to_send(model: Model, given: Sequence[str], ours: Row, record: Row) -> list[str]:
    """What was given and differs, with what has to travel with it where the record lacks that."""
    free = [f.name for f in model.fields if f.origin is Origin.CALLER and f.name not in model.key]
    fields = differing(model, ours, record, [name for name in free if name in given])
    if fields:
        together = model.together(fields)
        lacking = [name for name in free if name in together and name not in fields and record.get(name) is None]
        fields += [name for name in lacking if ours.get(name) is not None]
    return fields


def _deleted_since(tx: Transaction, change: Change, others: Sequence[Change], record: Row) -> None:
    """A delete waits behind the create: it is meant for the record that is there."""
    last = others[-1] if others else None
    if last is None:
        queue.leave(tx, [change.seq], "acked", why=_THERE)
        return
    bases.put(tx, change.model, change.key, record)
    queue.leave(tx, [change.seq], "superseded", by=last.seq, why=_THERE)
