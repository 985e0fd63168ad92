"""What has only just left: lists and reads may not show it yet.

Source: docs/remotes/plexus.md#consistency
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import sqlalchemy as sa

from syncer import clock
from syncer.describe import Model
from syncer.store.core import LEDGER
from syncer.store.database import Statement, Transaction

_LATE_S = 60.0  # by how much a remote may lag behind what it has acknowledged
_l = LEDGER.c
_ACKED = Statement(
    sa.select(_l.key, _l.op)
    .where(
        _l.model == sa.bindparam("m"),
        _l.key.in_(sa.select(sa.func.json_each(sa.bindparam("keys")).table_valued("value").c.value)),
        _l.left_at >= sa.bindparam("since"),
        _l.door == "acked",
    )
    .order_by(_l.seq)
)


def since(moment: str | None = None) -> str:
    """From when on what was acknowledged counts as just written at ``moment`` (now when None)."""
    return clock.after(-_LATE_S, None if moment is None else clock.parsed(moment))


def acked(tx: Transaction, model: Model, keys: Iterable[str], moment: str | None = None) -> dict[str, str]:
    """Those of ``keys`` of which a change was acknowledged just before ``moment`` (now when None), with its operation."""
    found = tx.all(_ACKED, {"m": model.name, "keys": json.dumps(list(keys)), "since": since(moment)})
    return {str(key): str(op) for key, op in found}
