"""The names Amplify generates from a model: operations, inputs, index queries.

Source: docs/remotes/plexus.md#generated-names
Source: docs/remotes/plexus.md#index-queries
"""

from __future__ import annotations

from collections.abc import Mapping

from syncer.schema.model import Index, Kind, Model

SCALARS: Mapping[Kind, str] = {
    Kind.ID: "ID",
    Kind.TEXT: "String",
    Kind.INTEGER: "Int",
    Kind.NUMBER: "Float",
    Kind.BOOLEAN: "Boolean",
    Kind.JSON: "AWSJSON",
    Kind.TIME: "AWSDateTime",
}
"""The GraphQL type of a field by what it holds; each enum has a type of its own."""


def upper(name: str) -> str:
    """``itemId`` as ``ItemId``."""
    return name[:1].upper() + name[1:]


def lower(name: str) -> str:
    """``ItemId`` as ``itemId``."""
    return name[:1].lower() + name[1:]


def get_field(model: Model) -> str:
    """Query of one record by key."""
    return f"get{model.name}"


def list_field(model: Model) -> str:
    """Query of the root list."""
    return f"list{model.plural}"


def mutation_field(op: str, model: Model) -> str:
    """``op`` is create, update or delete."""
    return f"{op}{model.name}"


def input_type(op: str, model: Model) -> str:
    """Input of a mutation."""
    return f"{upper(op)}{model.name}Input"


def condition_type(model: Model) -> str:
    """Condition of a mutation."""
    return f"Model{model.name}ConditionInput"


def index_field(model: Model, index: Index) -> str:
    """Query of one index, whatever the index is called."""
    return f"list{model.name}By" + "And".join(upper(name) for name in index.fields)


def index_name(model: Model, index: Index) -> str:
    """What error messages call the index."""
    return index.name or f"{lower(model.plural)}By" + "And".join(upper(name) for name in index.fields)


def sort_argument(index: Index) -> str | None:
    """Argument of the index query for its sort key; several sort fields share one, their camelCase join."""
    if not index.sort:
        return None
    first, *rest = index.sort
    return first + "".join(upper(name) for name in rest)


def sort_argument_type(model: Model, index: Index) -> str | None:
    """Type of that argument."""
    if not index.sort:
        return None
    if len(index.sort) > 1:
        return f"Model{model.name}{upper(index_name(model, index))}CompositeKeyConditionInput"
    kind = model.by_name[index.sort[0]].kind
    return "ModelIntKeyConditionInput" if kind is Kind.INTEGER else "ModelStringKeyConditionInput"


def partition_type(model: Model, index: Index) -> str:
    """Type of the partition argument."""
    return "ID!" if model.by_name[index.partition].kind is Kind.ID else "String!"


def field_type(model: Model, name: str) -> str:
    """Type of a field, as a variable is declared."""
    kind = model.by_name[name].kind
    return enum_type(model, name) if kind is Kind.ENUM else SCALARS[kind]


def enum_type(model: Model, field_name: str) -> str:
    """Inline enums are named model + field."""
    return model.name + upper(field_name)
