"""Documents checked against the schema by graphql-core, with the outcome worded as AppSync words it.

The wordings are those of tests/fixtures/recorded/plexus.jsonl.

Source: docs/remotes/plexus.md#answers
Source: docs/remotes/plexus.md#field-values
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLSchema,
    Node,
    ObjectFieldNode,
    OperationDefinitionNode,
    ValueNode,
    get_named_type,
    print_ast,
    specified_rules,
    validate,
)

from syncer.sandbox.plexus.compile import location_of
from syncer.sandbox.plexus.literals import java_literal

_KINDS = {
    "FieldsOnCorrectTypeRule": "FieldUndefined",
    "ValuesOfCorrectTypeRule": "WrongType",
    "ScalarLeafsRule": "SubSelectionRequired",
    "KnownArgumentNamesRule": "UnknownArgument",
    "ProvidedRequiredArgumentsRule": "MissingFieldArgument",
    "NoUndefinedVariablesRule": "UndefinedVariable",
    "NoUnusedVariablesRule": "UnusedVariable",
    "VariablesInAllowedPositionRule": "VariableTypeMismatch",
    "KnownTypeNamesRule": "UnknownType",
    "KnownFragmentNamesRule": "UndefinedFragment",
    "NoUnusedFragmentsRule": "UnusedFragment",
    "NoFragmentCyclesRule": "FragmentCycle",
    "KnownDirectivesRule": "UnknownDirective",
    "OverlappingFieldsCanBeMergedRule": "FieldsConflict",
    "UniqueVariableNamesRule": "DuplicateVariableName",
    "UniqueArgumentNamesRule": "DuplicateArgumentNames",
}
"""graphql-core's rules, by what AppSync calls the same breach."""


def breaches(schema: GraphQLSchema, document: DocumentNode) -> list[dict[str, Any]]:
    """The elements of ``errors`` for a document that may not run; empty when it may."""
    if not validate(schema, document):
        return list(_unserved(schema, document))
    # An error does not say which rule was broken, so each is asked by itself, now that speed does not matter.
    found = [
        _entry(schema, document, _KINDS.get(rule.__name__, "InvalidSyntax"), error)
        for rule in specified_rules
        for error in validate(schema, document, [rule])
    ]
    return sorted(found, key=_place)


def _unserved(schema: GraphQLSchema, document: DocumentNode) -> Iterator[dict[str, Any]]:
    """Operations of a kind that the schema has not, which graphql-core before 3.3 lets pass."""
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode) and schema.get_root_type(node.operation) is None:
            what = f"The {node.operation.value} operation is not supported by the schema."
            yield _entry(schema, document, "InvalidSyntax", GraphQLError(what, node))


def _place(entry: dict[str, Any]) -> tuple[int, int]:
    (location,) = entry["locations"]
    return location["line"], location["column"]


def _entry(schema: GraphQLSchema, document: DocumentNode, kind: str, error: GraphQLError) -> dict[str, Any]:
    trail = _trail(document, error)
    node = trail[-1]
    place = "/".join(step.name.value for step in trail if isinstance(step, FieldNode))
    message = f"Validation error of type {kind}: {_wording(schema, kind, error, trail)}"
    return {
        "path": None,
        "locations": [location_of(node)],
        "message": f"{message} @ '{place}'" if place else message,
    }


def _trail(document: DocumentNode, error: GraphQLError) -> tuple[Node, ...]:
    """The nodes from the document down to the one at fault."""
    if not error.nodes:
        return (document,)
    wanted = error.nodes[0]
    same = (trail for trail in _trails(document) if trail[-1] is wanted)
    # graphql-core points at a copy of a list or object literal: its like is looked for then.
    alike = (trail for trail in _trails(document) if print_ast(trail[-1]) == print_ast(wanted))
    return next(chain(same, alike), (document,))


def _trails(node: Node, above: tuple[Node, ...] = ()) -> Iterator[tuple[Node, ...]]:
    """Every node of a document, with those above it."""
    here = (*above, node)
    yield here
    for key in node.keys:
        child = getattr(node, key, None)
        for part in child if isinstance(child, list | tuple) else (child,):
            if isinstance(part, Node):
                yield from _trails(part, here)


def _wording(schema: GraphQLSchema, kind: str, error: GraphQLError, trail: Iterable[Node]) -> str:
    if kind == "FieldUndefined":
        found = re.match(r"Cannot query field '(\w+)' on type '(\w+)'", error.message)
        if found:
            return f"Field '{found[1]}' in type '{found[2]}' is undefined"
    if kind == "WrongType":
        return _wrong_value(schema, tuple(trail)) or error.message
    return error.message


def _wrong_value(schema: GraphQLSchema, trail: tuple[Node, ...]) -> str | None:
    value = trail[-1] if trail else None
    names = [step.name.value for step in trail if isinstance(step, ArgumentNode | ObjectFieldNode)]
    if not names or not isinstance(value, ValueNode):
        return None
    expected = _type_of(schema, trail, names)
    return f"argument '{'.'.join(names)}' with value '{java_literal(value)}' is not a valid '{expected}'"


def _type_of(schema: GraphQLSchema, trail: tuple[Node, ...], names: list[str]) -> str:
    """The name of the input type that the last of ``names`` asks for."""
    kind: Any = None
    for step in trail:
        if isinstance(step, OperationDefinitionNode):
            kind = schema.get_root_type(step.operation)
        elif isinstance(step, FieldNode):
            field = kind.fields[step.name.value]
            kind, arguments = get_named_type(field.type), field.args
    kind = get_named_type(arguments[names[0]].type)
    for name in names[1:]:
        if not isinstance(kind, GraphQLInputObjectType) or name not in kind.fields:
            break
        kind = get_named_type(kind.fields[name].type)
    return str(kind)
