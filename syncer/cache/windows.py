"""Rows in an order of their own, a window at a time, from a place in that order on: pages that stay put while rows come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from syncer.cache.rows import sql
from syncer.describe import Model, snake
from syncer.port import Row
from syncer.store.database import Statement, Transaction


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
