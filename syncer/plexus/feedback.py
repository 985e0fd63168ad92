"""What feedback items and their change details share: deletes of many, ranges over an index.

Source: docs/remotes/plexus.md#feedbackitem
Source: docs/remotes/plexus.md#feedbackchangedetail
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syncer import clock
from syncer.describe import Index, Kind, Model
from syncer.engine.unit import Unit
from syncer.errors import InvalidInput
from syncer.plexus.filters import Filter, Test, compared, parsed
from syncer.plexus.pages import Order, matching
from syncer.plexus.progress import advancing

if TYPE_CHECKING:
    from syncer.plexus.client import _BaseAPIClient

_TOGETHER = 500
"""Deletes in one transaction: others may write in between."""


def delete_all(client: _BaseAPIClient, model: Model, keys: Sequence[str], what: str, progress: Any, task_id: Any) -> int:
    """Remove these rows, each with a delete of its own that waits; how many were still there."""
    removed = 0
    with advancing(what, len(keys), progress, task_id) as advance:
        for start in range(0, len(keys), _TOGETHER):
            part = keys[start : start + _TOGETHER]
            with client.records.transaction() as unit:
                removed += sum(_removed(unit, model, key) for key in part)
            advance(len(part))
    return removed


def _removed(unit: Unit, model: Model, key: str) -> bool:
    """False when somebody else removed it in the meantime."""
    if unit.get(model.name, key) is None:
        return False
    unit.delete(model.name, key)
    return True


def keys_of(client: _BaseAPIClient, model: Model, filter: Mapping[str, Any]) -> list[str]:
    """The ids of all rows that pass ``filter``."""
    return [record["id"] for record in matching(client, model, parsed(model, filter), Order())]


def in_range(model: Model, index: Index, condition: Mapping[str, Any] | None) -> Filter:
    """The filter that a sort condition on ``index`` makes, in any form in use.

    ``{"ge": time}`` and its siblings bound the last sort field; with dicts of sort fields as values
    (``{"between": [{...}, {...}]}``, also under the argument's name) they bound the fields joined by ``#``, as the remote
    does; anything else is a filter. Raises: InvalidInput.
    """
    if not condition:
        return parsed(model)
    joined = index.sort[0] + "".join(name[0].upper() + name[1:] for name in index.sort[1:])
    if set(condition) == {joined} and len(index.sort) > 1:
        condition = condition[joined]
    if not isinstance(condition, Mapping):
        raise InvalidInput(f"a sort condition of {model.name} is a dict, not {condition!r}")
    if not all(sign in _COMPARED for sign in condition):
        return parsed(model, condition)
    tests, plain = [], {}
    for sign, operand in condition.items():
        ends = operand if sign == "between" and isinstance(operand, list | tuple) else [operand]
        if all(isinstance(end, Mapping) for end in ends):
            tests.append(_joined_test(model, index, sign, ends))
        else:
            plain[sign] = operand
    bounds = parsed(model, {index.sort[-1]: plain} if plain else None)
    return Filter(lambda record: bounds.test(record) and all(test(record) for test in tests), bounds.where)


def _joined_test(model: Model, index: Index, sign: str, ends: Sequence[Mapping[str, Any]]) -> Test:
    texts = [_joined(model, index, sign, end) for end in ends]
    if len(texts) != (2 if sign == "between" else 1):
        raise InvalidInput(f"between on {model.name} takes two values, not {len(texts)}")
    compare = _COMPARED[sign]

    def test(record: Mapping[str, Any]) -> bool:
        parts = [_spelled(model, name, record[name]) for name in index.sort if record[name] is not None]
        return len(parts) == len(index.sort) and compare("#".join(parts), *texts)

    return test


def _joined(model: Model, index: Index, sign: str, end: Mapping[str, Any]) -> str:
    """The values in ``end`` as one text; only the last ones may be left out. Raises: InvalidInput."""
    given = [name for name in index.sort if name in end]
    if not given or set(end) - set(given) or tuple(given) != index.sort[: len(given)]:
        raise InvalidInput(f"a value of this sort condition names {', '.join(index.sort)} in order, not {dict(end)!r}")
    if sign == "beginsWith":  # the last part may be the beginning of a time
        return "#".join(str(end[name]) for name in given)
    return "#".join(_spelled(model, name, compared(model, model.by_name[name], end[name])) for name in given)


def _spelled(model: Model, name: str, stored: Any) -> str:
    return clock.wire(stored) if model.by_name[name].kind is Kind.TIME else str(stored)


_COMPARED: dict[str, Callable[..., bool]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "between": lambda text, low, high: low <= text <= high,
    "beginsWith": str.startswith,
}
