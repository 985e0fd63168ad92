"""Rows written with an id that their parent had here before the remote's took over.

A program may hold such an id for long and go on using it; it is put right before anything that names it is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from syncer.cache import idmap, rows
from syncer.describe import Model
from syncer.engine import renaming
from syncer.port import Change, Op
from syncer.store.database import Transaction


def mended(tx: Transaction, models: Mapping[str, Model], changes: Sequence[Change]) -> bool:
    """Let the rows of ``changes`` that were never made ready refer to their parents' ids of today; True if any did not."""
    fresh: dict[Model, list[str]] = {}
    for change in changes:
        if change.body is None and change.op != Op.DELETE:
            fresh.setdefault(change.model, []).append(change.key)
    renamed = {name for name in _parents(fresh) if name in models and idmap.has(tx, models[name])}
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
    named = idmap.remote_id(tx, model, key) if key is not None else None
    if key is None or named is None or named == key or rows.known(tx, model, [key]):
        return False
    renaming.point(tx, models, model, key, named)
    return True
