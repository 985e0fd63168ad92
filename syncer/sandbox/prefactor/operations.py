"""Every operation by its name, for REST and for bulk alike.

Source: docs/remotes/prefactor.md#bulk
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from syncer.sandbox.documents import Document
from syncer.sandbox.prefactor import problems
from syncer.sandbox.prefactor.book import Book, Request
from syncer.sandbox.prefactor.fields import Fields
from syncer.sandbox.prefactor.instances import Instances
from syncer.sandbox.prefactor.keys import key_of, without_key
from syncer.sandbox.prefactor.lists import Lists
from syncer.sandbox.prefactor.spans import Spans

Params = Mapping[str, Any]
REGISTER, CREATE = "agent_instances/register", "agent_spans/create"


class Operations:
    """Runs one operation at a time, each in its own transaction. Raises: Problem, with nothing applied."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self.instances = Instances(book)
        spans, lists = Spans(book, self.instances), Lists(book)
        self.reads: dict[str, Callable[[Params], Document]] = {
            "agent_instances/list": lists.instances,
            "agent_instances/show": self._show,
            "agent_spans/list": lists.spans,
        }
        self.writes: dict[str, Callable[[Params, Request], Document]] = {
            REGISTER: self.instances.register,
            "agent_instances/start": self.instances.start,
            "agent_instances/finish": self.instances.finish,
            CREATE: spans.create,
            "agent_spans/finish": spans.finish,
        }

    def run(self, name: str, params: Params, request_id: str, *, agent_id: str | None, flat: bool = False) -> Document:
        """The body of the answer.

        ``agent_id``: the agent of a deployment token, which may only write (its reads are "unauthorized").
        ``flat``: a span create may come without ``details``, as in the bulk examples of the vendor.
        """
        with self._book.storage.lock:
            if name in self.reads:
                if agent_id is not None:
                    raise problems.unauthorized()
                return self.reads[name](params)
            with self._book.storage.transaction():
                return self._write(name, params, request_id, agent_id, flat)

    def _write(self, name: str, params: Params, request_id: str, agent_id: str | None, flat: bool) -> Document:
        body, details = params, None
        if name == CREATE and not (flat and params.get("details") is None):
            fields = Fields(params)
            details = fields.mapping("details", required=True)
            fields.check()
            body = details or {}
        key = key_of(params, details)
        work = self.writes[name]
        if name == REGISTER:
            work = partial(self.instances.register, agent_id=agent_id)
        return self._book.keys.once(name, key, without_key(body), lambda: work(body, Request(request_id, key)))

    def _show(self, params: Params) -> Document:
        instance = self.instances.existing(params.get("agent_instance_id"))
        return {"status": "success", "details": self._book.shown(instance)}
