"""The GraphQL schema Amplify would generate, from the descriptions of the models.

Source: docs/remotes/plexus.md#generated-names
Source: docs/remotes/plexus.md#index-queries
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
)

from syncer.adapters.plexus import naming
from syncer.adapters.plexus.spec import MODELS
from syncer.sandbox.plexus import inputs
from syncer.sandbox.plexus.operations import EXTENSION, BelongsTo, HasMany, Operation, Resolver, Verb
from syncer.schema.model import Field, Index, Kind, Model


@cache
def served(legacy: bool) -> tuple[Model, ...]:
    """The models of a deployment of today, or with the ``legacy`` ones too."""
    return tuple(model for model in MODELS.values() if legacy or not model.legacy)


def schema(legacy: bool) -> GraphQLSchema:
    """The schema of such a deployment, built once."""
    return schema_of(served(legacy))


@cache
def schema_of(models: tuple[Model, ...]) -> GraphQLSchema:
    """The schema, built once; ``extensions["syncer"]`` of each field says what it stands for."""
    return _Builder(models).schema()


class _Builder:
    def __init__(self, models: Iterable[Model]) -> None:
        self.models = {model.name: model for model in models}
        self.types = {name: self._object(model) for name, model in self.models.items()}
        self.connections = {name: self._connection(name) for name in self.models}

    def schema(self) -> GraphQLSchema:
        queries: dict[str, GraphQLField] = {}
        mutations: dict[str, GraphQLField] = {}
        for model in self.models.values():
            queries |= self._queries(model)
            mutations |= self._mutations(model)
        return GraphQLSchema(
            GraphQLObjectType("Query", queries), GraphQLObjectType("Mutation", mutations), assume_valid=True
        )

    def _object(self, model: Model) -> GraphQLObjectType:
        return GraphQLObjectType(model.name, partial(self._object_fields, model))

    def _object_fields(self, model: Model) -> dict[str, GraphQLField]:
        fields = {field.name: GraphQLField(_output_type(model, field)) for field in model.remote_fields}
        for field in model.references:
            if field.relation and field.ref in self.models:
                target = self.models[field.ref]
                fields[field.relation] = _field(self.types[target.name], BelongsTo(field, target))
        for child in self.models.values():
            for field in child.references:
                if field.ref == model.name and field.inverse:
                    arguments = {"filter": GraphQLArgument(inputs.filter_type(child))} | _paging(sorted=True)
                    connection = self.connections[child.name]
                    fields[field.inverse] = _field(connection, HasMany(field, child), arguments)
        return fields

    def _connection(self, name: str) -> GraphQLObjectType:
        return GraphQLObjectType(
            f"Model{name}Connection",
            {
                "items": GraphQLField(GraphQLNonNull(GraphQLList(self.types[name]))),
                "nextToken": GraphQLField(GraphQLString),
            },
        )

    def _queries(self, model: Model) -> dict[str, GraphQLField]:
        connection = self.connections[model.name]
        fields = {
            naming.get_field(model): _field(self.types[model.name], Operation(Verb.GET, model), _key_arguments(model)),
            naming.list_field(model): _field(connection, Operation(Verb.LIST, model), _list_arguments(model)),
        }
        for index in model.indexes:
            operation = Operation(Verb.QUERY, model, index)
            fields[naming.index_field(model, index)] = _field(connection, operation, _index_arguments(model, index))
        return fields

    def _mutations(self, model: Model) -> dict[str, GraphQLField]:
        return {
            naming.mutation_field(verb, model): _field(
                self.types[model.name],
                Operation(verb, model),
                {
                    "input": GraphQLArgument(GraphQLNonNull(inputs.write_type(verb, model))),
                    "condition": GraphQLArgument(inputs.condition_type(model)),
                },
            )
            for verb in (Verb.CREATE, Verb.UPDATE, Verb.DELETE)
        }


def _field(kind: GraphQLObjectType, resolver: Resolver, arguments: dict[str, GraphQLArgument] | None = None) -> GraphQLField:
    return GraphQLField(kind, args=arguments, extensions={EXTENSION: resolver})


def _output_type(model: Model, field: Field) -> Any:
    kind = inputs.value_type(model, field)
    return GraphQLNonNull(kind) if field.required else kind


def _key_arguments(model: Model) -> dict[str, GraphQLArgument]:
    return {name: GraphQLArgument(GraphQLNonNull(inputs.value_type(model, model.by_name[name]))) for name in model.key}


def _list_arguments(model: Model) -> dict[str, GraphQLArgument]:
    """Models with a composite key also take its parts and a direction."""
    arguments = {"filter": GraphQLArgument(inputs.filter_type(model))} | _paging(sorted=len(model.key) > 1)
    if len(model.key) == 1:
        return arguments
    first, *rest = model.key
    key = {first: GraphQLArgument(inputs.value_type(model, model.by_name[first]))}
    return key | {name: GraphQLArgument(inputs.STRING_KEY_CONDITION) for name in rest} | arguments


def _index_arguments(model: Model, index: Index) -> dict[str, GraphQLArgument]:
    """``sortDirection`` is offered even where the resolver refuses it, as Amplify does."""
    kind = inputs.SCALAR_TYPES[Kind.ID if naming.partition_type(model, index) == "ID!" else Kind.TEXT]
    arguments = {index.partition: GraphQLArgument(GraphQLNonNull(kind))}
    sort = naming.sort_argument(index)
    if sort:
        arguments[sort] = GraphQLArgument(inputs.sort_condition_type(model, index))
    return arguments | {"filter": GraphQLArgument(inputs.filter_type(model))} | _paging(sorted=True)


def _paging(*, sorted: bool) -> dict[str, GraphQLArgument]:
    direction = {"sortDirection": GraphQLArgument(inputs.SORT_DIRECTION)} if sorted else {}
    return direction | {"limit": GraphQLArgument(GraphQLInt), "nextToken": GraphQLArgument(GraphQLString)}
