"""A local id becomes the remote's: row, children, waiting changes and bookkeeping, all in the caller's transaction.

Children whose parent has a local id are never sent before that id is known (they wait for the parent's create), so no frozen
body can name it.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncer import clock
from syncer.cache import idmap, rows
from syncer.describe import Model
from syncer.outbox import callerkeys
from syncer.store.database import Transaction


def rename(tx: Transaction, models: Mapping[str, Model], model: Model, local: str, remote: str) -> None:
    """Let the record known here as ``local`` be ``remote`` from now on; ``local`` stays known as its alias."""
    if rows.known(tx, model, [remote]):
        rows.remove(tx, model, local)  # a pull brought it first
    else:
        rows.rekey(tx, model, model.key[0], local, remote)
    for other in models.values():
        for field in other.references:
            if field.ref == model.name:
                rows.rekey(tx, other, field.name, local, remote)
    idmap.rekey(tx, model, local, remote)
    callerkeys.rekey(tx, model, local, remote)
    idmap.add(tx, model, local, remote, clock.stored_now())
