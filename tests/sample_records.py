"""One record of every model an API key may use, in the order of their references."""

from __future__ import annotations

from typing import Any

from syncer.records.api import Records
from syncer.schema.model import Kind, Model, Origin

Made = tuple[str, Any, dict[str, Any]]


def everything(records: Records, *, legacy: bool = False) -> list[Made]:
    """Create one record of every open model; (model, key, a change to make) for each."""
    keys: dict[str, Any] = {}
    made: list[Made] = []
    for model in records.models.values():
        if model.closed or (model.legacy and not legacy):
            continue
        record = records.create(model.name, fields_of(model, keys))
        key = record["id"] if model.key == ("id",) else {name: record[name] for name in model.key}
        keys[model.name] = record.get("id")
        made.append((model.name, key, change_of(model)))
    return made


def fields_of(model: Model, keys: dict[str, Any]) -> dict[str, Any]:
    """A value for every field a caller may set; references point at ``keys`` where those are known."""
    fields: dict[str, Any] = {}
    for field in model.fields:
        if field.origin is not Origin.CALLER or field.name == "id":
            continue
        if field.ref:
            value = keys.get(field.ref)
            if value is not None:
                fields[field.name] = value
            elif field.required:
                fields[field.name] = f"no-{field.name}"
        elif field.name == "accountId":  # a share link names its account without referring to it
            fields[field.name] = keys["Account"]
        elif field.many:
            fields[field.name] = ["one", 'tw"o']
        else:
            fields[field.name] = _VALUES[field.kind] if not field.values else field.values[0]
    return fields


def change_of(model: Model) -> dict[str, Any]:
    """An edit of a field that is no key, no reference and no time."""
    for kind, value in ((Kind.TEXT, "changed: ünï 'quoted' \"x\""), (Kind.INTEGER, 7), (Kind.JSON, {"changed": [None]})):
        for field in model.fields:
            usable = field.kind is kind and field.origin is Origin.CALLER and not field.ref and not field.many
            if usable and field.name not in model.key:
                return {field.name: value}
    raise AssertionError(model.name)


_VALUES: dict[Kind, Any] = {
    Kind.TEXT: 'text "q" \u00fc \U0001f600\nline',
    Kind.INTEGER: 3,
    Kind.NUMBER: 0.25,
    Kind.BOOLEAN: True,
    Kind.JSON: {"n": 1, "deep": [None, True, "ü"]},
    Kind.TIME: "2026-01-02T03:04:05.678Z",
}
