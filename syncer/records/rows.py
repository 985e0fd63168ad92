"""Rows of the mirror tables: get, put, find, and windows in an order of their own. The SQL of each model is made once.

A window goes on from a place in its order, so that pages stay put while rows come.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from syncer.errors import InvalidInput
from syncer.remote import Row
from syncer.schema.model import Model, snake
from syncer.store.database import Statement, Transaction
from syncer.store.mirror import table_of
from syncer.suggest import near


class RowSql:
    """The statements of one model. Tuples are the values of ``model.fields`` in order, then ``extra``."""

    def __init__(self, model: Model) -> None:
        self.model = model
        table = self.table = table_of(model, sa.MetaData())
        self.names = (*(f.name for f in model.fields), "extra")
        columns = [table.c[snake(name)] for name in self.names]
        key = [table.c[snake(name)] for name in model.key]
        self.key_columns = key
        placeholders: dict[str, sa.BindParameter[Any]] = {c.name: sa.bindparam(c.name) for c in columns}
        self.insert = Statement(table.insert().values(placeholders))
        by_key = sa.and_(*(c == sa.bindparam(f"key_{c.name}") for c in key))
        self.get = Statement(sa.select(*columns).where(by_key))
        self.delete = Statement(table.delete().where(by_key))
        listed: sa.ColumnElement[Any] = sa.func.json_each(sa.bindparam("keys")).table_valued("value").c.value
        among: sa.ColumnElement[bool]
        if len(key) == 1:
            among = key[0].in_(sa.select(listed))
        else:
            among = sa.tuple_(*key).in_(
                sa.select(*(sa.func.json_extract(listed, sa.literal_column(f"'$[{n}]'")) for n in range(len(key))))
            )
        self.among = Statement(sa.select(*columns).where(among))
        self.known = Statement(sa.select(*key).where(among))
        upsert = sqlite_insert(table).values(placeholders)
        ours = {snake(f.name) for f in model.fields if f.here_only}
        rest = [c for c in columns if c not in key and c.name not in ours]
        self.upsert = Statement(
            upsert.on_conflict_do_update(
                index_elements=key,
                set_={c.name: upsert.excluded[c.name] for c in rest},
                where=sa.or_(*(c.is_distinct_from(upsert.excluded[c.name]) for c in rest)),
            )
        )
        self.theirs = itemgetter(*(n for n, name in enumerate(self.names) if snake(name) not in ours))
        self._by_key = by_key
        self._updates: dict[tuple[str, ...], Statement] = {}
        picked = itemgetter(*(self.names.index(name) for name in model.key))
        self._single = len(key) == 1
        self._picked = picked

    def update(self, names: tuple[str, ...]) -> Statement:
        """Set these fields of one row: their values in order, then the key."""
        statement = self._updates.get(names)
        if statement is None:
            pairs: list[tuple[sa.Column[Any], Any]] = [
                (self.table.c[snake(n)], sa.bindparam(f"new_{snake(n)}")) for n in names
            ]
            statement = Statement(self.table.update().where(self._by_key).ordered_values(*pairs))
            self._updates[names] = statement
        return statement

    def key_of(self, values: Sequence[Any]) -> str:
        """Key text of a tuple."""
        picked = self._picked(values)
        return str(picked) if self._single else self.model.key_text(dict(zip(self.model.key, picked, strict=True)))

    def as_row(self, values: Sequence[Any]) -> Row:
        """A tuple as a dict."""
        return dict(zip(self.names, values, strict=True))

    def as_tuple(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """A dict as a tuple; absent fields are None."""
        return tuple(map(row.get, self.names))


@cache
def sql(model: Model) -> RowSql:
    """The statements of ``model``."""
    return RowSql(model)


def _key(model: Model, key: str) -> tuple[str, ...]:
    return (key,) if len(model.key) == 1 else tuple(model.key_fields(key).values())


def get(tx: Transaction, model: Model, key: str) -> Row | None:
    """One row by key text."""
    values = tx.one(sql(model).get, _key(model, key))
    return None if values is None else sql(model).as_row(values)


def get_many(tx: Transaction, model: Model, keys: Iterable[str]) -> dict[str, Row]:
    """Rows by key text; those not there are absent."""
    of = sql(model)
    return {of.key_of(values): of.as_row(values) for values in tx.all(of.among, (_listed(model, keys),))}


def known(tx: Transaction, model: Model, keys: Iterable[str]) -> set[str]:
    """Which of ``keys`` have a row."""
    found = tx.all(sql(model).known, (_listed(model, keys),))
    if len(model.key) == 1:
        return {row[0] for row in found}
    return {model.key_text(dict(zip(model.key, row, strict=True))) for row in found}


def tuples(tx: Transaction, model: Model, keys: Iterable[str]) -> dict[str, tuple[Any, ...]]:
    """Whole rows by key text as tuples; those not there are absent."""
    of = sql(model)
    return {of.key_of(values): values for values in tx.all(of.among, (_listed(model, keys),))}


def equal(model: Model, row: Sequence[Any] | None, record: Sequence[Any]) -> bool:
    """True when storing ``record`` over ``row`` would change nothing. Both are tuples; what is kept only here is no part."""
    if row is None:
        return False
    return row == record or sql(model).theirs(row) == sql(model).theirs(record)


def _listed(model: Model, keys: Iterable[str]) -> str:
    if len(model.key) == 1:
        return json.dumps(list(keys))
    return f"[{','.join(keys)}]"  # composite key texts are JSON lists already


def add(tx: Transaction, model: Model, row: Mapping[str, Any]) -> None:
    """A new row."""
    of = sql(model)
    tx.run_exactly(of.insert, of.as_tuple(row))


def set_fields(tx: Transaction, model: Model, key: str, changes: Mapping[str, Any]) -> None:
    """Change fields of one row, if it is there."""
    if changes:
        tx.run(sql(model).update(tuple(changes)), (*changes.values(), *_key(model, key)))


def edit(tx: Transaction, model: Model, key: str, changes: Mapping[str, Any]) -> None:
    """Change fields of one row that is there. Raises: DatabaseError."""
    tx.run_exactly(sql(model).update(tuple(changes)), (*changes.values(), *_key(model, key)))


def set_fields_of_many(
    tx: Transaction, model: Model, names: tuple[str, ...], rows: Iterable[tuple[tuple[Any, ...], str]]
) -> None:
    """Set the same fields of many rows: (values, key text) each."""
    tx.many(sql(model).update(names), [(*values, *_key(model, key)) for values, key in rows])


def put(tx: Transaction, model: Model, rows: Sequence[Sequence[Any]]) -> int:
    """Insert or replace whole rows where they differ; how many were touched."""
    return tx.many(sql(model).upsert, rows) if rows else 0


def remove(tx: Transaction, model: Model, key: str) -> None:
    """Delete one row."""
    tx.run(sql(model).delete, _key(model, key))


def next_free(tx: Transaction, model: Model, name: str, within: str, row: Mapping[str, Any]) -> int:
    """One more than the largest value of ``name`` among rows that share ``within`` with ``row``; 1 for the first."""
    found = tx.one(_largest(model, name, within), (row[within],))
    return int(found[0] or 0) + 1 if found else 1


@cache
def _largest(model: Model, name: str, within: str) -> Statement:
    table = sql(model).table
    return Statement(sa.select(sa.func.max(table.c[snake(name)])).where(table.c[snake(within)] == sa.bindparam("w")))


def some_keys(tx: Transaction, model: Model, after: str, most: int) -> list[str]:
    """Up to ``most`` keys of a model with one key field, in order, behind ``after``."""
    return [row[0] for row in tx.all(_some_keys(model), {"after": after, "most": most})]


@cache
def _some_keys(model: Model) -> Statement:
    key = sql(model).key_columns[0]
    return Statement(sa.select(key).where(key > sa.bindparam("after")).order_by(key).limit(sa.bindparam("most")))


def keys_where(tx: Transaction, model: Model, name: str, value: str) -> list[str]:
    """Keys of the rows whose field ``name`` holds ``value``."""
    of = sql(model)
    statement = Statement(sa.select(*of.key_columns).where(of.table.c[snake(name)] == sa.bindparam("value")))
    return [model.key_text(dict(zip(model.key, row, strict=True))) for row in tx.all(statement, (value,))]


def rekey(tx: Transaction, model: Model, name: str, old: str, new: str) -> int:
    """Let every row whose field ``name`` holds ``old`` hold ``new``; how many did."""
    column = sql(model).table.c[snake(name)]
    statement = Statement(
        sql(model).table.update().where(column == sa.bindparam("old")).values({column: sa.bindparam("new")})
    )
    return tx.run(statement, {"old": old, "new": new})


def distinct(tx: Transaction, model: Model, name: str) -> list[str]:
    """Every value of a field, in order."""
    column = sql(model).table.c[snake(name)]
    return [
        row[0] for row in tx.all(Statement(sa.select(column).where(column.is_not(None)).distinct().order_by(column)), {})
    ]


def latest(tx: Transaction, model: Model, name: str, within: str, value: str) -> str | None:
    """The largest value of ``name`` among the rows whose field ``within`` holds ``value``."""
    row = tx.one(_largest(model, name, within), (value,))
    return row[0] if row else None


def live_keys(tx: Transaction, model: Model, name: str, final: tuple[str, ...], since: str | None, after: str) -> list[str]:
    """Keys behind ``after`` of rows that changed at or after ``since``, or whose field ``name`` holds no final value."""
    of = sql(model)
    key, state = of.key_columns[0], of.table.c[snake(name)]
    live = sa.or_(state.is_(None), sa.and_(*(state != value for value in final))) if final else state.is_not(None)
    if since is not None:
        live = sa.or_(live, of.table.c[snake(model.changed_at)] >= since)
    statement = Statement(sa.select(key).where(live, key > after).order_by(key))
    return [row[0] for row in tx.all(statement, {})]


SIGNS: dict[str, Callable[[sa.ColumnElement[Any], sa.BindParameter[Any]], sa.ColumnElement[bool]]] = {
    "eq": operator.eq,
    "ne": lambda column, value: column.is_distinct_from(value),
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "beginsWith": lambda column, value: sa.func.substr(column, 1, sa.func.length(value)) == value,
}
"""The comparisons a search knows, by the names that callers give them."""


def find_statement(
    model: Model, where: Mapping[str, Any], order_by: str | Sequence[str] | None, limit: int | None, offset: int = 0
) -> tuple[str, list[Any]]:
    """SQL text and parameters of a search by equality, membership (a list), absence (None) or :data:`SIGNS` (a dict)."""
    order = (order_by,) if isinstance(order_by, str) else tuple(order_by or ())
    named: dict[str, Any] = {"most": -1 if limit is None else limit, "skipped": offset}
    shape: list[tuple[str, str]] = []
    for name, value in where.items():
        if value is None:
            shape.append((name, "absent"))
        elif isinstance(value, Mapping):
            for sign, part in value.items():
                named[f"w{len(shape)}"] = part
                shape.append((name, sign))
        elif isinstance(value, list | tuple | set | frozenset):
            named[f"w{len(shape)}"] = json.dumps(list(value))
            shape.append((name, "among"))
        else:
            named[f"w{len(shape)}"] = value
            shape.append((name, "eq"))
    statement = _found_by(model, tuple(shape), order, limit is not None or offset > 0)
    return statement.text, list(statement.ordered(named))


@lru_cache(maxsize=512)
def _found_by(model: Model, shape: tuple[tuple[str, str], ...], order: tuple[str, ...], limited: bool) -> Statement:
    """A search of this shape, compiled once."""
    of = sql(model)
    statement = sa.select(*(of.table.c[snake(n)] for n in of.names))
    for number, (name, kind) in enumerate(shape):
        column: sa.Column[Any] = _column(of, name)
        value: sa.BindParameter[Any] = sa.bindparam(f"w{number}")
        if kind == "absent":
            statement = statement.where(column.is_(None))
        elif kind == "among":
            statement = statement.where(column.in_(sa.select(sa.func.json_each(value).table_valued("value").c.value)))
        else:
            statement = statement.where(SIGNS[kind](column, value))
    for name in order:
        column = _column(of, name.removeprefix("-"))
        statement = statement.order_by(column.desc() if name.startswith("-") else column.asc())
    statement = statement.order_by(*of.key_columns)
    if limited:
        statement = statement.limit(sa.bindparam("most")).offset(sa.bindparam("skipped"))
    return Statement(statement)


def _column(of: RowSql, name: str) -> sa.Column[Any]:
    if name not in of.model.by_name:
        raise InvalidInput(f"{of.model.name} has no field {name!r}", hint=near(name, of.model.by_name))
    return of.table.c[snake(name)]


@dataclass(frozen=True, slots=True)
class Window:
    """Up to ``limit`` rows whose fields equal ``where``, by ``order`` (whose last field tells any two rows apart).

    ``behind``: the values of ``order`` behind which it begins. ``low`` and ``high``: bounds of the first field of ``order``,
    both inclusive.
    """

    order: tuple[str, ...]
    limit: int
    where: Mapping[str, str] = field(default_factory=dict)
    descending: bool = False
    behind: Sequence[Any] | None = None
    low: str | None = None
    high: str | None = None


def seen(tx: Transaction, model: Model, window: Window) -> list[Row]:
    """The rows of ``window``, in its order."""
    bounds = tuple(name for name in ("low", "high") if getattr(window, name) is not None)
    statement = _statement(model, tuple(window.where), window.order, window.descending, window.behind is not None, bounds)
    named = {f"w_{name}": value for name, value in window.where.items()}
    named |= {f"b_{n}": value for n, value in enumerate(window.behind or ())}
    found = tx.all(statement, {**named, "low": window.low, "high": window.high, "most": window.limit})
    return [sql(model).as_row(row) for row in found]


@lru_cache(maxsize=64)
def _statement(
    model: Model, where: tuple[str, ...], order: tuple[str, ...], descending: bool, behind: bool, bounds: tuple[str, ...]
) -> Statement:
    of = sql(model)
    column = {name: of.table.c[snake(name)] for name in of.names}
    statement = sa.select(*column.values()).where(*(column[name] == sa.bindparam(f"w_{name}") for name in where))
    if behind:
        here = sa.tuple_(*(column[name] for name in order))
        there = sa.tuple_(*(sa.bindparam(f"b_{n}") for n in range(len(order))))
        statement = statement.where(here < there if descending else here > there)
    if "low" in bounds:
        statement = statement.where(column[order[0]] >= sa.bindparam("low"))
    if "high" in bounds:
        statement = statement.where(column[order[0]] <= sa.bindparam("high"))
    ways = (column[name].desc() if descending else column[name].asc() for name in order)
    return Statement(statement.order_by(*ways).limit(sa.bindparam("most")))
