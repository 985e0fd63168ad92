"""Runs a plan: every call against the tables, every answer cut to what was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from syncer.sandbox.plexus import problems
from syncer.sandbox.plexus.compile import Call, PageSelection, Plan, Selection, Variables
from syncer.sandbox.plexus.operations import BelongsTo, HasMany, Operation, Verb
from syncer.sandbox.plexus.problems import Problem
from syncer.sandbox.plexus.reads import listed, page, queried, related
from syncer.sandbox.plexus.tables import Record, Table
from syncer.sandbox.plexus.writes import Writer
from syncer.schema.model import Model

Path: TypeAlias = tuple[str | int, ...]


class Run:
    """One request's execution. ``errors`` fills while it goes; ``refused`` are root fields that get no capacity."""

    def __init__(
        self,
        tables: Mapping[str, Table],
        writers: Mapping[str, Writer],
        request: str,
        variables: Variables,
        refused: frozenset[int] = frozenset(),
    ) -> None:
        self._tables = tables
        self._writers = writers
        self._request = request
        self._variables = variables
        self._refused = refused
        self._parents: dict[tuple[str, str], Record | None] = {}
        self.errors: list[dict[str, Any]] = []

    def data(self, plan: Plan) -> dict[str, Any]:
        """The answer to every root field, in order; a failing one is null and leaves the others alone."""
        found: dict[str, Any] = dict(plan.constants)
        for number, call in enumerate(plan.calls):
            found[call.key] = self._answer(call, None, (call.key,), refused=number in self._refused)
        return found

    def _answer(self, call: Call, parent: Record | None, path: Path, *, refused: bool = False) -> Any:
        try:
            if refused:
                raise problems.throttled()
            found = self._resolved(call, parent)
        except Problem as problem:
            self.errors.append(problem.entry(list(path), call.location, self._request))
            return None
        if found is None:
            return None
        if isinstance(call.selection, PageSelection):
            return self._page(call.selection, found, path)
        return self._record(call.selection, found, path)

    def _resolved(self, call: Call, parent: Record | None) -> Record | None:
        resolver = call.resolver
        model = resolver.model if isinstance(resolver, Operation) else resolver.target
        if model.closed:
            raise problems.unauthorized(call.name, call.parent)
        arguments = call.arguments(self._variables)
        if isinstance(resolver, Operation):
            return self._root(resolver, arguments)
        assert parent is not None
        if isinstance(resolver, BelongsTo):
            key = parent.get(resolver.field.name)
            return self._parent(resolver.target, key) if key is not None else None
        return self._children(resolver, parent, arguments)

    def _root(self, operation: Operation, arguments: dict[str, Any]) -> Record | None:
        model = operation.model
        table = self._tables[model.name]
        match operation.verb:
            case Verb.GET:
                return table.get(model.key_text(arguments))
            case Verb.LIST:
                return page(table, listed(operation, arguments), arguments)
            case Verb.QUERY:
                assert operation.index
                return page(table, queried(model, operation.index, arguments), arguments)
        writer = self._writers[model.name]
        write = {Verb.CREATE: writer.create, Verb.UPDATE: writer.update, Verb.DELETE: writer.delete}[operation.verb]
        return write(arguments["input"], arguments.get("condition"), self._request)

    def _parent(self, model: Model, key: str) -> Record | None:
        """Read once a request: a page of children often shares few parents."""
        place = (model.name, key)
        if place not in self._parents:
            self._parents[place] = self._tables[model.name].get(key)
        return self._parents[place]

    def _children(self, relation: HasMany, parent: Record, arguments: dict[str, Any]) -> Record:
        return page(self._tables[relation.target.name], related(relation, parent, arguments), arguments)

    def _page(self, selection: PageSelection, found: Record, path: Path) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for key, name, items in selection.parts:
            if items:
                answer[key] = self._records(items, found["items"], (*path, key))
            else:
                answer[key] = selection.type_name if name == "__typename" else found[name]
        return answer

    def _records(self, selection: Selection, records: Sequence[Record], path: Path) -> list[dict[str, Any] | None]:
        return [self._record(selection, record, path, number) for number, record in enumerate(records)]

    def _record(self, selection: Selection, record: Record, path: Path, *place: int) -> dict[str, Any] | None:
        answer: dict[str, Any] = {key: record.get(name) for key, name in selection.leaves}
        missing = [(key, kind) for key, kind in selection.required if answer[key] is None]
        if missing:
            for key, kind in missing:
                entry = problems.null_entry(kind, selection.type_name, [*path, *place, key])
                self.errors.append(entry)
            return None
        answer.update(selection.constants)
        for call in selection.calls:
            answer[call.key] = self._answer(call, record, (*path, *place, call.key))
        return answer
