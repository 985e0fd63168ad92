"""A local id becomes the remote's: row, children, waiting changes and bookkeeping, all in the caller's transaction.

Children whose parent has a local id are never sent before that id is known (they wait for the parent's create), so no frozen
body can name it. A child whose own key holds the parent's id gets another key; its create may now meet a record the parent
had before, so it becomes an upsert.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncer import clock, failpoints
from syncer.cache import bases, idmap, rows
from syncer.describe import Field, Model
from syncer.engine import owning
from syncer.outbox import callerkeys, queue, upserts
from syncer.port import Change, Op
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
                idmap.point(tx, other, field.name, old, new)


def _rekey(tx: Transaction, model: Model, old: str, new: str) -> None:
    if bases.get(tx, model, new) is not None:
        bases.drop(tx, model, old)
    idmap.rekey(tx, model, old, new)
    callerkeys.rekey(tx, model, old, new)
    idmap.add(tx, model, old, new, clock.stored_now())


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
            owning.take_over(tx, moved, bases.get(tx, model, new) or there)


def _made_upsert(tx: Transaction, model: Model, key: str, changes: Sequence[Change]) -> Change | None:
    """The unsent create among ``changes``, None when there is none."""
    create = next((c for c in changes if c.op == Op.CREATE and c.body is None), None)
    row = rows.get(tx, model, key)
    if create is not None and row is not None and not create.fields:
        upserts.offer(tx, create.seq, {*owning.offered(model, row), *model.key})
    return create
