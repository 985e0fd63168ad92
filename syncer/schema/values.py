"""Between a caller's Python values and the stored form of columns, checked against the model's description."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from syncer import clock
from syncer.errors import InvalidInput
from syncer.schema.model import Field, Kind, Model, Origin
from syncer.suggest import near

_INT_LIMIT = 2**31

_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":")
).encode  # made once: it is on hot paths

VERBATIM = "$text"
"""Key in ``extra`` under which time texts are kept that cannot be rebuilt from their stored form."""


def dumps(value: Any) -> str:
    """JSON text as it is stored: compact, letters kept as they are. Raises: ValueError for NaN and Infinity."""
    return _encode(value)


def checked(model: Model, fields: Mapping[str, Any], *, creating: bool) -> dict[str, Any]:
    """``fields`` in stored form, after every check the description allows.

    On create None means absent; on update it means "remove". Raises: InvalidInput naming model, field and value.
    """
    stored: dict[str, Any] = {}
    by_name = model.by_name
    for name, value in fields.items():
        field = by_name.get(name)
        if field is None:
            raise InvalidInput(
                f"{model.name} has no field {name!r}",
                hint=near(name, by_name) or f"fields are: {', '.join(by_name)}",
            )
        if value is None:
            if creating:
                continue
            if field.required or name in model.key:
                raise InvalidInput(f"{model.name}.{name} is required and cannot be removed")
            stored[name] = None
            continue
        if field.origin is Origin.SERVER:
            raise InvalidInput(f"{model.name}.{name} is set by the remote and cannot be written")
        if not creating and name in model.key:
            raise InvalidInput(f"{model.name}.{name} is part of the key and cannot be changed", hint="delete and create")
        stored[name] = _checked_value(model, field, value)
    return stored


def _checked_value(model: Model, field: Field, value: Any) -> Any:
    stored = stored_value(model, field, value)
    if stored == "" and (field.name in model.index_keys or field.name in model.key):
        why = "the remote takes no empty text in a key or index key; leave it out"
        raise InvalidInput(f"{model.name}.{field.name} cannot be ''", why=why)
    return stored


def stored_value(model: Model, field: Field, value: Any) -> Any:
    """One value in stored form. Raises: InvalidInput naming model, field and value."""
    try:
        stored = _many(value) if field.many else _CHECKS[field.kind](field, value)
        if field.kind is Kind.TIME and model.time_digits == 3:
            stored = stored[:23] + "000Z"  # what is stored is what will be sent
        if isinstance(stored, str) and not stored.isascii():
            stored.encode("utf-8")  # half of a surrogate pair has no place in a file
    except (ValueError, TypeError, RecursionError) as exc:
        raise InvalidInput(f"{model.name}.{field.name} cannot be {_shown(value)}", why=str(exc)) from exc
    return stored


def require(model: Model, stored: Mapping[str, Any]) -> None:
    """Check that a create carries all it must. Raises: InvalidInput naming the missing fields."""
    missing = [n for n in (*model.create_required, *model.create_companions) if stored.get(n) is None]
    if missing:
        raise InvalidInput(
            f"{model.name} needs {' and '.join(missing)}",
            hint="the remote refuses the record without, so it is refused here before it is stored",
        )


def to_python(model: Model, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as callers see it: the remote's field names, JSON decoded, flags as bool, times as stored text."""
    seen: dict[str, Any] = {}
    for field in model.fields:
        value = row.get(field.name)
        if value is not None:
            if field.as_json:
                value = json_decoded(value)
            elif field.kind is Kind.BOOLEAN:
                value = bool(value)
        seen[field.name] = value
    return seen


def json_decoded(text: str) -> Any:
    """The value of JSON ``text``; text that is no JSON (older data has some) comes back as it is."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # nested beyond what Python reads
        return text


def same(field: Field, one: Any, other: Any) -> bool:
    """True when two stored values mean the same (JSON by value, not by text)."""
    if one == other:
        return True
    if one is None or other is None or not field.as_json:
        return False
    try:
        return alike(json_decoded(one), json_decoded(other))
    except RecursionError:
        return False


def alike(one: Any, other: Any) -> bool:
    """True when two JSON values are the same: 1 and 1.0 are, 1 and true are not, which Python alone would not tell."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


def verbatim(row: Mapping[str, Any], name: str) -> str | None:
    """The text a remote uses for the time in ``name``, as conditions on it must spell it."""
    value = row.get(name)
    if value is None:
        return None
    extra = row.get("extra")
    if extra and VERBATIM in extra:
        unknown = json.loads(extra)
        texts = unknown.get(VERBATIM) if isinstance(unknown, dict) else None
        kept = texts.get(name) if isinstance(texts, dict) else None
        if isinstance(kept, str) and clock.stored_from_text(kept) == value:  # else the time has been written anew since
            return str(kept)
    return clock.usual_text(value)


def both_extras(before: str | None, said: str | None) -> str | None:
    """The unknown fields of a row after an answer that tells some of them: what it leaves out stays as it was."""
    if before is None or said is None:
        return before if said is None else said
    kept, told = json_decoded(before), json_decoded(said)
    return dumps({**kept, **told}) if isinstance(kept, dict) and isinstance(told, dict) else said


def news(model: Model, row: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``changes`` without choices that are in ``row`` already: a remote may know more of them than we do."""
    by_name = model.by_name
    return {
        name: value
        for name, value in changes.items()
        if name not in by_name or by_name[name].kind is not Kind.ENUM or value != row.get(name)
    }


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except RecursionError:
        return f"a {type(value).__name__} nested so deeply"
    return f"{text[:57]}..." if len(text) > 60 else text


def _text(_: Field, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text is needed, not {type(value).__name__}")
    return value


def _integer(_: Field, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a whole number is needed, not {type(value).__name__}")
    if not -_INT_LIMIT <= value < _INT_LIMIT:
        raise ValueError("outside the 32 bits the remote keeps")
    return value


def _number(_: Field, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a number is needed, not {type(value).__name__}")
    if not math.isfinite(value):
        raise ValueError("JSON has no NaN and no Infinity")
    return float(value)


def _flag(_: Field, value: Any) -> int:
    if not isinstance(value, bool):
        raise TypeError(f"True or False is needed, not {type(value).__name__}")
    return int(value)


def _json(_: Field, value: Any) -> str:
    return dumps(value)


def _time(_: Field, value: Any) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a time zone is needed, for example datetime.now(timezone.utc)")
        stored = clock.stored(value)
    elif isinstance(value, str):
        stored = clock.stored_from_text(value)
    else:
        raise TypeError(f"a datetime or ISO 8601 text is needed, not {type(value).__name__}")
    return stored


def _choice(field: Field, value: Any) -> str:
    if value not in field.values:
        raise ValueError(f"one of {', '.join(field.values)} is needed")
    return str(value)


def _many(value: Any) -> str:
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        raise TypeError("a list of texts is needed")
    return dumps(list(value))


_CHECKS: dict[Kind, Callable[[Field, Any], Any]] = {
    Kind.ID: _text,
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _flag,
    Kind.JSON: _json,
    Kind.TIME: _time,
    Kind.ENUM: _choice,
}
