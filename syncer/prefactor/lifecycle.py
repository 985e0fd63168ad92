"""What each call means for a record: pure, the same offline and online.

========================  =================================  =========================================
from                      call                               to
========================  =================================  =========================================
nothing                   :func:`registered`                 a pending instance
pending                   :func:`started`                    active
active                    :func:`finished` complete, failed  that; ``finished_at``
pending                   :func:`finished` cancelled         cancelled; ``started_at`` = ``finished_at``
active                    :func:`finished` cancelled         cancelled; the API may refuse it, see below
nothing                   :func:`created`                    a span in any status
anything else known       anything else                      PrefactorApiError 409 ``invalid_action``
========================  =================================  =========================================

Rows are mappings by the API's field names without ``type``, times in stored form (see :mod:`syncer.clock`); functions that
change one return only the fields that change. Naive datetimes mean UTC.

Decided here: whether an active record may be cancelled is unsettled upstream, so it is accepted, sent as it is, and rejected
for all to see if refused. A status that is not known here forbids nothing, nor does a finished instance forbid spans: the
API decides.

Source: docs/remotes/prefactor.md#lifecycle
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from syncer import clock
from syncer.prefactor.errors import (
    INVALID_ACTION,
    KEY_REUSED,
    PrefactorApiError,
    PrefactorNotFoundError,
    PrefactorValidationError,
)
from syncer.prefactor.models.agent_span import CreateAgentSpanRequest
from syncer.prefactor.models.types import FinishStatus

Row: TypeAlias = Mapping[str, Any]
Fields: TypeAlias = dict[str, Any]

INSTANCE = "agent_instance"
SPAN = "agent_span"
FINISHED = ("complete", "failed", "cancelled")
ENDED = (*FINISHED, "terminated")
"""Statuses after which nothing happens any more; ``terminated`` is another party's doing."""

UNKNOWN = ""
"""Status of an instance made elsewhere and not read yet, and the text of ids that only the API knows."""

LONGEST_KEY = 64

_COUNTERS = ("total", "pending", "active", *FINISHED, "finished")
_KINDS = {INSTANCE: "Agent instance", SPAN: "Agent span"}


def registered(agent_id: str, *, id: str, now: str, account_id: str = UNKNOWN) -> Fields:
    """A new instance: pending, without spans, its versions and environment unknown until synced."""
    return {
        **made_elsewhere(id, now=now),
        "account_id": account_id,
        "agent_id": agent_id,
        "status": "pending",
        "span_counts": dict.fromkeys(_COUNTERS, 0),
    }


def made_elsewhere(id: str, *, now: str) -> Fields:
    """The stub of an instance that is used here before it was read; its status allows everything."""
    unknown = dict.fromkeys(("account_id", "agent_id", "agent_version_id", "environment_id", "status"), UNKNOWN)
    times = {"inserted_at": now, "updated_at": now, "started_at": None, "finished_at": None}
    return {"id": id, **unknown, **times, "span_counts": None}


def started(instance: Row, *, now: str, timestamp: datetime | None = None) -> Fields:
    """What a start changes. Raises: PrefactorApiError 409 when it is active or has ended."""
    if instance["status"] in ("active", *ENDED):
        raise _invalid_action(instance, "must be pending to start")
    return {"status": "active", "started_at": moment(timestamp) or now, "updated_at": now}


def finished(
    record: Row,
    *,
    now: str,
    status: FinishStatus | None = None,
    timestamp: datetime | None = None,
    result_payload: Mapping[str, Any] | None = None,
) -> Fields:
    """What a finish changes, of an instance or a span. ``status`` is complete unless given.

    Raises: PrefactorApiError 409 when it has ended, or is pending and not to be cancelled.
    """
    outcome, at = status or "complete", moment(timestamp) or now
    if record["status"] in ENDED:
        raise _invalid_action(record, "cannot be finished again")
    changes: Fields = {"status": outcome, "finished_at": at, "updated_at": now}
    if record["status"] == "pending":
        if outcome != "cancelled":
            raise _invalid_action(record, "must be active")
        changes["started_at"] = at
    if result_payload is not None:
        changes["result_payload"] = dict(result_payload)
    return changes


def created(
    request: CreateAgentSpanRequest,
    *,
    id: str,
    now: str,
    started_at: datetime | None = None,
    finished_at: datetime | None = None,
    instance: Row | None = None,
    parent: Row | None = None,
) -> Fields:
    """A new span. ``instance`` and ``parent`` are their rows, where this file has them; the times win over the request's.

    ``started_at`` is now unless given, and not later than the end; a pending span has none, a cancelled one both alike.

    Raises: PrefactorValidationError when an open span carries a result, or the parent is of another instance.
    """
    _check_span(request, parent)
    start = moment(started_at) or _read(request.started_at)
    end = moment(finished_at) or _read(request.finished_at)
    if request.status in FINISHED:
        end = end or now
        start = start or (end if request.status == "cancelled" else min(now, end))
    elif request.status == "active":
        start = start or now
    known = instance or {}
    return {
        "id": id,
        "account_id": known.get("account_id") or None,
        "agent_id": known.get("agent_id") or None,
        "agent_instance_id": request.agent_instance_id,
        "parent_span_id": request.parent_span_id,
        "schema_name": request.schema_name,
        "schema_title": None,
        "status": request.status,
        "payload": request.payload,
        "result_payload": request.result_payload,
        "summary": None,
        "started_at": start,
        "inserted_at": now,
        "updated_at": now,
        "finished_at": end,
    }


def folded(details: Row, changes: Row) -> Fields:
    """The details of a span create that was never attempted, with what :func:`finished` changed: one request for both.

    The create's own id and key stay.
    """
    sent = ("status", "started_at", "finished_at", "result_payload")
    return {**details, **{name: changes[name] for name in sent if name in changes}}


def counted(counts: Row | None, after: str, before: str | None = None) -> Fields | None:
    """The instance's span counts when a span comes to be ``after``; ``before`` is None for a new span.

    None stays None: what is elsewhere is not known.
    """
    if counts is None:
        return None
    now: Fields = {**dict.fromkeys(_COUNTERS, 0), **counts}
    for status, step in ((before, -1), (after, 1)):
        if status in ("pending", "active", *FINISHED):
            now[status] = max(0, now[status] + step)
    now["total"] += before is None
    now["finished"] = sum(now[status] for status in FINISHED)
    return now


def existing(record: Row | None, kind: str, id: str) -> Row:
    """``record``. Raises: PrefactorNotFoundError when there is none: a span's finish needs the span in this file."""
    if record is None:
        error = PrefactorNotFoundError(f"{_KINDS[kind]} not found", "not_found", 404)
        error.add_note(f"{id} is not in the local file; if it was made elsewhere: syncer pull prefactor")
        raise error
    return record


def absent(record: Row | None, kind: str, id: str) -> None:
    """Nothing, for an id that is free. Raises: PrefactorValidationError when a record has it."""
    if record is not None:
        raise _invalid({"id": [f"{id} has already been taken by another {_KINDS[kind].lower()}"]})


def fingerprint(operation: str, arguments: Row) -> str:
    """What identifies a call beside its key: the operation and its arguments as the caller gave them.

    Not the times that were frozen for it, which differ when it is repeated; nor the key.
    """
    text = json.dumps([operation, arguments], sort_keys=True, ensure_ascii=False, default=_spelled)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_repeat(key: str, seen: str | None, now: str) -> bool:
    """True when the call with this key was made before: answer with the stored row and record nothing.

    ``seen`` is the fingerprint stored with the key, None for a new key; ``now`` that of this call. A key is good for one
    operation only: whether the API tells them apart is not known, and if it did not, the second would never happen.

    Raises: PrefactorApiError 409 ``idempotency_key_reused`` for another call under the same key.
    """
    if seen is not None and seen != now:
        raise PrefactorApiError(f"The idempotency key {key!r} was used for another request", KEY_REUSED, 409)
    return seen is not None


def checked_key(key: str | None) -> str | None:
    """``key``, or None when it is None or empty and one is to be made. Raises: ValueError over 64 characters."""
    if key and len(key) > LONGEST_KEY:
        raise ValueError(f"idempotency_key must be at most {LONGEST_KEY} characters")
    return key or None


def moment(given: datetime | None) -> str | None:
    """A caller's time in stored form; a naive one means UTC."""
    if given is None:
        return None
    return clock.stored(given if given.tzinfo else given.replace(tzinfo=UTC))


def _read(text: str | None) -> str | None:
    return None if text is None else clock.stored(clock.parsed(text))


def _check_span(request: CreateAgentSpanRequest, parent: Row | None) -> None:
    errors = {}
    if request.result_payload is not None and request.status not in FINISHED:
        errors["result_payload"] = ["is only valid for a finished status"]
    if parent is not None and parent["agent_instance_id"] != request.agent_instance_id:
        errors["parent_span_id"] = ["does not exist in this agent instance"]
    if errors:
        raise _invalid(errors)


def _invalid(errors: dict[str, Any]) -> PrefactorValidationError:
    return PrefactorValidationError("Validation failed", "validation_errors", 422, errors)


def _invalid_action(record: Row, why: str) -> PrefactorApiError:
    kind = SPAN if "agent_instance_id" in record else INSTANCE
    return PrefactorApiError(f"{_KINDS[kind]} is {record['status']}, it {why}", INVALID_ACTION, 409)


def _spelled(value: Any) -> str:
    if isinstance(value, datetime):
        return moment(value) or ""
    raise TypeError(f"{type(value).__name__} cannot be sent as JSON")
