"""Documents, each text parsed and checked once, and the variables of its operations coerced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    Visitor,
    parse,
    type_from_ast,
    visit,
)

from syncer.sandbox.plexus.coerce import coercer
from syncer.sandbox.plexus.compile import Location, Plan, Planner, Variables, location_of
from syncer.sandbox.plexus.literals import Reader
from syncer.sandbox.plexus.schema import schema_of
from syncer.sandbox.plexus.validation import breaches
from syncer.sandbox.plexus.values import Coercer, Refused, RefusedNull
from syncer.schema.model import Model

_DOCUMENTS_KEPT = 256


class Unparseable(ValueError):
    """The text is no GraphQL, or does not say which operation to run."""


class Rejected(ValueError):
    """The document or its variables do not fit the schema; nothing ran. ``errors`` is ready to send."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(f"{len(errors)} errors")
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Variable:
    """One declared variable. ``default`` is None where there is none."""

    name: str
    type_name: str
    coerce: Coercer
    default: Reader | None
    location: Location


class Operation:
    """One operation of a checked document; ``writes`` for a mutation."""

    def __init__(self, document: DocumentNode, node: OperationDefinitionNode, graph: GraphQLSchema) -> None:
        self.name = node.name.value if node.name else None
        self.writes = node.operation is OperationType.MUTATION
        self._variables = tuple(_variables(node, graph))
        self._planned = _planning(document, node, graph)
        if not _has_directives(document):
            # The syntax tree is let go of: it is many times the size of the plan.
            plan = self._planned({})
            self._planned = lambda _: plan

    def variables(self, given: Mapping[str, Any]) -> Variables:
        """The declared variables, coerced; those that are neither given nor have a default are left out.

        Raises: Rejected.
        """
        found: dict[str, Any] = {}
        for variable in self._variables:
            if variable.name in given:
                found[variable.name] = _coerced(variable, given[variable.name])
            elif variable.default:
                found[variable.name] = _coerced(variable, variable.default({}))
            elif variable.type_name.endswith("!"):
                raise _rejected(variable, RefusedNull(variable.type_name))
        return found

    def plan(self, variables: Variables) -> Plan:
        """What to run; the same for every request unless directives ask the variables."""
        return self._planned(variables)


class Document:
    """A parsed text. ``errors`` is empty when it may run."""

    def __init__(self, text: str, graph: GraphQLSchema) -> None:
        try:
            node = parse(text)
        except (GraphQLError, RecursionError) as exc:
            raise Unparseable("Unable to parse GraphQL query.") from exc
        self.errors = breaches(graph, node)
        self._operations = {} if self.errors else _operations(node, graph)

    def operation(self, name: str | None) -> Operation:
        """The operation called ``name``, or the only one.

        Raises: Rejected for a document that may not run; Unparseable when it is not clear which to run.
        """
        if self.errors:
            raise Rejected(self.errors)
        if name is None and len(self._operations) == 1:
            return next(iter(self._operations.values()))
        try:
            return self._operations[name or ""]
        except KeyError:
            raise Unparseable(f"no operation {name!r}") from None


@lru_cache(maxsize=_DOCUMENTS_KEPT)
def document(text: str, models: tuple[Model, ...]) -> Document:
    """The checked document of ``text``, for a deployment with these models. Raises: Unparseable."""
    return Document(text, schema_of(models))


def _planning(document: DocumentNode, node: OperationDefinitionNode, graph: GraphQLSchema) -> Callable[[Variables], Plan]:
    root = graph.get_root_type(node.operation)
    assert isinstance(root, GraphQLObjectType)
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    return lambda variables: Planner(fragments, variables).plan(root, node.selection_set)


def _operations(node: DocumentNode, graph: GraphQLSchema) -> dict[str, Operation]:
    return {
        each.name.value if each.name else "": Operation(node, each, graph)
        for each in node.definitions
        if isinstance(each, OperationDefinitionNode)
    }


def _variables(node: OperationDefinitionNode, graph: GraphQLSchema) -> list[Variable]:
    found = []
    for each in node.variable_definitions or ():
        kind: Any = type_from_ast(graph, each.type)
        default = Reader(each.default_value) if each.default_value else None
        name = each.variable.name.value
        found.append(Variable(name, str(kind), coercer(kind), default, location_of(each)))
    return found


def _has_directives(node: DocumentNode) -> bool:
    class Seen(Visitor):
        any = False

        def enter_directive(self, _node: DirectiveNode, *_rest: Any) -> None:
            self.any = True

    seen = Seen()
    visit(node, seen)
    return seen.any


def _coerced(variable: Variable, value: Any) -> Any:
    try:
        return variable.coerce(value, variable.name)
    except Refused as exc:
        raise _rejected(variable, exc) from None


def _rejected(variable: Variable, refusal: Refused) -> Rejected:
    message = str(refusal)
    if isinstance(refusal, RefusedNull):
        message = f"Variable '{variable.name}' has coerced Null value for NonNull type '{refusal.type_name}'"
    locations = [variable.location] if refusal.located else None
    return Rejected([{"path": None, "locations": locations, "message": message}])
