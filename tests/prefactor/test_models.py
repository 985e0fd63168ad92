"""The Prefactor models: strict on what is sent, lenient on what is read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from syncer.prefactor.models import (
    AgentInstance,
    AgentInstanceSpanCounts,
    AgentSchemaVersionForRegister,
    AgentSpan,
    ApiResponse,
    BulkItem,
    BulkOutput,
    BulkRequest,
    BulkResponse,
    CreateAgentSpanRequest,
    FinishInstanceRequest,
    FinishSpanRequest,
    ListResponse,
)

INSTANCE: dict[str, Any] = {
    "type": "agent_instance",
    "id": "i",
    "account_id": "a",
    "agent_id": "g",
    "agent_version_id": "v",
    "environment_id": "e",
    "status": "active",
    "inserted_at": "2026-01-02T03:04:05.678Z",
    "updated_at": "2026-01-02T03:04:05.678901+00:00",
}
SPAN = {"type": "agent_span", "id": "s", "agent_instance_id": "i", "schema_name": "llm", "status": "pending"}
PAGE = {"item_count": 1, "item_end": 1, "item_start": 1, "page_count": 1, "page_index": 1, "page_offset": 0, "page_size": 1}


def test_a_record_of_todays_server_is_read() -> None:
    """A status, counters and fields that 0.1.0 does not know are kept, without a warning on the way out."""
    said = INSTANCE | {"status": "terminated", "termination_reason": "cost", "span_counts": {"total": 2, "active": None}}
    instance = ApiResponse[AgentInstance].model_validate({"status": "success", "details": said, "control": None}).details
    assert (instance.status, instance.model_extra) == ("terminated", {"termination_reason": "cost"})
    assert instance.span_counts is not None
    assert instance.span_counts.model_dump() == dict.fromkeys(AgentInstanceSpanCounts.model_fields, 0) | {"total": 2}
    assert instance.model_dump(mode="json")["status"] == "terminated"
    assert AgentInstance.model_validate_json(instance.model_dump_json()) == instance
    assert instance.inserted_at == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


def test_the_answer_beside_the_record_is_kept() -> None:
    """A control signal, which the original drops, can be read."""
    answer = ApiResponse[AgentSpan].model_validate({"status": "success", "details": SPAN, "control": {"terminate": True}})
    assert answer.model_extra == {"control": {"terminate": True}}


@pytest.mark.parametrize("status", [None, 1, ["active"]])
def test_a_status_is_a_text(status: Any) -> None:
    """Lenient means any text, not any thing."""
    with pytest.raises(ValidationError, match="status"):
        AgentSpan.model_validate(SPAN | {"status": status})


def test_a_record_without_its_id_is_no_record() -> None:
    """What the original requires stays required."""
    for name in INSTANCE:
        with pytest.raises(ValidationError, match=name):
            AgentInstance.model_validate({k: v for k, v in INSTANCE.items() if k != name})


def test_a_null_payload_is_an_empty_one() -> None:
    """Lists may leave payloads out or null."""
    assert AgentSpan.model_validate(SPAN | {"payload": None}).payload == {}
    assert AgentSpan.model_validate(SPAN).payload == {}


@pytest.mark.parametrize("pagination", [None, {}, "absent"])
def test_a_page_may_come_without_pagination(pagination: Any) -> None:
    """Null, an empty object and nothing at all mean the same."""
    said: dict[str, Any] = {"status": "success", "summaries": [SPAN], "sorting": {}}
    said |= {} if pagination == "absent" else {"pagination": pagination}
    page = ListResponse[AgentSpan].model_validate(said)
    assert (page.pagination, page.sorting, page.summaries[0].id) == (None, None, "s")


def test_a_last_page_has_no_next_offset() -> None:
    """The end of a list is an offset that is null or not there."""
    said = {"status": "success", "summaries": [], "pagination": PAGE, "sorting": {"field": "id", "direction": "asc"}}
    page = ListResponse[AgentSpan].model_validate(said)
    assert page.pagination is not None
    assert page.pagination.next_page_offset is None
    with pytest.raises(ValidationError, match="page_size"):
        ListResponse[AgentSpan].model_validate(said | {"pagination": {"item_count": 1}})


@pytest.mark.parametrize("status", ["terminated", "", "COMPLETE", "active"])
def test_a_finish_needs_a_real_status(status: Any) -> None:
    """What is sent is strict: a wrong status fails before anything happens."""
    for request in (FinishInstanceRequest, FinishSpanRequest):
        with pytest.raises(ValidationError, match="'complete', 'failed' or 'cancelled'"):
            request(status=status)


def test_a_span_needs_a_real_status() -> None:
    """So is what creates a span."""
    with pytest.raises(ValidationError, match="literal_error"):
        CreateAgentSpanRequest.model_validate({"agent_instance_id": "i", "schema_name": "x", "status": "terminated"})


def test_newer_fields_of_a_version_can_be_sent() -> None:
    """What describes an agent's schemas passes fields on that 0.1.0 does not know."""
    given = {"quality_schemas": [{"name": "q"}], "span_type_schemas": [{"name": "n", "params_schema": {}, "data_risk": {}}]}
    dumped = AgentSchemaVersionForRegister.model_validate(given).model_dump(exclude_none=True)
    assert dumped == given


def test_a_bulk_item_is_sent_as_given() -> None:
    """The type travels as ``_type``, everything else as given, null included."""
    item = BulkItem(_type="agents/list", idempotency_key="12345678", note=None, details={"a": 1})  # type: ignore[call-arg]
    assert item.type == "agents/list"
    assert item.model_dump(by_alias=True) == {
        "_type": "agents/list",
        "idempotency_key": "12345678",
        "note": None,
        "details": {"a": 1},
    }
    with pytest.raises(ValidationError, match=r"_type\s+Field required"):
        BulkItem.model_validate({"type": "agents/list", "idempotency_key": "12345678"})


@pytest.mark.parametrize(("length", "fits"), [(7, False), (8, True), (64, True), (65, False)])
def test_bulk_keys_have_8_to_64_characters(length: int, fits: bool) -> None:
    """Keys that the API would refuse are refused here."""
    given = {"_type": "agents/list", "idempotency_key": "k" * length}
    if fits:
        assert BulkItem.model_validate(given).idempotency_key == "k" * length
    else:
        with pytest.raises(ValueError, match="idempotency_key"):
            BulkItem.model_validate(given)


def test_a_bulk_request_has_items_with_keys_of_their_own() -> None:
    """No item, or one key twice, cannot be sent."""
    item = BulkItem(_type="agents/list", idempotency_key="12345678")
    with pytest.raises(ValidationError, match="All idempotency keys must be unique within the request"):
        BulkRequest(items=[item, item])
    with pytest.raises(ValidationError, match="at least 1 item"):
        BulkRequest(items=[])


def test_bulk_outputs_are_read_by_key() -> None:
    """What came of an item can be read as attributes; a status is success or error."""
    answer = BulkResponse.model_validate({"outputs": {"12345678": {"status": "success", "details": {"id": "x"}}}})
    assert answer.status == "success"
    assert (answer.outputs["12345678"].model_extra or {})["details"] == {"id": "x"}
    with pytest.raises(ValidationError, match="status must be 'success' or 'error'"):
        BulkOutput(status="weird")
