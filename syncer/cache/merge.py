"""The three-way merge: base (the last record we saw), row (ours), record (theirs). Pure.

Field by field: who changed it since the base wins; both, to the same value, agree; both, differently, clash. A clash keeps
our value in the row and both values in the record of the clash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from syncer.describe import Model
from syncer.port import Row
from syncer.values import same


@dataclass(frozen=True, slots=True)
class Clash:
    """A field both sides changed since the base, differently. Stored values."""

    field: str
    base: Any
    ours: Any
    theirs: Any


@dataclass(frozen=True, slots=True)
class Merged:
    """``row`` is what the cache should hold, ``ours`` the fields that still have to be sent."""

    row: Row
    ours: frozenset[str]
    clashes: tuple[Clash, ...]


def merged(
    model: Model, base: Mapping[str, Any], row: Mapping[str, Any], record: Mapping[str, Any], edited: Iterable[str]
) -> Merged:
    """Merge ``record`` into ``row``, whose fields ``edited`` differ from ``base`` because we changed them."""
    result: Row = dict(record)
    still: set[str] = set()
    clashes: list[Clash] = []
    for name in edited:
        field = model.by_name[name]
        ours, theirs, before = row.get(name), record.get(name), base.get(name)
        if same(field, ours, theirs):
            continue
        result[name] = ours
        still.add(name)
        if not same(field, theirs, before):
            clashes.append(Clash(name, before, ours, theirs))
    return Merged(result, frozenset(still), tuple(clashes))


def differing(model: Model, ours: Mapping[str, Any], theirs: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Those of ``names`` in which two stored rows differ in meaning."""
    return [n for n in names if not same(model.by_name[n], ours.get(n), theirs.get(n))]
