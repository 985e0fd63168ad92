"""A local id becomes the remote's: row, children, waiting changes and bookkeeping, all in the caller's transaction.

Children whose parent has a local id are never sent before that id is known (they wait for the parent's create), so no frozen
body can name it.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncer import clock
from syncer.cache import bases, idmap, rows
from syncer.describe import Model, Origin
from syncer.outbox import callerkeys, queue
from syncer.store.database import Transaction


def rename(tx: Transaction, models: Mapping[str, Model], model: Model, local: str, remote: str) -> None:
    """Let the record known here as ``local`` be ``remote`` from now on; ``local`` stays known as its alias."""
    if rows.known(tx, model, [remote]):
        _into_pulled(tx, model, local, remote)
    else:
        rows.rekey(tx, model, model.key[0], local, remote)
    for other in models.values():
        for field in other.references:
            if field.ref == model.name:
                rows.rekey(tx, other, field.name, local, remote)
    idmap.rekey(tx, model, local, remote)
    callerkeys.rekey(tx, model, local, remote)
    idmap.add(tx, model, local, remote, clock.stored_now())


def _into_pulled(tx: Transaction, model: Model, local: str, remote: str) -> None:
    """A pull brought the record first: its row stays, with what waits here and what is kept only here."""
    ours = rows.get(tx, model, local) or {}
    names = {name for change in queue.of_record(tx, model, local) for name in change.fields}
    names |= {field.name for field in model.fields if field.origin is Origin.LOCAL}
    rows.set_fields(tx, model, remote, {name: ours[name] for name in sorted(names & ours.keys())})
    rows.remove(tx, model, local)
    if bases.get(tx, model, remote) is not None:
        bases.drop(tx, model, local)
