"""Pulled records that creates of our own made: the answer to a create that still waits for one, or a second effect of it."""

from __future__ import annotations

from collections.abc import Mapping

from syncer.cache import rows
from syncer.describe import Model
from syncer.engine import renaming
from syncer.outbox import makers, queue
from syncer.store.database import Transaction

_TWICE = "{model} {other} was made by the same create as {key}: a request was applied twice, remove one of them"


def adopt(tx: Transaction, models: Mapping[str, Model], model: Model, made: Mapping[str, str]) -> list[str]:
    """Let each pulled record that a waiting create made be that create's answer; a sentence for every one made twice.

    ``made``: idempotency keys by record key, the record to keep before others of the same key. Records known
    here say nothing new.
    """
    known = rows.known(tx, model, made)
    fresh = {key: idem_key for key, idem_key in made.items() if key not in known}
    if not fresh:
        return []
    waiting, kept = makers.waiting(tx, model, fresh.values()), makers.acked(tx, model, fresh.values())
    notes = []
    for key, idem_key in fresh.items():
        if idem_key in kept:
            notes.append(_TWICE.format(model=model.name, other=key, key=kept[idem_key]))
            continue
        kept[idem_key] = key
        if idem_key in waiting:
            seq, local = waiting[idem_key]
            renaming.rename(tx, models, model, local, key)
            queue.leave(tx, [seq], "acked", why="a pull found the record")
    return notes
