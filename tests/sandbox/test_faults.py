"""What goes wrong on demand, and what stays applied."""

from __future__ import annotations

import http.client
import json
import socket
from collections import Counter

import pytest

from syncer.sandbox import Faults, Options, Sandbox

CREATE = "mutation C($i: CreateScoreResultInput!) { r: createScoreResult(input: $i) { id } }"


def test_a_lost_reply_is_applied_without_a_byte(call, sandbox, result):
    """The request takes effect once, the connection closes empty, and the next request is served."""
    sandbox.faults.lose_next_reply()
    with pytest.raises(http.client.RemoteDisconnected):
        call(CREATE, {"i": result("r")})
    assert [effect.key for effect in sandbox.effects("ScoreResult", "create")] == ["r"]
    assert call(CREATE, {"i": result("s")}).data
    assert sandbox.requests == 2
    assert sandbox.connections == 2


def test_a_truncated_reply_is_applied_and_cut(call, sandbox, result):
    """The body stops half way through its announced length."""
    sandbox.faults.truncate_next()
    with pytest.raises(http.client.IncompleteRead):
        call(CREATE, {"i": result("r")})
    assert sandbox.count("ScoreResult") == 1


def test_a_failure_comes_before_anything_is_applied(call, sandbox, result):
    """Status, headers and body are as asked for; nothing takes effect; the connection stays."""
    sandbox.faults.fail_next(503, {"Retry-After": "7"}, b"sorry")
    reply = call(CREATE, {"i": result("r")})
    assert (reply.status, reply.headers["Retry-After"], reply.text) == (503, "7", "sorry")
    assert sandbox.count("ScoreResult") == 0
    assert call(CREATE, {"i": result("r")}).data
    assert sandbox.connections == 1


def test_a_captive_portal_answers_with_a_page(call, sandbox, result):
    """HTML at status 200, and nothing applied."""
    sandbox.faults.html_next()
    reply = call(CREATE, {"i": result("r")})
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html")
    assert sandbox.effects() == []


def test_a_stalled_reply_is_applied_and_comes_late(call, sandbox, result):
    """The answer is held back, then sent whole."""
    sandbox.faults.stall_next(0.05)
    assert call(CREATE, {"i": result("r")}).data == {"r": {"id": "r"}}


def test_a_client_that_gives_up_on_a_stalled_reply_leaves_it_applied(sandbox, call, result):
    """A time-out on our side does not undo the request; the sandbox serves on and stops at once."""
    sandbox.faults.stall_next(600)
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=0.2)
    body = json.dumps({"query": CREATE, "variables": {"i": result("r")}})
    connection.request("POST", "/plexus/graphql", body, {"x-api-key": "sandbox-key"})
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    assert call('{ getScoreResult(id: "r") { id } }').data == {"getScoreResult": {"id": "r"}}


def test_switches_are_used_up_in_order(call, sandbox, result):
    """Each request takes one; those in between may be served on purpose."""
    sandbox.faults.fail_next(500, count=2)
    sandbox.faults.serve_next()
    sandbox.faults.fail_next(429)
    statuses = [call(CREATE, {"i": result(f"r{n}")}).status for n in range(5)]
    assert statuses == [500, 500, 200, 429, 200]
    assert sandbox.faults.dealt == {"failed": 3, "served": 2}


def test_throttled_requests_say_when_to_come_back(connect, result):
    """The asked share is answered 429 with Retry-After, and is not applied."""
    with Sandbox(Options(throttle=1.0)) as throttled:
        call = connect(throttled)
        reply = call(CREATE, {"i": result("r")})
        assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
        assert throttled.effects() == []
        throttled.faults.clear()
        assert call(CREATE, {"i": result("r")}).data


def test_parts_of_a_request_are_refused(call, sandbox, result):
    """Some aliases fail for lack of capacity with nothing applied; the others go through."""
    sandbox.faults.refuse_parts_next()
    names = [f"r{n}" for n in range(8)]
    head = ", ".join(f"${name}: CreateScoreResultInput!" for name in names)
    body = " ".join(f"{name}: createScoreResult(input: ${name}) {{ id }}" for name in names)
    reply = call(f"mutation M({head}) {{ {body} }}", {name: result(name) for name in names})
    applied = [name for name in names if reply.json["data"][name]]
    assert 0 < len(applied) < len(names)
    assert [effect.key for effect in sandbox.effects()] == applied
    assert {error["errorType"] for error in reply.json["errors"]} == {"DynamoDB:ThrottlingException"}


def test_rates_are_met_and_repeat_with_the_seed():
    """Over many requests each fault comes about as often as asked, and the same seed deals the same again."""

    def dealt(seed: int) -> list[str]:
        faults = Faults(fail_rate=0.2, lose_reply_rate=0.3, throttle=0.1, seed=seed)
        return [faults.fate(parts=True).name for _ in range(4000)]

    first = dealt(1)
    counts = Counter(first)
    assert first == dealt(1)
    assert first != dealt(2)
    assert counts["throttled"] == pytest.approx(400, rel=0.2)
    assert counts["failed"] == pytest.approx(360, rel=0.2)
    assert counts["partial"] == pytest.approx(360, rel=0.2)
    assert counts["lost"] == pytest.approx(0.9 * 0.8 * 0.3 * 4000, rel=0.2)


def test_changing_one_rate_does_not_move_the_others():
    """The requests that get lost stay the same ones when throttling is added."""

    def lost(throttle: float) -> set[int]:
        faults = Faults(lose_reply_rate=0.3, throttle=throttle, seed=5)
        return {n for n in range(500) if faults.fate(parts=False).name == "lost"}

    assert lost(0.2) < lost(0.0)


def test_failures_without_parts_are_statuses():
    """A protocol that cannot refuse parts of a request gets 500 and 503 only."""
    faults = Faults(fail_rate=1.0)
    statuses = {faults.fate(parts=False).refusal.status for _ in range(50)}
    assert statuses == {500, 503}


def test_everything_is_applied_once_under_a_storm(connect, result):
    """A client that repeats until it has an answer ends with one effect for each record."""
    options = Options(latency_ms=1, fail_rate=0.2, lose_reply_rate=0.2, throttle=0.1, seed=3)
    with Sandbox(options) as stormy:
        call = connect(stormy)
        for number in range(40):
            record = result(f"r{number}", createdAt="2026-01-01T00:00:00.000Z", updatedAt="2026-01-01T00:00:00.000Z")
            while True:
                try:
                    reply = call(CREATE, {"i": record})
                except http.client.RemoteDisconnected:
                    continue
                if reply.status == 200 and "errors" not in reply.json:
                    break
        assert sorted(effect.key for effect in stormy.effects("ScoreResult")) == sorted(f"r{n}" for n in range(40))
        assert {"lost", "failed", "partial", "throttled", "served"} == set(stormy.faults.dealt)


def test_a_request_whose_client_goes_away_is_still_served(call, sandbox):
    """Latency holds the answer back, not the work: hanging up early leaves the effect, as on a real server."""
    sandbox.faults.latency_ms = 30
    body = json.dumps({"query": 'mutation { createAccount(input: {name: "n", key: "k"}) { id } }'}).encode()
    head = f"POST /plexus/graphql HTTP/1.1\r\nHost: x\r\nx-api-key: sandbox-key\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", sandbox.port)) as connection:
        connection.sendall(head.encode() + body)
    for _ in range(50):  # each look takes the latency, and another connection
        if sandbox.count("Account"):
            break
        call("{ listAccounts { items { id } } }", {})
    assert sandbox.count("Account") == 1
