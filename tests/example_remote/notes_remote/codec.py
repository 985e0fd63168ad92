"""Between stored rows and the JSON of the service. Pure.

A frozen change is ``{"method", "path", "body", "version"}``: what is sent for it, word for word, at every repeat.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from syncer import clock
from syncer.remote import Change, Op, Row
from syncer.schema.model import Field, Kind, Model, Origin
from syncer.schema.values import dumps, json_decoded, verbatim

PATHS = {"Notebook": "/v1/notebooks", "Note": "/v1/notes"}
_METHODS = {Op.CREATE: "POST", Op.UPDATE: "PATCH", Op.DELETE: "DELETE"}


def path_of(model: Model, key: str) -> str:
    """Where one record is; an id may hold any letter."""
    return f"{PATHS[model.name]}/{quote(key, safe='')}"


def frozen(change: Change, row: Row | None, base: Row | None) -> str:
    """The wire text of a change. ``version``: of the record that an edit was made on; the service refuses it on another."""
    sends = {f.name for f in change.model.fields if f.origin is Origin.CALLER and row is not None}
    if change.op == Op.CREATE:
        body = {n: v for n in sends if (v := _plain(change.model.by_name[n], (row or {})[n])) is not None}
    else:
        body = {n: _plain(change.model.by_name[n], (row or {})[n]) for n in sends if n in change.fields}
    return dumps(
        {
            "method": _METHODS[Op(change.op)],
            "path": PATHS[change.model.name] if change.op == Op.CREATE else path_of(change.model, change.key),
            "body": None if change.op == Op.DELETE else dict(sorted(body.items())),
            "version": verbatim(base, "updatedAt") if base else None,
        }
    )


def sent(change: Change) -> Row:
    """What a frozen change writes, in stored form, without the key."""
    body = json.loads(change.body or "{}").get("body") or {}
    return {n: _stored(change.model.by_name[n], value) for n, value in body.items() if n not in change.model.key}


def as_row(model: Model, record: Mapping[str, Any]) -> Row:
    """A whole record of the service as a stored row; what is not described is kept in ``extra``."""
    row = {f.name: _stored(f, record.get(f.name)) for f in model.fields}
    unknown = {name: value for name, value in record.items() if name not in model.by_name}
    return {**row, "extra": dumps(unknown) if unknown else None}


def _plain(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if field.kind is Kind.BOOLEAN:
        return bool(value)
    return json_decoded(value) if field.as_json else value


def _stored(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if field.as_json:
        return dumps(value)
    if field.kind is Kind.BOOLEAN:
        return int(bool(value))
    return clock.stored(clock.parsed(value)) if field.kind is Kind.TIME else str(value)
