"""What a local write does inside the caller's transaction: the row and its change, checked first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from syncer import clock, ids
from syncer.errors import InvalidInput, RecordExists, RecordNotFound
from syncer.outbox import queue
from syncer.records import bases, id_map, rows
from syncer.remote import Op, Row
from syncer.schema import values
from syncer.schema.model import Field, Model, NextFree, Origin, SameAs
from syncer.store.database import Transaction
from syncer.suggest import near

Key = str | Mapping[str, str]


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


def prepare_create(model: Model, fields: Mapping[str, Any]) -> tuple[Row, bool]:
    """The checked row of a create, and whether its id was made here (so nothing can be in its place)."""
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


def write_create(
    tx: Transaction,
    model: Model,
    row: Row,
    minted: bool,
    idem_key: str | None = None,
    upsert: Iterable[str] | None = None,
) -> None:
    """Store a whole row and its create. ``minted``: its id was made here just now. Raises: RecordExists.

    ``upsert``: the fields to send if the remote turns out to have the record already; the create carries them.
    """
    for field in model.fill_ins:
        if isinstance(field.fill_in, NextFree) and row.get(field.name) is None:
            row[field.name] = rows.next_free(tx, model, field.name, field.fill_in.within, row)
    key = model.key_text(row)
    now = clock.stored_now()
    if minted and upsert is None:
        rows.add(tx, model, row)
        queue.enqueue_new(tx, model, key, now, idem_key)
        return
    if rows.get(tx, model, key) is not None:
        raise RecordExists(
            f"{model.remote} {model.name} {key} exists already", hint="update it, or create it under another id"
        )
    rows.add(tx, model, row)
    named = () if upsert is None else (*upsert, *model.key)  # with the key, lest an upsert of nothing look like a create
    queue.enqueue(tx, model, key, Op.CREATE, now, named, queue.tail(tx, model, key), idem_key)


def checked_update(model: Model, changes: Mapping[str, Any], row: Callable[[], Row | None]) -> Row:
    """``changes`` of an update in stored form. ``row`` gives the row, which is asked for only if need be.

    A choice that the remote knows and we do not may be given back as it is. Raises: InvalidInput.
    """
    try:
        return values.checked(model, changes, creating=False)
    except InvalidInput:
        return values.checked(model, values.news(model, row() or {}, changes), creating=False)


def write_update(tx: Transaction, model: Model, key: str, stored: Mapping[str, Any]) -> Row:
    """Set ``stored`` where it differs and queue that; the row after it. Raises: RecordNotFound, InvalidInput."""
    row = require_row(tx, model, key)
    key = model.key_text(row)
    changes = {n: v for n, v in stored.items() if not values.same(model.by_name[n], row[n], v)}
    if not changes:
        return row
    if all(model.by_name[name].origin is Origin.LOCAL for name in changes):
        rows.edit(tx, model, key, changes)  # nobody else's business
        return {**row, **changes}
    earlier = queue.tail(tx, model, key)
    _snapshot_base(tx, model, key, row, earlier)
    now = clock.stored_now()
    written = dict(changes)
    changes = {n: v for n, v in changes.items() if model.by_name[n].origin is not Origin.LOCAL}
    if model.changed_at in model.by_name:
        written.setdefault(model.changed_at, now)
    row.update(written)
    require_companions(model, row, changes)
    rows.edit(tx, model, key, written)
    queue.enqueue(tx, model, key, Op.UPDATE, now, fields=changes, earlier=earlier)
    return row


def write_action(
    tx: Transaction, model: Model, named: str, action: str, stored: Mapping[str, Any], idem_key: str | None
) -> Row:
    """Set ``stored`` and queue one of the model's own actions; the row after it. Raises: RecordNotFound."""
    row = require_row(tx, model, named)
    key = model.key_text(row)
    earlier = queue.tail(tx, model, key)
    _snapshot_base(tx, model, key, row, earlier)
    now = clock.stored_now()
    written = {**stored, model.changed_at: now}
    row.update(written)
    rows.edit(tx, model, key, written)
    queue.enqueue(tx, model, key, action, now, fields=stored, earlier=earlier, idem_key=idem_key)
    return row


def write_delete(tx: Transaction, model: Model, key: str, models: Mapping[str, Model]) -> None:
    """Remove a row and queue its delete, behind those of what goes with it. Raises: RecordNotFound."""
    row = require_row(tx, model, key)
    key = model.key_text(row)
    for name, field in model.cascades:
        for part in rows.keys_where(tx, models[name], field, key):
            write_delete(tx, models[name], part, models)
    earlier = queue.tail(tx, model, key)
    _snapshot_base(tx, model, key, row, earlier)
    rows.remove(tx, model, key)
    queue.enqueue(tx, model, key, Op.DELETE, clock.stored_now(), earlier=earlier)


def row_of(tx: Transaction, model: Model, key: str) -> Row | None:
    """A row by its key, or by the local id it had before the remote gave it another."""
    row = rows.get(tx, model, key)
    if row is None:
        named = id_map.remote_id(tx, model, key)
        row = rows.get(tx, model, named) if named is not None else None
    return row


def require_row(tx: Transaction, model: Model, key: str) -> Row:
    """A row by its key or alias. Raises: RecordNotFound."""
    row = row_of(tx, model, key)
    if row is None:
        raise RecordNotFound(
            f"{model.remote} {model.name} {key} is not in the local file",
            hint=f"check the id, or fetch what others wrote: syncer pull {model.remote} --model {model.name}",
        )
    return row


def _snapshot_base(tx: Transaction, model: Model, key: str, row: Row, earlier: queue.Tail | None) -> None:
    """Before the first edit that is not folded into an unsent one, the row is what the remote has, or will have."""
    if (earlier is None or not earlier.accepts_edits) and bases.get(tx, model, key) is None:
        bases.put(tx, model, key, row)


def require_companions(model: Model, row: Row, changes: Mapping[str, Any]) -> None:
    """Check that an update can carry what must travel with it. Raises: InvalidInput naming the missing fields."""
    lacking = [n for n in sorted(model.with_companions(changes)) if row.get(n) is None and n not in changes]
    if lacking:
        raise InvalidInput(
            f"{model.name} {model.key_text(row)} cannot be updated without {' and '.join(lacking)}",
            why="the remote wants these fields in every such update, and the record has none",
            hint=f"set {' and '.join(lacking)} in the same update",
        )


def found_by(
    model: Model, where: Mapping[str, Any] | None, order_by: str | Sequence[str] | None, limit: int | None, offset: int
) -> tuple[str, list[Any]]:
    """SQL text and parameters of :meth:`Records.find`."""
    if (limit is not None and limit < 0) or offset < 0:
        raise InvalidInput(f"limit and offset cannot be {limit} and {offset}")
    wanted = {name: _comparable(model, name, value) for name, value in (where or {}).items()}
    return rows.find_statement(model, wanted, order_by, limit, offset)


def _comparable(model: Model, name: str, value: Any) -> Any:
    """A value of ``where`` in stored form."""
    field = model.by_name.get(name)
    if field is None:
        raise InvalidInput(f"{model.name} has no field {name!r}", hint=near(name, model.by_name))
    if isinstance(value, Mapping) and not field.as_json:
        unknown = [sign for sign in value if sign not in rows.SIGNS]
        if unknown:
            raise InvalidInput(
                f"{model.name}.{name} cannot be compared by {unknown[0]!r}", hint=near(unknown[0], rows.SIGNS)
            )
        return {
            sign: part if sign == "beginsWith" else values.stored_value(model, field, part) for sign, part in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset) and not field.many:
        return [values.stored_value(model, field, part) for part in value]
    return None if value is None else values.stored_value(model, field, value)
