"""Which rows anything touches: noted by triggers. For copies of the file only, never for a user's own."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from syncer.schema.model import Model, snake
from syncer.store.database import Statement, Transaction
from syncer.store.schema import CONFLICT

_TABLE = sa.Table("touched", sa.MetaData(), *(sa.Column(name, sa.Text) for name in ("model", "key")))
_MAKE = "CREATE TABLE touched (number INTEGER PRIMARY KEY, model TEXT, key TEXT, UNIQUE (model, key))"
_ALL = Statement(sa.select(_TABLE.c.model, _TABLE.c.key).order_by(sa.text("number")))
_c = CONFLICT.c
_DISPUTED = Statement(
    sa.select(_c.model, _c.key, _c.field, _c.ours, _c.theirs)
    .where(_c.id > sa.bindparam("after"), _c.resolved_at.is_(None))
    .order_by(_c.id)
)
_LAST = Statement(sa.select(sa.func.coalesce(sa.func.max(_c.id), 0)))


def watch(tx: Transaction, models: Iterable[Model]) -> int:
    """From now on, note every row of ``models`` that is added, changed or removed. The number of the last conflict."""
    tx.script(_MAKE)
    for model in models:
        for event, sides in (("INSERT", ("new",)), ("UPDATE", ("old", "new")), ("DELETE", ("old",))):
            notes = " ".join(_noted(model, side) for side in sides)
            tx.script(f'CREATE TRIGGER "touched_{model.table}_{event}" AFTER {event} ON "{model.table}" BEGIN {notes} END')
    found = tx.one(_LAST)
    return int(found[0]) if found else 0


def unwatch(tx: Transaction, models: Iterable[Model]) -> list[tuple[str, str]]:
    """Note nothing more: (model, key) of what was touched, in order."""
    found = [(str(model), str(key)) for model, key in tx.all(_ALL)]
    for model in models:
        for event in ("INSERT", "UPDATE", "DELETE"):
            tx.script(f'DROP TRIGGER "touched_{model.table}_{event}"')
    tx.script("DROP TABLE touched")
    return found


def conflicts_since(tx: Transaction, after: int) -> list[tuple[str, str, str | None, str | None, str | None]]:
    """Open conflicts behind number ``after``: (model, key, field or None, ours, theirs), values as JSON."""
    return [(model, key, field, ours, theirs) for model, key, field, ours, theirs in tx.all(_DISPUTED, {"after": after})]


def _noted(model: Model, side: str) -> str:
    # The upsert that fires a trigger overrules any "or ignore" inside it.
    known = f"SELECT 1 FROM touched WHERE model = '{model.name}' AND key = {_key(model, side)}"
    values = f"'{model.name}', {_key(model, side)}"
    return f"INSERT INTO touched (model, key) SELECT {values} WHERE NOT EXISTS ({known});"


def _key(model: Model, side: str) -> str:
    """SQL of the key text of a row."""
    columns = [f'{side}."{snake(name)}"' for name in model.key]
    return columns[0] if len(columns) == 1 else f"json_array({', '.join(columns)})"
