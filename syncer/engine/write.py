"""Local writes and reads of any model: ``create``, ``get``, ``update``, ``delete``, ``find``.

A write is one transaction: the row and its change, both or neither. It is durable when the call returns, network or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from syncer import clock, ids, values
from syncer.cache import bases, idmap, rows
from syncer.describe import Field, Model, NextFree, SameAs, model_named
from syncer.errors import InvalidInput, RecordExists, RecordNotFound
from syncer.outbox import callerkeys, queue
from syncer.port import Op, Row
from syncer.spelling import near
from syncer.store.database import Database, Transaction

Key = str | Mapping[str, str]


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
        """A new record as the remote would answer it; its id is minted here unless ``fields`` brings one.

        ``idem_key``: the caller's own idempotency key. The same request under the same key again answers with the record it
        made; another request under it raises KeyReused.

        JSON fields take Python values, times aware datetimes or ISO 8601 text with an offset. Times come back as UTC text
        ``YYYY-MM-DDTHH:MM:SS.ffffffZ``. Raises: InvalidInput, RecordExists, DatabaseError; then nothing was stored.
        """
        if idem_key is None:
            return self.create_many(model, [fields])[0]
        described = model_named(self._models, model)
        row, minted = _draft(described, fields)
        print_ = callerkeys.fingerprint("create", described, values.checked(described, fields, creating=True))

        def work(tx: Transaction) -> Row:
            earlier = callerkeys.made(tx, described, idem_key, print_)
            if earlier is not None:
                return _existing(tx, described, earlier)
            store_new(tx, described, row, minted, idem_key)
            callerkeys.remember(tx, described, idem_key, described.key_text(row), print_)
            return row

        return values.to_python(described, self._database.write(work))

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
        print_ = callerkeys.fingerprint(action, described, {**stored, "": named})

        def work(tx: Transaction) -> Row:
            if idem_key is not None and callerkeys.made(tx, described, idem_key, print_) is not None:
                return _existing(tx, described, named)
            row = store_act(tx, described, named, action, stored, idem_key)
            if idem_key is not None:
                callerkeys.remember(tx, described, idem_key, described.key_text(row), print_)
            return row

        return values.to_python(described, self._database.write(work))

    def create_many(self, model: str, records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Like :meth:`create` for many records in one transaction: all are stored, or none."""
        described = model_named(self._models, model)
        drafts = [_draft(described, fields) for fields in records]

        def work(tx: Transaction) -> None:
            for row, own_id in drafts:
                store_new(tx, described, row, own_id)

        if drafts:
            self._database.write(work)
        return [values.to_python(described, row) for row, _ in drafts]

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
        stored = values.checked(described, changes, creating=False)
        row = self._database.write(lambda tx: _store_update(tx, described, named, stored))
        return values.to_python(described, row)

    def delete(self, model: str, key: Key) -> None:
        """Remove the record here now, and on the remote at the next push. Raises: RecordNotFound."""
        described = model_named(self._models, model)
        named = key_text(described, key)
        described.require_op(Op.DELETE)
        self._database.write(lambda tx: _store_delete(tx, described, named))

    def find(
        self,
        model: str,
        where: Mapping[str, Any] | None = None,
        *,
        order_by: str | Sequence[str] | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Records whose fields equal ``where`` (a list: any of these; None: absent), by key unless ``order_by`` says.

        ``order_by``: field names, ``-`` in front for descending.
        """
        described = model_named(self._models, model)
        wanted = {name: _comparable(described, name, value) for name, value in (where or {}).items()}
        if limit is not None and limit < 0:
            raise InvalidInput(f"limit cannot be {limit}")
        text, parameters = rows.find_statement(described, wanted, order_by, limit)
        as_row = rows.sql(described).as_row
        found = self._database.read(lambda tx: tx.rows(text, parameters))
        return [values.to_python(described, as_row(row)) for row in found]


def key_text(model: Model, key: Key) -> str:
    """The key text of an id, or of a dict of key fields. Raises: InvalidInput."""
    if isinstance(key, Mapping):
        missing = [n for n in model.key if not isinstance(key.get(n), str)]
        if missing or len(key) != len(model.key):
            raise InvalidInput(f"the key of {model.name} is {{{', '.join(model.key)}}}, not {dict(key)!r}")
        return model.key_text(key)
    if not isinstance(key, str):
        raise InvalidInput(f"the key of {model.name} cannot be {key!r}", hint="give the id as text")
    if len(model.key) > 1:
        raise InvalidInput(f"the key of {model.name} has several fields", hint=f"give a dict of {', '.join(model.key)}")
    return key


def _draft(model: Model, fields: Mapping[str, Any]) -> tuple[Row, bool]:
    """The checked row of a create, and whether its id was minted here (so nothing can be in its place)."""
    model.require_op(Op.CREATE)
    row = values.checked(model, fields, creating=True)
    minted = False
    if model.mints and model.key[0] not in row:
        row[model.key[0]] = ids.new_local_id() if model.local_ids else ids.new_id()
        minted = True
    now = clock.stored_now()
    for field in model.stamps:
        row.setdefault(field.name, now)
    later = []
    for field in model.fill_ins:
        if row.get(field.name) is None:
            if isinstance(field.fill_in, NextFree):
                later.append(field.name)  # known only inside the transaction
            else:
                row[field.name] = _filled(field, row)
    values.require(model, {**row, **dict.fromkeys(later, 0)} if later else row)
    return row, minted


def _filled(field: Field, row: Mapping[str, Any]) -> Any:
    if isinstance(field.fill_in, SameAs):
        return row.get(field.fill_in.other)
    return int(field.fill_in) if isinstance(field.fill_in, bool) else field.fill_in


def store_new(tx: Transaction, model: Model, row: Row, minted: bool, idem_key: str | None = None) -> None:
    """Store a whole row and its create. ``minted``: its id was made here just now. Raises: RecordExists."""
    for field in model.fill_ins:
        if isinstance(field.fill_in, NextFree) and row.get(field.name) is None:
            row[field.name] = rows.next_free(tx, model, field.name, field.fill_in.within, row)
    key = model.key_text(row)
    now = clock.stored_now()
    if minted:
        rows.add(tx, model, row)
        queue.append_new(tx, model, key, now, idem_key)
        return
    if rows.get(tx, model, key) is not None:
        raise RecordExists(
            f"{model.remote} {model.name} {key} exists already", hint="update it, or create it under another id"
        )
    rows.add(tx, model, row)
    queue.append(tx, model, key, Op.CREATE, now, earlier=queue.last(tx, model, key), idem_key=idem_key)


def _store_update(tx: Transaction, model: Model, key: str, stored: Mapping[str, Any]) -> Row:
    row = _existing(tx, model, key)
    key = model.key_text(row)
    changes = {n: v for n, v in stored.items() if not values.same(model.by_name[n], row[n], v)}
    if not changes:
        return row
    earlier = queue.last(tx, model, key)
    _keep_base(tx, model, key, row, earlier)
    now = clock.stored_now()
    written = dict(changes)
    if model.changed_at in model.by_name:
        written.setdefault(model.changed_at, now)
    row.update(written)
    _require_companions(model, row, changes)
    rows.set_fields(tx, model, key, written)
    queue.append(tx, model, key, Op.UPDATE, now, fields=changes, earlier=earlier)
    return row


def store_act(
    tx: Transaction, model: Model, named: str, action: str, stored: Mapping[str, Any], idem_key: str | None
) -> Row:
    """Set ``stored`` and queue one of the model's own actions; the row after it. Raises: RecordNotFound."""
    row = _existing(tx, model, named)
    key = model.key_text(row)
    earlier = queue.last(tx, model, key)
    _keep_base(tx, model, key, row, earlier)
    now = clock.stored_now()
    written = {**stored, model.changed_at: now}
    row.update(written)
    rows.set_fields(tx, model, key, written)
    queue.append(tx, model, key, action, now, fields=stored, earlier=earlier, idem_key=idem_key)
    return row


def _store_delete(tx: Transaction, model: Model, key: str) -> None:
    row = _existing(tx, model, key)
    key = model.key_text(row)
    earlier = queue.last(tx, model, key)
    _keep_base(tx, model, key, row, earlier)
    rows.remove(tx, model, key)
    queue.append(tx, model, key, Op.DELETE, clock.stored_now(), earlier=earlier)


def row_of(tx: Transaction, model: Model, key: str) -> Row | None:
    """A row by its key, or by the local id it had before the remote gave it another."""
    row = rows.get(tx, model, key)
    if row is None:
        named = idmap.remote_id(tx, model, key)
        row = rows.get(tx, model, named) if named is not None else None
    return row


def _existing(tx: Transaction, model: Model, key: str) -> Row:
    row = row_of(tx, model, key)
    if row is None:
        raise RecordNotFound(
            f"{model.remote} {model.name} {key} is not in the local file",
            hint=f"check the id, or fetch what others wrote: syncer pull {model.remote} --model {model.name}",
        )
    return row


def _keep_base(tx: Transaction, model: Model, key: str, row: Row, earlier: queue.Last | None) -> None:
    """Before the first edit that is not folded into an unsent one, the row is what the remote has, or will have."""
    if (earlier is None or not earlier.takes_edits) and bases.get(tx, model, key) is None:
        bases.put(tx, model, key, row)


def _require_companions(model: Model, row: Row, changes: Mapping[str, Any]) -> None:
    lacking = [n for n in sorted(model.together(changes)) if row.get(n) is None and n not in changes]
    if lacking:
        raise InvalidInput(
            f"{model.name} {model.key_text(row)} cannot be updated without {' and '.join(lacking)}",
            why="the remote wants these fields in every such update, and the record has none",
            hint=f"set {' and '.join(lacking)} in the same update",
        )


def _comparable(model: Model, name: str, value: Any) -> Any:
    """A value of ``where`` in stored form."""
    field = model.by_name.get(name)
    if field is None:
        raise InvalidInput(f"{model.name} has no field {name!r}", hint=near(name, model.by_name))
    if isinstance(value, list | tuple | set | frozenset) and not field.many:
        return [values.stored_value(model, field, part) for part in value]
    return None if value is None else values.stored_value(model, field, value)
