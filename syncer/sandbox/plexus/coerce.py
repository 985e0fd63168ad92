"""One function per input type that turns JSON input into the value the resolvers work with."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    Undefined,
)

from syncer.sandbox.plexus.values import SCALARS, Coercer, Refused, RefusedNull, java_text


@cache
def coercer(kind: GraphQLInputType) -> Coercer:
    """The function for ``kind``; null stays None unless the type forbids it."""
    if isinstance(kind, GraphQLNonNull):
        return _required(str(kind), coercer(kind.of_type))
    if isinstance(kind, GraphQLList):
        return _nullable(_list(coercer(kind.of_type)))
    if isinstance(kind, GraphQLEnumType):
        return _nullable(_enum(kind))
    if isinstance(kind, GraphQLInputObjectType):
        return _nullable(_object(kind))
    return _nullable(SCALARS[str(kind)])


def _nullable(inner: Coercer) -> Coercer:
    def coerce(value: Any, name: str) -> Any:
        return None if value is None else inner(value, name)

    return coerce


def _required(type_name: str, inner: Coercer) -> Coercer:
    def coerce(value: Any, name: str) -> Any:
        if value is None:
            raise RefusedNull(type_name)
        return inner(value, name)

    return coerce


def _list(inner: Coercer) -> Coercer:
    def coerce(value: Any, name: str) -> list[Any]:
        if not isinstance(value, list):
            return [inner(value, name)]  # GraphQL: a lone value is a list of one
        return [inner(element, name) for element in value]

    return coerce


def _enum(kind: GraphQLEnumType) -> Coercer:
    allowed = frozenset(kind.values)

    def coerce(value: Any, name: str) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise Refused(
                f"Variable '{name}' has an invalid value. Invalid input for Enum '{kind.name}'. "
                f"No value found for name '{java_text(value)}'"
            )
        return value

    return coerce


def _object(kind: GraphQLInputObjectType) -> Coercer:
    # Filters contain themselves: their fields are looked up at the first use, not now.
    inner: dict[str, Coercer] = {}
    needed: list[tuple[str, str]] = []

    def prepare() -> None:
        for field_name, field in kind.fields.items():
            inner[field_name] = coercer(field.type)
            if isinstance(field.type, GraphQLNonNull) and field.default_value is Undefined:
                needed.append((field_name, str(field.type)))

    def coerce(value: Any, name: str) -> dict[str, Any]:
        if not inner:
            prepare()
        if not isinstance(value, Mapping):
            raise Refused(f"Variable '{name}' has an invalid value. Expected type 'Map' but was '{java_text(value)}'.")
        try:
            coerced = {key: inner[key](part, key) for key, part in value.items()}
        except KeyError:
            raise Refused(
                f"The variables input contains a field that is not defined for input object type '{kind.name}' ",
                located=False,
            ) from None
        for field_name, type_name in needed:
            if field_name not in coerced:
                raise RefusedNull(type_name)
        return coerced

    return coerce
