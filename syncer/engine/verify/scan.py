"""What verify reads: all that a remote shows of a model, without a checkpoint, and all rows of a model, a block at a time.

Rows come in the order of their keys, and the waiting changes of a model likewise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncer.engine.pull.checkpoint import Partition
from syncer.engine.pull.partitions import Partitions
from syncer.engine.retry import RetryingConnection
from syncer.errors import RemoteRefused
from syncer.records import rows
from syncer.remote import Page, PageRequest, Remote
from syncer.schema.model import Model
from syncer.schema.pull import FullList, PerParent
from syncer.store.database import Database, Statement, Transaction
from syncer.store.schema import CHECKPOINT, OUTBOX


def shown(
    connection: RetryingConnection, database: Database, remote: Remote, partitions: Partitions, model: Model
) -> Iterator[Page]:
    """Pages of every partition of ``model``, only with records of what is selected. Raises: RemoteError, UsageError."""
    plan = partitions.plan(model)
    if isinstance(plan, PerParent) and not plan.changed:
        parent_model = remote.models[plan.parent]
        for parent in partitions.parents(plan.parent):
            partition = partitions.children(model, plan, parent)
            row = database.read(lambda tx, p=parent: rows.get(tx, parent_model, p))  # type: ignore[misc]
            yield from _walked(
                connection, partition, PageRequest(partition.asked, parent, None, None, remote.limits.page, row)
            )
        return
    for partition in partitions.full_lists(model, plan) if isinstance(plan, FullList) else partitions.of(model):
        start = partition.since if partition.cursor is not None else None
        yield from _walked(
            connection, partition, PageRequest(partition.asked, partition.value, start, None, remote.limits.page)
        )


def _walked(connection: RetryingConnection, partition: Partition, request: PageRequest) -> Iterator[Page]:
    refused = False
    while True:
        try:
            page = connection.page(request)
        except RemoteRefused:
            if request.token is None or refused:
                raise
            refused, request = True, replace(request, token=None)  # a token ends by itself after a time
            continue
        yield replace(page, rows=_wanted(partition, page.rows))
        if page.token is None:
            return
        request = replace(request, token=page.token)


def _wanted(partition: Partition, found: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    if not partition.only:
        return found
    names = [f.name for f in partition.model.fields]
    tests = [(names.index(name), chosen) for name, chosen in partition.only.items()]
    return [values for values in found if all(values[at] in chosen for at, chosen in tests)]


_o = OUTBOX.c
_WAITING = Statement(
    sa.select(_o.key)
    .where(_o.remote == sa.bindparam("r"), _o.model == sa.bindparam("m"), _o.key > sa.bindparam("after"))
    .distinct()
    .order_by(_o.key)
    .limit(sa.bindparam("most"))
)
_PULLED = Statement(
    sa.select(sa.func.max(CHECKPOINT.c.complete_at)).where(
        CHECKPOINT.c.remote == sa.bindparam("r"), CHECKPOINT.c.model == sa.bindparam("m")
    )
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
    """When a pull of the model, or of a partition of it, last came to its end, by our clock."""
    row = tx.one(_PULLED, {"r": model.remote, "m": model.name})
    return row[0] if row else None
