"""Requests in the API's own form, as bulk items and raw calls bring them, done in the local file.

Operations go by the names bulk gives them; parameters are those of the REST bodies, ids in the path included. Lists and
single records are answered from the local file.

Source: docs/remotes/prefactor.md#requests
Source: docs/remotes/prefactor.md#bulk
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError

from syncer import clock
from syncer.prefactor import lifecycle, shown
from syncer.prefactor.errors import PrefactorValidationError
from syncer.prefactor.models import CreateAgentSpanRequest
from syncer.prefactor.shown import INSTANCE, SPAN
from syncer.prefactor.writes import Writes
from syncer.records import rows, write
from syncer.remote import Row
from syncer.store.database import Database

Params: TypeAlias = Mapping[str, Any]
Document: TypeAlias = dict[str, Any]

_PATHS: dict[tuple[str, ...], tuple[str, str | None]] = {
    ("agent_instance", "register"): ("agent_instances/register", None),
    ("agent_instance", "*", "start"): ("agent_instances/start", "agent_instance_id"),
    ("agent_instance", "*", "finish"): ("agent_instances/finish", "agent_instance_id"),
    ("agent_spans",): ("agent_spans/create", None),
    ("agent_spans", "*", "finish"): ("agent_spans/finish", "agent_span_id"),
}
_NULL_LIST: Document = {"pagination": None, "sorting": None}


class Operations:
    """Every operation that can be done here. Raises: what :class:`Writes` raises."""

    def __init__(self, writes: Writes, database: Database) -> None:
        self._writes = writes
        self._database = database
        self._known: dict[str, Callable[[Params, str | None], Document]] = {
            "agent_instances/register": self._register,
            "agent_instances/start": self._start,
            "agent_instances/finish": self._finish,
            "agent_instances/show": self._show,
            "agent_instances/list": self._instances,
            "agent_spans/create": self._create_span,
            "agent_spans/finish": self._finish_span,
            "agent_spans/list": self._spans,
        }

    def knows(self, name: str) -> bool:
        """True for what can be done here."""
        return name in self._known

    def run(self, name: str, params: Params, key: str | None) -> Document:
        """What the API would answer, without its ``status``."""
        try:
            return self._known[name](params, key)
        except ValidationError as exc:
            errors: dict[str, Any] = {}
            for error in exc.errors():
                errors.setdefault(".".join(map(str, error["loc"])), []).append(error["msg"])
            raise _invalid(errors) from exc

    def _register(self, params: Params, key: str | None) -> Document:
        flag = params.get("update_current_version")
        return _details(
            self._writes.register(
                params.get("agent_id") or "",
                params.get("agent_version", {}),
                params.get("agent_schema_version", {}),
                id=params.get("id"),
                key=key,
                update_current_version=True if flag is None else flag,
            )
        )

    def _start(self, params: Params, key: str | None) -> Document:
        return _details(self._writes.start(_text(params, "agent_instance_id"), _moment(params, "timestamp"), key=key))

    def _finish(self, params: Params, key: str | None) -> Document:
        name = _text(params, "agent_instance_id")
        return _details(self._writes.finish(name, params.get("status"), _moment(params, "timestamp"), key=key))

    def _create_span(self, params: Params, key: str | None) -> Document:
        details = params.get("details") or {n: v for n, v in params.items() if n != "details"}
        if not isinstance(details, Mapping):
            raise _invalid({"details": ["is not an object"]})
        started_at, finished_at = _moment(details, "started_at"), _moment(details, "finished_at")
        given = {n: v for n, v in details.items() if v is not None and n not in ("started_at", "finished_at")}
        request = CreateAgentSpanRequest.model_validate(given)
        key = key or details.get("idempotency_key")
        return _details(self._writes.create_span(request, started_at=started_at, finished_at=finished_at, key=key))

    def _finish_span(self, params: Params, key: str | None) -> Document:
        if "details" in params:  # the API takes it and loses the result without a word
            raise _invalid({"details": ["is not read: status and result_payload stand beside agent_span_id"]})
        return _details(
            self._writes.finish_span(
                _text(params, "agent_span_id"),
                params.get("status"),
                params.get("result_payload"),
                _moment(params, "timestamp"),
                key=key,
            )
        )

    def _show(self, params: Params, _: str | None) -> Document:
        key = _text(params, "agent_instance_id")
        row = self._database.read(lambda tx: write.row_of(tx, INSTANCE, key))
        return _details(shown.instance(dict(lifecycle.existing(row, lifecycle.INSTANCE, key))))

    def _instances(self, params: Params, _: str | None) -> Document:
        found = self._rows(INSTANCE, {"agent_id": _text(params, "agent_id")})
        return {"summaries": [_dumped(shown.instance(row)) for row in found], **_NULL_LIST}

    def _spans(self, params: Params, _: str | None) -> Document:
        names = [name for name in ("agent_instance_id", "agent_id") if params.get(name)]
        found = self._rows(SPAN, {name: _text(params, name) for name in names or ["agent_instance_id"]})
        return {"summaries": [_dumped(shown.span(row)) for row in found], **_NULL_LIST}

    def _rows(self, model: Any, where: Mapping[str, str]) -> list[Row]:
        text, parameters = rows.find_statement(model, where, None, None)
        return [rows.sql(model).as_row(row) for row in self._database.read(lambda tx: tx.rows(text, parameters))]


def named(method: str, path: str) -> tuple[str, dict[str, str]] | None:
    """The operation that a REST call is, and the id in its path; None for one that is not done here."""
    from urllib.parse import unquote

    segments = tuple(unquote(part) for part in path.partition("?")[0].strip("/").split("/"))
    if method != "POST" or segments[:2] != ("api", "v1"):
        return None
    below = segments[2:]
    found = _PATHS.get(below) or _PATHS.get((below[0], "*", *below[2:]) if len(below) > 1 else ())
    if found is None:
        return None
    name, parameter = found
    return name, {} if parameter is None else {parameter: below[1]}


def _details(record: BaseModel) -> Document:
    return {"details": _dumped(record)}


def _dumped(record: BaseModel) -> Document:
    return record.model_dump(mode="json")


def _text(params: Params, name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise _invalid({name: ["is not a string" if value else "can't be blank"]})
    return value


def _moment(params: Params, name: str) -> datetime | None:
    """A time as text (one without a zone means UTC), or as a datetime."""
    value = params.get(name)
    if value is None or isinstance(value, datetime):
        return value
    try:
        return clock.parsed(value)
    except (TypeError, ValueError):
        raise _invalid({name: ["is not a time"]}) from None


def _invalid(errors: dict[str, Any]) -> PrefactorValidationError:
    return PrefactorValidationError("Validation failed", "validation_errors", 422, errors)
