"""The sandbox's Plexus rows as tests and demos see them: read, and changed behind the client's back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from syncer import clock
from syncer.errors import RecordNotFound
from syncer.sandbox.plexus.tables import Record, Slice, Table, decoded, encoded
from syncer.sandbox.plexus.writes import Writer
from syncer.sandbox.storage import Storage
from syncer.schema.model import Kind, Model, model_named

_ALL = -1  # SQLite: no limit


class Rows:
    """Every model's table. Keys are ids, or JSON lists of the key's parts where it is composite."""

    def __init__(self, storage: Storage, models: Iterable[Model]) -> None:
        self._storage = storage
        self._models = {model.name: model for model in models}
        with storage.transaction():
            self.tables = {model.name: Table(storage.connection, model) for model in self._models.values()}
        self.writers = {name: Writer(storage, table) for name, table in self.tables.items()}

    def count(self, model: str) -> int:
        """How many rows the model has."""
        with self._storage.lock:
            return self._table(model).count()

    def all(self, model: str) -> list[Record]:
        """Every row as stored, in order of creation; JSON fields as JSON text."""
        with self._storage.lock:
            found = self._table(model).read(Slice(), _ALL)
        return [decoded(row.text) for row in found]

    def get(self, model: str, key: str) -> Record | None:
        """One row as stored, or None."""
        with self._storage.lock:
            return self._table(model).get(key)

    def put(self, model: str, record: Mapping[str, Any]) -> Record:
        """Store ``record`` as it is, over one of the same key; no check, no effect logged.

        JSON fields may be given as Python values. ``createdAt`` and ``updatedAt`` are filled in unless given; None
        leaves a field out.
        """
        with self._storage.transaction():
            return self._put(self._table(model), record)

    def put_all(self, model: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Many :meth:`put` in one transaction."""
        table = self._table(model)
        with self._storage.transaction():
            for record in records:
                self._put(table, record)

    def _put(self, table: Table, record: Mapping[str, Any]) -> Record:
        now = clock.wire(clock.stored_now())
        stamps = {name: now for name in ("createdAt", "updatedAt") if name in table.model.by_name}
        row = {name: value for name, value in _texts(table.model, stamps | dict(record)).items() if value is not None}
        key = table.model.key_text(row)
        if not table.insert(key, row, encoded(row)):
            table.replace(key, row, encoded(row))
        return row

    def edit(self, model: str, key: str, changes: Mapping[str, Any]) -> Record:
        """Set fields of a row as another client would: ``updatedAt`` moves unless given. Raises: RecordNotFound."""
        with self._storage.lock:
            row = self.get(model, key)
            if row is None:
                raise RecordNotFound("the sandbox has no such record", record=f"{model} {key}")
            row.pop("updatedAt", None)
            return self.put(model, row | dict(changes))

    def drop(self, model: str, key: str) -> None:
        """Remove a row, if it is there; no effect logged."""
        with self._storage.transaction():
            self._table(model).remove(key)

    def _table(self, model: str) -> Table:
        return self.tables[model_named(self._models, model).name]


def _texts(model: Model, record: Mapping[str, Any]) -> Record:
    """``record`` with the values of JSON fields as text."""
    as_json = {field.name for field in model.remote_fields if field.kind is Kind.JSON}
    return {
        name: encoded(value) if name in as_json and value is not None and not isinstance(value, str) else value
        for name, value in record.items()
    }
