"""The requests that the original REST clients were recorded to send, and what the sandbox owes them.

The answers in the recordings are a test server's, so what is expected here comes from docs/remotes/.
Where that server failed, was silent or hung up, the sandbox is made to do the same, so that retries meet what they met.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from syncer.sandbox import Options, Sandbox
from syncer.sandbox.abeja.credentials import Credentials
from tests.sandbox.rest import INSTANCE, RUN, SPAN, Reply, assert_shape

FOLDER = Path(__file__).parent.parent / "fixtures" / "recorded"
LOST = "connection closed without a response"
RETRIED = {413, 429}

PREFACTOR_REFUSED = {
    "register-empty-key": (422, "validation_errors"),  # an empty id is no PFID, an empty key none
    "span-create-empty-result": (422, "validation_errors"),  # a result before the end
    "span-create-bad-status": (422, "validation_errors"),  # nobody can ask for "terminated"
    "path-not-escaped": (404, "not_found"),
    "raw-request-header-key": (422, "validation_errors"),  # {"x": 1} is no span
    "raw-request-no-body": (404, "not_found"),  # POST /x
}
"""What clients let through although it is wrong, and what becomes of it."""

PREFACTOR_NOT_SERVED = ("new-record-quality", "new-agents-")
ABEJA_REFUSED = {
    "create-retry-99": 400,
    "get-run-unescaped": 404,
    "get-runs-true": 400,  # a token nobody gave out
    "logs-full": 400,
    "recent-full": 400,
    "auth-empty-dict": 401,
    "auth-none": 401,
    "auth-partial": 401,
}


def recorded(name: str) -> list[list[dict[str, Any]]]:
    """The recorded requests, those of one case of one client together."""
    cases: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in (FOLDER / f"{name}.jsonl").read_text().splitlines():
        record = json.loads(line)
        cases.setdefault((record["client"], record["case"]), []).append(record)
    return list(cases.values())


def label(case: list[dict[str, Any]]) -> str:
    """A name for pytest."""
    return f"{case[0]['client']} {case[0]['case']}".replace(" ", "_")


def replay(sandbox: Sandbox, prefix: str, record: dict[str, Any]) -> Reply | None:
    """The sandbox's answer to one recorded request, None when it was lost as in the recording."""
    status = failed(record)
    if record["answered"] == LOST:
        sandbox.faults.lose_next_reply()
    elif status:
        sandbox.faults.fail_next(status)
    query = f"?{record['raw_query']}" if record["raw_query"] else ""
    body = None if record["body"] is None else json.dumps(record["body"]).encode()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)) as connection:
        connection.request(record["method"], prefix + quote(record["path"], safe="/%") + query, body, record["headers"])
        try:
            return Reply(connection.getresponse())
        except http.client.RemoteDisconnected:
            assert record["answered"] == LOST
            return None


def failed(record: dict[str, Any]) -> int | None:
    """The status that the sandbox was made to answer, if it was."""
    answered = record["answered"]
    if isinstance(answered, int) and (answered >= 500 or answered in RETRIED or (answered >= 400 and more_follow(record))):
        return answered
    return None


def more_follow(record: dict[str, Any]) -> bool:
    """True when the client tried again."""
    return record["attempt"] < record["of"]


def is_core(record: dict[str, Any]) -> bool:
    """True for prefactor-core, whose cases are whole runs of several calls."""
    return record["client"].startswith("prefactor-core")


def prepare(sandbox: Sandbox, record: dict[str, Any]) -> None:
    """The records that the request takes for granted, in the status it needs."""
    instance = "pending" if is_core(record) or record["path"].endswith("/start") else "active"
    for name in ("ID", "INST", "I", "I1"):
        sandbox.prefactor.put("agent_instance", id=name, status=instance)
    cancels = record["case"] == "core-cancel-before-start"
    for name in ("PARENT", "SPAN", "S1"):
        sandbox.prefactor.put("agent_span", id=name, agent_instance_id="INST", status="pending" if cancels else "active")


def expected(record: dict[str, Any]) -> tuple[int, str]:
    """Status and code that docs/remotes/prefactor.md wants for a request that met no fault."""
    case = record["case"]
    if case in PREFACTOR_REFUSED:
        return PREFACTOR_REFUSED[case]
    if case.startswith(PREFACTOR_NOT_SERVED):
        return 404, "not_found"
    if case == "core-reordered" and record["path"].endswith("/finish"):
        return 409, "invalid_action"  # it overtook the start, which had failed
    return 200, "success"


def assert_documented(reply: Reply, record: dict[str, Any]) -> None:
    """The body has the form of its endpoint."""
    body = reply.json
    path = record["path"].removeprefix("/api/v1/")
    assert body["status"] == "success"
    if path == "bulk":
        assert {output["status"] for output in body["outputs"].values()} <= {"success", "error"}
        assert set(body["outputs"]) <= {item["idempotency_key"] for item in record["body"]["items"]}
    elif "summaries" in body:
        assert body["pagination"]["page_offset"] == 0
    elif path != "ping":
        assert_shape(body["details"], SPAN if path.startswith("agent_spans") else INSTANCE)


def credentials(record: dict[str, Any]) -> Credentials:
    """The secrets behind the recorded header; the usual ones when there is none."""
    kind, _, text = record["headers"].get("Authorization", "").partition(" ")
    if kind != "Basic":
        return Credentials(token=text) if text else Credentials()
    name, _, secret = base64.b64decode(text).decode().partition(":")
    owner, _, number = name.partition("-")
    if owner == "user":
        return Credentials(user_id=number, personal_access_token=secret)
    return Credentials(datasource_id=number, datasource_secret=secret)


def replay_prefactor(case: list[dict[str, Any]]) -> None:
    """Send the requests of one case to a sandbox of their own; fails unless each is answered as documented."""
    token = case[0]["headers"]["Authorization"].removeprefix("Bearer ")
    names = {"prefactor_deployment_token" if case[0]["case"] == "new-register-deployment" else "prefactor_token": token}
    with Sandbox(Options(**names)) as sandbox:
        for number, record in enumerate(case):
            if number == 0 or (record["attempt"] == 1 and not is_core(record)):
                prepare(sandbox, record)
            reply = replay(sandbox, "/prefactor", record)
            if reply is None:
                continue
            status, code = (failed(record), "failure") if failed(record) else expected(record)
            assert (reply.status, reply.json.get("code", "success")) == (status, code), record["call"]
            if status == 200:
                assert_documented(reply, record)
        assert set(sandbox.prefactor.effects_by_key().values()) <= {1}


def replay_abeja(case: list[dict[str, Any]]) -> None:
    """Send the requests of one case to a sandbox of their own; fails unless each is answered as documented."""
    applied = 0
    with Sandbox(Options(abeja_credentials=credentials(case[0]))) as sandbox:
        sandbox.abeja.put(run_id="run-3333333333333333")
        for record in case:
            reply = replay(sandbox, "/abeja", record)
            elsewhere = 404 if record["path"] == "/elsewhere" else 200
            status = failed(record) or ABEJA_REFUSED.get(record["case"], elsewhere)
            applied += record["method"] == "POST" and status == 200
            if reply is None:
                continue
            assert reply.status == status, record["call"]
            if status != 200:
                assert {"error", "error_description"} <= reply.json.keys()
            elif "run_id" in reply.json:
                assert_shape(reply.json, RUN)
            else:
                assert reply.json.keys() & {"entries", "events"}
        assert len(sandbox.abeja.effects("run", "create")) == applied
