"""Filters and conditions as functions over a record, with DynamoDB's rules for attributes that are not there.

Source: docs/remotes/plexus.md#filters
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from syncer.sandbox.plexus import problems

Test: TypeAlias = Callable[[Mapping[str, Any]], bool]
_ABSENT = object()


def matches(condition: Mapping[str, Any] | None) -> Test | None:
    """The test for a filter or condition as sent; None when there is nothing to test.

    The test itself raises Problem where DynamoDB would refuse the expression.
    """
    return _all_of(_tests(condition)) if condition else None


def _tests(condition: Mapping[str, Any]) -> list[Test]:
    found: list[Test] = []
    for name, operand in condition.items():
        if operand is None:
            continue
        if name == "and":
            found += [_all_of(_tests(part)) for part in operand]
        elif name == "or":
            found.append(_any_of([_all_of(_tests(part)) for part in operand]))
        elif name == "not":
            found.append(_none_of(_all_of(_tests(operand))))
        else:
            found += [_field_test(name, sign, value) for sign, value in operand.items()]
    return found


def _all_of(tests: list[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda record: all(test(record) for test in tests)


def _any_of(tests: list[Test]) -> Test:
    return lambda record: any(test(record) for test in tests)


def _none_of(test: Test) -> Test:
    return lambda record: not test(record)


def _field_test(name: str, sign: str, operand: Any) -> Test:
    compare = _SIGNS[sign]
    return lambda record: compare(record.get(name, _ABSENT), operand)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Values of unlike types, and absent ones, are in no order."""

    def test(value: Any, operand: Any) -> bool:
        if value is _ABSENT or value is None or operand is None:
            return False
        return isinstance(value, str) == isinstance(operand, str) and compare(value, operand)

    return test


def _between(value: Any, operand: Any) -> bool:
    if len(operand) != 2:
        raise problems.refused_by_dynamo("Invalid FilterExpression: Incorrect number of operands for operator BETWEEN")
    low, high = operand
    return _ordered(operator.ge)(value, low) and _ordered(operator.le)(value, high)


def _contains(value: Any, operand: Any) -> bool:
    return isinstance(value, str | list) and operand in value


def _begins_with(value: Any, operand: Any) -> bool:
    return isinstance(value, str) and isinstance(operand, str) and value.startswith(operand)


def _exists(value: Any, operand: Any) -> bool:
    return (value is not _ABSENT) is bool(operand)


def _has_type(value: Any, operand: Any) -> bool:
    return value is not _ABSENT and _type_name(value) == str(operand)


def _type_name(value: Any) -> str:
    if value is None:
        return "_null"
    names = {bool: "bool", str: "string", list: "list", dict: "map"}
    return names.get(type(value), "number")


def _size(value: Any, operand: Any) -> bool:
    if not isinstance(value, str | list):
        return False
    size = len(value.encode()) if isinstance(value, str) else len(value)
    return all(_SIGNS[sign](size, limit) for sign, limit in operand.items())


_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, operand: value == operand,
    "ne": lambda value, operand: value != operand,
    "lt": _ordered(operator.lt),
    "le": _ordered(operator.le),
    "gt": _ordered(operator.gt),
    "ge": _ordered(operator.ge),
    "between": _between,
    "contains": _contains,
    "notContains": lambda value, operand: not _contains(value, operand),
    "beginsWith": _begins_with,
    "attributeExists": _exists,
    "attributeType": _has_type,
    "size": _size,
}
