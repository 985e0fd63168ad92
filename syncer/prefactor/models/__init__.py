"""What Prefactor calls take and give, as pydantic models: names, fields, defaults and checks of prefactor-http.

What is sent is checked strictly: a status that does not exist raises pydantic's ``ValidationError`` before anything is
stored. What is read is taken as it comes, because today's API says more than prefactor-http 0.1.0 knows, which fails on it:

* a status of any other text (``terminated``) is kept as that text, though the type still says :data:`AgentStatus`;
* counters and page offsets that are missing or null are 0 and None;
* fields that are not declared here are kept, as attributes and in ``model_extra``.

The signatures stay those of the original: a counter is still a required argument for type checkers. The models with which an
agent version and its schemas are described keep unknown fields as well, so that newer ones can be sent.

Source: docs/remotes/prefactor.md#records
Source: docs/remotes/prefactor.md#newer-releases
"""

from __future__ import annotations

from syncer.prefactor.models.agent_instance import (
    AgentInstance,
    AgentInstanceSpanCounts,
    AgentSchemaVersionForRegister,
    AgentVersionForRegister,
    FinishInstanceRequest,
    RegisterAgentInstanceRequest,
    SpanTypeSchemaForCreate,
    TimestampRequest,
)
from syncer.prefactor.models.agent_span import AgentSpan, CreateAgentSpanRequest, FinishSpanRequest
from syncer.prefactor.models.answers import (
    ApiError,
    ApiResponse,
    DetailedApiError,
    ListResponse,
    PaginationOutput,
    Sorting,
)
from syncer.prefactor.models.bulk import BulkItem, BulkOutput, BulkRequest, BulkResponse
from syncer.prefactor.models.types import AgentStatus, FinishStatus

__all__ = [
    "AgentStatus",
    "FinishStatus",
    "AgentInstance",
    "AgentInstanceSpanCounts",
    "AgentVersionForRegister",
    "AgentSchemaVersionForRegister",
    "RegisterAgentInstanceRequest",
    "TimestampRequest",
    "FinishInstanceRequest",
    "SpanTypeSchemaForCreate",
    "AgentSpan",
    "CreateAgentSpanRequest",
    "FinishSpanRequest",
    "BulkItem",
    "BulkRequest",
    "BulkOutput",
    "BulkResponse",
    "ApiResponse",
    "ListResponse",
    "PaginationOutput",
    "Sorting",
    "ApiError",
    "DetailedApiError",
]
