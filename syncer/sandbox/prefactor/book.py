"""Everything one Prefactor account holds, and how a record looks to its clients.

Source: docs/remotes/prefactor.md#records
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from syncer import clock
from syncer.sandbox.documents import Document, Documents, Part
from syncer.sandbox.prefactor import pfid
from syncer.sandbox.prefactor.keys import Keys
from syncer.sandbox.storage import Effect, Storage

REMOTE = "prefactor"
INSTANCE, SPAN = "agent_instance", "agent_span"
OPEN = ("pending", "active")
FINISHED = ("complete", "failed", "cancelled")
_COUNTED = (*OPEN, *FINISHED)
_FIXED_MS = 1_234_567_890_000


class Request(NamedTuple):
    """Under which id a request runs and which idempotency key it carries: what its effects are noted with."""

    id: str
    key: str | None = None


class Book:
    """The tables, the account's fixed ids, and the signals that wait to be told. Callers hold the lock.

    ``agent_id`` is an agent that is there from the start; any other agent comes to be when it first registers.
    """

    account_id = pfid.composed(_FIXED_MS, pfid.PARTITION, 1)
    environment_id = pfid.composed(_FIXED_MS, pfid.PARTITION, 2)
    agent_id = pfid.composed(_FIXED_MS, pfid.PARTITION, 0)

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        connection = storage.connection
        with storage.transaction():
            self.agents = Documents(connection, "prefactor_agent", "id")
            self.versions = Documents(
                connection, "prefactor_agent_version", "id", ("agent_id", "kind", "external_identifier")
            )
            self.instances = Documents(
                connection, "prefactor_agent_instance", "id", ("agent_id", "agent_version_id", "external_identifier")
            )
            self.spans = Documents(
                connection,
                "prefactor_agent_span",
                "id",
                ("agent_instance_id", "agent_id", "status", "started_at", "inserted_at"),
            )
            self.keys = Keys(Documents(connection, "prefactor_key", "name"))
            if self.agents.get(self.agent_id) is None:
                self.agents.put({"type": "agent", "id": self.agent_id, "deployments": {}})
        self.signals: deque[Document] = deque()

    def agent(self, agent_id: str) -> Document:
        """The agent; a new one when this id was never seen."""
        return self.agents.get(agent_id) or {"type": "agent", "id": agent_id, "deployments": {}}

    def shown(self, instance: Document) -> Document:
        """``instance`` with the counts of its spans."""
        by_status = self.spans.counts("status", Part("agent_instance_id = ?", (instance["id"],)))
        counts = {status: by_status.get(status, 0) for status in _COUNTED}
        finished = sum(counts[status] for status in FINISHED)
        return instance | {"span_counts": {"total": sum(counts.values()), **counts, "finished": finished}}

    def answer(self, record: Document, instance: Document) -> Document:
        """The body that tells ``record``, and the control signal if there is one for ``instance``."""
        shown = self.shown(record) if record["type"] == INSTANCE else record
        body: Document = {"status": "success", "details": shown}
        control = self.signals.popleft() if self.signals else stop_signal(instance)
        return body if control is None else body | {"control": control}

    def save(self, record: Document, op: str, request: Request) -> None:
        """Store ``record``, changed now, and note the effect."""
        record["updated_at"] = clock.stored_now()
        (self.instances if record["type"] == INSTANCE else self.spans).put(record)
        self.storage.note(Effect(REMOTE, record["type"], record["id"], op, request.id, request.key or ""))


def stop_signal(instance: Document) -> Document | None:
    """What every answer about a terminated instance carries."""
    if instance["status"] != "terminated":
        return None
    return {"terminate": True, "reason": instance["termination_reason"]}
