"""Creates by the idempotency key under which they were sent."""

from __future__ import annotations

import json
from collections.abc import Iterable

import sqlalchemy as sa

from syncer.describe import Model
from syncer.port import Op
from syncer.store.core import LEDGER, OUTBOX
from syncer.store.database import Statement, Transaction

_KEYS = sa.select(sa.func.json_each(sa.bindparam("keys")).table_valued("value").c.value)


def _creates(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    columns = table.c
    return (
        columns.remote == sa.bindparam("r"),
        columns.model == sa.bindparam("m"),
        columns.op == Op.CREATE,
        columns.idem_key.in_(_KEYS),
    )


_WAITING = Statement(sa.select(OUTBOX.c.idem_key, OUTBOX.c.seq, OUTBOX.c.key).where(*_creates(OUTBOX)))
_ACKED = Statement(sa.select(LEDGER.c.idem_key, LEDGER.c.key).where(*_creates(LEDGER), LEDGER.c.door == "acked"))


def waiting(tx: Transaction, model: Model, idem_keys: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Number and record key of the waiting creates under any of ``idem_keys``, by it."""
    found = tx.all(_WAITING, {"r": model.remote, "m": model.name, "keys": json.dumps(list(idem_keys))})
    return {idem_key: (seq, key) for idem_key, seq, key in found}


def acked(tx: Transaction, model: Model, idem_keys: Iterable[str]) -> dict[str, str]:
    """What the creates that went out under any of ``idem_keys`` made: record keys by it."""
    found = tx.all(_ACKED, {"r": model.remote, "m": model.name, "keys": json.dumps(list(idem_keys))})
    return {str(idem_key): str(key) for idem_key, key in found}
