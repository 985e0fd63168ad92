"""Lists of local records, page by page: filtered, in order, complete over all that matches.

A page ends at a record, not at a number: what is written or deleted between two pages neither repeats nor hides records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from syncer.errors import InvalidInput
from syncer.plexus.listing import tokens
from syncer.plexus.listing.filters import Filter, Test
from syncer.plexus.listing.tokens import Place
from syncer.records import rows
from syncer.schema.model import Model
from syncer.schema.values import to_python
from syncer.suggest import near

if TYPE_CHECKING:
    from syncer.plexus.session import Session

T = TypeVar("T")
Row = dict[str, Any]

_READ = 500


class Listed(list[T], Generic[T]):
    """A list that also knows the token of its next page: ``next_token`` is None when there is none."""

    def __init__(self, records: Sequence[T], next_token: str | None) -> None:
        super().__init__(records)
        self.next_token = next_token


@dataclass(frozen=True, slots=True)
class Order:
    """By ``field``, then by key; ``""``: by key alone. Absent values come before all others."""

    field: str = ""
    descending: bool = False

    @property
    def terms(self) -> tuple[str, ...]:
        """The order as searches take it."""
        return (f"{'-' if self.descending else ''}{self.field}",) if self.field else ()


def both(one: Filter, other: Filter) -> Filter:
    """The filter that passes what both pass."""
    where = {name: {**other.where.get(name, {}), **one.where.get(name, {})} for name in {**one.where, **other.where}}
    return Filter(lambda record: one.test(record) and other.test(record), where)


def ordered_by(model: Model, field: str, direction: Any = "ASC") -> Order:
    """The order a sort asks for. Raises: InvalidInput for an unknown field or one without an order."""
    described = model.by_name.get(field)
    if described is None:
        raise InvalidInput(f"{model.name} has no field {field!r} to sort by", hint=near(str(field), model.by_name))
    if described.as_json:
        raise InvalidInput(f"{model.name}.{field} has no order to sort by")
    if str(direction).upper() not in ("ASC", "DESC"):
        raise InvalidInput(f"a sort direction is ASC or DESC, not {direction!r}")
    return Order(field, str(direction).upper() == "DESC")


def page(
    client: Session,
    model: Model,
    wanted: Filter,
    order: Order,
    limit: int | None,
    token: str | None,
    question: Mapping[str, Any],
) -> tuple[list[Row], str | None]:
    """Up to ``limit`` records (None: all) after ``token``, as ``ws.plexus`` shows them, and the token of what follows.

    ``question``: what was asked for, in the caller's words; a token answers the same question only. Raises: InvalidInput.
    """
    if not _is_limit(limit):
        raise InvalidInput(f"limit is a whole number above 0, not {limit!r}")
    asked = {"model": model.name, "order": asdict(order), **question}
    after = None if token is None else tokens.place_of(asked, token)
    found: list[Row] = []
    for record in matching(client, model, wanted, order, after, limit):
        if len(found) == limit:
            return found, tokens.issued(asked, _place(model, order, found[-1]))
        found.append(record)
    return found, None


def matching(
    client: Session,
    model: Model,
    wanted: Filter,
    order: Order,
    after: Place | None = None,
    most: int | None = None,
) -> Iterator[Row]:
    """All records that pass, from behind ``after`` on. ``most``: about how many will be taken."""
    size = _READ if most is None else min(most + 1, _READ)
    while True:
        read = _read(client, model, wanted.where, order, after, size)
        yield from _passing(read, wanted.test)
        if len(read) < size:
            return
        after, size = _place(model, order, read[-1]), _READ


def count(client: Session, model: Model, where: Mapping[str, Any]) -> int:
    """How many rows match ``where`` (stored values, as :func:`syncer.records.rows.find_statement` takes them)."""
    text, parameters = rows.find_statement(model, where, None, None)
    found = client.workspace.database.read(lambda tx: tx.rows(f"SELECT count(*) FROM ({text})", parameters))
    return int(found[0][0])


def _is_limit(limit: Any) -> bool:
    return limit is None or (isinstance(limit, int) and not isinstance(limit, bool) and limit > 0)


def _passing(records: Sequence[Row], test: Test) -> Iterator[Row]:
    return (record for record in records if test(record))


def _place(model: Model, order: Order, record: Row) -> Place:
    return (record[order.field] if order.field else None), record[model.key[0]]


def _read(
    client: Session, model: Model, where: Mapping[str, Any], order: Order, after: Place | None, size: int
) -> list[Row]:
    found: list[Row] = []
    as_row = rows.sql(model).as_row
    for part in _parts(model, order, after):
        narrowed = _and(where, part)
        text, parameters = rows.find_statement(model, narrowed, order.terms, size - len(found))
        read = client.workspace.database.read(lambda tx, t=text, p=parameters: tx.rows(t, p))  # type: ignore[misc]
        found += [to_python(model, as_row(row)) for row in read]
        if len(found) == size:
            break
    return found


def _parts(model: Model, order: Order, after: Place | None) -> list[dict[str, Any]]:
    """Searches that, one after the other, find all that comes behind ``after``: its equals first, then the rest."""
    if after is None:
        return [{}]
    value, key = after
    behind = {model.key[0]: {"gt": key}}
    if not order.field:
        return [behind]
    equals = {order.field: None if value is None else {"eq": value}, **behind}
    if not order.descending:
        return [equals, {order.field: {"ne": None} if value is None else {"gt": value}}]
    return [equals] if value is None else [equals, {order.field: {"lt": value}}, {order.field: None}]


def _and(where: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    """Both. Where they bound the same field alike the place is the closer bound: its record passed the other."""
    both = dict(where)
    for name, bound in part.items():
        given = both.get(name)
        both[name] = bound if bound is None or "eq" in bound or given is None else {**given, **bound}
    return both
