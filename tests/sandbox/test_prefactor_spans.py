"""Prefactor's spans: what can be created, and finished."""

from __future__ import annotations

import pytest
from freezegun import freeze_time

from tests.sandbox.rest import SPAN, assert_shape

AT = "2024-05-06T07:08:09.123456Z"
LATER = "2024-05-06T07:08:10.000000Z"


@pytest.mark.parametrize("status", ["pending", "active", "complete", "failed", "cancelled"])
def test_a_span_can_be_created_in_any_status(prefactor, status):
    """A span that runs has started, one that ended has finished too, a pending one neither."""
    with freeze_time("2026-01-02T03:04:05Z"):
        made = prefactor.span(prefactor.active(), status).details
    assert_shape(made, SPAN)
    now = "2026-01-02T03:04:05.000000Z"
    assert made["status"] == status
    assert made["started_at"] == (None if status == "pending" else now)
    assert made["finished_at"] == (None if status in ("pending", "active") else now)


def test_everything_given_is_kept(prefactor):
    """Payloads with nulls inside, times and ids come back as they were sent; unknown fields are ignored."""
    instance = prefactor.active()
    parent = prefactor.span(instance).details["id"]
    given = {
        "id": "013xrzp12g3nqk8ndr93q068mw7y0nv0",
        "parent_span_id": parent,
        "payload": {"a": 1, "n": None, "deep": {"m": None}},
        "result_payload": {"r": None},
        "started_at": AT,
        "finished_at": LATER,
    }
    made = prefactor.span(instance, "complete", **given, unheard_of=1).details
    assert {name: made[name] for name in given} == given
    assert "unheard_of" not in made
    assert prefactor.span(instance, id=given["id"]).errors == {"id": ["has already been taken"]}


@pytest.mark.parametrize("status", ["pending", "active"])
def test_results_need_a_finished_status(prefactor, sandbox, status):
    """Even an empty result is refused for an open span, as is an end."""
    reply = prefactor.span(prefactor.active(), status, result_payload={}, finished_at=AT)
    assert reply.errors.keys() == {"result_payload", "finished_at"}
    assert sandbox.prefactor.count("agent_span") == 0


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"status": "terminated"}, "status"),
        ({"status": None}, "status"),
        ({"schema_name": ""}, "schema_name"),
        ({"payload": []}, "payload"),
        ({"agent_instance_id": None}, "agent_instance_id"),
        ({"started_at": "soon"}, "started_at"),
        ({"id": "short"}, "id"),
    ],
)
def test_a_span_with_wrong_fields_is_refused(prefactor, sandbox, fields, named):
    """The field is named, and nothing is made."""
    assert prefactor.span(**{"instance_id": prefactor.active(), **fields}).errors.keys() == {named}
    assert sandbox.prefactor.count("agent_span") == 0


def test_details_are_needed(prefactor):
    """Flat fields, as for the other endpoints, are not a span."""
    flat = {"agent_instance_id": prefactor.active(), "schema_name": "s", "status": "active"}
    assert prefactor.post("/agent_spans", flat).errors == {"details": ["can't be blank"]}
    assert prefactor.post("/agent_spans", {"details": [flat]}).errors == {"details": ["is not an object"]}


def test_parents_must_exist(prefactor):
    """An unknown instance is 404; an unknown parent span, or one of another instance, is refused."""
    instance = prefactor.active()
    elsewhere = prefactor.span(prefactor.active()).details["id"]
    assert prefactor.span("nowhere").refusal == (404, "not_found")
    for parent in ("nowhere", elsewhere):
        assert prefactor.span(instance, parent_span_id=parent).errors.keys() == {"parent_span_id"}


def test_spans_may_come_before_the_start_but_not_after_the_end(prefactor):
    """A pending instance takes spans, a finished one does not; open spans may still be finished."""
    instance = prefactor.register().details["id"]
    span = prefactor.span(instance).details["id"]
    prefactor.act(instance, "start")
    prefactor.act(instance, "finish")
    assert prefactor.span(instance).refusal == (409, "invalid_action")
    assert prefactor.finish_span(span).details["status"] == "complete"


def test_a_span_finishes(prefactor):
    """Result, status and time are those given; the default is complete and now; the payload stays."""
    instance = prefactor.active()
    first = prefactor.span(instance, payload={"q": 1}).details["id"]
    done = prefactor.finish_span(first, status="failed", result_payload={"x": None}, timestamp=AT).details
    assert (done["status"], done["result_payload"], done["finished_at"]) == ("failed", {"x": None}, AT)
    assert done["payload"] == {"q": 1}
    second = prefactor.span(instance).details["id"]
    with freeze_time("2026-01-02T03:04:05Z"):
        done = prefactor.finish_span(second).details
    assert (done["status"], done["finished_at"]) == ("complete", "2026-01-02T03:04:05.000000Z")
    counts = prefactor.get(f"/agent_instance/{instance}").details["span_counts"]
    assert counts == {"total": 2, "pending": 0, "active": 0, "complete": 1, "failed": 1, "cancelled": 0, "finished": 2}


def test_a_pending_span_can_only_be_cancelled(prefactor):
    """It then started and finished at the same moment."""
    span = prefactor.span(prefactor.active(), "pending").details["id"]
    assert prefactor.finish_span(span).refusal == (409, "invalid_action")
    done = prefactor.finish_span(span, status="cancelled", timestamp=AT).details
    assert (done["status"], done["started_at"], done["finished_at"]) == ("cancelled", AT, AT)


@pytest.mark.parametrize(
    ("before", "status"),
    [("active", "cancelled"), ("complete", "complete"), ("failed", "complete"), ("cancelled", "cancelled")],
)
def test_a_finish_that_the_status_does_not_allow_is_refused(prefactor, sandbox, before, status):
    """It is 409 invalid_action and changes nothing."""
    span = prefactor.span(prefactor.active(), before).details
    assert prefactor.finish_span(span["id"], status=status).refusal == (409, "invalid_action")
    assert sandbox.prefactor.get("agent_span", span["id"]) == span


def test_a_span_nobody_knows_is_not_found(prefactor):
    """Finishing an unknown span is 404."""
    assert prefactor.finish_span("nowhere").refusal == (404, "not_found")


def test_titles_and_summaries_come_from_the_schema(prefactor):
    """The declared title, else the name; the template filled in from payload and result."""
    declared = {"name": "s", "params_schema": {}, "title": "Step", "template": "{{q}} gives {{ a }}, not {{none}}"}
    instance = prefactor.active(agent_schema_version={"span_type_schemas": [declared]})
    span = prefactor.span(instance, payload={"q": "why"}).details
    assert (span["schema_title"], span["summary"]) == ("Step", "why gives , not ")
    done = prefactor.finish_span(span["id"], result_payload={"a": [42]}).details
    assert done["summary"] == "why gives [42], not "
    other = prefactor.span(instance, schema_name="undeclared").details
    assert (other["schema_title"], other["summary"]) == ("undeclared", None)
