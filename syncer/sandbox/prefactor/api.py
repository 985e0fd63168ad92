"""The routes: who may call, which operation a path stands for.

Tokens: the account's, and a deployment's, which stands for the sandbox's agent. Any other
path or method is 404, those of the vendor's agent and quality endpoints included.

Source: docs/remotes/prefactor.md#requests
Source: docs/remotes/prefactor.md#authentication
Source: docs/remotes/prefactor.md#errors
Source: docs/remotes/prefactor.md#newer-releases
"""

from __future__ import annotations

from typing import Any

from syncer import ids
from syncer.sandbox.documents import Document
from syncer.sandbox.prefactor import bulk, pfid, problems
from syncer.sandbox.prefactor.book import Book
from syncer.sandbox.prefactor.fields import Fields
from syncer.sandbox.prefactor.hooks import Hooks
from syncer.sandbox.prefactor.operations import Operations
from syncer.sandbox.prefactor.problems import Problem
from syncer.sandbox.rest import Call, Reply, Unparseable
from syncer.sandbox.storage import Storage

_MOST_PFIDS = 1000

_ROUTES = {
    ("POST", ("agent_instance", "register")): ("agent_instances/register", None),
    ("POST", ("agent_instance", "*", "start")): ("agent_instances/start", "agent_instance_id"),
    ("POST", ("agent_instance", "*", "finish")): ("agent_instances/finish", "agent_instance_id"),
    ("GET", ("agent_instance",)): ("agent_instances/list", None),
    ("GET", ("agent_instance", "*")): ("agent_instances/show", "agent_instance_id"),
    ("POST", ("agent_spans",)): ("agent_spans/create", None),
    ("POST", ("agent_spans", "*", "finish")): ("agent_spans/finish", "agent_span_id"),
    ("GET", ("agent_spans",)): ("agent_spans/list", None),
    ("GET", ("ping",)): ("ping", None),
    ("POST", ("bulk",)): ("bulk", None),
    ("POST", ("pfid", "generate")): ("pfid", None),
}
"""Method and path to operation, and the parameter that stands in the path at ``*``."""


class Prefactor:
    """A whole Prefactor account on one storage; :attr:`hooks` is how tests see it."""

    def __init__(self, storage: Storage, *, token: str, deployment_token: str) -> None:
        book = Book(storage)
        self._operations = Operations(book)
        self._agents = {f"Bearer {token}": None, f"Bearer {deployment_token}": book.agent_id}
        self._account_id = book.account_id
        self.hooks = Hooks(book, self._operations.instances)

    def answer(self, call: Call) -> Reply:
        """What the service would send back."""
        request = ids.new_id()
        try:
            return Reply(200, self._answer(call, request), request)
        except Problem as problem:
            return Reply(problem.status, problem.document, request)
        except Unparseable as exc:
            return Reply(400, problems.bad_request(str(exc)).document, request)

    def _answer(self, call: Call, request: str) -> Document:
        authorization = call.headers.get("authorization", "")
        if authorization not in self._agents:
            raise problems.unauthorized()
        agent_id = self._agents[authorization]
        name, in_path = _route(call)
        params: dict[str, Any] = dict(call.query) if call.method == "GET" else call.json()
        params |= in_path
        match name:
            case "ping":
                return {"status": "success"}
            case "bulk":
                return bulk.execute(self._operations, params, request, agent_id)
            case "pfid":
                return self._pfids(params)
            case _:
                return self._operations.run(name, params, request, agent_id=agent_id)

    def _pfids(self, params: dict[str, Any]) -> Document:
        fields = Fields(params)
        count = params.get("count")
        if type(count) is not int or not 1 <= count <= _MOST_PFIDS:
            fields.wrong("count", f"must be 1 to {_MOST_PFIDS}")
            count = 0
        if fields.text("account_id") not in (None, self._account_id):
            fields.wrong("account_id", "is another account")
        fields.check()
        return {"status": "success", "pfids": [pfid.minted() for _ in range(count)]}


def _route(call: Call) -> tuple[str, dict[str, str]]:
    """The operation, and the parameter in the path. Raises: Problem."""
    if call.segments[:2] == ("api", "v1"):
        path = call.segments[2:]
        found = _ROUTES.get((call.method, path))
        if found and found[1] is None:
            return found[0], {}
        pattern = (path[0], "*", *path[2:]) if len(path) > 1 else ()
        name, parameter = _ROUTES.get((call.method, pattern), ("", None))
        if parameter and path[1]:
            return name, {parameter: path[1]}
    raise problems.not_found("Route")
