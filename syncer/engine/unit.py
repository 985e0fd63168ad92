"""Several writes as one: records read and written inside one transaction of the caller's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from syncer import values
from syncer.cache import rows
from syncer.describe import Model, model_named
from syncer.engine.storing import (
    Key,
    checked_update,
    draft,
    found_by,
    key_text,
    row_of,
    store_delete,
    store_new,
    store_update,
)
from syncer.port import Op
from syncer.store.database import Transaction


class Unit:
    """The calls of :class:`syncer.engine.write.Records` in one transaction: all of it is stored, or nothing.

    What was written in it is seen by its own reads. Good until the transaction ends. ``tx`` is the transaction itself.
    A call that raises leaves nothing of itself, for callers who catch that and go on.
    """

    def __init__(self, tx: Transaction, models: Mapping[str, Model]) -> None:
        self.tx = tx
        self._models = models

    def create(self, model: str, fields: Mapping[str, Any], *, upsert: Iterable[str] | None = None) -> dict[str, Any]:
        """A new record; see :meth:`Records.create`.

        ``upsert``: the record was looked for here by a natural key of its model and not found. Before it is first sent the
        remote is asked too; if that has one, this becomes an update of these fields of it, and its id takes over here.
        """
        described = model_named(self._models, model)
        row, minted = draft(described, fields)
        with self.tx.apart():
            store_new(self.tx, described, row, minted, upsert=upsert)
        return values.to_python(described, row)

    def get(self, model: str, key: Key) -> dict[str, Any] | None:
        """The record with this id (or dict of key fields), None when the local file has none."""
        described = model_named(self._models, model)
        row = row_of(self.tx, described, key_text(described, key))
        return None if row is None else values.to_python(described, row)

    def update(self, model: str, key: Key, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The record with ``changes`` applied; see :meth:`Records.update`."""
        described = model_named(self._models, model)
        described.require_op(Op.UPDATE)
        named = key_text(described, key)
        stored = checked_update(described, changes, lambda: row_of(self.tx, described, named))
        with self.tx.apart():
            return values.to_python(described, store_update(self.tx, described, named, stored))

    def delete(self, model: str, key: Key) -> None:
        """Remove the record; see :meth:`Records.delete`."""
        described = model_named(self._models, model)
        described.require_op(Op.DELETE)
        with self.tx.apart():
            store_delete(self.tx, described, key_text(described, key), self._models)

    def find(
        self,
        model: str,
        where: Mapping[str, Any] | None = None,
        *,
        order_by: str | Sequence[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Records that match; see :meth:`Records.find`."""
        described = model_named(self._models, model)
        text, parameters = found_by(described, where, order_by, limit, offset)
        as_row = rows.sql(described).as_row
        return [values.to_python(described, as_row(row)) for row in self.tx.rows(text, parameters)]
