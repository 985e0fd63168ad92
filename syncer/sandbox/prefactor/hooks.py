"""Prefactor as tests and demos hold it: its rows, its log, and what other people do to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from syncer import clock, ids
from syncer.errors import InvalidInput, RecordNotFound
from syncer.sandbox.documents import Document, Documents
from syncer.sandbox.prefactor import pfid
from syncer.sandbox.prefactor.book import INSTANCE, REMOTE, SPAN, Book, Request
from syncer.sandbox.prefactor.instances import Instances
from syncer.sandbox.prefactor.keys import KeyUse
from syncer.sandbox.prefactor.problems import Problem
from syncer.sandbox.storage import Effect


class Hooks:
    """``sandbox.prefactor``. Models are ``agent_instance`` and ``agent_span``; rows are as a client gets them.

    ``agent_id`` and ``account_id`` are PFIDs of the sandbox's account, from which clients take its partition.
    """

    def __init__(self, book: Book, instances: Instances) -> None:
        self._book = book
        self._instances = instances
        self.agent_id = book.agent_id
        self.account_id = book.account_id
        self.environment_id = book.environment_id
        self.partition = pfid.PARTITION

    def rows(self, model: str) -> list[Document]:
        """Every row, in order of creation."""
        with self._book.storage.lock:
            return [self._shown(row) for row in self._table(model).find()]

    def get(self, model: str, key: str) -> Document | None:
        """One row, or None."""
        with self._book.storage.lock:
            row = self._table(model).get(key)
            return self._shown(row) if row else None

    def count(self, model: str) -> int:
        """How many rows the model has."""
        with self._book.storage.lock:
            return self._table(model).count()

    def put(self, model: str, record: Mapping[str, Any] | None = None, **fields: Any) -> Document:
        """Store a row behind the client's back, over one of the same id; no check, no effect logged.

        Every field has a default, except a span's ``agent_instance_id``.
        """
        row = self._defaults(model) | dict(record or {}) | fields
        with self._book.storage.transaction():
            self._table(model).put(row)
        return row

    def edit(self, model: str, key: str, **changes: Any) -> Document:
        """Set fields as another client would: ``updated_at`` moves unless given. Raises: RecordNotFound."""
        with self._book.storage.lock:
            row = self._table(model).get(key)
            if row is None:
                raise RecordNotFound("the sandbox has no such record", record=f"{model} {key}")
            return self.put(model, row, **{"updated_at": clock.stored_now(), **changes})

    def drop(self, model: str, key: str) -> None:
        """Remove a row, if it is there, behind the client's back."""
        with self._book.storage.transaction():
            self._table(model).remove(key)

    def terminate(self, instance_id: str, reason: str = "stopped by a person") -> Document:
        """End an active instance as another party does; its open spans are closed. Raises: InvalidInput."""
        try:
            with self._book.storage.transaction():
                return self._instances.terminate(instance_id, reason, Request(ids.new_id()))
        except Problem as problem:
            raise InvalidInput("the sandbox cannot terminate it", record=instance_id, why=problem.message) from problem

    def control_next(self, *, terminate: bool = True, reason: str | None = None, count: int = 1) -> None:
        """Let the next ``count`` applied writes be answered with a top-level ``control``."""
        with self._book.storage.lock:
            self._book.signals.extend([{"terminate": terminate, "reason": reason}] * count)

    def effects(self, model: str | None = None, op: str | None = None) -> list[Effect]:
        """Every applied write in order; ``op`` is create, start, finish or terminate, ``mark`` the idempotency key."""
        return self._book.storage.effects(REMOTE, model, op)

    def effects_by_key(self) -> Counter[str]:
        """How many writes took effect under each idempotency key: one each, unless something is wrong."""
        return Counter(effect.mark for effect in self.effects() if effect.mark)

    def key_uses(self) -> list[KeyUse]:
        """Every idempotency key used, the hash of its body, and how often it came again."""
        with self._book.storage.lock:
            return self._book.keys.all()

    def _table(self, model: str) -> Documents:
        tables = {INSTANCE: self._book.instances, SPAN: self._book.spans}
        if model not in tables:
            raise InvalidInput(f"the sandbox has no model {model!r}", why=f"Prefactor has {', '.join(tables)}")
        return tables[model]

    def _shown(self, row: Document) -> Document:
        return self._book.shown(row) if row["type"] == INSTANCE else row

    def _defaults(self, model: str) -> Document:
        now = clock.stored_now()
        common = {"type": model, "id": pfid.minted(), "account_id": self.account_id, "agent_id": self.agent_id}
        times = {"inserted_at": now, "updated_at": now, "started_at": now, "finished_at": None}
        if model == SPAN:
            payloads: Document = {"payload": {}, "result_payload": None, "summary": None}
            names = {"schema_name": "step", "schema_title": "step", "parent_span_id": None}
            return {**common, **names, "status": "active", **payloads, **times}
        versions = dict.fromkeys(("agent_version_id", "agent_schema_version_id"), self.environment_id)
        places = {"environment_id": self.environment_id, "agent_deployment_id": self.environment_id}
        rest = {"status": "active", "purpose": "live", "external_identifier": None, "termination_reason": None}
        return {**common, **versions, **places, **rest, **times}
