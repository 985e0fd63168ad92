"""Prefactor's bulk requests."""

from __future__ import annotations

import pytest


def register(key, **fields):
    """An item that registers an instance."""
    return {
        "_type": "agent_instances/register",
        "idempotency_key": key,
        "agent_id": "A",
        "agent_version": {},
        "agent_schema_version": {},
        **fields,
    }


def span(key, instance, **fields):
    """An item that creates a span."""
    details = {"agent_instance_id": instance, "schema_name": "s", "status": "active", **fields}
    return {"_type": "agent_spans/create", "idempotency_key": key, "details": details}


def act(kind, key, **fields):
    """Any other item."""
    return {"_type": kind, "idempotency_key": key, **fields}


def test_every_operation_works_in_bulk(prefactor, sandbox):
    """Each output is what the operation alone would answer, under its item's key; nulls among the fields do not matter."""
    made = prefactor.bulk(register("register-1", extra_none=None)).json["outputs"]["register-1"]["details"]["id"]
    reply = prefactor.bulk(
        act("agent_instances/start", "start-01", agent_instance_id=made, timestamp=None),
        span("create-1", made),
        act("agent_instances/show", "show-001", agent_instance_id=made),
        act("agent_instances/list", "list-001", agent_id="A", pagination={"page_size": 1}),
        act("agent_spans/list", "list-002", agent_instance_id=made),
    )
    outputs = reply.json["outputs"]
    assert reply.status == 200
    assert reply.json["status"] == "success"
    assert {output["status"] for output in outputs.values()} == {"success"}
    assert outputs["show-001"]["details"]["span_counts"]["active"] == 1
    assert outputs["list-001"]["pagination"]["page_size"] == 1
    (found,) = outputs["list-002"]["summaries"]
    reply = prefactor.bulk(
        act("agent_spans/finish", "finish-1", agent_span_id=found["id"], result_payload={"r": 1}),
        act("agent_instances/finish", "finish-2", agent_instance_id=made),
    )
    assert reply.json["outputs"]["finish-1"]["details"]["result_payload"] == {"r": 1}
    assert reply.json["outputs"]["finish-2"]["details"]["status"] == "complete"
    assert len(sandbox.prefactor.effects_by_key()) == 5


def test_a_bulk_stops_at_the_first_error(prefactor, sandbox):
    """What came before stays applied, the failed key says why, later keys are missing; HTTP is 200."""
    made = prefactor.active()
    reply = prefactor.bulk(span("item-001", made), span("item-002", "nowhere"), span("item-003", made))
    assert reply.status == 200
    assert reply.json["status"] == "success"
    assert reply.json["outputs"].keys() == {"item-001", "item-002"}
    assert reply.json["outputs"]["item-002"] == {
        "status": "error",
        "code": "not_found",
        "message": "Agent instance not found",
    }
    assert sandbox.prefactor.count("agent_span") == 1
    assert set(sandbox.prefactor.effects_by_key()) == {"item-001"}


def test_a_repeated_bulk_processes_only_what_was_not(prefactor, sandbox):
    """Keys that succeeded answer as before, the others are tried again."""
    made = prefactor.active()
    late = "013xrzp12g3nqk8ndr93q068mw7y0nv0"
    items = [span("item-001", made), span("item-002", made, parent_span_id=late), span("item-003", made)]
    first = prefactor.bulk(*items).json["outputs"]
    assert first["item-002"]["errors"].keys() == {"parent_span_id"}
    prefactor.span(made, id=late)
    again = prefactor.bulk(*items).json["outputs"]
    assert again["item-001"] == first["item-001"]
    assert {output["status"] for output in again.values()} == {"success"}
    assert sandbox.prefactor.effects_by_key() == {"item-001": 1, "item-002": 1, "item-003": 1}


def test_a_key_is_the_same_in_bulk_and_alone(prefactor, sandbox):
    """What went out in a bulk may be repeated as a single request."""
    made = prefactor.active()
    inside = prefactor.bulk(span("item-001", made)).json["outputs"]["item-001"]["details"]
    assert prefactor.span(made, idempotency_key="item-001").details == inside
    assert sandbox.prefactor.count("agent_span") == 1


def test_a_flat_span_is_taken_in_bulk(prefactor):
    """The vendor's examples send it so, and so does the recorded client."""
    flat = act("agent_spans/create", "item-001", agent_instance_id=prefactor.active(), schema_name="s", status="active")
    assert prefactor.bulk(flat).json["outputs"]["item-001"]["details"]["status"] == "active"


def test_a_wrapped_span_finish_loses_its_result_in_silence(prefactor):
    """As live: the span is finished, the fields inside details are not read."""
    made = prefactor.span(prefactor.active()).details["id"]
    item = act(
        "agent_spans/finish", "item-001", agent_span_id=made, details={"result_payload": {"r": 1}, "status": "failed"}
    )
    done = prefactor.bulk(item).json["outputs"]["item-001"]["details"]
    assert (done["status"], done["result_payload"]) == ("complete", None)


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ({"_type": "agents/paint"}, "_type"),
        ({"_type": None}, "_type"),
        ({"idempotency_key": "seven77"}, "idempotency_key"),
        ({"idempotency_key": "k" * 65}, "idempotency_key"),
        ({"idempotency_key": None}, "idempotency_key"),
        ({"idempotency_key": "item-001"}, "idempotency_key"),
    ],
)
def test_a_malformed_item_refuses_the_whole_request(prefactor, sandbox, item, named):
    """Unknown types, keys that are missing, too short, too long or there twice: 422, and nothing is applied."""
    made = prefactor.active()
    reply = prefactor.bulk(span("item-001", made), span("item-002", made) | item)
    assert reply.errors == {"items": {"1": {named: reply.errors["items"]["1"][named]}}}
    assert sandbox.prefactor.count("agent_span") == 0


@pytest.mark.parametrize("body", [{}, {"items": []}, {"items": {}}, {"items": ["x"]}])
def test_a_bulk_needs_items(prefactor, body):
    """A list with at least one object."""
    assert prefactor.post("/bulk", body).errors.keys() == {"items"}


def test_a_lost_bulk_reply_leaves_every_item_applied_once(prefactor, sandbox):
    """The whole request repeated answers for every key, and doubles nothing."""
    made = prefactor.active()
    items = [span(f"item-{number:03}", made) for number in range(20)]
    sandbox.faults.lose_next_reply()
    with pytest.raises(ConnectionError):
        prefactor.bulk(*items)
    assert len(prefactor.bulk(*items).json["outputs"]) == 20
    assert set(sandbox.prefactor.effects_by_key().values()) == {1}
    assert sandbox.prefactor.count("agent_span") == 20
