"""All rows of a model, a block at a time, in the order of their keys; and the waiting changes of a model likewise."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from syncer.cache import rows
from syncer.describe import Model
from syncer.store.core import MARK, OUTBOX
from syncer.store.database import Statement, Transaction

_o = OUTBOX.c
_WAITING = Statement(
    sa.select(_o.key)
    .where(_o.remote == sa.bindparam("r"), _o.model == sa.bindparam("m"), _o.key > sa.bindparam("after"))
    .distinct()
    .order_by(_o.key)
    .limit(sa.bindparam("most"))
)
_PULLED = Statement(
    sa.select(sa.func.max(MARK.c.complete_at)).where(MARK.c.remote == sa.bindparam("r"), MARK.c.model == sa.bindparam("m"))
)


def keys(tx: Transaction, model: Model, after: str, most: int) -> list[str]:
    """Up to ``most`` keys of rows behind ``after`` (empty: from the first), in the order of the key's fields."""
    behind = list(model.key_fields(after).values()) if after else [""] * len(model.key)
    found = tx.all(_keys(model), {**{f"k{n}": value for n, value in enumerate(behind)}, "most": most})
    return [model.key_text(dict(zip(model.key, row, strict=True))) for row in found]


@cache
def _keys(model: Model) -> Statement:
    columns = rows.sql(model).key_columns
    behind: sa.ColumnElement[Any] = sa.tuple_(*columns) > sa.tuple_(*(sa.bindparam(f"k{n}") for n in range(len(columns))))
    return Statement(sa.select(*columns).where(behind).order_by(*columns).limit(sa.bindparam("most")))


def waiting(tx: Transaction, model: Model, after: str, most: int) -> list[str]:
    """Up to ``most`` keys of records behind ``after`` for which anything waits, in order."""
    return [row[0] for row in tx.all(_WAITING, {"r": model.remote, "m": model.name, "after": after, "most": most})]


def pulled_at(tx: Transaction, model: Model) -> str | None:
    """When a pull of the model, or of a part of it, last came to its end, by our clock."""
    row = tx.one(_PULLED, {"r": model.remote, "m": model.name})
    return row[0] if row else None
