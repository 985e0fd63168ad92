"""Creates that carry, as their ``fields``, what to send instead if the remote has the record already."""

from __future__ import annotations

import json
from collections.abc import Iterable

import sqlalchemy as sa

from syncer.describe import Model
from syncer.port import Op, State
from syncer.store.core import OUTBOX
from syncer.store.database import Statement, Transaction

_o = OUTBOX.c
_ahead = OUTBOX.alias("ahead")
_UNSENT = Statement(
    sa.select(_o.seq)
    .where(
        _o.model == sa.bindparam("m"),
        _o.remote == sa.bindparam("r"),
        _o.op == Op.CREATE,
        _o.fields.is_not(None),
        _o.body.is_(None),
        _o.state == State.PENDING,
        sa.or_(_o.due_at.is_(None), _o.due_at <= sa.bindparam("now")),
        ~sa.exists().where(_ahead.c.model == _o.model, _ahead.c.key == _o.key, _ahead.c.seq < _o.seq),
    )
    .order_by(_o.seq)
)
_OFFER = Statement(OUTBOX.update().where(_o.seq == sa.bindparam("s")).values(fields=sa.bindparam("f")))


def unsent(tx: Transaction, model: Model, now: str) -> list[int]:
    """Numbers of the due upserts of a model that were never made ready to be sent, each the first of its record."""
    return [row[0] for row in tx.all(_UNSENT, {"m": model.name, "r": model.remote, "now": now})]


def offer(tx: Transaction, seq: int, names: Iterable[str]) -> None:
    """Let a create that was never sent be an upsert that would send ``names``."""
    tx.run(_OFFER, {"s": seq, "f": json.dumps(sorted(names))})
