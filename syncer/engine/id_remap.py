"""Another id for a record: the remote's own, or the one it had there before. Row, children, waiting changes and bookkeeping.

Children whose parent has a local id are never sent before that id is known (they wait for the
parent's create), so no serialized body can name it. A child whose own key holds the parent's id gets
another key; its create may now meet a record the parent had before, so it becomes an upsert. A
program may hold a local id for long and go on writing rows with it; such a row is put right before
anything that names it is sent.

Where the remote has the record of an upsert already, the create gives way to an update of what the
caller gave: the remote's record becomes the base, the row is that record with what the caller gave
on top, and the ledger tells what took over the create. All in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from syncer import clock, failpoints
from syncer.merge.three_way import differing
from syncer.outbox import queue
from syncer.records import bases, id_map, idempotency, rows
from syncer.remote import Change, Op, Row, State
from syncer.schema.model import Field, Model, Origin
from syncer.store.database import Transaction


def rename(tx: Transaction, models: Mapping[str, Model], model: Model, local: str, remote: str) -> None:
    """Let the record known here as ``local`` be ``remote`` from now on; ``local`` stays known as its alias."""
    if rows.known(tx, model, [remote]):
        _into_pulled(tx, model, local, remote)
    else:
        rows.rekey(tx, model, model.key[0], local, remote)
    _rekey(tx, model, local, remote)
    point(tx, models, model, local, remote)
    failpoints.reached("renamed")


def point(tx: Transaction, models: Mapping[str, Model], model: Model, old: str, new: str) -> None:
    """Let everything that refers to the record ``old`` of ``model`` refer to ``new``."""
    for other in models.values():
        for field in other.references:
            if field.ref != model.name:
                continue
            if field.name in other.key:
                for key in rows.keys_where(tx, other, field.name, old):
                    _move(tx, other, field, key, new)
            elif rows.rekey(tx, other, field.name, old, new):
                id_map.point(tx, other, field.name, old, new)


def _rekey(tx: Transaction, model: Model, old: str, new: str) -> None:
    if bases.get(tx, model, new) is not None:
        bases.drop(tx, model, old)
    id_map.rekey(tx, model, old, new)
    idempotency.rekey(tx, model, old, new)
    id_map.add(tx, model, old, new, clock.stored_now())


def _into_pulled(tx: Transaction, model: Model, local: str, remote: str) -> None:
    """A pull brought the record first: its row stays, with what waits here and what is kept only here."""
    ours = rows.get(tx, model, local) or {}
    waiting = queue.of_record(tx, model, local)
    names = {name for change in waiting for name in change.fields}
    names |= {field.name for field in model.fields if field.here_only}
    last = max((change.seq for change in waiting), default=0)
    later = [change for change in queue.of_record(tx, model, remote) if change.seq > last]
    names -= {*model.key, *(name for change in later for name in change.fields)}
    rows.set_fields(tx, model, remote, {name: ours[name] for name in sorted(names & ours.keys())})
    rows.remove(tx, model, local)


def _move(tx: Transaction, model: Model, field: Field, old: str, parent: str) -> None:
    """A child goes under another parent, and so under another key; a row that is there already takes it in."""
    fields = {**model.key_fields(old), field.name: parent}
    new = model.key_text(fields)
    create = _made_upsert(tx, model, old, queue.of_record(tx, model, old))
    there = rows.get(tx, model, new)
    if there is None:
        rows.set_fields(tx, model, old, fields)
    else:
        _into_pulled(tx, model, old, new)
    _rekey(tx, model, old, new)
    if there is not None and create is not None:
        moved = queue.by_seq(tx, create.seq, {model.remote: {model.name: model}})
        if moved is not None:
            convert_to_update(tx, moved, bases.get(tx, model, new) or there)


def _made_upsert(tx: Transaction, model: Model, key: str, changes: Sequence[Change]) -> Change | None:
    """The unsent create among ``changes``, None when there is none."""
    create = next((c for c in changes if c.op == Op.CREATE and c.body is None), None)
    row = rows.get(tx, model, key)
    if create is not None and row is not None and not create.fields:
        queue.offer(tx, create.seq, {*offered(model, row), *model.key})
    return create


def repaired(tx: Transaction, models: Mapping[str, Model], changes: Sequence[Change]) -> bool:
    """Let the rows of ``changes`` that were never made ready refer to their parents' ids of today; True if any did not."""
    fresh: dict[Model, list[str]] = {}
    for change in changes:
        if change.body is None and change.op != Op.DELETE:
            fresh.setdefault(change.model, []).append(change.key)
    renamed = {name for name in _parents(fresh) if name in models and id_map.has(tx, models[name])}
    found = False
    for model in fresh if renamed else ():
        pointing = [f for f in model.references if f.ref in renamed]
        for row in rows.get_many(tx, model, fresh[model]).values() if pointing else ():
            for field in pointing:
                found |= _put_right(tx, models, models[field.ref or ""], row.get(field.name))
    return found


def _parents(fresh: Iterable[Model]) -> set[str]:
    return {field.ref for model in fresh for field in model.references if field.ref is not None}


def _put_right(tx: Transaction, models: Mapping[str, Model], model: Model, key: str | None) -> bool:
    """True when ``key`` is no record's any more but the alias of one; whatever referred to it refers to that one then."""
    named = id_map.remote_id(tx, model, key) if key is not None else None
    if key is None or named is None or named == key or rows.known(tx, model, [key]):
        return False
    point(tx, models, model, key, named)
    return True


_THERE = "the remote had it already"


def offered(model: Model, row: Row) -> list[str]:
    """What a plain create would send if the record were there: what was set by the caller, not what was filled in."""
    return [
        f.name
        for f in model.fields
        if f.origin is Origin.CALLER and f.fill_in is None and f.ref is None and row.get(f.name) is not None
    ]


def convert_to_update(tx: Transaction, change: Change, record: Row) -> bool:
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
        seq = queue.enqueue(tx, model, key, Op.UPDATE, change.created_at, fields=fields, earlier=earlier)
        queue.move_to_ledger(tx, [change.seq], "superseded", by=seq, why=f"{_THERE}: sent as an update")
    else:
        queue.move_to_ledger(tx, [change.seq], "acked", why=_THERE)
    if fields or others:
        bases.put(tx, model, key, record)
    else:
        bases.drop(tx, model, key)
    return bool(fields)


def _as_last(change: Change) -> queue.Tail:
    return queue.Tail(
        change.seq, change.op, change.state, frozenset(change.fields), change.body is not None, change.idem_key
    )


def _to_send(model: Model, given: Sequence[str], ours: Row, record: Row) -> list[str]:
    """What was given and differs, with what has to travel with it where the record lacks that."""
    free = [f.name for f in model.fields if f.origin is Origin.CALLER and f.name not in model.key]
    fields = differing(model, ours, record, [name for name in free if name in given])
    if fields:
        together = model.with_companions(fields)
        lacking = [name for name in free if name in together and name not in fields and record.get(name) is None]
        fields += [name for name in lacking if ours.get(name) is not None]
    return fields


def _deleted_since(tx: Transaction, change: Change, others: Sequence[Change], record: Row) -> None:
    """A delete waits behind the create: it is meant for the record that is there."""
    last = others[-1] if others else None
    if last is None:
        queue.move_to_ledger(tx, [change.seq], "acked", why=_THERE)
        return
    bases.put(tx, change.model, change.key, record)
    queue.move_to_ledger(tx, [change.seq], "superseded", by=last.seq, why=_THERE)
