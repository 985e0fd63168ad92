"""Which records were made here: creates that were acknowledged, also those whose ledger lines were pruned since."""

from __future__ import annotations

import json
from collections.abc import Iterable

import sqlalchemy as sa

from syncer.describe import Model
from syncer.port import Op
from syncer.store.core import LEDGER, MADE
from syncer.store.database import Statement, Transaction

_l, _m = LEDGER.c, MADE.c
_later = LEDGER.alias("later")
_listed = sa.select(sa.func.json_each(sa.bindparam("keys")).table_valued("value").c.value)
_going = _l.seq.in_(sa.select(sa.func.json_each(sa.bindparam("seqs")).table_valued("value").c.value))
_DELETED = sa.exists().where(
    _later.c.remote == _l.remote,
    _later.c.model == _l.model,
    _later.c.key == _l.key,
    _later.c.op == Op.DELETE,
    _later.c.door == "acked",
    _later.c.seq > _l.seq,
)
_HERE = Statement(
    sa.select(_l.key, _l.left_at)
    .where(
        _l.remote == sa.bindparam("r"),
        _l.model == sa.bindparam("m"),
        _l.key.in_(_listed),
        _l.op == Op.CREATE,
        _l.door == "acked",
    )
    .order_by(_l.left_at)
)
_PRUNED = Statement(
    sa.select(_m.key, _m.made_at).where(_m.remote == sa.bindparam("r"), _m.model == sa.bindparam("m"), _m.key.in_(_listed))
)
_FORGET = Statement(
    MADE.delete().where(
        sa.tuple_(_m.remote, _m.model, _m.key).in_(
            sa.select(_l.remote, _l.model, _l.key).where(_going, _l.op == Op.DELETE, _l.door == "acked")
        )
    )
)
_KEEP = Statement(
    MADE.insert()
    .prefix_with("OR REPLACE")
    .from_select(
        ["remote", "model", "key", "made_at"],
        sa.select(_l.remote, _l.model, _l.key, _l.left_at).where(_going, _l.op == Op.CREATE, _l.door == "acked", ~_DELETED),
    )
)


def here(tx: Transaction, model: Model, keys: Iterable[str]) -> dict[str, str]:
    """Those of ``keys`` whose create was acknowledged, with the time."""
    named = {"r": model.remote, "m": model.name, "keys": json.dumps(list(keys))}
    return {str(key): str(at) for statement in (_PRUNED, _HERE) for key, at in tx.all(statement, named)}


def keep(tx: Transaction, seqs: str) -> None:
    """Before these ledger lines go (a JSON list of numbers): what they made, and did not delete again, stays known."""
    tx.run(_FORGET, {"seqs": seqs})
    tx.run(_KEEP, {"seqs": seqs})
