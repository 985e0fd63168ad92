"""The short words that spec modules are written in; each makes one piece of a description."""

from __future__ import annotations

from collections.abc import Callable

from syncer.schema.model import Field, FillIn, Kind, Origin


def _word(kind: Kind) -> Callable[..., Field]:
    def make(name: str, *, required: bool = False, fill_in: FillIn | None = None) -> Field:
        return Field(name, kind, required=required, fill_in=fill_in)

    return make


text = _word(Kind.TEXT)
integer = _word(Kind.INTEGER)
number = _word(Kind.NUMBER)
boolean = _word(Kind.BOOLEAN)
json_value = _word(Kind.JSON)
time = _word(Kind.TIME)


def identity() -> Field:
    """The ``id`` field: the caller may mint it."""
    return Field("id", Kind.ID, required=True)


def texts(name: str) -> Field:
    """A list of strings."""
    return Field(name, Kind.TEXT, many=True)


def choice(name: str, *values: str, fill_in: FillIn | None = None) -> Field:
    """An enum."""
    return Field(name, Kind.ENUM, values=values, fill_in=fill_in)


def stamp(name: str, *, required: bool = True) -> Field:
    """A time that the server fills in unless the input carries it."""
    return Field(name, Kind.TIME, required=required, origin=Origin.STAMP)


def server_time(name: str) -> Field:
    """A time only the server sets; no input may carry it."""
    return Field(name, Kind.TIME, required=True, origin=Origin.SERVER)


def local(name: str, kind: Kind = Kind.TEXT) -> Field:
    """A value kept here only: never sent, never touched by what the remote answers."""
    return Field(name, kind, origin=Origin.LOCAL)


def ref(
    name: str,
    model: str,
    inverse: str | None = None,
    *,
    required: bool = False,
    back: bool = False,
    keyed: bool | None = None,
    waits_for: tuple[str, ...] = ("create",),
    kind: Kind = Kind.TEXT,
    nested: bool = True,
) -> Field:
    """A field that holds the id of another record, ``inverse`` being the list nested there (which makes it an index key).

    ``nested=False``: the remote nests no object for it.
    """
    return Field(
        name,
        kind,
        required=required,
        ref=model,
        relation=name.removesuffix("Id") if nested else None,
        inverse=inverse,
        back=back,
        waits_for=waits_for,
        keyed=inverse is not None if keyed is None else keyed,
    )
