"""An operation compiled once into what the resolvers need: calls, where their arguments come from, what to answer with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNonNull,
    GraphQLObjectType,
    InlineFragmentNode,
    Node,
    SelectionSetNode,
    get_named_type,
)

from syncer.sandbox.plexus.coerce import coercer
from syncer.sandbox.plexus.literals import Reader
from syncer.sandbox.plexus.operations import EXTENSION, Resolver

Variables: TypeAlias = Mapping[str, Any]
Location: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked of one record.

    ``leaves`` are (response key, field), in order, with "" where a call or a constant fills the place; ``required`` are
    (response key, type) of the leaves that must not be null.
    """

    type_name: str
    leaves: tuple[tuple[str, str], ...]
    required: tuple[tuple[str, str], ...]
    constants: Mapping[str, str]
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One field with a resolver, and what is asked of the record or page it answers."""

    key: str
    name: str
    parent: str
    resolver: Resolver
    arguments: Callable[[Variables], dict[str, Any]]
    selection: Selection | PageSelection
    location: Location


@dataclass(frozen=True, slots=True)
class PageSelection:
    """What is asked of a page: (response key, field, selection of the items or None)."""

    type_name: str
    parts: tuple[tuple[str, str, Selection | None], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All root fields of one operation; ``introspective`` are the response keys that ask about the schema itself."""

    calls: tuple[Call, ...]
    constants: Mapping[str, str]
    introspective: tuple[str, ...]


def location_of(node: Node) -> Location:
    """Where ``node`` starts, as AppSync writes it."""
    assert node.loc
    start = node.loc.start_token
    return {"line": start.line, "column": start.column, "sourceName": None}


class Planner:
    """Compiles the selections of one document; ``@skip`` and ``@include`` are decided here, by ``variables``."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], variables: Variables) -> None:
        self._fragments = fragments
        self._variables = variables

    def plan(self, root: GraphQLObjectType, selections: SelectionSetNode) -> Plan:
        """The plan for an operation on ``root``."""
        fields = self._collected([selections])
        constants = {key: root.name for key, nodes in fields.items() if nodes[0].name.value == "__typename"}
        asked = {key: nodes for key, nodes in fields.items() if not nodes[0].name.value.startswith("__")}
        calls = tuple(self._call(key, nodes, root) for key, nodes in asked.items())
        return Plan(calls, constants, tuple(fields.keys() - asked.keys() - constants.keys()))

    def _call(self, key: str, nodes: list[FieldNode], parent: GraphQLObjectType) -> Call:
        node = nodes[0]
        field = parent.fields[node.name.value]
        kind = get_named_type(field.type)
        assert isinstance(kind, GraphQLObjectType)
        selections = [each.selection_set for each in nodes if each.selection_set]
        many = "nextToken" in kind.fields
        return Call(
            key,
            node.name.value,
            parent.name,
            field.extensions[EXTENSION],
            _arguments(field, node),
            self._page(kind, selections) if many else self._selection(kind, selections),
            location_of(node),
        )

    def _page(self, kind: GraphQLObjectType, selections: list[SelectionSetNode]) -> PageSelection:
        parts: list[tuple[str, str, Selection | None]] = []
        for key, nodes in self._collected(selections).items():
            name = nodes[0].name.value
            items = None
            if name == "items":
                element = get_named_type(kind.fields["items"].type)
                assert isinstance(element, GraphQLObjectType)
                items = self._selection(element, [each.selection_set for each in nodes if each.selection_set])
            parts.append((key, name, items))
        return PageSelection(kind.name, tuple(parts))

    def _selection(self, kind: GraphQLObjectType, selections: list[SelectionSetNode]) -> Selection:
        leaves: list[tuple[str, str]] = []
        required: list[tuple[str, str]] = []
        constants: dict[str, str] = {}
        calls: list[Call] = []
        for key, nodes in self._collected(selections).items():
            name = nodes[0].name.value
            if name == "__typename":
                constants[key] = kind.name
            elif EXTENSION in kind.fields[name].extensions:
                calls.append(self._call(key, nodes, kind))
            else:
                leaves.append((key, name))
                if isinstance(kind.fields[name].type, GraphQLNonNull):
                    required.append((key, str(kind.fields[name].type).rstrip("!")))
                continue
            leaves.append((key, ""))
        return Selection(kind.name, tuple(leaves), tuple(required), constants, tuple(calls))

    def _collected(self, selections: Iterable[SelectionSetNode]) -> dict[str, list[FieldNode]]:
        """Fields by response key, fragments opened, those of the same key together."""
        found: dict[str, list[FieldNode]] = {}
        for selection in selections:
            self._collect(selection, found)
        return found

    def _collect(self, selections: SelectionSetNode, found: dict[str, list[FieldNode]]) -> None:
        for node in selections.selections:
            if not self._wanted(node):
                continue
            if isinstance(node, FieldNode):
                found.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
            elif isinstance(node, InlineFragmentNode):
                self._collect(node.selection_set, found)
            elif isinstance(node, FragmentSpreadNode):
                self._collect(self._fragments[node.name.value].selection_set, found)

    def _wanted(self, node: Any) -> bool:
        for directive in node.directives or ():
            if directive.name.value in ("skip", "include"):
                condition = Reader(directive.arguments[0].value)(self._variables)
                if condition == (directive.name.value == "skip"):
                    return False
        return True


def _arguments(field: GraphQLField, node: FieldNode) -> Callable[[Variables], dict[str, Any]]:
    """A function of the variables that makes the arguments; whole variables are coerced already, literals here."""
    fixed: dict[str, Any] = {}
    named: list[tuple[str, str]] = []
    mixed: list[tuple[str, Reader, Callable[[Any, str], Any]]] = []
    for argument in node.arguments or ():
        name = argument.name.value
        read = Reader(argument.value)
        coerce = coercer(field.args[name].type)
        if read.variable:
            named.append((name, read.variable))
        elif read.constant:
            fixed[name] = coerce(read({}), name)
        else:
            mixed.append((name, read, coerce))

    def values(variables: Variables) -> dict[str, Any]:
        found = dict(fixed)
        for name, variable in named:
            if variable in variables:
                found[name] = variables[variable]
        for name, read, coerce in mixed:
            found[name] = coerce(read(variables), name)
        return found

    return values
