"""Deletes that wait: those that were never sent, and what the records they are about point at."""

from __future__ import annotations

import json
from collections.abc import Collection

import sqlalchemy as sa

from syncer.describe import Field, Model
from syncer.port import Op, State
from syncer.store.core import BASE, LEDGER, OUTBOX
from syncer.store.database import Statement, Transaction

_o = OUTBOX.c
_b = BASE.c
_l = LEDGER.c
_ahead = OUTBOX.alias("ahead")
_KEYS = sa.select(sa.func.json_each(sa.bindparam("keys")).table_valued("value").c.value)
_UNSENT = Statement(
    sa.select(_o.seq)
    .where(
        _o.model == sa.bindparam("m"),
        _o.remote == sa.bindparam("r"),
        _o.op == Op.DELETE,
        _o.body.is_(None),
        _o.state == State.PENDING,
        sa.or_(_o.due_at.is_(None), _o.due_at <= sa.bindparam("now")),
        ~sa.exists().where(_ahead.c.model == _o.model, _ahead.c.key == _o.key, _ahead.c.seq < _o.seq),
    )
    .order_by(_o.seq)
)
_target = sa.func.json_extract(_b.record, sa.bindparam("path"))
_POINTED = Statement(
    sa.select(_target.label("target"))
    .select_from(OUTBOX.join(BASE, sa.and_(_b.remote == _o.remote, _b.model == _o.model, _b.key == _o.key)))
    .where(_o.remote == sa.bindparam("r"), _o.model == sa.bindparam("m"), _o.op == Op.DELETE, _target.in_(_KEYS))
    .distinct()
)
_GIVEN_UP = Statement(
    sa.select(_l.key)
    .where(
        _l.remote == sa.bindparam("r"),
        _l.model == sa.bindparam("m"),
        _l.op == Op.DELETE,
        _l.door == "discarded",
        _l.left_at >= sa.bindparam("since"),
        _l.key.in_(_KEYS),
    )
    .distinct()
)


def unsent(tx: Transaction, model: Model, now: str) -> list[int]:
    """Numbers of the due deletes of a model that were never made ready to be sent, each the first of its record."""
    return [row[0] for row in tx.all(_UNSENT, {"m": model.name, "r": model.remote, "now": now})]


def pointed_at(tx: Transaction, model: Model, field: Field, keys: Collection[str]) -> set[str]:
    """Those of ``keys`` at which a record of ``model`` points by ``field`` whose delete waits.

    The row is gone, so its base says where it pointed; one without a base is not on the remote and points at nothing.
    """
    named = {"r": model.remote, "m": model.name, "path": f'$."{field.name}"', "keys": json.dumps(list(keys))}
    return {row[0] for row in tx.all(_POINTED, named)}


def given_up(tx: Transaction, model: Model, keys: Collection[str], since: str) -> set[str]:
    """Those of ``keys`` whose delete somebody has dropped, or settled for the remote's side, at or after ``since``."""
    named = {"r": model.remote, "m": model.name, "keys": json.dumps(list(keys)), "since": since}
    return {row[0] for row in tx.all(_GIVEN_UP, named)}
