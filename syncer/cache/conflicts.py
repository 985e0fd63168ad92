"""Clashes that wait for a person, with every value they were found with."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from syncer import clock
from syncer.cache.merge import Clash
from syncer.describe import Model
from syncer.store.core import CONFLICT
from syncer.store.database import Statement, Transaction

_c = CONFLICT.c
_ADD = Statement(
    CONFLICT.insert().values(
        {n: sa.bindparam(n) for n in ("remote", "model", "key", "seq", "field", "base", "ours", "theirs", "detected_at")}
    )
)
_OPEN = (_c.model == sa.bindparam("m"), _c.key == sa.bindparam("k"), _c.resolved_at.is_(None))
_RESOLVE = Statement(CONFLICT.update().where(*_OPEN).values(resolved_at=sa.bindparam("at"), resolution=sa.bindparam("how")))


def add(tx: Transaction, model: Model, key: str, seq: int, clashes: tuple[Clash, ...]) -> None:
    """Record clashes of one record; open ones of the same record are replaced by what is true now."""
    resolve(tx, model, key, "overtaken")
    now = clock.stored_now()
    for clash in clashes:
        values = (_json(clash.base), _json(clash.ours), _json(clash.theirs))
        tx.run(_ADD, (model.remote, model.name, key, seq, clash.field, *values, now))


def add_whole(tx: Transaction, model: Model, key: str, seq: int, ours: Any, theirs: Any) -> None:
    """Record that the record as a whole differs: gone there, or changed there while deleted here."""
    resolve(tx, model, key, "overtaken")
    tx.run(_ADD, (model.remote, model.name, key, seq, None, None, _json(ours), _json(theirs), clock.stored_now()))


def resolve(tx: Transaction, model: Model, key: str, how: str) -> int:
    """Close the open conflicts of a record; how many."""
    return tx.run(_RESOLVE, {"m": model.name, "k": key, "at": clock.stored_now(), "how": how})


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
