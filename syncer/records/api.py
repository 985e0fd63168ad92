"""Local writes and reads of any model: ``create``, ``get``, ``update``, ``delete``, ``find``, one by one or several as one.

A write is one transaction: the row and its change, both or neither. It is durable when the call
returns, network or not. Several records can be read and written inside one transaction of the
caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from syncer.errors import InvalidInput, UnknownOutcome
from syncer.records import idempotency, rows
from syncer.records.write import (
    Key,
    checked_update,
    found_by,
    key_text,
    prepare_create,
    require_row,
    row_of,
    write_action,
    write_create,
    write_delete,
    write_update,
)
from syncer.remote import Op, Row
from syncer.schema import values
from syncer.schema.model import Model, model_named
from syncer.store.database import Database, Transaction
from syncer.suggest import near

T = TypeVar("T")


class Records:
    """The records of one remote in the local file, by model and field names as the remote spells them."""

    def __init__(self, database: Database, models: Mapping[str, Model], remote: str) -> None:
        self._database = database
        self._models = models
        self.remote = remote

    def __repr__(self) -> str:
        return f"<Records of {self.remote}: {len(self._models)} models>"

    @property
    def models(self) -> Mapping[str, Model]:
        """Descriptions by model name."""
        return self._models

    def create(self, model: str, fields: Mapping[str, Any], *, idem_key: str | None = None) -> dict[str, Any]:
        """A new record as the remote would answer it; its id is made here unless ``fields`` brings one.

        ``idem_key``: the caller's own idempotency key. The same request under the same key again answers with the record it
        made; another request under it raises KeyReused.

        JSON fields take Python values, times aware datetimes or ISO 8601 text with an offset. Times come back as UTC text
        ``YYYY-MM-DDTHH:MM:SS.ffffffZ``. Raises: InvalidInput, RecordExists, DatabaseError; then nothing was stored.
        """
        if idem_key is None:
            return self.create_many(model, [fields])[0]
        described = model_named(self._models, model)
        row, minted = prepare_create(described, fields)
        print_ = idempotency.fingerprint("create", described, values.checked(described, fields, creating=True))

        def work(tx: Transaction) -> Row:
            earlier = idempotency.made(tx, described, idem_key, print_)
            if earlier is not None:
                return require_row(tx, described, earlier)
            made = dict(row)  # what the transaction finds is not kept for the case that it is undone and done again
            write_create(tx, described, made, minted, idem_key)
            idempotency.remember(tx, described, idem_key, described.key_text(made), print_)
            return made

        return values.to_python(described, self._written(work, described, row))

    def act(
        self, model: str, key: Key, action: str, changes: Mapping[str, Any], *, idem_key: str | None = None
    ) -> dict[str, Any]:
        """The record after one of its model's own actions (``start``, ``finish``), which sets ``changes`` here.

        Unlike updates, actions are never folded into each other. ``idem_key`` as for :meth:`create`. Raises: RecordNotFound,
        InvalidInput, KeyReused.
        """
        described = model_named(self._models, model)
        if described.action(action) is None:
            raise InvalidInput(f"{model} has no action {action!r}", hint=near(action, [a.name for a in described.actions]))
        named = key_text(described, key)
        stored = values.checked(described, changes, creating=False)
        print_ = idempotency.fingerprint(action, described, {**stored, "": named})

        def work(tx: Transaction) -> Row:
            if idem_key is not None and idempotency.made(tx, described, idem_key, print_) is not None:
                return require_row(tx, described, named)
            row = write_action(tx, described, named, action, stored, idem_key)
            if idem_key is not None:
                idempotency.remember(tx, described, idem_key, described.key_text(row), print_)
            return row

        return values.to_python(described, self._written(work, described, named))

    def create_many(self, model: str, records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Like :meth:`create` for many records in one transaction: all are stored, or none."""
        described = model_named(self._models, model)
        drafts = [prepare_create(described, fields) for fields in records]

        def work(tx: Transaction) -> list[Row]:
            made = [dict(row) for row, _ in drafts]
            for row, (_, own_id) in zip(made, drafts, strict=True):
                write_create(tx, described, row, own_id)
            return made

        made = self._written(work, described, *(row for row, _ in drafts)) if drafts else []
        return [values.to_python(described, row) for row in made]

    def get(self, model: str, key: Key) -> dict[str, Any] | None:
        """The record with this id (or dict of key fields), None when the local file has none."""
        described = model_named(self._models, model)
        named = key_text(described, key)
        row = self._database.read(lambda tx: row_of(tx, described, named))
        return None if row is None else values.to_python(described, row)

    def update(self, model: str, key: Key, changes: Mapping[str, Any]) -> dict[str, Any]:
        """The record with ``changes`` applied; None removes a value. Fields equal to what is there are not sent.

        Raises: RecordNotFound, InvalidInput, DatabaseError.
        """
        described = model_named(self._models, model)
        named = key_text(described, key)
        described.require_op(Op.UPDATE)
        stored = checked_update(described, changes, lambda: self._database.read(lambda tx: row_of(tx, described, named)))
        row = self._written(lambda tx: write_update(tx, described, named, stored), described, named)
        return values.to_python(described, row)

    def delete(self, model: str, key: Key) -> None:
        """Remove the record here now, and on the remote at the next push. Raises: RecordNotFound."""
        described = model_named(self._models, model)
        named = key_text(described, key)
        described.require_op(Op.DELETE)
        self._written(lambda tx: write_delete(tx, described, named, self._models), described, named)

    def find(
        self,
        model: str,
        where: Mapping[str, Any] | None = None,
        *,
        order_by: str | Sequence[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Records that match ``where``, by key unless ``order_by`` says, ``-`` in front of a field for descending.

        A value of ``where`` is what the field must equal, a list of such values, None for an absent field, or a dict of
        ``eq ne lt le gt ge beginsWith``: all of them must hold (``{"updatedAt": {"ge": when}}``). Raises: InvalidInput.
        """
        described = model_named(self._models, model)
        text, parameters = found_by(described, where, order_by, limit, offset)
        as_row = rows.sql(described).as_row
        found = self._database.read(lambda tx: tx.rows(text, parameters))
        return [values.to_python(described, as_row(row)) for row in found]

    def _written(self, work: Callable[[Transaction], T], model: Model, *records: Row | str) -> T:
        """What ``work`` gives, once it is durable. Raises: UnknownOutcome with the keys to look for."""
        try:
            return self._database.write(work)
        except UnknownOutcome as exc:
            keys = [record if isinstance(record, str) else model.key_text(record) for record in records]
            raise exc.about(f"{model.name} {', '.join(keys)}") from exc

    @contextmanager
    def transaction(self) -> Iterator[UnitOfWork]:
        """Several reads and writes as one: durable together at the end of the block, undone together when it raises.

        Other writers wait meanwhile, so nothing slow belongs inside, and no other call on the same workspace that writes.
        """
        with self._database.transaction() as tx:
            yield UnitOfWork(tx, self._models)


class UnitOfWork:
    """The calls of :class:`syncer.records.api.Records` in one transaction: all of it is stored, or nothing.

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
        row, minted = prepare_create(described, fields)
        with self.tx.savepoint():
            write_create(self.tx, described, row, minted, upsert=upsert)
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
        with self.tx.savepoint():
            return values.to_python(described, write_update(self.tx, described, named, stored))

    def delete(self, model: str, key: Key) -> None:
        """Remove the record; see :meth:`Records.delete`."""
        described = model_named(self._models, model)
        described.require_op(Op.DELETE)
        with self.tx.savepoint():
            write_delete(self.tx, described, key_text(described, key), self._models)

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
