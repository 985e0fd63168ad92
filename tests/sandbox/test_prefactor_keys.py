"""Prefactor's idempotency keys."""

from __future__ import annotations

import http.client
import json

import pytest

KEY = "key-0001"


def test_a_repeated_key_gets_the_first_answer_and_nothing_happens(prefactor, sandbox):
    """Register, start, span create, span finish and finish, each sent twice, take effect once each."""
    first = prefactor.register(idempotency_key="r" * 8)
    made = first.details["id"]
    assert prefactor.register(idempotency_key="r" * 8).text == first.text
    started = prefactor.act(made, "start", idempotency_key="s" * 8)
    span = prefactor.span(made, idempotency_key="c" * 8)
    for _ in range(2):
        assert prefactor.act(made, "start", idempotency_key="s" * 8).text == started.text
        assert prefactor.span(made, idempotency_key="c" * 8).text == span.text
    closed = prefactor.finish_span(span.details["id"], idempotency_key="d" * 8)
    ended = prefactor.act(made, "finish", idempotency_key="f" * 8)
    assert prefactor.act(made, "finish", idempotency_key="f" * 8).text == ended.text
    assert prefactor.finish_span(span.details["id"], idempotency_key="d" * 8).text == closed.text
    assert prefactor.act(made, "start", idempotency_key="s" * 8).text == started.text
    assert sandbox.prefactor.effects_by_key() == {key * 8: 1 for key in "rscdf"}
    assert [use.repeats for use in sandbox.prefactor.key_uses()] == [1, 3, 2, 1, 1]


def test_without_a_key_a_repeat_is_a_second_record(prefactor, sandbox):
    """Only the key protects a create."""
    made = prefactor.active()
    assert prefactor.span(made).details["id"] != prefactor.span(made).details["id"]
    assert sandbox.prefactor.count("agent_span") == 2


def test_the_key_of_a_span_may_be_inside_or_beside_its_details(prefactor, sandbox):
    """Both places mean the same key; both at once are fine when they are equal."""
    details = {"agent_instance_id": prefactor.active(), "schema_name": "s", "status": "active"}
    bodies = [
        {"details": details | {"idempotency_key": KEY}},
        {"details": details, "idempotency_key": KEY},
        {"details": details | {"idempotency_key": KEY}, "idempotency_key": KEY},
    ]
    assert len({prefactor.post("/agent_spans", body).details["id"] for body in bodies}) == 1
    assert sandbox.prefactor.count("agent_span") == 1
    twice = {"details": details | {"idempotency_key": KEY}, "idempotency_key": "other"}
    assert prefactor.post("/agent_spans", twice).errors == {"idempotency_key": ["differs from the one inside details"]}


def test_a_key_with_another_body_is_refused(prefactor, sandbox):
    """Other fields, or another record in the path, under a used key are 409 idempotency_key_reused."""
    made = prefactor.active()
    prefactor.span(made, payload={"a": 1}, idempotency_key=KEY)
    assert prefactor.span(made, payload={"a": 2}, idempotency_key=KEY).refusal == (409, "idempotency_key_reused")
    one, other = (prefactor.register().details["id"] for _ in range(2))
    prefactor.act(one, "start", idempotency_key=KEY)
    assert prefactor.act(other, "start", idempotency_key=KEY).refusal == (409, "idempotency_key_reused")
    assert sandbox.prefactor.count("agent_span") == 1


def test_a_body_is_the_same_whatever_the_order_of_its_fields(prefactor):
    """Two spellings of one JSON object are one body."""
    details = {"agent_instance_id": prefactor.active(), "schema_name": "s", "status": "active", "payload": {"a": 1, "b": 2}}
    first = prefactor.post("/agent_spans", {"details": details, "idempotency_key": KEY}).details
    turned = dict(reversed(details.items())) | {"payload": {"b": 2, "a": 1}}
    assert prefactor.post("/agent_spans", {"idempotency_key": KEY, "details": turned}).details == first


def test_keys_of_different_endpoints_do_not_meet(prefactor):
    """One key may serve a register and a start."""
    made = prefactor.register(idempotency_key=KEY).details["id"]
    assert prefactor.act(made, "start", idempotency_key=KEY).details["status"] == "active"


def test_a_refused_request_may_come_again_with_its_key(prefactor):
    """Nothing was applied, so nothing is remembered: the same bytes succeed once their reason is gone."""
    made = prefactor.register().details["id"]
    assert prefactor.act(made, "finish", idempotency_key=KEY).refusal == (409, "invalid_action")
    prefactor.act(made, "start")
    assert prefactor.act(made, "finish", idempotency_key=KEY).details["status"] == "complete"


@pytest.mark.parametrize("key", ["", "k" * 65, 7, ["k"]])
def test_a_key_has_1_to_64_characters(prefactor, sandbox, key):
    """Anything else is refused, and nothing is made."""
    assert prefactor.register(idempotency_key=key).errors.keys() == {"idempotency_key"}
    assert sandbox.prefactor.count("agent_instance") == 0
    assert prefactor.register(idempotency_key="k" * 64).details


def test_the_header_is_no_key(prefactor, sandbox):
    """Nobody knows whether the service reads Idempotency-Key, so it protects nothing here."""
    body = {"details": {"agent_instance_id": prefactor.active(), "schema_name": "s", "status": "active"}}
    for _ in range(2):
        headers = prefactor.headers | {"Idempotency-Key": KEY}
        assert prefactor.send("POST", "/agent_spans", json.dumps(body).encode(), headers).status == 200
    assert sandbox.prefactor.count("agent_span") == 2


def test_a_lost_reply_is_told_again(prefactor, sandbox):
    """The request was applied; its repeat gets the answer that was lost, control signal included."""
    made = prefactor.active()
    sandbox.faults.lose_next_reply()
    sandbox.prefactor.control_next(reason="stop")
    with pytest.raises(http.client.RemoteDisconnected):
        prefactor.span(made, idempotency_key=KEY)
    reply = prefactor.span(made, idempotency_key=KEY)
    assert reply.json["control"] == {"terminate": True, "reason": "stop"}
    assert [row["id"] for row in sandbox.prefactor.rows("agent_span")] == [reply.details["id"]]
    assert sandbox.prefactor.effects_by_key() == {KEY: 1}
