"""Agent spans: what creates and finishes one, and what comes back."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from syncer.prefactor.models.types import KEEP_UNKNOWN, AgentStatus, FinishStatus, ReadPayload, ReadStatus


class CreateAgentSpanRequest(BaseModel):
    """What creates a span, in whatever status. Times: ISO 8601 with an offset."""

    agent_instance_id: str
    schema_name: str
    status: AgentStatus
    payload: dict[str, Any] = {}
    result_payload: dict[str, Any] | None = None
    id: str | None = None
    parent_span_id: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    idempotency_key: str | None = None


class FinishSpanRequest(BaseModel):
    """The body that finishes a span. ``timestamp``: ISO 8601 with an offset."""

    status: FinishStatus | None = None
    result_payload: dict[str, Any] | None = None
    timestamp: str | None = None
    idempotency_key: str | None = None


class AgentSpan(BaseModel):
    """One step of an instance. ``schema_title`` and ``summary`` are the API's, None until synced."""

    model_config = KEEP_UNKNOWN

    type: Literal["agent_span"]
    id: str
    account_id: str | None = None
    agent_id: str | None = None
    agent_instance_id: str
    parent_span_id: str | None = None
    schema_name: str
    schema_title: str | None = None
    status: ReadStatus
    payload: ReadPayload = {}
    result_payload: dict[str, Any] | None = None
    summary: str | None = None
    started_at: datetime | None = None
    inserted_at: datetime | None = None
    updated_at: datetime | None = None
    finished_at: datetime | None = None
