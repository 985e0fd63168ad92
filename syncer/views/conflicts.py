"""Conflicts as people ask about them, one per record; read without the writing side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from syncer.merge.three_way import conflicting_keys
from syncer.schema.model import Field, Kind, Model
from syncer.schema.values import json_decoded, to_python
from syncer.store.reader import Reader

Models = Mapping[str, Mapping[str, Model]]
"""Descriptions by remote, then by model name."""

FIELDS, GONE_THERE, DELETED_HERE = "fields", "gone-there", "deleted-here"
_COLUMNS = "id, remote, model, key, seq, field, base, ours, theirs, detected_at, resolved_at, resolution"
_NARROWED = "remote = ifnull(:remote, remote) AND model = ifnull(:model, model)"


def listed(
    reader: Reader, models: Models, *, every: bool = False, remote: str | None = None, model: str | None = None
) -> list[dict[str, Any]]:
    """Conflicts in the order they were found, one a record; settled ones too with ``every``.

    Each is ``{"remote", "model", "key", "seq", "kind", "fields", "since", "resolved_at", "resolution"}``, ``kind`` being
    one of "fields", "gone-there" (edited here) and "deleted-here" (edited there). Every field is
    ``{"field", "base", "ours", "theirs"}``, with ``"keys"``, the dotted paths that clash, where JSON objects do.
    """
    where = _NARROWED if every else f"{_NARROWED} AND resolved_at IS NULL"
    return _grouped(models, reader.all(f"SELECT {_COLUMNS} FROM conflict WHERE {where} ORDER BY id", _given(remote, model)))


def called(
    reader: Reader, models: Models, name: str, *, remote: str | None = None, model: str | None = None
) -> list[dict[str, Any]]:
    """The conflicts of the records that ``name`` may mean, a key or the number of a change, open ones last."""
    number = int(name) if name.isascii() and name.isdecimal() and len(name) < 19 else None
    where = f"{_NARROWED} AND (key = :name OR seq = :number)"
    parameters = {**_given(remote, model), "name": name, "number": number}
    found = _grouped(models, reader.all(f"SELECT {_COLUMNS} FROM conflict WHERE {where} ORDER BY id", parameters))
    return sorted(found, key=lambda one: one["resolved_at"] is None)


def _given(remote: str | None, model: str | None) -> dict[str, Any]:
    return {"remote": remote, "model": model}


def _grouped(models: Models, rows: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """One entry for what was found of one record and, if so, settled at once."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _, remote, name, key, seq, field, base, ours, theirs, since, resolved_at, how in rows:
        model = models[remote][name]
        entry = found.setdefault(
            (remote, name, key, resolved_at),
            {
                "remote": remote,
                "model": name,
                "key": key,
                "seq": seq,
                "kind": FIELDS if field is not None else (GONE_THERE if theirs is None else DELETED_HERE),
                "fields": [],
                "since": since,
                "resolved_at": resolved_at,
                "resolution": how,
            },
        )
        values = [None if text is None else json.loads(text) for text in (base, ours, theirs)]
        entry["fields"] += _whole(model, *values) if field is None else [_field(model.by_name[field], *values)]
        if how is not None and how not in entry["resolution"].split("; "):
            entry["resolution"] += f"; {how}"
    return list(found.values())


def _field(field: Field, base: Any, ours: Any, theirs: Any) -> dict[str, Any]:
    shown = {name: _decoded(field, v) for name, v in (("base", base), ("ours", ours), ("theirs", theirs))}
    keys = conflicting_keys(field, base, ours, theirs)
    return {"field": field.name, **shown, **({"keys": keys} if keys else {})}


def _decoded(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if field.as_json:
        return json_decoded(value)
    return bool(value) if field.kind is Kind.BOOLEAN else value


def _whole(model: Model, base: Any, ours: Any, theirs: Any) -> list[dict[str, Any]]:
    """Every field that has a value on any side."""
    sides = {side: to_python(model, row or {}) for side, row in (("base", base), ("ours", ours), ("theirs", theirs))}
    found = [{"field": f.name, **{side: row[f.name] for side, row in sides.items()}} for f in model.fields]
    return [entry for entry in found if any(entry[side] is not None for side in sides)]
