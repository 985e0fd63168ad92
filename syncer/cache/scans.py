"""What a complete scan did not see: rows here whose records may be gone. Kept in temporary tables, however many there are.

The tables belong to the one connection that writes, and never reach the file: a scan that ends early leaves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncer.cache import events, rows
from syncer.describe import Model, snake
from syncer.store.core import OUTBOX
from syncer.store.database import Statement, Transaction

_MAKE = (
    "CREATE TEMP TABLE IF NOT EXISTS seen (one TEXT, two TEXT, PRIMARY KEY (one, two)) WITHOUT ROWID",
    "CREATE TEMP TABLE IF NOT EXISTS unseen (one TEXT, two TEXT, waits INTEGER, PRIMARY KEY (one, two)) WITHOUT ROWID",
)
_CLEAR = ("DELETE FROM temp.seen", "DELETE FROM temp.unseen")
_temporary = sa.MetaData(schema="temp")
_SEEN = sa.Table("seen", _temporary, *(sa.Column(name, sa.Text) for name in ("one", "two")))
_UNSEEN = sa.Table(
    "unseen", _temporary, *(sa.Column(name, sa.Text) for name in ("one", "two")), sa.Column("waits", sa.Integer)
)
_SAW = Statement(_SEEN.insert().prefix_with("OR IGNORE").values(one=sa.bindparam("one"), two=sa.bindparam("two")))
_SUSPECT = Statement(
    _UNSEEN.insert()
    .prefix_with("OR IGNORE")
    .values(one=sa.bindparam("one"), two=sa.bindparam("two"), waits=sa.bindparam("waits"))
)
_HOW_MANY_SEEN = Statement(sa.select(sa.func.count()).select_from(_SEEN))
_HOW_MANY = Statement(sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_UNSEEN.c.waits), 0)).select_from(_UNSEEN))
_SOME = Statement(
    sa.select(_UNSEEN.c.one, _UNSEEN.c.two)
    .where(sa.tuple_(_UNSEEN.c.one, _UNSEEN.c.two) > sa.tuple_(sa.bindparam("one"), sa.bindparam("two")))
    .order_by(_UNSEEN.c.one, _UNSEEN.c.two)
    .limit(sa.bindparam("most"))
)
_THERE = Statement(_UNSEEN.delete().where(_UNSEEN.c.one == sa.bindparam("k1"), _UNSEEN.c.two == sa.bindparam("k2")))
_WHY = "the remote has it no more"


def begin(tx: Transaction) -> None:
    """Nothing is seen, nothing suspected."""
    for statement in (*_MAKE, *_CLEAR):
        tx.script(statement)


def saw(tx: Transaction, model: Model, page: Sequence[Sequence[Any]]) -> None:
    """The remote has these records (stored tuples)."""
    at = [rows.sql(model).names.index(name) for name in model.key]
    tx.many(_SAW, [_pair([values[n] for n in at]) for values in page])


def part_ended(
    tx: Transaction,
    model: Model,
    where: Mapping[str, str],
    within: Mapping[str, Sequence[str]],
    since: tuple[str, str] | None = None,
    listed_by: tuple[str, ...] = (),
) -> int:
    """Every record of a part was seen: suspect the rows that were not, and count those that were.

    ``where`` and ``within``: the values of fields that rows of the part have. ``since``: (field, earliest time).
    ``listed_by``: fields without which a record is in no list, so that its row is not suspect.
    """
    found = tx.one(_HOW_MANY_SEEN)
    named: dict[str, Any] = {f"w_{name}": value for name, value in where.items()}
    named |= {f"i_{name}": json.dumps(list(values)) for name, values in within.items()}
    statement = _unseen(model, tuple(where), tuple(within), since[0] if since else None, listed_by)
    tx.run(statement, {**named, "since": since[1] if since else None})
    tx.script(_CLEAR[0])
    return int(found[0]) if found else 0


@cache
def _unseen(
    model: Model, where: tuple[str, ...], within: tuple[str, ...], since: str | None, listed_by: tuple[str, ...]
) -> Statement:
    table = rows.sql(model).table
    column = {f.name: table.c[snake(f.name)] for f in model.fields}
    one = column[model.key[0]]
    two: sa.ColumnElement[Any] = column[model.key[1]] if len(model.key) > 1 else sa.literal_column("''")
    text = sa.func.json_array(one, two) if len(model.key) > 1 else one
    waiting = sa.exists().where(OUTBOX.c.model == model.name, OUTBOX.c.key == text)
    made_here = sa.exists().where(OUTBOX.c.model == model.name, OUTBOX.c.key == text, OUTBOX.c.op == "create")
    wanted: list[sa.ColumnElement[bool]] = [column[name] == sa.bindparam(f"w_{name}") for name in where]
    for name in within:
        values = sa.func.json_each(sa.bindparam(f"i_{name}")).table_valued("value").c.value
        wanted.append(column[name].in_(sa.select(values)))
    if since is not None:
        wanted.append(column[since] >= sa.bindparam("since"))
    wanted += [column[name].is_not(None) for name in listed_by]
    seen = sa.exists().where(_SEEN.c.one == one, _SEEN.c.two == two)
    chosen = sa.select(one, two, waiting).where(*wanted, ~seen, ~made_here)
    return Statement(_UNSEEN.insert().prefix_with("OR IGNORE").from_select(["one", "two", "waits"], chosen))


def suspect(tx: Transaction, model: Model, keys: Sequence[str], waiting: set[str]) -> None:
    """Rows by key that were looked for in vain. ``waiting``: those with edits."""
    tx.many(_SUSPECT, [(*_pair(_values(model, key)), int(key in waiting)) for key in keys])


def suspected(tx: Transaction) -> tuple[int, int]:
    """How many rows are suspect, and how many of them have something waiting."""
    found = tx.one(_HOW_MANY)
    return (int(found[0]), int(found[1])) if found else (0, 0)


def some(tx: Transaction, model: Model, after: str | None, most: int) -> list[str]:
    """Up to ``most`` suspect rows behind ``after``, by key."""
    one, two = ("", "") if after is None else _pair(_values(model, after))
    found = tx.all(_SOME, {"one": one, "two": two, "most": most})
    return [model.key_text(dict(zip(model.key, pair, strict=False))) for pair in found]


def cleared(tx: Transaction, model: Model, keys: Sequence[str]) -> None:
    """These are suspect no more."""
    tx.many(_THERE, [_pair(_values(model, key)) for key in keys])


def remove(tx: Transaction, model: Model, keys: Sequence[str]) -> None:
    """Remove rows whose records are gone, and say so in their history."""
    for key in keys:
        rows.remove(tx, model, key)
    events.note(tx, model, "swept", [(key, None, _WHY) for key in keys])


def _values(model: Model, key: str) -> list[str]:
    return list(model.key_fields(key).values())


def _pair(values: Sequence[str]) -> tuple[str, str]:
    return (values[0], values[1] if len(values) > 1 else "")
