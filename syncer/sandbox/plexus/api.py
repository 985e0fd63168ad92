"""The one endpoint: a body in, a status and a body out.

Source: docs/remotes/plexus.md#requests
Source: docs/remotes/plexus.md#authentication
Source: docs/remotes/plexus.md#answers
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any, NamedTuple

from graphql import execute_sync, parse

from syncer import ids
from syncer.sandbox.plexus.deployment import deployed
from syncer.sandbox.plexus.documents import Operation, Rejected, Unparseable, document
from syncer.sandbox.plexus.resolvers import Run
from syncer.sandbox.plexus.rows import Rows
from syncer.sandbox.plexus.schema import schema_of, served
from syncer.sandbox.plexus.tables import decoded, encoded
from syncer.sandbox.plexus.values import Refused
from syncer.sandbox.storage import Storage

_SILENT = "Introspection queries are disabled for this API."  # [U] the words; that it can be turned off is documented

Refusing = Callable[[int], frozenset[int]]
"""Given the number of root fields, those that get no capacity."""


class Reply(NamedTuple):
    """An HTTP answer; ``request`` is the id that effects and messages carry."""

    status: int
    body: bytes
    request: str


class Plexus:
    """A whole Plexus deployment on one storage. ``introspection``: whether it tells its schema."""

    def __init__(
        self,
        storage: Storage,
        *,
        api_key: str,
        legacy: bool = False,
        extra_fields: Mapping[str, Mapping[str, str]] | None = None,
        missing_fields: Mapping[str, Iterable[str]] | None = None,
        introspection: bool = True,
    ) -> None:
        self._storage = storage
        self._api_key = api_key
        self._introspective = introspection
        plain = not extra_fields and not missing_fields
        self._models = served(legacy) if plain else deployed(served(legacy), extra_fields or {}, missing_fields or {})
        self.rows = Rows(storage, self._models)

    def answer(self, api_key: str | None, body: bytes, refusing: Refusing | None = None) -> Reply:
        """What AppSync would send back."""
        request = ids.new_id()
        if api_key != self._api_key:
            return _failure(401, "UnauthorizedException", "You are not authorized to make this call.", request)
        try:
            query, given, name = _envelope(body)
            operation = document(query, self._models).operation(name)
        except Unparseable as exc:
            return _failure(400, "MalformedHttpRequestException", str(exc), request)
        except Rejected as exc:
            return _rejection(exc.errors, request)
        return self._run(query, operation, given, request, refusing)

    def _run(
        self, query: str, operation: Operation, given: dict[str, Any], request: str, refusing: Refusing | None
    ) -> Reply:
        try:
            variables = operation.variables(given)
            plan = operation.plan(variables)
            if plan.introspective and not self._introspective:
                return _rejection([{"path": None, "locations": None, "message": _SILENT}], request)
            refused = refusing(len(plan.calls)) if refusing else frozenset[int]()
            run = Run(self.rows.tables, self.rows.writers, request, variables, refused)
            with self._storage.lock, self._storage.transaction() if operation.writes else nullcontext():
                data = run.data(plan)
        except Rejected as exc:
            return _rejection(exc.errors, request)
        except Refused as exc:  # a variable inside a literal that only now turns out not to fit
            return _rejection([{"path": None, "locations": None, "message": str(exc)}], request)
        if plan.introspective:
            data |= self._introspection(plan.introspective, query, operation, given)
        answer = {"data": data, "errors": run.errors} if run.errors else {"data": data}
        return Reply(200, encoded(answer).encode(), request)

    def _introspection(self, keys: Iterable[str], query: str, operation: Operation, given: dict[str, Any]) -> dict[str, Any]:
        """What the schema says about itself; rare, so graphql-core's own executor does it."""
        graph = schema_of(self._models)
        result = execute_sync(graph, parse(query), variable_values=given, operation_name=operation.name)
        return {key: (result.data or {}).get(key) for key in keys}


def _envelope(body: bytes) -> tuple[str, dict[str, Any], str | None]:
    """Query, variables and operation name of a request's body. Raises: Unparseable."""
    if not body:
        raise Unparseable("Request body is empty.")
    try:
        sent = decoded(body.decode())
        query, variables, name = sent["query"], sent.get("variables"), sent.get("operationName")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Unparseable("Unable to parse GraphQL query.") from None
    if not isinstance(query, str) or not isinstance(variables, dict | None) or not isinstance(name, str | None):
        raise Unparseable("Unable to parse GraphQL query.")
    return query, variables or {}, name


def _failure(status: int, kind: str, message: str, request: str) -> Reply:
    return Reply(status, encoded({"errors": [{"errorType": kind, "message": message}]}).encode(), request)


def _rejection(errors: Iterable[Mapping[str, Any]], request: str) -> Reply:
    return Reply(200, encoded({"data": None, "errors": list(errors)}).encode(), request)
