"""Create and finish agent spans.

Decided here: an unknown instance is "not found", an unknown parent span (or one of
another instance) a validation error. Spans may be created while the instance is pending (the vendor's own core does) and
after it was terminated (that is how a running client gets the control signal), not after it finished. An open span may be
finished after its instance. ``finished_at`` needs a finished status, as ``result_payload`` does. Active to cancelled is
refused, as for instances.

Source: docs/remotes/prefactor.md#requests
Source: docs/remotes/prefactor.md#lifecycle
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from syncer import clock
from syncer.sandbox.documents import Document
from syncer.sandbox.prefactor import pfid, problems
from syncer.sandbox.prefactor.book import FINISHED, OPEN, SPAN, Book, Request, stop_signal
from syncer.sandbox.prefactor.fields import TAKEN, Fields
from syncer.sandbox.prefactor.instances import Instances
from syncer.sandbox.prefactor.versions import title_and_summary


class Spans:
    """The operations on spans. Raises: Problem, with nothing applied."""

    def __init__(self, book: Book, instances: Instances) -> None:
        self._book = book
        self._instances = instances

    def create(self, details: Mapping[str, Any], request: Request) -> Document:
        """A new span, in whatever status."""
        fields = Fields(details)
        fields.text("agent_instance_id", required=True)
        status = fields.text("status", required=True, choices=(*OPEN, *FINISHED)) or ""
        schema_name = fields.text("schema_name", required=True)
        made = fields.own_id() or pfid.minted()
        started, finished = fields.moment("started_at"), fields.moment("finished_at")
        payload, result = fields.mapping("payload"), fields.mapping("result_payload")
        parent = fields.text("parent_span_id")
        if status in OPEN:
            for name in ("result_payload", "finished_at"):
                if details.get(name) is not None:
                    fields.wrong(name, "is only valid for a finished status")
        if self._book.spans.get(made):
            fields.wrong("id", TAKEN)
        fields.check()
        instance = self._instances.existing(details["agent_instance_id"])
        if parent is not None and (self._book.spans.get(parent) or {}).get("agent_instance_id") != instance["id"]:
            raise problems.invalid({"parent_span_id": ["does not exist in this agent instance"]})
        if instance["status"] in FINISHED:
            raise problems.invalid_action(f"Agent instance is {instance['status']}, it takes no more spans")
        now = clock.stored_now()
        if status in FINISHED:
            finished = finished or now
            started = started or (finished if status == "cancelled" else min(now, finished))
        elif status == "active":
            started = started or now
        span: Document = {
            "type": SPAN,
            "id": made,
            "account_id": self._book.account_id,
            "agent_id": instance["agent_id"],
            "agent_instance_id": instance["id"],
            "parent_span_id": parent,
            "schema_name": schema_name,
            "status": status,
            "payload": payload or {},
            "result_payload": result,
            "started_at": started,
            "finished_at": finished,
            "inserted_at": now,
        }
        span |= title_and_summary(self._book, instance, span)
        self._book.save(span, "create", request)
        return self._book.answer(span, instance)

    def finish(self, params: Mapping[str, Any], request: Request) -> Document:
        """Active to complete or failed, pending to cancelled."""
        span = self._existing(params.get("agent_span_id"))
        instance = self._instances.existing(span["agent_instance_id"])
        fields = Fields(params)
        status = fields.text("status", choices=FINISHED) or "complete"
        at = fields.moment("timestamp") or clock.stored_now()
        result = fields.mapping("result_payload")
        fields.check()
        if status == "cancelled":
            if span["status"] != "pending":
                raise _refused(span, instance, "must be pending to be cancelled")
            span["started_at"] = at
        elif span["status"] != "active":
            raise _refused(span, instance, "must be active")
        span |= {"status": status, "finished_at": at}
        if result is not None:
            span["result_payload"] = result
        span |= title_and_summary(self._book, instance, span)
        self._book.save(span, "finish", request)
        return self._book.answer(span, instance)

    def _existing(self, span_id: Any) -> Document:
        span = self._book.spans.get(span_id) if isinstance(span_id, str) else None
        if span is None:
            raise problems.not_found("Agent span")
        return span


def _refused(span: Document, instance: Document, why: str) -> problems.Problem:
    problem = problems.invalid_action(f"Agent span is {span['status']}, it {why}")
    problem.control = stop_signal(instance)
    return problem
