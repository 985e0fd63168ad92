"""A record by whatever people call it: its key, an id it had here before, or the number of a change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from syncer.errors import RecordNotFound, UsageError
from syncer.schema.model import Model, snake
from syncer.store.reader import Reader
from syncer.suggest import near
from syncer.views.outbox import Models

_MOST_COMPARED = 5_000
_MOST_STEPS = 20
_ALIASES = "SELECT local_id FROM _id_map WHERE remote = ? AND model = ? AND remote_id = ?"
_NAMED = "SELECT remote_id FROM _id_map WHERE remote = ? AND model = ? AND local_id = ?"
_TABLE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
_TRACES = tuple(
    f"SELECT 1 FROM {table} WHERE remote = ? AND model = ? AND key = ? LIMIT 1"
    for table in ("outbox", "ledger", "_event", "conflict")
)


@dataclass(frozen=True, slots=True)
class Named:
    """A record: its ``key`` now, and ``keys``, that and every id it went by here before."""

    model: Model
    key: str
    keys: tuple[str, ...]


def located(reader: Reader, models: Models, remote: str, model: str, key: str) -> Named:
    """The record called ``key``, wherever this file knows of it. Raises: RecordNotFound, UsageError, with near names."""
    described = model_of(models, remote, model)
    if reader.one(_TABLE, (described.table,)) is None:  # of a remote that was never used with this file
        raise RecordNotFound(f"this file knows of no {remote} {model} {key}", hint=f"fetch it: syncer pull {remote}")
    now = _now(reader, described, key)
    keys = _all_names(reader, described, now)
    if not any(_known(reader, described, name) for name in keys):
        raise RecordNotFound(f"{remote} {model} {key} was not found in this file", hint=_near(reader, described, key))
    return Named(described, now, keys)


def of_change(reader: Reader, models: Models, seq: int) -> Named:
    """The record of a change, waiting or gone. Raises: RecordNotFound."""
    for table in ("outbox", "ledger"):
        found = reader.one(f"SELECT remote, model, key FROM {table} WHERE seq = ?", (seq,))
        if found is not None:
            described = models[found[0]][found[1]]
            now = _now(reader, described, found[2])
            return Named(described, now, _all_names(reader, described, now))
    raise RecordNotFound(f"there never was a change {seq}", hint="syncer outbox list shows what is pending")


def model_of(models: Models, remote: str, model: str) -> Model:
    """The description of a model by its names. Raises: UsageError with near names."""
    if remote not in models:
        raise UsageError(f"there is no remote {remote!r}", hint=near(remote, models) or f"remotes are: {', '.join(models)}")
    known = models[remote]
    if model not in known:
        raise UsageError(f"{remote} has no model {model!r}", hint=near(model, known) or f"models are: {', '.join(known)}")
    return known[model]


def key_text(model: Model, parts: Sequence[str]) -> str:
    """The key that ``parts`` of a command line mean: the text itself, or one part per key field. Raises: UsageError."""
    if len(parts) == 1:
        return parts[0]
    if len(parts) != len(model.key):
        raise UsageError(f"a {model.name} is known by {' and '.join(model.key)}", hint="give each of them, in this order")
    return model.key_text(dict(zip(model.key, parts, strict=True)))


def row_of(reader: Reader, model: Model, key: str) -> dict[str, Any] | None:
    """The row of a record in stored form, None when it has none, or the key is none of this model's."""
    try:
        values = tuple(model.key_fields(key).values())
    except (ValueError, TypeError):  # no JSON list of the right length
        return None
    columns = ", ".join(f'"{column}"' for column in model.columns)
    where = " AND ".join(f'"{snake(name)}" = ?' for name in model.key)
    found = reader.one(f'SELECT {columns} FROM "{model.table}" WHERE {where}', values)
    return None if found is None else dict(zip((f.name for f in model.fields), found, strict=True))


def _now(reader: Reader, model: Model, key: str) -> str:
    for _ in range(_MOST_STEPS):
        found = reader.one(_NAMED, (model.remote, model.name, key))
        if found is None or found[0] == key or row_of(reader, model, key) is not None:
            break
        key = str(found[0])
    return key


def _all_names(reader: Reader, model: Model, key: str) -> tuple[str, ...]:
    names = [key]
    for name in names:
        for (local,) in reader.all(_ALIASES, (model.remote, model.name, name)):
            if local not in names:
                names.append(str(local))
    return tuple(names)


def _known(reader: Reader, model: Model, key: str) -> bool:
    if row_of(reader, model, key) is not None:
        return True
    return any(reader.one(sql, (model.remote, model.name, key)) is not None for sql in _TRACES)


def _near(reader: Reader, model: Model, key: str) -> str:
    """Keys that begin like this one, or look like it; else where to look."""
    column = snake(model.key[0])
    alike = reader.all(f'SELECT "{column}" FROM "{model.table}" WHERE substr("{column}", 1, ?) = ? LIMIT 4', (len(key), key))
    if key and 0 < len(alike) <= 3:
        return f"did you mean {' or '.join(str(name) for (name,) in alike)}?"
    some = reader.all(f'SELECT "{column}" FROM "{model.table}" LIMIT ?', (_MOST_COMPARED,))
    hint = near(key, (str(name) for (name,) in some))
    return hint or f"its rows: syncer query 'SELECT {column} FROM {model.table}'"
