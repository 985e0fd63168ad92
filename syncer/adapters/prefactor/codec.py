"""Between stored values and what Prefactor sends and takes. Pure.

A serialized change is ``{"path", "body"}``, with ``instance`` for a span's action: what is posted where, word for word at
every repeat. Answers are read leniently: unknown fields are kept in ``extra``, missing ones stay as they are here.

Source: docs/remotes/prefactor.md#requests
Source: docs/remotes/prefactor.md#idempotency
Source: docs/remotes/prefactor.md#ids
Source: docs/remotes/prefactor.md#timestamps
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from syncer import clock, ids
from syncer.adapters.prefactor import pfid
from syncer.adapters.prefactor.spec import MODELS
from syncer.remote import Change, Op, Row
from syncer.schema.model import Field, Kind, Model, Origin
from syncer.schema.values import dumps, json_decoded

Document = Mapping[str, Any]

INSTANCE, SPAN = MODELS["AgentInstance"], MODELS["AgentSpan"]

_FINISHES = ("complete", "failed", "cancelled")
_NO_COUNTS_OF = (Op.CREATE, "start")  # spans that wait here are not counted there yet


_LONGEST_ID = 1000  # servers refuse addresses from a few thousand characters on (414)


def serialize(change: Change, row: Row | None) -> str:
    """The wire text of a change; ``{}`` for one that Prefactor has no request for."""
    make = _MAKERS.get((change.model.name, str(change.op)))
    return dumps({} if make is None or row is None else make(change, row))


def parse_body(change: Change) -> dict[str, Any]:
    """A serialized change."""
    document: dict[str, Any] = json.loads(change.body or "{}")
    return document


def sent_id(document: Document) -> str | None:
    """The id that a serialized create asks for."""
    body = document["body"]
    found: str | None = body.get("details", body).get("id")
    return found


def dangling(document: Document) -> str | None:
    """A field of a serialized span create that names a record which never became known to the remote."""
    details = document["body"].get("details", {})
    for name in ("agent_instance_id", "parent_span_id"):
        if nowhere_else(str(details.get(name) or "")):
            return name
    return None


def written_fields(change: Change) -> Row:
    """What a serialized change writes, in stored form, without the key and without what the remote never tells."""
    body = parse_body(change).get("body", {})
    if change.op == Op.CREATE:
        values = body.get("details", body)
    else:
        values = {"status": "active", "started_at": body["timestamp"]}
        if change.op != "start":
            values = {"status": body["status"], "finished_at": body["timestamp"]}
            values |= {name: body[name] for name in ("result_payload",) if name in body}
    fields = [f for f in change.model.fields if f.name in values and f.name != "id" and f.origin is not Origin.LOCAL]
    return {f.name: _stored(f, values[f.name]) for f in fields}


def nowhere_else(key: str) -> bool:
    """True for an id that no remote knows: one made here that is not even a PFID, or text too long for any address."""
    return ids.is_local(key) or ids.is_minted(key) or len(key) > _LONGEST_ID


def path(*segments: str) -> str:
    """A path below the API's address; ids may hold any letter."""
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def _register(change: Change, row: Row) -> dict[str, Any]:
    flag = row.get("update_current_version")
    body: dict[str, Any] = {
        "agent_id": row.get("agent_id"),
        "agent_version": _decoded(row, "agent_version") or {},
        "agent_schema_version": _decoded(row, "agent_schema_version") or {},
        "update_current_version": True if flag is None else bool(flag),
    }
    body |= {name: row[name] for name in ("environment_id", "purpose", "external_identifier") if row.get(name)}
    if _may_send(change.key, row.get("agent_id")):
        body["id"] = change.key
    return {"path": path("agent_instance", "register"), "body": {**body, "idempotency_key": change.idem_key}}


def _start(change: Change, row: Row) -> dict[str, Any]:
    at = row.get("started_at") if "started_at" in change.fields else None
    body = {"timestamp": at or change.created_at, "idempotency_key": change.idem_key}
    return {"path": path("agent_instance", change.key, "start"), "body": body}


def _finish_instance(change: Change, row: Row) -> dict[str, Any]:
    body = {**_end(change, row), "idempotency_key": change.idem_key}
    return {"path": path("agent_instance", change.key, "finish"), "body": body}


def _create_span(change: Change, row: Row) -> dict[str, Any]:
    details: dict[str, Any] = {
        "agent_instance_id": row["agent_instance_id"],
        "schema_name": row["schema_name"],
        "status": row["status"],
        "payload": _decoded(row, "payload") or {},
    }
    if row.get("result_payload") is not None:
        details["result_payload"] = _decoded(row, "result_payload")
    if _may_send(change.key, row["agent_instance_id"]):
        details["id"] = change.key
    details |= {name: row[name] for name in ("parent_span_id", "started_at", "finished_at") if row.get(name) is not None}
    # Which of the two places the service reads is not certain; each alone is accepted.
    key = {"idempotency_key": change.idem_key}
    return {"path": path("agent_spans"), "body": {"details": {**details, **key}, **key}}


def _finish_span(change: Change, row: Row) -> dict[str, Any]:
    body = _end(change, row)
    if "result_payload" in change.fields and row.get("result_payload") is not None:
        body["result_payload"] = _decoded(row, "result_payload")
    body["idempotency_key"] = change.idem_key
    return {"path": path("agent_spans", change.key, "finish"), "body": body, "instance": row.get("agent_instance_id")}


def _end(change: Change, row: Row) -> dict[str, Any]:
    status = row.get("status")
    at = row.get("finished_at") if "finished_at" in change.fields else None
    return {"status": status if status in _FINISHES else "complete", "timestamp": at or change.created_at}


_MAKERS: dict[tuple[str, str], Callable[[Change, Row], dict[str, Any]]] = {
    ("AgentInstance", "create"): _register,
    ("AgentInstance", "start"): _start,
    ("AgentInstance", "finish"): _finish_instance,
    ("AgentSpan", "create"): _create_span,
    ("AgentSpan", "finish"): _finish_span,
}


def _may_send(key: str, neighbour: str | None) -> bool:
    """True for an id the remote will take: a PFID, of the account of the record above it where that tells its account."""
    ours, theirs = pfid.partition_of(key), pfid.partition_of(neighbour or "")
    return ours is not None and theirs in (None, ours)


def _decoded(row: Row, name: str) -> Any:
    text = row.get(name)
    return None if text is None else json_decoded(text)


def told(change: Change, details: Document) -> Row:
    """What an answer to ``change`` says of its record: the fields it names."""
    row = as_row(change.model, details)
    unsaid = {f.name for f in change.model.fields if f.name not in details or f.origin is Origin.LOCAL}
    if change.op in _NO_COUNTS_OF:
        unsaid.add("span_counts")
    return {name: value for name, value in row.items() if name not in unsaid}


def as_row(model: Model, details: Document) -> Row:
    """A whole remote record as a stored row."""
    row: Row = {}
    extra = {name: value for name, value in details.items() if name != "type"}
    for field in model.fields:
        if field.origin is Origin.LOCAL:
            row[field.name] = None
        else:
            row[field.name] = _stored(field, extra.pop(field.name, None))
    row["extra"] = dumps(extra) if extra else None
    return row


def as_tuple(model: Model, details: Document) -> tuple[Any, ...]:
    """The same in the order of ``model.fields``, then ``extra``."""
    return tuple(as_row(model, details).values())


def _stored(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if field.kind is Kind.JSON:
        return dumps(value)
    if not isinstance(value, str):
        return dumps(value)  # not what it should be: kept, as text
    return _time(value) if field.kind is Kind.TIME else value


def _time(text: str) -> str:
    try:
        return clock.stored(clock.parsed(text))
    except (ValueError, OverflowError):
        return text  # not a time we can read: kept as it came
