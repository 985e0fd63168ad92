"""Finding records by what they hold: several index queries in one document, every value a variable.

A filter is applied after the limit, so a page may be empty while the next one is not: tokens are followed until something
is found or nothing is left.

Source: docs/remotes/plexus.md#paging
Source: docs/remotes/plexus.md#index-queries
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from syncer.adapters.plexus import codec, documents, responses
from syncer.errors import RemoteRefused
from syncer.http.graphql import Envelope, GraphError
from syncer.remote import Row
from syncer.schema.model import Index, Model

Query = Callable[[str, Mapping[str, Any]], Envelope]

MOST = 25
"""Index queries in one document."""
_READ = 10
_READ_FILTERED = 100
_NOTHING = GraphError("an answer without a list and without an error")


def find_records(query: Query, model: Model, wanted: Sequence[Mapping[str, str]]) -> list[list[Row]]:
    """For each of ``wanted``, which all name the same fields, the records that hold its values. Raises: RemoteError."""
    if not wanted:
        return []
    index = covering(model, wanted[0])
    found: list[list[Row]] = []
    for start in range(0, len(wanted), MOST):
        found += _together(query, model, index, wanted[start : start + MOST])
    return found


def covering(model: Model, names: Mapping[str, str]) -> Index:
    """The index of which ``names`` fix every field, and the most of them. Raises: ValueError when there is none."""
    fixed = [index for index in model.indexes if names.keys() >= set(index.fields)]
    if not fixed:
        raise ValueError(f"no index of {model.name} finds records by {', '.join(names)}")
    return max(fixed, key=lambda index: len(index.fields))


def _together(query: Query, model: Model, index: Index, wanted: Sequence[Mapping[str, str]]) -> list[list[Row]]:
    others = tuple(sorted(wanted[0].keys() - set(index.fields)))
    found: list[list[Row]] = [[] for _ in wanted]
    tokens: dict[int, str | None] = dict.fromkeys(range(len(wanted)))
    while tokens:
        asked = list(tokens)
        variables: dict[str, Any] = {"n": _READ_FILTERED if others else _READ}
        for n, number in enumerate(asked):
            variables[f"t{n}"] = tokens[number]
            variables |= {f"v{n}_{name}": value for name, value in wanted[number].items()}
        read = query(documents.lookup(model, index, others, len(asked)), variables)
        for n, number in enumerate(asked):
            rows, token = _page(model, read, f"s{n}")
            found[number] += rows
            if rows or token is None:
                del tokens[number]
            else:
                tokens[number] = token
    return found


def _page(model: Model, read: Envelope, alias: str) -> tuple[list[Row], str | None]:
    connection = (read.data or {}).get(alias)
    if not isinstance(connection, dict):
        raise responses.unpageable(model, read.by_alias.get(alias) or read.whole or _NOTHING)
    items = [item for item in connection.get("items") or () if item is not None]
    rows = [row for item in items if (row := codec.readable(model, item)) is not None]
    if len(rows) < len(items) or (alias in read.by_alias and len(items) < len(connection.get("items") or ())):
        raise RemoteRefused(f"Plexus showed a {model.name} that cannot be read")
    return rows, connection.get("nextToken")
