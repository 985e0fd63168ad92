"""Pages: of a whole table, of an index, of a relation.

Source: docs/remotes/plexus.md#paging
Source: docs/remotes/plexus.md#index-queries
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncer.adapters.plexus import naming
from syncer.sandbox.plexus import problems
from syncer.sandbox.plexus.filters import matches
from syncer.sandbox.plexus.operations import HasMany, Operation
from syncer.sandbox.plexus.tables import Bound, Found, Place, Record, Slice, Table, decoded, encoded
from syncer.schema.model import Index, Model

DEFAULT_LIMIT = 100
READ_LIMIT = 1024 * 1024
"""DynamoDB: one read stops at 1 MB of data, whatever the limit."""
_FIELD_OVERHEAD = 6
"""Quotes, colon and comma of one field in our JSON, which a DynamoDB item does not have."""

_SIGNS = {"eq": "=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "beginsWith": "begins"}

Arguments = Mapping[str, Any]


def page(table: Table, part: Slice, arguments: Arguments) -> Record:
    """``{"items": [...], "nextToken": str | None}``.

    ``limit`` bounds the rows read, the filter is applied after; the token is None only once the end was seen.
    """
    limit = DEFAULT_LIMIT if arguments.get("limit") is None else arguments["limit"]
    if limit < 1:
        raise problems.refused_by_dynamo("Limit must be greater than or equal to 1")
    part = replace(part, after=_place(table.model, part, arguments.get("nextToken")))
    found = table.read(part, limit)
    records = decoded(f"[{','.join(row.text for row in found)}]")
    seen = _within_read_limit(found, records)
    stopped = seen == limit or seen < len(found)
    test = matches(arguments.get("filter"))
    items = [record for record in records[:seen] if test(record)] if test else records[:seen]
    return {"items": items, "nextToken": _token(table.model, part, found[seen - 1].place) if stopped else None}


def _within_read_limit(found: Sequence[Found], records: Sequence[Record]) -> int:
    size = 0
    for count, (row, record) in enumerate(zip(found, records, strict=True)):
        size += len(row.text) - _FIELD_OVERHEAD * len(record)
        if size > READ_LIMIT and count:
            return count
    return len(found)


def listed(operation: Operation, arguments: Arguments) -> Slice:
    """What a root list reads: the table, or with the first part of a composite key one partition of it."""
    first, *rest = operation.model.key
    if not rest or arguments.get(first) is None:
        if any(arguments.get(name) is not None for name in rest):
            raise problems.invalid_arguments(
                f"When providing argument '{rest[0]}' you must also provide arguments '{first}'."
            )
        _refuse_direction(arguments)
        return Slice()
    index = Index(first, tuple(rest))
    return Slice(index, arguments[first], _bounds(arguments.get(rest[0]), index), _is_descending(arguments))


def queried(model: Model, index: Index, arguments: Arguments) -> Slice:
    """What a query by ``index`` reads."""
    if not index.sort:
        _refuse_direction(arguments)
    argument = naming.sort_argument(index)
    bounds = _bounds(arguments.get(argument), index) if argument else ()
    return Slice(index, arguments[index.partition], bounds, _is_descending(arguments))


def related(relation: HasMany, parent: Record, arguments: Arguments) -> Slice:
    """What a list nested in ``parent`` reads."""
    return Slice(Index(relation.field.name), parent["id"], descending=_is_descending(arguments))


def _is_descending(arguments: Arguments) -> bool:
    return arguments.get("sortDirection") == "DESC"


def _refuse_direction(arguments: Arguments) -> None:
    if arguments.get("sortDirection") is not None:
        raise problems.invalid_arguments("sortDirection is not supported for List operations without a Sort key defined.")


def _bounds(condition: Mapping[str, Any] | None, index: Index) -> tuple[Bound, ...]:
    given = {sign: operand for sign, operand in (condition or {}).items() if operand is not None}
    if len(given) > 1:
        raise problems.refused_by_dynamo("KeyConditionExpressions must only contain one condition per key")
    found: list[Bound] = []
    for sign, operand in given.items():
        if sign == "between":
            if len(operand) != 2:
                raise problems.refused_by_dynamo("Invalid operand count for operator BETWEEN")
            low, high = operand
            found += [Bound(">=", _sort_value(low, index)), Bound("<=", _sort_value(high, index))]
        else:
            found.append(Bound(_SIGNS[sign], _sort_value(operand, index)))
    return tuple(found)


def _sort_value(operand: Any, index: Index) -> str | int:
    """The operand as stored in the index; the parts of a composite are joined with ``#``."""
    if not isinstance(operand, dict):
        return operand  # type: ignore[no-any-return]  # text or number, as the argument's type says
    return "#".join(str(operand[name]) for name in index.sort if operand.get(name) is not None)


def _token(model: Model, part: Slice, place: Place) -> str:
    return base64.urlsafe_b64encode(encoded([_origin(model, part), *place]).encode()).decode()


def _place(model: Model, part: Slice, token: str | None) -> Place | None:
    if token is None:
        return None
    try:
        origin, sort, seq = decoded(base64.urlsafe_b64decode(token.encode()).decode())
    except (ValueError, TypeError):
        raise problems.bad_token() from None
    if origin != _origin(model, part):
        raise problems.bad_token()
    return Place(sort, seq)


def _origin(model: Model, part: Slice) -> list[Any]:
    """What a token belongs to: DynamoDB refuses one given out by another query."""
    return [model.name, list(part.index.fields) if part.index else None, part.partition]
