"""Many operations in one request, each with a key of its own."""

from __future__ import annotations

from pydantic import BaseModel, Field, field_validator

from syncer.prefactor.models.types import KEEP_UNKNOWN


class BulkItem(BaseModel):
    """One operation: ``BulkItem(_type="agent_spans/finish", idempotency_key=..., agent_span_id=...)``.

    The type is given as ``_type`` and read as ``.type``; ``model_dump(by_alias=True)`` is what is sent.
    """

    model_config = KEEP_UNKNOWN

    type: str = Field(alias="_type")
    idempotency_key: str = Field(min_length=8, max_length=64)


class BulkRequest(BaseModel):
    """One operation or more, to be done in order."""

    items: list[BulkItem] = Field(min_length=1)

    @field_validator("items")
    @classmethod
    def _keys_are_unique(cls, items: list[BulkItem]) -> list[BulkItem]:
        if len({item.idempotency_key for item in items}) < len(items):
            raise ValueError("All idempotency keys must be unique within the request")
        return items


class BulkOutput(BaseModel):
    """What came of one operation: ``details`` or ``summaries``, or ``code``, ``message`` and perhaps ``errors``."""

    model_config = KEEP_UNKNOWN

    status: str

    @field_validator("status")
    @classmethod
    def _success_or_error(cls, status: str) -> str:
        if status not in ("success", "error"):
            raise ValueError("status must be 'success' or 'error'")
        return status


class BulkResponse(BaseModel):
    """Outputs by key. An operation whose key is missing was not processed, and may be sent again with that key."""

    status: str = "success"
    outputs: dict[str, BulkOutput]
