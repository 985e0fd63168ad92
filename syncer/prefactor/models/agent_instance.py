"""Agent instances: what registers, starts and finishes one, and what comes back."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, model_validator

from syncer.prefactor.models.types import KEEP_UNKNOWN, FinishStatus, ReadStatus, filled


class SpanTypeSchemaForCreate(BaseModel):
    """One kind of span: JSON schemas of its payload and result, and a ``{{field}}`` template for its summary."""

    model_config = KEEP_UNKNOWN

    name: str
    params_schema: dict[str, Any]
    result_schema: dict[str, Any] | None = None
    title: str | None = None
    description: str | None = None
    template: str | None = None


class AgentInstanceSpanCounts(BaseModel):
    """How many spans an instance has, by status; ``finished`` is complete, failed and cancelled together."""

    model_config = KEEP_UNKNOWN

    total: int
    pending: int
    active: int
    complete: int
    failed: int
    cancelled: int
    finished: int

    @model_validator(mode="before")
    @classmethod
    def _missing_counters_are_zero(cls, given: Any) -> Any:
        return filled(given, tuple(cls.model_fields), 0)


class AgentVersionForRegister(BaseModel):
    """The version of an agent; the same ``external_identifier`` must always come with the same content."""

    model_config = KEEP_UNKNOWN

    name: str | None = None
    external_identifier: str | None = None
    description: str | None = None


class AgentSchemaVersionForRegister(BaseModel):
    """The kinds of span an agent makes: as a list, or as maps from name to schema."""

    model_config = KEEP_UNKNOWN

    external_identifier: str | None = None
    span_schemas: dict[str, dict[str, Any]] | None = None
    span_result_schemas: dict[str, dict[str, Any]] | None = None
    span_type_schemas: list[SpanTypeSchemaForCreate] | None = None


class RegisterAgentInstanceRequest(BaseModel):
    """The body that registers an instance."""

    agent_id: str
    agent_version: AgentVersionForRegister
    agent_schema_version: AgentSchemaVersionForRegister
    id: str | None = None
    idempotency_key: str | None = None
    update_current_version: bool | None = None


class TimestampRequest(BaseModel):
    """The body that starts an instance. ``timestamp``: ISO 8601 with an offset."""

    timestamp: str | None = None
    idempotency_key: str | None = None


class FinishInstanceRequest(BaseModel):
    """The body that finishes an instance. ``timestamp``: ISO 8601 with an offset."""

    status: FinishStatus | None = None
    timestamp: str | None = None
    idempotency_key: str | None = None


class AgentInstance(BaseModel):
    """One run of an agent. Until it was synced, the ids that only the API knows are empty texts."""

    model_config = KEEP_UNKNOWN

    type: Literal["agent_instance"]
    id: str
    account_id: str
    agent_id: str
    agent_version_id: str
    environment_id: str
    status: ReadStatus
    inserted_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    span_counts: AgentInstanceSpanCounts | None = None
