"""Both sides next to each other, row for row and field for field, without the code that syncs them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from syncer.demo.upstream import Effects, Upstream
from syncer.schema.model import Field, Kind, Model
from syncer.store.reader import Reader


class Difference(NamedTuple):
    """One thing that is not the same here and there; ``field`` None is the record as a whole."""

    model: str
    key: str
    field: str | None
    here: Any
    there: Any

    def __str__(self) -> str:
        if self.field is None:
            return f"{self.model} {self.key}: {'only there' if self.here is None else 'only here'}"
        return f"{self.model} {self.key}, {self.field}: here {self.here!r}, there {self.there!r}"


@dataclass
class Comparison:
    """What a look at both sides found. ``rows``: (here, there) by model. ``values``: how many were compared."""

    rows: dict[str, tuple[int, int]] = field(default_factory=dict)
    values: int = 0
    differences: list[Difference] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    @property
    def is_equal(self) -> bool:
        """True when nothing differs and nothing was created more or less often than once."""
        return not self.differences and not self.doubled

    def add(self, other: Comparison) -> None:
        """Count in what a look at other models found."""
        self.rows |= other.rows
        self.values += other.values
        self.differences += other.differences
        self.doubled += other.doubled


def shared(models: Iterable[Model]) -> list[Model]:
    """The models that both sides hold: neither closed to an API key nor of an older deployment."""
    return [model for model in models if not model.closed and not model.legacy]


def compared(models: Iterable[Model], local: Reader, upstream: Upstream, effects: Effects) -> Comparison:
    """Compare every record of ``models``, and the creates that the upstream applied."""
    found = Comparison()
    creates = effects.creates()
    for model in models:
        there = {model.key_text(record): record for record in upstream.records(model)}
        here = _rows(local, model)
        found.rows[model.name] = (len(here), len(there))
        found.values += _compare(model, here, there, found.differences)
        for key in sorted(there.keys() | {key for name, key in creates if name == model.name}):
            if creates[model.name, key] != 1:
                found.doubled.append(f"{model.name} {key} was created {creates[model.name, key]} times")
    return found


def _rows(local: Reader, model: Model) -> dict[str, dict[str, Any]]:
    names = list(model.by_name)
    columns = ", ".join(f'"{column}"' for column in model.columns)
    rows = local.all(f"SELECT {columns} FROM {model.table}")
    records = (dict(zip(names, row, strict=True)) for row in rows)
    return {model.key_text(record): record for record in records}


def _compare(
    model: Model, here: Mapping[str, Mapping[str, Any]], there: Mapping[str, Mapping[str, Any]], into: list[Difference]
) -> int:
    count = 0
    for key in sorted(here.keys() | there.keys()):
        ours, theirs = here.get(key), there.get(key)
        if ours is None or theirs is None:
            into.append(Difference(model.name, key, None, ours and key, theirs and key))
            continue
        for each in model.remote_fields:
            count += 1
            left, right = _local(each, ours[each.name]), _remote(each, theirs[each.name])
            if type(left) is not type(right) or left != right:
                into.append(Difference(model.name, key, each.name, left, right))
    return count


def _local(described: Field, value: Any) -> Any:
    """A column's value as plain Python."""
    if value is None:
        return None
    if described.as_json:
        return json.loads(value)
    if described.kind is Kind.BOOLEAN:
        return bool(value)
    return _plain(described, value)


def _remote(described: Field, value: Any) -> Any:
    """A value of a GraphQL answer as plain Python; AWSJSON comes as text."""
    if value is not None and described.kind is Kind.JSON:
        return json.loads(value)
    return None if value is None else _plain(described, value)


def _plain(described: Field, value: Any) -> Any:
    if described.kind is Kind.TIME:
        return datetime.fromisoformat(value).astimezone(UTC)
    return float(value) if described.kind is Kind.NUMBER else value
