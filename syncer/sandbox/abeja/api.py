"""The routes: who may call, and for which organization and deployment.

Decided here: another organization is 403, an unknown deployment or run 404, a known path
with another method 405.

Source: docs/remotes/abeja.md#requests
Source: docs/remotes/abeja.md#authentication
"""

from __future__ import annotations

from collections.abc import Sequence

from syncer import ids
from syncer.sandbox.abeja import problems
from syncer.sandbox.abeja.book import Book
from syncer.sandbox.abeja.credentials import Credentials
from syncer.sandbox.abeja.hooks import Hooks
from syncer.sandbox.abeja.logs import Logs
from syncer.sandbox.abeja.problems import Problem
from syncer.sandbox.abeja.runs import Runs
from syncer.sandbox.documents import Document
from syncer.sandbox.rest import Call, Reply, Unparseable
from syncer.sandbox.storage import Storage

_METHODS = {(): ("GET", "POST"), ("*",): ("GET",), ("*", "logs"): ("GET",), ("*", "recentlogs"): ("GET",)}
"""What may follow ``.../runs``, and the methods there."""


class Abeja:
    """One organization on one storage; :attr:`hooks` is how tests see it."""

    def __init__(
        self,
        storage: Storage,
        *,
        credentials: Credentials,
        organization_id: str,
        deployment_ids: Sequence[str],
        step_s: float | None = None,
    ) -> None:
        self._storage = storage
        self._credentials = credentials
        self._organization_id = organization_id
        self._deployment_ids = deployment_ids
        book = Book(storage, step_s)
        self._runs, self._logs = Runs(book), Logs(book)
        self.hooks = Hooks(book, organization_id, deployment_ids)

    def answer(self, call: Call) -> Reply:
        """What the platform would send back."""
        request = ids.new_id()
        try:
            with self._storage.lock:
                return Reply(200, self._answer(call, request), request)
        except Problem as problem:
            return Reply(problem.status, problem.document, request)
        except Unparseable as exc:
            return Reply(400, problems.bad_request(str(exc)).document, request)

    def _answer(self, call: Call, request: str) -> Document:
        if not self._credentials.accept(call.headers.get("authorization")):
            raise problems.unauthorized()
        organization_id, deployment_id, rest = _place(call.segments)
        pattern = ("*", *rest[1:]) if rest and rest[0] else rest
        if pattern not in _METHODS:
            raise problems.not_found("path")
        if call.method not in _METHODS[pattern]:
            raise problems.method_not_allowed()
        if organization_id != self._organization_id:
            raise problems.forbidden()
        if deployment_id not in self._deployment_ids:
            raise problems.not_found("deployment")
        if not rest:
            if call.method == "POST":
                return self._runs.create(organization_id, deployment_id, call.json(), request)
            return self._runs.list(deployment_id, call.query)
        return self._one(deployment_id, rest, call)

    def _one(self, deployment_id: str, rest: tuple[str, ...], call: Call) -> Document:
        run_id, *tail = rest
        if not tail:
            return self._runs.get(deployment_id, run_id)
        self._runs.existing(deployment_id, run_id)
        return self._logs.forward(run_id, call.query) if tail == ["logs"] else self._logs.recent(run_id, call.query)


def _place(segments: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    """Organization, deployment, and what follows ``runs``. Raises: Problem."""
    match segments:
        case ("organizations", organization_id, "deployments", deployment_id, "runs", *rest):
            return organization_id, deployment_id, tuple(rest)
        case _:
            raise problems.not_found("path")
