"""The input types Amplify generates: filters, key conditions, and what create, update and delete take.

Source: docs/remotes/plexus.md#generated-names
Source: docs/remotes/plexus.md#filters
Source: docs/remotes/plexus.md#index-queries
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLString,
)

from syncer.adapters.plexus import naming
from syncer.sandbox.plexus.values import json_text, time_text
from syncer.schema.model import Field, Index, Kind, Model, Origin

AWS_DATE_TIME = GraphQLScalarType("AWSDateTime", parse_value=partial(time_text, name="value"))
AWS_JSON = GraphQLScalarType("AWSJSON", parse_value=partial(json_text, name="value"))

SCALAR_TYPES: dict[Kind, GraphQLScalarType] = {
    Kind.ID: GraphQLID,
    Kind.TEXT: GraphQLString,
    Kind.INTEGER: GraphQLInt,
    Kind.NUMBER: GraphQLFloat,
    Kind.BOOLEAN: GraphQLBoolean,
    Kind.JSON: AWS_JSON,
    Kind.TIME: AWS_DATE_TIME,
}

SORT_DIRECTION = GraphQLEnumType("ModelSortDirection", {"ASC": "ASC", "DESC": "DESC"})

_ATTRIBUTE_TYPES = ("binary", "binarySet", "bool", "list", "map", "number", "numberSet", "string", "stringSet", "_null")
ATTRIBUTE_TYPES = GraphQLEnumType("ModelAttributeTypes", {name: name for name in _ATTRIBUTE_TYPES})

_ORDERED = ("ne", "eq", "le", "lt", "ge", "gt")


def _fields(kind: GraphQLInputType, *names: str) -> dict[str, GraphQLInputField]:
    return {name: GraphQLInputField(kind) for name in names}


def _presence() -> dict[str, GraphQLInputField]:
    return _fields(GraphQLBoolean, "attributeExists") | _fields(ATTRIBUTE_TYPES, "attributeType")


MODEL_SIZE = GraphQLInputObjectType(
    "ModelSizeInput", _fields(GraphQLInt, *_ORDERED) | _fields(GraphQLList(GraphQLInt), "between")
)


def _text_operators(kind: GraphQLScalarType) -> dict[str, GraphQLInputField]:
    return (
        _fields(kind, *_ORDERED, "contains", "notContains", "beginsWith")
        | _fields(GraphQLList(kind), "between")
        | _presence()
        | _fields(MODEL_SIZE, "size")
    )


def _number_operators(kind: GraphQLScalarType) -> dict[str, GraphQLInputField]:
    return _fields(kind, *_ORDERED) | _fields(GraphQLList(kind), "between") | _presence()


_OPERATORS = {
    Kind.ID: GraphQLInputObjectType("ModelIDInput", _text_operators(GraphQLID)),
    Kind.TEXT: GraphQLInputObjectType("ModelStringInput", _text_operators(GraphQLString)),
    Kind.INTEGER: GraphQLInputObjectType("ModelIntInput", _number_operators(GraphQLInt)),
    Kind.NUMBER: GraphQLInputObjectType("ModelFloatInput", _number_operators(GraphQLFloat)),
    Kind.BOOLEAN: GraphQLInputObjectType("ModelBooleanInput", _fields(GraphQLBoolean, "ne", "eq") | _presence()),
}

_KEY_SIGNS = ("eq", "le", "lt", "ge", "gt")

STRING_KEY_CONDITION = GraphQLInputObjectType(
    "ModelStringKeyConditionInput",
    _fields(GraphQLString, *_KEY_SIGNS, "beginsWith") | _fields(GraphQLList(GraphQLString), "between"),
)
INT_KEY_CONDITION = GraphQLInputObjectType(
    "ModelIntKeyConditionInput", _fields(GraphQLInt, *_KEY_SIGNS) | _fields(GraphQLList(GraphQLInt), "between")
)


@cache
def enum_type(model: Model, field: Field) -> GraphQLEnumType:
    """The enum of one field, named model + field."""
    return GraphQLEnumType(naming.enum_type(model, field.name), {value: value for value in field.values})


def value_type(model: Model, field: Field) -> Any:
    """The type of a field's value, nullable."""
    kind = enum_type(model, field) if field.kind is Kind.ENUM else SCALAR_TYPES[field.kind]
    return GraphQLList(kind) if field.many else kind


@cache
def _operators(model: Model, field: Field) -> GraphQLInputObjectType:
    """Times and JSON are compared as strings."""
    if field.kind is Kind.ENUM:
        enum = enum_type(model, field)
        return GraphQLInputObjectType(f"Model{enum.name}Input", _fields(enum, "eq", "ne"))
    return _OPERATORS.get(field.kind, _OPERATORS[Kind.TEXT])


def _comparable(model: Model) -> dict[str, GraphQLInputField]:
    found = {field.name: GraphQLInputField(_operators(model, field)) for field in model.remote_fields}
    return found | {
        name: GraphQLInputField(_OPERATORS[Kind.TEXT]) for name in ("createdAt", "updatedAt") if name not in found
    }


def _combinable(name: str, fields: dict[str, GraphQLInputField]) -> GraphQLInputObjectType:
    def all_fields() -> dict[str, GraphQLInputField]:
        several = GraphQLInputField(GraphQLList(kind))
        return fields | {"and": several, "or": several, "not": GraphQLInputField(kind)}

    kind = GraphQLInputObjectType(name, all_fields)
    return kind


@cache
def filter_type(model: Model) -> GraphQLInputObjectType:
    """``ModelXFilterInput``."""
    return _combinable(f"Model{model.name}FilterInput", _comparable(model))


@cache
def condition_type(model: Model) -> GraphQLInputObjectType:
    """``ModelXConditionInput``: every scalar but the key fields."""
    fields = {name: kind for name, kind in _comparable(model).items() if name not in model.key}
    return _combinable(naming.condition_type(model), fields)


@cache
def write_type(op: str, model: Model) -> GraphQLInputObjectType:
    """The input of create, update or delete. A create may leave a lone ``id`` out."""
    required = set(model.create_required if op == "create" else model.key)

    def kind_of(field: Field) -> GraphQLInputField:
        kind = value_type(model, field)
        return GraphQLInputField(GraphQLNonNull(kind) if field.name in required else kind)

    fields = {
        field.name: kind_of(field)
        for field in model.remote_fields
        if (field.name in model.key if op == "delete" else field.origin is not Origin.SERVER)
    }
    return GraphQLInputObjectType(naming.input_type(op, model), fields)


@cache
def sort_condition_type(model: Model, index: Index) -> GraphQLInputObjectType:
    """What the sort argument of an index query takes; several sort fields share a composite condition."""
    if len(index.sort) == 1:
        return INT_KEY_CONDITION if model.by_name[index.sort[0]].kind is Kind.INTEGER else STRING_KEY_CONDITION
    name = str(naming.sort_argument_type(model, index))
    *leading, last = (model.by_name[part] for part in index.sort)
    # Amplify takes the last part as plain text when it is a time, the others by their own types.
    last_type = GraphQLString if last.kind is Kind.TIME else value_type(model, last)
    parts = GraphQLInputObjectType(
        name.removesuffix("ConditionInput") + "Input",
        {part.name: GraphQLInputField(value_type(model, part)) for part in leading}
        | {last.name: GraphQLInputField(last_type)},
    )
    return GraphQLInputObjectType(name, _fields(parts, *_KEY_SIGNS, "beginsWith") | _fields(GraphQLList(parts), "between"))
