"""Between stored values and what AppSync sends and takes: AWSJSON is text, times keep the remote's spelling."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from operator import itemgetter
from typing import Any

from syncer import clock
from syncer.http.responses import storable
from syncer.remote import Op, Row
from syncer.schema.model import Field, Kind, Model, Origin
from syncer.schema.values import VERBATIM, dumps, verbatim

Record = Mapping[str, Any]


def to_wire(field: Field, row: Mapping[str, Any]) -> Any:
    """The value of ``field`` as an input carries it."""
    value = row.get(field.name)
    if value is None:
        return None
    if field.many:
        return json.loads(value)
    if field.kind is Kind.TIME:
        return verbatim(row, field.name)
    return bool(value) if field.kind is Kind.BOOLEAN else value


def create_input(model: Model, row: Mapping[str, Any]) -> dict[str, Any]:
    """All that is set and may be sent. ``updatedAt`` stays out, so that other readers' checkpoints see a late push."""
    sent: dict[str, Any] = {}
    for name, convert in _create_plan(model):
        value = row.get(name)
        if value is not None:
            sent[name] = value if convert is None else convert(row)
    return sent


@cache
def _create_plan(model: Model) -> tuple[tuple[str, Callable[[Mapping[str, Any]], Any] | None], ...]:
    return tuple(
        (f.name, partial(to_wire, f) if f.many or f.kind in (Kind.TIME, Kind.BOOLEAN) else None)
        for f in model.remote_fields
        if f.origin is not Origin.SERVER and f.name != "updatedAt"
    )


def update_input(model: Model, row: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """The changed fields, the key, and everything that must travel with them."""
    names = model.with_companions(fields)
    untaken = (Origin.SERVER, Origin.LOCAL, Origin.ABSENT)
    return {f.name: to_wire(f, row) for f in model.fields if f.name in names and f.origin not in untaken}


def serialize(model: Model, op: str, key: str, fields: Sequence[str], row: Row | None, base: Row | None) -> str:
    """The wire text of a change: ``{"input": ..., "condition": ...?}``."""
    if op == Op.CREATE and row is not None:
        return dumps({"input": create_input(model, row)})
    if op == Op.UPDATE and row is not None:
        body: dict[str, Any] = {"input": update_input(model, row, fields)}
    else:
        body = {"input": model.key_fields(key)}
    version = verbatim(base, "updatedAt") if base else None
    if version is not None:
        body["condition"] = {"updatedAt": {"eq": version}}
    return dumps(body)


@cache
def reader(model: Model) -> Callable[[Record], tuple[Any, ...]]:
    """A function from a remote record to the tuple of its stored values, then ``extra``."""
    theirs = model.remote_fields
    gaps = tuple(n for n, f in enumerate(model.fields) if f.here_only)
    take = itemgetter(*(f.name for f in theirs))
    times = tuple((n, f.name) for n, f in enumerate(theirs) if f.kind is Kind.TIME)
    others = tuple((n, _convert(f)) for n, f in enumerate(theirs) if f.many or f.kind in (Kind.BOOLEAN, Kind.JSON))
    unknown = model.unknown

    def read(record: Record) -> tuple[Any, ...]:
        values = list(take(record))
        odd: dict[str, str] | None = None
        for n, name in times:
            text = values[n]
            if text is None:
                continue
            if len(text) == 24 and text[23] == "Z" and text[19] == ".":
                values[n] = text[:23] + "000Z"
                continue
            stored = values[n] = _time(text)
            if clock.usual_text(stored) != text:
                odd = odd or {}
                odd[name] = text
        for n, convert in others:
            if values[n] is not None:
                values[n] = convert(values[n])
        for n in gaps:
            values.insert(n, None)
        more: dict[str, Any] = {name: record[name] for name in unknown if record.get(name) is not None}
        if odd:
            more[VERBATIM] = odd
        values.append(dumps(more) if more else None)
        return tuple(values)

    return read


def read_all(model: Model, items: Any) -> tuple[list[tuple[Any, ...]], int]:
    """The records of a page in stored form, and how many of its entries could not be read as one."""
    read = reader(model)
    keys = tuple(n for n, f in enumerate(model.fields) if f.name in model.key)
    entries = items if isinstance(items, list) else ()
    rows = [row for item in entries if item is not None and (row := _readable(read, keys, item)) is not None]
    return rows, len(entries) - len(rows)


def readable(model: Model, record: Any) -> Row | None:
    """A whole remote record as a stored row; None for what cannot be read as one."""
    rows, _ = read_all(model, [record])
    return dict(zip((*(f.name for f in model.fields), "extra"), rows[0], strict=True)) if rows else None


def _readable(read: Callable[[Record], tuple[Any, ...]], keys: tuple[int, ...], item: Any) -> tuple[Any, ...] | None:
    try:
        row = read(item)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError):
        return None  # not of the types that the schema promises
    return row if storable(row) and all(isinstance(row[n], str) and row[n] for n in keys) else None


def written_fields(model: Model, body: str) -> Row:
    """What a serialized body writes, in stored form: the values of its input without the key."""
    fields = json.loads(body)["input"]
    return {name: _stored(model.by_name[name], value) for name, value in fields.items() if name not in model.key}


def _stored(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if field.kind is Kind.TIME:
        return _time(value)
    return _convert(field)(value) if field.as_json or field.kind is Kind.BOOLEAN else value


def as_row(model: Model, record: Record) -> Row:
    """A whole remote record as a stored row."""
    names = (*(f.name for f in model.fields), "extra")
    return dict(zip(names, reader(model)(record), strict=True))


def stamps(model: Model, record: Record) -> Row:
    """The server's times from a mutation's answer, in stored form."""
    return {f.name: _time(record[f.name]) for f in model.stamps if isinstance(record.get(f.name), str) and record[f.name]}


def _time(text: str) -> str:
    try:
        return clock.stored_from_text(text)
    except (ValueError, OverflowError):
        return text  # not a time we can read: kept as it came


def _convert(field: Field) -> Callable[[Any], Any]:
    if field.many:
        return dumps
    if field.kind is Kind.BOOLEAN:
        return int
    return lambda value: value if isinstance(value, str) else dumps(value)
