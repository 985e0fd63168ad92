"""Filters in AppSync's form, answered from the local file: ``{"accountId": {"eq": "a"}, "or": [{...}, {...}]}``.

A filter becomes a test over a record as ``ws.plexus`` shows it. What can be said in SQL narrows the search first, and is
tested again, so both always agree. An absent value is in no order, equal to None only, and unlike everything else.

Source: docs/remotes/plexus.md#filters
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from syncer import clock
from syncer.errors import InvalidInput
from syncer.plexus.convert import as_json
from syncer.schema import values
from syncer.schema.model import Field, Kind, Model
from syncer.suggest import near

Test: TypeAlias = Callable[[Mapping[str, Any]], bool]
Where: TypeAlias = dict[str, dict[str, Any]]

_NARROWING = ("eq", "lt", "le", "gt", "ge")


@dataclass(frozen=True, slots=True)
class Filter:
    """``test`` decides about a record; ``where`` (sign and stored value by field) holds for every record that passes it."""

    test: Test
    where: Where = field(default_factory=dict)


def parsed(model: Model, *conditions: Mapping[str, Any] | None) -> Filter:
    """The filter that all of ``conditions`` make together; None and ``{}`` ask for nothing.

    Raises: InvalidInput for an unknown field or operator, or a value the field cannot have.
    """
    where: Where = {}
    tests = [test for condition in conditions if condition is not None for test in _tests(model, condition, where)]
    return Filter(_all_of(tests), where)


def _tests(model: Model, condition: Any, where: Where | None) -> list[Test]:
    """``where`` collects what SQL can narrow by; None below ``or`` and ``not``, where nothing has to hold."""
    if not isinstance(condition, Mapping):
        raise InvalidInput(f"a filter of {model.name} is a dict, not {condition!r}")
    found: list[Test] = []
    for name, operand in condition.items():
        if operand is None:
            continue
        if name == "and":
            found += [_all_of(_tests(model, part, where)) for part in _several(operand)]
        elif name == "or":
            found.append(_any_of([_all_of(_tests(model, part, None)) for part in _several(operand)]))
        elif name == "not":
            found.append(_none_of(_all_of(_tests(model, operand, None))))
        else:
            found += _of_field(model, name, operand, where)
    return found


def _several(operand: Any) -> list[Any]:
    return list(operand) if isinstance(operand, list | tuple) else [operand]  # GraphQL: a lone value is a list of one


def _of_field(model: Model, name: str, operand: Any, where: Where | None) -> list[Test]:
    described = model.by_name.get(name)
    if described is None:
        raise InvalidInput(f"{model.name} has no field {name!r}", hint=near(str(name), model.by_name))
    if not isinstance(operand, Mapping):
        raise InvalidInput(f"a filter on {model.name}.{name} is a dict like {{'eq': ...}}, not {operand!r}")
    found = []
    for sign, value in operand.items():
        if sign not in _SIGNS:
            raise InvalidInput(f"{model.name}.{name} cannot be compared by {sign!r}", hint=near(str(sign), _SIGNS))
        ready = _PREPARED.get(sign, compared)(model, described, value)
        found.append(_field_test(described, sign, ready))
        if where is not None:
            _narrow(where, described, sign, ready)
    return found


def _narrow(where: Where, described: Field, sign: str, value: Any) -> None:
    if described.as_json:
        return
    bounds = {"ge": value[0], "le": value[1]} if sign == "between" else {sign: value}
    for bound, limit in bounds.items():
        if bound in _NARROWING and limit is not None:
            where.setdefault(described.name, {}).setdefault(bound, limit)


def _field_test(described: Field, sign: str, operand: Any) -> Test:
    compare, name = _SIGNS[sign], described.name
    if described.kind is Kind.TIME and sign in ("contains", "notContains", "beginsWith", "size"):
        # What these look at is the text, which the remote spells with three decimals.
        return lambda record: compare(None if record.get(name) is None else clock.wire(record[name]), operand)
    return lambda record: compare(record.get(name), operand)


def _all_of(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda record: all(test(record) for test in tests)


def _any_of(tests: list[Test]) -> Test:
    return lambda record: any(test(record) for test in tests)


def _none_of(test: Test) -> Test:
    return lambda record: not test(record)


# Operands: checked, and in the form that records show.


def compared(model: Model, described: Field, value: Any) -> Any:
    """``value`` as the field's values are compared with it. Raises: InvalidInput."""
    if value is None:
        return None
    if described.kind is Kind.JSON:
        return as_json(value)
    if described.many:
        return list(value) if isinstance(value, list | tuple) else value
    to_stored = _time if described.kind is Kind.TIME else values.stored_value
    return to_stored(model, described, value)


def _time(model: Model, described: Field, value: Any) -> str:
    """A time in stored form, not cut to the decimals that writes are cut to: the remote's records may have finer ones."""
    values.stored_value(model, described, value)  # for its refusals
    return clock.stored(value) if isinstance(value, datetime) else clock.stored_from_text(value)


def _range(model: Model, described: Field, value: Any) -> tuple[Any, Any]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise InvalidInput(f"between on {model.name}.{described.name} takes two values, not {value!r}")
    low, high = (compared(model, described, part) for part in value)
    return low, high


def _as_given(_: Model, __: Field, value: Any) -> Any:
    return value


def _limits(model: Model, described: Field, value: Any) -> Mapping[str, Any]:
    usable = ("eq", "ne", "lt", "le", "gt", "ge", "between")
    if not isinstance(value, Mapping) or not all(sign in usable for sign in value):
        raise InvalidInput(f"size on {model.name}.{described.name} is a dict of {', '.join(usable)}, not {value!r}")
    for sign, limit in value.items():
        pair = isinstance(limit, list | tuple) and len(limit) == 2
        if pair if sign != "between" else not pair:
            raise InvalidInput(f"size of {model.name}.{described.name} cannot be {sign} {limit!r}")
    return value


_PREPARED: dict[str, Callable[[Model, Field, Any], Any]] = {
    "between": _range,
    "size": _limits,
    **dict.fromkeys(("contains", "notContains", "beginsWith", "attributeExists", "attributeType"), _as_given),
}


# Signs: the record's value first, then the operand.


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(value: Any, operand: Any) -> bool:
        both_text = isinstance(value, str) and isinstance(operand, str)
        both_numbers = isinstance(value, int | float) and isinstance(operand, int | float)
        return (both_text or both_numbers) and compare(value, operand)

    return test


_at_least, _at_most = _ordered(operator.ge), _ordered(operator.le)


def _contains(value: Any, operand: Any) -> bool:
    if isinstance(value, str):
        return isinstance(operand, str) and operand in value
    return isinstance(value, list) and operand in value


def _begins_with(value: Any, operand: Any) -> bool:
    return isinstance(value, str) and isinstance(operand, str) and value.startswith(operand)


def _size(value: Any, limits: Mapping[str, Any]) -> bool:
    if not isinstance(value, str | list | dict):
        return False
    size = len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else len(value)
    return all(_SIGNS[sign](size, limit) for sign, limit in limits.items())


def _type_name(value: Any) -> str:
    names = {bool: "bool", str: "string", list: "list", dict: "map"}
    return names.get(type(value), "number")


_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": _ordered(operator.lt),
    "le": _at_most,
    "gt": _ordered(operator.gt),
    "ge": _at_least,
    "between": lambda value, ends: _at_least(value, ends[0]) and _at_most(value, ends[1]),
    "contains": _contains,
    "notContains": lambda value, operand: not _contains(value, operand),
    "beginsWith": _begins_with,
    "attributeExists": lambda value, operand: (value is not None) is bool(operand),
    "attributeType": lambda value, operand: value is not None and _type_name(value) == str(operand),
    "size": _size,
}
