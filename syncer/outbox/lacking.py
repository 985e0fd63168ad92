"""Models that a remote's deployment lacks, as the changes tell that it had no place for.

Such a change stays *pending* under the code ``not-deployed``, with the time at which asking again makes sense. Nothing else
is kept about it: once the changes are gone, or a person retries one, the model counts as there until the remote denies it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import sqlalchemy as sa

from syncer.outbox.queue import SENDABLE, names
from syncer.port import FIELD_NOT_DEPLOYED, NOT_DEPLOYED
from syncer.store.core import OUTBOX
from syncer.store.database import Statement, Transaction

_o = OUTBOX.c
_MODELS = sa.select(sa.func.json_each(sa.bindparam("models")).table_valued("value").c.value)
_TOLD = Statement(
    sa.select(_o.model)
    .where(_o.remote == sa.bindparam("remote"), _o.model.in_(_MODELS), _o.code == NOT_DEPLOYED, SENDABLE)
    .group_by(_o.model)
    .having(sa.func.max(_o.due_at) > sa.bindparam("now"), sa.func.count() == sa.func.count(_o.due_at))
)
_COUNTED = Statement(
    sa.select(_o.model, sa.func.count())
    .where(_o.remote == sa.bindparam("remote"), _o.model.in_(_MODELS), SENDABLE)
    .group_by(_o.model)
    .order_by(_o.model)
)
_AGAIN = Statement(
    OUTBOX.update()
    .where(
        _o.remote == sa.bindparam("remote_"),
        _o.model.in_(_MODELS),
        sa.or_(_o.code == NOT_DEPLOYED, _o.code == FIELD_NOT_DEPLOYED),
    )
    .values(due_at=None)
)
_KEPT_FIELDS = Statement(
    sa.select(_o.model, _o.fields, sa.func.count())
    .where(_o.remote == sa.bindparam("remote"), _o.code == FIELD_NOT_DEPLOYED, SENDABLE)
    .group_by(_o.model, _o.fields)
    .order_by(_o.model, _o.fields)
)


def told(tx: Transaction, remote: str, models: Iterable[str], now: str) -> set[str]:
    """Those of ``models`` that the deployment was found to lack, asking again being too early."""
    wanted = {"remote": remote, "models": json.dumps(list(models)), "now": now}
    return {row[0] for row in tx.all(_TOLD, wanted)}


def counted(tx: Transaction, remote: str, models: Iterable[str]) -> dict[str, int]:
    """How many changes wait for each of ``models``; those with none are absent."""
    found = tx.all(_COUNTED, {"remote": remote, "models": json.dumps(list(models))})
    return {str(model): int(n) for model, n in found}


def ask_again(tx: Transaction, remote: str, models: Iterable[str]) -> None:
    """Let what waits for the deployment to have ``models``, or fields of them, be due now."""
    tx.run(_AGAIN, {"remote_": remote, "models": json.dumps(list(models))})


def kept_fields(tx: Transaction, remote: str) -> dict[str, tuple[int, dict[str, int]]]:
    """By model: how many updates wait for the deployment to have their fields, and how many of them set each field."""
    found: dict[str, tuple[int, dict[str, int]]] = {}
    for model, fields, n in tx.all(_KEPT_FIELDS, {"remote": remote}):
        many, by_field = found.setdefault(model, (0, {}))
        for name in names(fields):
            by_field[name] = by_field.get(name, 0) + n
        found[model] = (many + n, dict(sorted(by_field.items())))
    return found
