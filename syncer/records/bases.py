"""The last remote record seen of rows that have edits waiting. A row with nothing waiting is its own base."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from syncer.remote import Row
from syncer.schema.model import Model
from syncer.store.database import Statement, Transaction
from syncer.store.schema import BASE

_b = BASE.c
_OF = (_b.remote == sa.bindparam("r"), _b.model == sa.bindparam("m"), _b.key == sa.bindparam("k"))
_GET = Statement(sa.select(_b.record).where(*_OF))
_DROP = Statement(BASE.delete().where(*_OF))
_insert = sqlite_insert(BASE).values({n: sa.bindparam(n) for n in ("remote", "model", "key", "record")})
_PUT = Statement(
    _insert.on_conflict_do_update(index_elements=[_b.remote, _b.model, _b.key], set_={"record": _insert.excluded.record})
)


def get(tx: Transaction, model: Model, key: str) -> Row | None:
    """The base of a row, None when the row is its own (or has never been remote)."""
    found = tx.one(_GET, (model.remote, model.name, key))
    if found is None:
        return None
    row: Row = json.loads(found[0])
    return row


def put(tx: Transaction, model: Model, key: str, record: Mapping[str, Any]) -> None:
    """Keep ``record`` as the base."""
    tx.run(_PUT, (model.remote, model.name, key, json.dumps(dict(record), ensure_ascii=False)))


def drop(tx: Transaction, model: Model, key: str) -> None:
    """Nothing waits any more."""
    tx.run(_DROP, (model.remote, model.name, key))
