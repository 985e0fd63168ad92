"""Waiting changes as people ask about them; read without the writing side."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from syncer.outbox.delete_order import pointing_at
from syncer.schema.model import Model, snake
from syncer.store.reader import Reader

Models = Mapping[str, Mapping[str, Model]]
"""Descriptions by remote, then by model name."""

_COLUMNS = "seq, remote, model, key, op, state, attempts, next_attempt_at, created_at, code, reason, fields, blocked_by"
_POINTERS = (
    "SELECT json_extract(b.record, ?) AS target, min(o.seq) FROM outbox o JOIN _base b USING (remote, model, key)"
    " WHERE o.remote = ? AND o.model = ? AND o.op = 'delete' AND target IS NOT NULL GROUP BY target"
)
_WAITING = "(SELECT v.*, o.fields FROM v_pending v JOIN outbox o USING (seq))"


def changes(
    reader: Reader,
    models: Models,
    *,
    remote: str | None = None,
    model: str | None = None,
    state: str | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Waiting changes in order, each with what it waits for.

    ``blocked_by`` is the number of the change that must go first (an earlier one of the same record, the create of a
    record this one points at, or the delete of one that points at what this deletes), None when nothing is in its way.
    """
    wanted = {"remote": remote, "model": model, "state": state}
    given = {name: value for name, value in wanted.items() if value is not None}
    where = " AND ".join(f"{name} = :{name}" for name in given) or "1"
    sql = f"SELECT {_COLUMNS} FROM {_WAITING} WHERE {where} ORDER BY seq"
    if limit is not None:
        sql += " LIMIT :limit"
        given["limit"] = limit  # type: ignore[assignment]
    leaving = _Leaving(reader, models)
    return [_change(reader, models, row, leaving) for row in reader.all(sql, given)]


def change(reader: Reader, models: Models, seq: int) -> dict[str, Any] | None:
    """Everything about one change, waiting or gone (then with its ``outcome``); None for a number never given out."""
    row = reader.one(f"SELECT {_COLUMNS} FROM {_WAITING} WHERE seq = ?", (seq,))
    if row is not None:
        found = _change(reader, models, row, _Leaving(reader, models))
        sent = reader.one("SELECT idem_key, body, body_hash, attempted_at FROM outbox WHERE seq = ?", (seq,))
        if sent is not None:
            found["idem_key"], body, found["body_hash"], found["attempted_at"] = sent
            found["body"] = json.loads(body) if body else None
        found["values"] = _values(reader, models, found)
        found["conflicts"] = conflicts(reader, found["model"], found["key"])
        return found
    names = (
        "seq, remote, model, key, op, fields, outcome, by_seq, attempts, created_at, left_at, idem_key, body_hash, reason"
    )
    gone = reader.one(f"SELECT {names} FROM ledger WHERE seq = ?", (seq,))
    if gone is None:
        return None
    found = dict(zip(names.split(", "), gone, strict=True))
    found["fields"] = json.loads(found["fields"]) if found["fields"] else None
    return found


def conflicts(reader: Reader, model: str, key: str) -> list[dict[str, Any]]:
    """Open conflicts of a record: field with base, ours and theirs."""
    rows = reader.all("SELECT field, base, ours, theirs FROM v_conflicts WHERE model = ? AND key = ?", (model, key))
    return [
        {
            "field": field,
            **{name: json.loads(v) if v else None for name, v in zip(("base", "ours", "theirs"), rest, strict=True)},
        }
        for field, *rest in rows
    ]


def _change(reader: Reader, models: Models, row: tuple[Any, ...], leaving: _Leaving) -> dict[str, Any]:
    found = dict(zip(_COLUMNS.split(", "), row, strict=True))
    found["fields"] = json.loads(found["fields"]) if found["fields"] else None
    behind = found.pop("blocked_by")
    if behind is None and found["state"] == "pending":
        behind = leaving.first(found) if found["op"] == "delete" else _parent(reader, models, found)
    found["blocked_by"] = behind
    return found


class _Leaving:
    """The deletes that wait, by the record that the deleted one points at: read once, when first asked for."""

    def __init__(self, reader: Reader, models: Models) -> None:
        self._reader = reader
        self._models = models
        self._known: dict[tuple[str, str], dict[str, int]] = {}

    def first(self, found: Mapping[str, Any]) -> int | None:
        """The number of the first delete that must go before the delete ``found``."""
        remote, name = found["remote"], found["model"]
        if (remote, name) not in self._known:
            self._known[remote, name] = self._read(remote, name)
        return self._known[remote, name].get(found["key"])

    def _read(self, remote: str, name: str) -> dict[str, int]:
        first: dict[str, int] = {}
        for model, field in pointing_at(self._models[remote], name):
            for target, seq in self._reader.all(_POINTERS, (f'$."{field.name}"', remote, model.name)):
                first[target] = min(seq, first.get(target, seq))
        return first


def _row(reader: Reader, model: Model, key: str) -> dict[str, Any] | None:
    columns = ", ".join(f'"{column}"' for column in model.columns)  # one of them is called "order"
    where = " AND ".join(f'"{snake(name)}" = ?' for name in model.key)
    row = reader.one(f'SELECT {columns} FROM "{model.table}" WHERE {where}', tuple(model.key_fields(key).values()))
    return None if row is None else dict(zip((f.name for f in model.fields), row, strict=True))


def _values(reader: Reader, models: Models, found: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the change would set now: the row's values of its fields; all that are set for a create."""
    row = _row(reader, models[found["remote"]][found["model"]], found["key"])
    if row is None:
        return None
    names = found["fields"] or [name for name, value in row.items() if value is not None]
    return {name: row[name] for name in names}


def _parent(reader: Reader, models: Models, found: Mapping[str, Any]) -> int | None:
    model = models[found["remote"]][found["model"]]
    row = _row(reader, model, found["key"]) or {}
    for field in model.references:
        value = row.get(field.name)
        carried = found["op"] == "create" or (found["fields"] and field.name in found["fields"])
        if value is None or not carried or (found["op"] == "create" and field.back):
            continue
        parent = reader.one(
            "SELECT min(seq) FROM outbox WHERE model = ? AND key = ? AND seq <> ?"
            " AND op IN (SELECT value FROM json_each(?))",
            (field.ref, value, found["seq"], json.dumps(field.waits_for)),
        )
        if parent and parent[0] is not None:
            return int(parent[0])
    return _child(reader, models, model, found)


def _child(reader: Reader, models: Models, model: Model, found: Mapping[str, Any]) -> int | None:
    """The first waiting change of the records that must go before an action of this one."""
    action = model.action(found["op"])
    if action is None or action.after is None:
        return None
    name, field = action.after
    child = models[found["remote"]][name]
    row = reader.one(
        f'SELECT min(o.seq) FROM outbox o JOIN "{child.table}" c ON c."{snake(child.key[0])}" = o.key'
        f' WHERE o.model = ? AND c."{snake(field)}" = ?',
        (name, found["key"]),
    )
    return None if row is None else row[0]
