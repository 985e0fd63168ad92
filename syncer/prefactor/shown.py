"""Rows as the public calls show them, and what is shown as rows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from syncer import clock
from syncer.adapters.prefactor.spec import MODELS
from syncer.prefactor.lifecycle import UNKNOWN
from syncer.prefactor.models import AgentInstance, AgentSpan
from syncer.remote import Row
from syncer.schema import values
from syncer.schema.model import Kind, Model, Origin

Fields: TypeAlias = dict[str, Any]

INSTANCE, SPAN = MODELS["AgentInstance"], MODELS["AgentSpan"]

_LONG_AGO = "1970-01-01T00:00:00.000000Z"
_UNKNOWN_YET = ("account_id", "agent_id", "agent_version_id", "environment_id", "status")


def fields_of(model: Model, row: Row) -> Fields:
    """A row by the API's field names, as :mod:`lifecycle` reads it: JSON decoded, times in stored form."""
    fields = values.to_python(model, row)
    if model is INSTANCE:
        fields |= {name: UNKNOWN for name in _UNKNOWN_YET if fields[name] is None}
    return fields


def stored(model: Model, fields: Mapping[str, Any]) -> Row:
    """The other way round: what is unknown yet is absent. Raises: InvalidInput naming the field."""
    return {name: None if _absent(value) else _stored(model, name, value) for name, value in fields.items()}


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value == UNKNOWN)


def _stored(model: Model, name: str, value: Any) -> Any:
    field = model.by_name[name]
    if field.kind is Kind.TIME:
        return value  # frozen by us, in stored form already
    return values.stored_value(model, field, value)


def instance(row: Row) -> AgentInstance:
    """An instance as its class; fields the class does not declare are kept, ``control`` where a signal came."""
    return AgentInstance.model_validate({"type": "agent_instance", **_said(INSTANCE, row)})


def span(row: Row) -> AgentSpan:
    """A span as its class."""
    return AgentSpan.model_validate({"type": "agent_span", **_said(SPAN, row)})


def _said(model: Model, row: Row) -> Fields:
    fields = fields_of(model, row)
    fields |= {f.name: None for f in model.fields if f.kind is Kind.TIME and not _is_time(fields[f.name])}
    if model is INSTANCE:  # the class needs these; a record may lack them all the same
        known = fields["inserted_at"] or fields["updated_at"] or fields["started_at"] or _LONG_AGO
        fields |= {name: fields[name] or known for name in ("inserted_at", "updated_at")}
    for field in model.fields:
        if field.origin is Origin.LOCAL:
            value = fields.pop(field.name)
            if field.name == "control" and value is not None:
                fields[field.name] = value
    extra = values.json_decoded(row["extra"]) if row.get("extra") else {}
    return {**extra, **fields}


def _is_time(text: Any) -> bool:
    try:
        clock.parsed(text)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
