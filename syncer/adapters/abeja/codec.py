"""Between stored rows and what ABEJA sends and takes: names that change on the way, JSON that comes as text, the marker.

The platform has no idempotency key, but it echoes the environment of a run. So every run we create carries its change's key
as the environment variable ``SYNCER_OP_ID``; it is taken out of whatever is stored or shown.

Source: docs/remotes/abeja.md#creating-a-run
Source: docs/remotes/abeja.md#runs
Source: docs/remotes/abeja.md#idempotency
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from syncer import clock
from syncer.adapters.abeja.spec import RUN, RUN_LOG_EVENT
from syncer.http.responses import storable
from syncer.remote import Row
from syncer.schema.model import Field, Kind
from syncer.schema.values import dumps, json_decoded

MARKER = "SYNCER_OP_ID"
USUAL_RETRIES = 5
"""What the platform takes when a create leaves the number out."""

Record = Mapping[str, Any]
_NAMES = frozenset(f.name for f in RUN.fields)
_LOG_ID_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Order:
    """A serialized create: where it goes, what is sent, and when it was first tried, by our clock."""

    organization_id: str
    deployment_id: str
    first_at: str
    run: Mapping[str, Any]

    @property
    def marker(self) -> str | None:
        """The key its run carries; None when the environment is no object of variables, which nothing can be added to."""
        environment = self.run["environment"]
        return environment.get(MARKER) if isinstance(environment, dict) else None


def serialize(row: Row, idem_key: str, now: str) -> str:
    """The wire text of a create, with where and when it goes. The run in it is sent as it is."""
    environment = _decoded(row, "user_env_vars") or {}
    if isinstance(environment, dict):
        environment = {**environment, MARKER: idem_key}
    run: dict[str, Any] = {"version_id": row["model_version_id"], "environment": environment}
    run |= {name: value for name in ("input_data", "models", "output_template") if (value := _decoded(row, name))}
    run |= {name: row[name] for name in ("retry_count", "distribution") if row[name] is not None}
    place = {name: row[name] for name in ("organization_id", "deployment_id")}
    return dumps({**place, "first_at": now, "run": run})


def order(body: str) -> Order:
    """The reverse of :func:`serialize`."""
    return Order(**json.loads(body))


def written_fields(body: str) -> Row:
    """What a serialized create writes, in stored form."""
    run = dict(order(body).run)
    return stored({**run, "model_version_id": run.pop("version_id"), "user_env_vars": run.pop("environment")})


def stored(record: Record) -> Row:
    """What the platform says of a run, in stored form; only what it mentions, without the id and the marker."""
    row: Row = {f.name: _stored(f, record[f.name]) for f in RUN.fields if f.name in record and f.name not in RUN.key}
    if "user_env_vars" in row:
        row["user_env_vars"] = _unmarked(row["user_env_vars"])
    unknown = {name: value for name, value in record.items() if name not in _NAMES}
    if unknown:
        row["extra"] = dumps(unknown)
    return row


def as_row(record: Record, organization_id: str, deployment_id: str) -> Row:
    """A whole run as a stored row. The answer does not name its organization."""
    empty = dict.fromkeys((*(f.name for f in RUN.fields), "extra"))
    place = {"organization_id": organization_id, "deployment_id": deployment_id}
    return {**empty, **stored(record), **place, "run_id": record["run_id"]}


def marker(record: Record) -> str | None:
    """The key of the create that made a run, None for runs made otherwise."""
    found = record.get("user_env_vars")
    variables = json_decoded(found) if isinstance(found, str) else found
    value = variables.get(MARKER) if isinstance(variables, dict) else None
    return value if isinstance(value, str) else None


def created_at(record: Record) -> str:
    """When the platform made a run, in stored form; empty text when it does not say."""
    return moment(record.get("created_at")) or ""


def moment(value: Any) -> str | None:
    """A time of the platform in stored form; one without an offset is UTC. None for what is no time."""
    try:
        return clock.stored(clock.parsed(value))
    except (TypeError, ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class Tail:
    """Where a pass over the log of a run stands between two pages: the last time, and the messages it had so far."""

    timestamp: str = ""
    messages: Counter[str] = field(default_factory=Counter)


def events(run_id: str, found: list[Any], tail: Tail) -> tuple[list[tuple[Any, ...]], Tail]:
    """Log events as stored tuples, and the new tail.

    Events have no id: the same message at the same time is told apart by how many came before it, so that reading again from
    the beginning of a second is a no-op. ``occurrence`` is the place of an event among those of its time.
    """
    timestamp, messages = tail.timestamp, Counter(tail.messages)
    rows: list[tuple[Any, ...]] = []
    for event in found:
        if not isinstance(event, dict) or event.get("timestamp") is None:
            continue
        at = moment(event["timestamp"]) or str(event["timestamp"])
        text = event.get("message")
        text = text if isinstance(text, str) else dumps(text)
        if at != timestamp:
            timestamp, messages = at, Counter()
        name = dumps([run_id, at, text, messages[text]])
        row = {
            "id": hashlib.sha256(name.encode()).hexdigest()[:_LOG_ID_LENGTH],
            "run_id": run_id,
            "timestamp": at,
            "occurrence": messages.total(),
            "message": text,
        }
        messages[text] += 1
        rows.append((*(row[f.name] for f in RUN_LOG_EVENT.fields), None))
    return rows, Tail(timestamp, messages)


def _decoded(row: Row, name: str) -> Any:
    value = row[name]
    return None if value is None else json_decoded(value)


def _stored(described: Field, value: Any) -> Any:
    if value is None:
        return None
    if described.kind is Kind.JSON:
        return dumps(json_decoded(value) if isinstance(value, str) else value)
    if described.kind is Kind.TIME:
        return moment(value) or str(value)
    return value if storable((value,)) or isinstance(value, bool) else dumps(value)  # not what it should be: kept, as text


def _unmarked(text: str | None) -> str | None:
    variables = None if text is None else json_decoded(text)
    if not isinstance(variables, dict) or MARKER not in variables:
        return text
    return dumps({name: value for name, value in variables.items() if name != MARKER})
