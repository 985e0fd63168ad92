"""What each Prefactor call means for a record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.prefactor import lifecycle
from syncer.prefactor.errors import PrefactorApiError, PrefactorNotFoundError, PrefactorValidationError
from syncer.prefactor.lifecycle import INSTANCE, SPAN
from syncer.prefactor.models import AgentInstance, AgentSpan, CreateAgentSpanRequest

NOW = "2026-01-02T03:04:05.678000Z"
EARLIER = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
EARLIER_TEXT = "2026-01-02T03:00:00.000000Z"
LATER = "2026-01-02T03:05:00.000000Z"
STATUSES = ("pending", "active", "complete", "failed", "cancelled")


def instance(status: str, **fields: Any) -> dict[str, Any]:
    """An instance's row."""
    return {**lifecycle.registered("g", id="i", now=NOW), "status": status, **fields}


def span(status: Any, **fields: Any) -> dict[str, Any]:
    """A span's row, as a create makes it."""
    return lifecycle.created(request(status, **fields), id="s", now=NOW)


def request(status: Any, **fields: Any) -> CreateAgentSpanRequest:
    """What creates a span."""
    return CreateAgentSpanRequest(agent_instance_id="i", schema_name="llm", status=status, **fields)


def refused(error: pytest.ExceptionInfo[PrefactorApiError]) -> tuple[str, int]:
    """Code and status of a refusal."""
    return error.value.code, error.value.status_code


def test_a_registered_instance_is_a_model() -> None:
    """The new row makes a model at once; what only the API knows is empty."""
    made = AgentInstance.model_validate({"type": INSTANCE, **lifecycle.registered("g", id="i", now=NOW, account_id="a")})
    assert (made.status, made.agent_id, made.account_id, made.environment_id) == ("pending", "g", "a", "")
    assert made.inserted_at == made.updated_at == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    assert made.span_counts is not None
    assert made.span_counts.total == 0


def test_a_stub_allows_everything() -> None:
    """An instance made elsewhere may be started and finished before it was read."""
    stub = lifecycle.made_elsewhere("i", now=NOW)
    assert lifecycle.started(stub, now=NOW)["status"] == "active"
    assert lifecycle.finished(stub, now=NOW)["status"] == "complete"
    done = {**stub, **lifecycle.finished(stub, now=NOW, status="cancelled")}
    assert done["started_at"] is None
    assert AgentInstance.model_validate({"type": INSTANCE, **done}).status == "cancelled"


def test_a_start() -> None:
    """Pending becomes active, at the given time or now."""
    assert lifecycle.started(instance("pending"), now=NOW) == {"status": "active", "started_at": NOW, "updated_at": NOW}
    given_time = lifecycle.started(instance("pending"), now=NOW, timestamp=EARLIER)
    assert (given_time["started_at"], given_time["updated_at"]) == (EARLIER_TEXT, NOW)


@pytest.mark.parametrize("status", ["active", "complete", "failed", "cancelled", "terminated"])
def test_a_start_of_what_is_not_pending(status: str) -> None:
    """A second start, and a start after the end, are refused as the API does."""
    with pytest.raises(PrefactorApiError, match=f"Agent instance is {status}, it must be pending") as caught:
        lifecycle.started(instance(status), now=NOW)
    assert refused(caught) == ("invalid_action", 409)


@pytest.mark.parametrize("outcome", ["complete", "failed", "cancelled"])
@pytest.mark.parametrize("kind", [instance, span])
def test_an_active_record_may_end_in_any_way(kind: Any, outcome: Any) -> None:
    """Active may become complete, failed or cancelled; the start is not touched."""
    changes = lifecycle.finished(kind("active"), now=NOW, status=outcome, timestamp=EARLIER)
    assert changes == {"status": outcome, "finished_at": EARLIER_TEXT, "updated_at": NOW}


def test_finishing_means_complete_and_now() -> None:
    """Without arguments a record is complete, now."""
    assert lifecycle.finished(span("active"), now=NOW) == {"status": "complete", "finished_at": NOW, "updated_at": NOW}


@pytest.mark.parametrize("kind", [instance, span])
def test_a_pending_record_may_only_be_cancelled(kind: Any) -> None:
    """A cancelled one that never started starts and ends at the same time."""
    changes = lifecycle.finished(kind("pending"), now=NOW, status="cancelled", timestamp=EARLIER)
    assert changes["started_at"] == changes["finished_at"] == EARLIER_TEXT
    for outcome in (None, "complete", "failed"):
        with pytest.raises(PrefactorApiError, match="is pending, it must be active") as caught:
            lifecycle.finished(kind("pending"), now=NOW, status=outcome)
        assert refused(caught) == ("invalid_action", 409)


@pytest.mark.parametrize("outcome", ["complete", "failed", "cancelled", None])
@pytest.mark.parametrize("status", ["complete", "failed", "cancelled", "terminated"])
def test_an_end_is_an_end(status: str, outcome: Any) -> None:
    """What has ended cannot end again, and the text names its kind."""
    for record, name in ((instance(status), "Agent instance"), ({**span("active"), "status": status}, "Agent span")):
        with pytest.raises(PrefactorApiError, match=f"{name} is {status}, it cannot be finished again") as caught:
            lifecycle.finished(record, now=NOW, status=outcome)
        assert refused(caught) == ("invalid_action", 409)


def test_a_status_of_tomorrow_forbids_nothing() -> None:
    """The API decides about a status that is not known here."""
    assert lifecycle.started(instance("paused"), now=NOW)["status"] == "active"
    assert lifecycle.finished(instance("paused"), now=NOW)["status"] == "complete"


def test_a_finish_may_carry_a_result() -> None:
    """A given result is stored, an empty one too; none changes nothing."""
    assert lifecycle.finished(span("active"), now=NOW, result_payload={})["result_payload"] == {}
    assert "result_payload" not in lifecycle.finished(span("active"), now=NOW)


@pytest.mark.parametrize(
    ("status", "started_at", "finished_at", "expected"),
    [
        ("pending", None, None, (None, None)),
        ("active", None, None, (NOW, None)),
        ("active", EARLIER, None, (EARLIER_TEXT, None)),
        ("complete", None, None, (NOW, NOW)),
        ("complete", EARLIER, None, (EARLIER_TEXT, NOW)),
        ("failed", None, EARLIER, (EARLIER_TEXT, EARLIER_TEXT)),
        ("cancelled", None, EARLIER, (EARLIER_TEXT, EARLIER_TEXT)),
        ("cancelled", None, None, (NOW, NOW)),
    ],
)
def test_the_times_of_a_new_span(
    status: Any, started_at: datetime | None, finished_at: datetime | None, expected: tuple[str | None, str | None]
) -> None:
    """Times are the given ones, else frozen at the call, as far as the status has them."""
    made = lifecycle.created(request(status), id="s", now=NOW, started_at=started_at, finished_at=finished_at)
    assert (made["started_at"], made["finished_at"]) == expected
    assert AgentSpan.model_validate({"type": SPAN, **made}).status == status


def test_a_new_span_takes_what_its_instance_knows() -> None:
    """Account and agent come from the instance, where they are known; the request's own times count."""
    whole = request("active", payload={"q": None}, started_at="2026-01-02T12:00:00+09:00", parent_span_id="p")
    made = lifecycle.created(whole, id="s", now=NOW, instance=instance("active"), parent=span("active"))
    assert (made["agent_id"], made["account_id"], made["payload"]) == ("g", None, {"q": None})
    assert (made["started_at"], made["parent_span_id"]) == (EARLIER_TEXT, "p")


def test_what_a_new_span_cannot_have() -> None:
    """A result before the end, and a parent of another instance, are refused by field."""
    stranger = {**span("active"), "agent_instance_id": "other"}
    with pytest.raises(PrefactorValidationError) as caught:
        lifecycle.created(request("active", result_payload={}, parent_span_id="p"), id="s", now=NOW, parent=stranger)
    assert set(caught.value.errors) == {"result_payload", "parent_span_id"}
    assert refused(caught) == ("validation_errors", 422)


@pytest.mark.parametrize(("before", "outcome"), [("active", "failed"), ("active", "cancelled"), ("pending", "cancelled")])
def test_an_unsent_create_and_its_finish_are_one_create(before: Any, outcome: Any) -> None:
    """The folded create makes the very row that create and finish made one after the other."""
    row = span(before, payload={"q": 1})
    changes = lifecycle.finished(row, now=LATER, status=outcome, timestamp=EARLIER, result_payload={"r": 2})
    details = {"agent_instance_id": "i", "schema_name": "llm", "status": before, "payload": {"q": 1}, "idempotency_key": "k"}
    details |= {"started_at": row["started_at"]} if row["started_at"] else {}
    folded = lifecycle.folded(details, changes)
    assert (folded["idempotency_key"], details["status"]) == ("k", before)
    again = lifecycle.created(CreateAgentSpanRequest.model_validate(folded), id="s", now=NOW)
    assert {**again, "updated_at": LATER} == {**row, **changes}


@given(st.lists(st.tuples(st.sampled_from(STATUSES), st.sampled_from(STATUSES[2:])), max_size=20))
def test_counts_are_those_of_the_spans(lives: list[tuple[str, str]]) -> None:
    """After any creates and finishes the counters equal a count of the spans."""
    counts: Any = instance("active")["span_counts"]
    ends = []
    for first, last in lives:
        counts = lifecycle.counted(counts, first)
        finishes = first == "active"
        counts = lifecycle.counted(counts, last, before=first) if finishes else counts
        ends.append(last if finishes else first)
    expected = {status: ends.count(status) for status in STATUSES}
    finished = sum(expected[status] for status in STATUSES[2:])
    assert counts == {"total": len(lives), **expected, "finished": finished}


def test_unknown_counts_stay_unknown() -> None:
    """Of an instance made elsewhere nobody here knows the counts; a missing counter counts from zero."""
    assert lifecycle.counted(None, "active") is None
    counts = lifecycle.counted({"total": 3, "active": 0}, "complete", before="active")
    assert counts is not None
    assert (counts["total"], counts["active"], counts["finished"]) == (3, 0, 1)


def test_a_span_must_be_here_to_be_finished() -> None:
    """An unknown record is not found, in the API's words, and the note says how to get it."""
    assert lifecycle.existing({"id": "s"}, SPAN, "s") == {"id": "s"}
    with pytest.raises(PrefactorNotFoundError, match="Agent span not found") as caught:
        lifecycle.existing(None, SPAN, "s")
    assert refused(caught) == ("not_found", 404)
    assert "syncer pull prefactor" in caught.value.__notes__[0]


def test_an_id_is_given_once() -> None:
    """A second record of one id is refused by field."""
    lifecycle.absent(None, INSTANCE, "i")
    with pytest.raises(PrefactorValidationError) as caught:
        lifecycle.absent({"id": "i"}, INSTANCE, "i")
    assert caught.value.errors == {"id": ["i has already been taken by another agent instance"]}


def test_the_same_call_again_is_a_repeat() -> None:
    """Same key and same call: a repeat, in whatever order and zone the arguments come."""
    first = lifecycle.fingerprint("finish", {"id": "i", "timestamp": EARLIER})
    later = lifecycle.fingerprint("finish", {"timestamp": EARLIER.astimezone(timezone(timedelta(hours=9))), "id": "i"})
    assert lifecycle.is_repeat("k", None, first) is False
    assert lifecycle.is_repeat("k", first, later) is True


@pytest.mark.parametrize(
    ("operation", "arguments"), [("finish", {"id": "j"}), ("start", {"id": "i"}), ("finish", {"id": None})]
)
def test_another_call_under_the_same_key_is_a_conflict(operation: str, arguments: dict[str, Any]) -> None:
    """A key stands for one call: another body, or another operation, is refused."""
    seen = lifecycle.fingerprint("finish", {"id": "i"})
    with pytest.raises(PrefactorApiError, match="'k' was used for another request") as caught:
        lifecycle.is_repeat("k", seen, lifecycle.fingerprint(operation, arguments))
    assert refused(caught) == ("idempotency_key_reused", 409)


def test_arguments_that_cannot_be_sent() -> None:
    """What JSON cannot hold fails before anything is stored; any text can be told apart."""
    with pytest.raises(TypeError, match="set cannot be sent as JSON"):
        lifecycle.fingerprint("create", {"payload": {"a": {1}}})
    assert lifecycle.fingerprint("create", {"payload": {"a": "\ud800"}})


def test_keys_of_a_caller() -> None:
    """A key has at most 64 characters; an empty one is none."""
    assert lifecycle.checked_key("k" * 64) == "k" * 64
    assert lifecycle.checked_key("") is None
    assert lifecycle.checked_key(None) is None
    with pytest.raises(ValueError, match="at most 64 characters"):
        lifecycle.checked_key("k" * 65)


def test_times_of_a_caller() -> None:
    """An aware time is converted to UTC, a naive one is UTC already."""
    assert lifecycle.moment(EARLIER.astimezone(timezone(timedelta(hours=-5)))) == EARLIER_TEXT
    assert lifecycle.moment(EARLIER.replace(tzinfo=None)) == EARLIER_TEXT
    assert lifecycle.moment(None) is None
