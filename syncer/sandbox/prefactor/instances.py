"""Register, start, finish and terminate an agent instance.

Decided here: active to cancelled is refused, as the reference says ("cancelled"
requires pending); so is a second start, and any finish of an instance that is finished. An id that exists is a validation
error, "has already been taken".

Source: docs/remotes/prefactor.md#requests
Source: docs/remotes/prefactor.md#lifecycle
Source: docs/remotes/prefactor.md#newer-releases
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncer import clock
from syncer.sandbox.documents import Document, Part
from syncer.sandbox.prefactor import pfid, problems
from syncer.sandbox.prefactor.book import FINISHED, INSTANCE, OPEN, Book, Request, stop_signal
from syncer.sandbox.prefactor.fields import BLANK, TAKEN, Fields
from syncer.sandbox.prefactor.versions import checked_schema, checked_version, version_id

PURPOSES = ("live", "smoke_test", "eval")


class Instances:
    """The operations on instances. Raises: Problem, with nothing applied."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def register(self, params: Mapping[str, Any], request: Request, agent_id: str | None = None) -> Document:
        """A new pending instance. ``agent_id``: the agent that the token stands for, which then need not be named."""
        fields = Fields(params)
        agent = self._agent(fields, agent_id)
        made = fields.own_id() or pfid.minted()
        version, schema = checked_version(fields), checked_schema(fields)
        environment = fields.text("environment_id") or self._book.environment_id
        purpose = fields.text("purpose", choices=PURPOSES) or "live"
        identifier = fields.text("external_identifier")
        make_current = fields.flag("update_current_version", default=True)
        if self._book.instances.get(made):
            fields.wrong("id", TAKEN)
        same = Part("agent_id = ? AND external_identifier = ?", (agent, identifier))
        if identifier is not None and self._book.instances.count(same):
            fields.wrong("external_identifier", TAKEN)
        fields.check()
        version_ids = {
            f"{name}_id": version_id(self._book, fields, name, agent, content)
            for name, content in (("agent_version", version), ("agent_schema_version", schema))
        }
        fields.check()
        now = clock.stored_now()
        instance: Document = {
            "type": INSTANCE,
            "id": made,
            "account_id": self._book.account_id,
            "agent_id": agent,
            **version_ids,
            "environment_id": environment,
            "agent_deployment_id": self._deployment(agent, environment, version_ids, make_current=make_current),
            "purpose": purpose,
            "external_identifier": identifier,
            "status": "pending",
            "inserted_at": now,
            "updated_at": now,
            "started_at": None,
            "finished_at": None,
            "termination_reason": None,
        }
        self._book.save(instance, "create", request)
        return self._book.answer(instance, instance)

    def _agent(self, fields: Fields, implied: str | None) -> str:
        given = fields.text("agent_id")
        if given is None:
            if implied is None and "agent_id" not in fields.errors:
                fields.wrong("agent_id", BLANK)
            return implied or ""
        if implied not in (None, given):
            fields.wrong("agent_id", "is not the agent of this token")
        if pfid.is_pfid(given) and pfid.partition(given) != pfid.PARTITION:
            fields.wrong("agent_id", "belongs to another account")
        return given

    def _deployment(
        self, agent_id: str, environment: str, version_ids: Mapping[str, str | None], *, make_current: bool
    ) -> str:
        agent = self._book.agent(agent_id)
        if make_current:
            agent |= {f"current_{name}": value for name, value in version_ids.items()}
        deployment: str = agent["deployments"].setdefault(environment, pfid.minted())
        self._book.agents.put(agent)
        return deployment

    def start(self, params: Mapping[str, Any], request: Request) -> Document:
        """Pending to active."""
        instance = self.existing(params.get("agent_instance_id"))
        fields = Fields(params)
        at = fields.moment("timestamp") or clock.stored_now()
        fields.check()
        if instance["status"] != "pending":
            raise _refused(instance, "must be pending to start")
        instance |= {"status": "active", "started_at": at}
        self._book.save(instance, "start", request)
        return self._book.answer(instance, instance)

    def finish(self, params: Mapping[str, Any], request: Request) -> Document:
        """Active to complete or failed, pending to cancelled."""
        instance = self.existing(params.get("agent_instance_id"))
        fields = Fields(params)
        status = fields.text("status", choices=FINISHED) or "complete"
        at = fields.moment("timestamp") or clock.stored_now()
        fields.check()
        if status == "cancelled":
            if instance["status"] != "pending":
                raise _refused(instance, "must be pending to be cancelled")
            instance["started_at"] = at
        elif instance["status"] != "active":
            raise _refused(instance, "must be active")
        instance |= {"status": status, "finished_at": at}
        self._book.save(instance, "finish", request)
        return self._book.answer(instance, instance)

    def terminate(self, instance_id: str, reason: str, request: Request) -> Document:
        """Active to terminated, as another party does it. Its open spans are cancelled: which status is decided here."""
        instance = self.existing(instance_id)
        if instance["status"] != "active":
            raise _refused(instance, "must be active")
        now = clock.stored_now()
        for span in self._book.spans.find(Part("agent_instance_id = ?", (instance_id,))):
            if span["status"] in OPEN:
                span |= {"status": "cancelled", "finished_at": now, "started_at": span["started_at"] or now}
                self._book.save(span, "terminate", request)
        instance |= {"status": "terminated", "finished_at": now, "termination_reason": reason}
        self._book.save(instance, "terminate", request)
        return self._book.shown(instance)

    def existing(self, instance_id: Any) -> Document:
        """The instance with this id. Raises: Problem."""
        instance = self._book.instances.get(instance_id) if isinstance(instance_id, str) else None
        if instance is None:
            raise problems.not_found("Agent instance")
        return instance


def _refused(instance: Document, why: str) -> problems.Problem:
    problem = problems.invalid_action(f"Agent instance is {instance['status']}, it {why}")
    problem.control = stop_signal(instance)
    return problem
