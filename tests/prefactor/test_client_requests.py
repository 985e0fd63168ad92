"""Bulk, and requests in the API's own form."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from syncer import Workspace
from syncer.adapters.prefactor import pfid
from syncer.prefactor import (
    BulkItem,
    BulkRequest,
    BulkResponse,
    HttpClientConfig,
    PrefactorAuthError,
    PrefactorClientError,
    PrefactorHttpClient,
    PrefactorNotFoundError,
    PrefactorResponseContractError,
    PrefactorRetryExhaustedError,
    PrefactorValidationError,
)
from syncer.sandbox import Sandbox
from tests.files import rows

AGENT = str(pfid.Pfid(1, 77, 5))
FAST: dict[str, Any] = {"initial_retry_delay": 0.001, "max_retry_delay": 0.002}


@pytest.fixture
def client(ws: Workspace) -> PrefactorHttpClient:
    """A client without network."""
    return PrefactorHttpClient(HttpClientConfig("http://127.0.0.1:9", "nobody", **FAST), workspace=ws)


@pytest.fixture
def online(ws: Workspace, sandbox: Sandbox) -> PrefactorHttpClient:
    """A client that reaches the sandbox."""
    url, token = sandbox.settings["PREFACTOR_API_URL"], sandbox.settings["PREFACTOR_API_TOKEN"]
    return PrefactorHttpClient(HttpClientConfig(url + "/", token, **FAST), workspace=ws)


def execute(client: PrefactorHttpClient, *items: tuple[str, str, dict[str, Any]]) -> BulkResponse:
    """Run bulk items: (type, key, parameters)."""
    made = [BulkItem(_type=kind, idempotency_key=key, **given) for kind, key, given in items]
    return asyncio.run(client.bulk.execute(BulkRequest(items=made)))


def ask(client: PrefactorHttpClient, method: str, path: str, **given: Any) -> dict[str, Any]:
    """One raw request."""
    return asyncio.run(client.request(method, path, **given))


def waiting(path: Path) -> list[tuple[str, str]]:
    """Operations that wait, with their keys."""
    return rows(path, "SELECT op, idem_key FROM outbox ORDER BY seq")


def test_bulk_does_all_operations_in_order(client: PrefactorHttpClient, path: Path) -> None:
    """A whole run in one call, lists included; each key has its output."""
    mine, span = pfid.mint(77), pfid.mint(77)
    done = execute(
        client,
        (
            "agent_instances/register",
            "key-0001",
            {"agent_id": AGENT, "agent_version": {}, "agent_schema_version": {}, "id": mine},
        ),
        ("agent_instances/start", "key-0002", {"agent_instance_id": mine, "timestamp": "2026-01-01T00:00:00Z"}),
        (
            "agent_spans/create",
            "key-0003",
            {"details": {"agent_instance_id": mine, "schema_name": "s", "status": "active", "id": span}},
        ),
        ("agent_spans/create", "key-0004", {"agent_instance_id": mine, "schema_name": "flat", "status": "pending"}),
        ("agent_spans/finish", "key-0005", {"agent_span_id": span, "result_payload": {"a": 1}}),
        ("agent_spans/list", "key-0006", {"agent_instance_id": mine}),
        ("agent_instances/finish", "key-0007", {"agent_instance_id": mine, "status": "failed"}),
        ("agent_instances/show", "key-0008", {"agent_instance_id": mine}),
        ("agent_instances/list", "key-0009", {"agent_id": AGENT}),
    )
    assert {output.status for output in done.outputs.values()} == {"success"}
    assert list(done.outputs) == [f"key-000{n}" for n in range(1, 10)]
    extras = {key: output.model_extra or {} for key, output in done.outputs.items()}
    assert extras["key-0002"]["details"]["started_at"] == "2026-01-01T00:00:00Z"
    assert [s["status"] for s in extras["key-0006"]["summaries"]] == ["complete", "pending"]
    assert extras["key-0008"]["details"] == extras["key-0009"]["summaries"][0] == extras["key-0007"]["details"]
    assert [op for op, _ in waiting(path)] == ["create", "start", "create", "create", "finish"]


def test_bulk_stops_at_the_first_error(client: PrefactorHttpClient, path: Path) -> None:
    """Items before it stay done, it tells what is wrong, later ones are missing.

    Once repaired all of it may be sent again.
    """
    mine = pfid.mint(77)
    first = ("agent_instances/register", "key-0001", {"agent_id": AGENT, "id": mine})
    last = ("agent_instances/start", "key-0003", {"agent_instance_id": mine})
    wrong = ("agent_spans/create", "key-0002", {"agent_instance_id": mine, "schema_name": "s", "status": "paused"})
    outputs = execute(client, first, wrong, last).outputs
    assert list(outputs) == ["key-0001", "key-0002"]
    assert outputs["key-0002"].model_dump()["code"] == "validation_errors"
    assert "status" in outputs["key-0002"].model_dump()["errors"]
    right = ("agent_spans/create", "key-0002", {"agent_instance_id": mine, "schema_name": "s", "status": "active"})
    assert {o.status for o in execute(client, first, right, last).outputs.values()} == {"success"}
    assert sorted(waiting(path)) == [("create", "key-0001"), ("create", "key-0002"), ("start", "key-0003")]


@pytest.mark.parametrize(
    ("kind", "given", "code"),
    [
        ("agents/create", {}, "not_supported"),
        ("agent_instances/start", {}, "validation_errors"),
        ("agent_instances/show", {"agent_instance_id": "nobody"}, "not_found"),
        ("agent_spans/create", {"details": [1]}, "validation_errors"),
        ("agent_spans/finish", {"agent_span_id": "x", "details": {"status": "complete"}}, "validation_errors"),
        ("agent_spans/finish", {"agent_span_id": "x", "timestamp": "noon"}, "validation_errors"),
        ("agent_spans/list", {}, "validation_errors"),
    ],
)
def test_bulk_items_that_cannot_be(
    client: PrefactorHttpClient, path: Path, kind: str, given: dict[str, Any], code: str
) -> None:
    """Each is an error output, with nothing stored."""
    (output,) = execute(client, (kind, "key-0001", given)).outputs.values()
    assert (output.status, output.model_dump()["code"], waiting(path)) == ("error", code, [])


def test_bulk_keys(client: PrefactorHttpClient) -> None:
    """Keys have 8 to 64 characters and come once."""
    for keys in (["short"], ["k" * 65], ["key-0001", "key-0001"], []):
        with pytest.raises(ValidationError):
            execute(client, *(("agent_spans/list", key, {}) for key in keys))


def test_raw_writes_are_stored_like_those_of_the_endpoints(client: PrefactorHttpClient, path: Path) -> None:
    """Paths of the endpoints lead to the same rows and changes; the key may come as header or in the body."""
    body = {"agent_id": AGENT, "agent_version": {}, "agent_schema_version": {}}
    made = ask(client, "POST", "/api/v1/agent_instance/register", json_data=body, idempotency_key="header-1")
    mine = made["details"]["id"]
    assert (made["status"], made["details"]["status"]) == ("success", "pending")
    ask(client, "post", f"/api/v1/agent_instance/{mine}/start", json_data={"timestamp": None, "idempotency_key": "body-1"})
    details = {"agent_instance_id": mine, "schema_name": "s", "status": "active", "payload": None, "idempotency_key": "in-1"}
    span = ask(client, "POST", "/api/v1/agent_spans", json_data={"details": details})["details"]["id"]
    assert waiting(path)[:3] == [("create", "header-1"), ("start", "body-1"), ("create", "in-1")]
    ask(client, "POST", f"/api/v1/agent_spans/{span}/finish")
    item = {"_type": "agent_instances/finish", "idempotency_key": "bulk-0001", "agent_instance_id": mine}
    answer = ask(client, "POST", "/api/v1/bulk", json_data={"items": [item]})
    assert answer["outputs"]["bulk-0001"]["details"]["status"] == "complete"
    with pytest.raises(PrefactorValidationError):
        ask(client, "POST", "/api/v1/agent_instance/register", json_data={})


@pytest.mark.parametrize(
    ("method", "where"),
    [
        ("POST", "/api/v1/agent"),
        ("PUT", "/api/v1/agent_instance/x"),
        ("DELETE", "/api/v1/agent/x"),
        ("POST", "/x"),
        ("POST", "/api/v1/agent_instance/x/terminate"),
    ],
)
def test_other_writes_are_refused(client: PrefactorHttpClient, method: str, where: str) -> None:
    """What would need the network and has no place in the outbox says so."""
    with pytest.raises(PrefactorClientError, match="cannot be done offline"):
        ask(client, method, where, json_data={})


def test_reads_go_to_the_network(online: PrefactorHttpClient, sandbox: Sandbox) -> None:
    """A GET asks the API with the configuration's address and token, and tells its errors in the original's classes."""
    there = sandbox.prefactor.put("agent_instance")
    assert ask(online, "GET", f"/api/v1/agent_instance/{there['id']}")["details"]["id"] == there["id"]
    query = {"agent_id": there["agent_id"], "pagination[page_size]": 1, "unset": None}
    assert len(ask(online, "GET", "/api/v1/agent_instance", params=query)["summaries"]) == 1
    with pytest.raises(PrefactorNotFoundError):
        ask(online, "GET", "/api/v1/agent_instance/nobody")
    with pytest.raises(PrefactorValidationError):
        ask(online, "GET", "/api/v1/agent_instance")
    online.config.api_token = "wrong"
    with pytest.raises(PrefactorAuthError):
        ask(online, "GET", "/api/v1/ping")
    sandbox.faults.html_next()
    with pytest.raises(PrefactorResponseContractError):
        ask(online, "GET", "/api/v1/ping")


def test_reads_are_tried_again(online: PrefactorHttpClient, sandbox: Sandbox) -> None:
    """Failures and lost answers are repeated as often as the configuration says, then the last one is told."""
    sandbox.faults.fail_next(503)
    sandbox.faults.lose_next_reply()
    assert ask(online, "GET", "/api/v1/ping") == {"status": "success"}
    before = sandbox.requests
    sandbox.faults.fail_next(500, count=4)
    with pytest.raises(PrefactorRetryExhaustedError, match=r"Request to /api/v1/ping failed after 4 attempts"):
        ask(online, "GET", "/api/v1/ping")
    assert sandbox.requests - before == 4


def test_reads_without_network(client: PrefactorHttpClient) -> None:
    """Nobody answers: the error says so; credentials are not sent unencrypted to other machines."""
    with pytest.raises(PrefactorRetryExhaustedError) as lost:
        ask(client, "GET", "/api/v1/ping")
    assert "connection refused" in str(lost.value.last_error)
    client.config.api_url = "http://example.com"
    with pytest.raises(PrefactorClientError, match="unencrypted"):
        ask(client, "GET", "/api/v1/ping")
