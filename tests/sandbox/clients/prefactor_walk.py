"""Walks every endpoint of the public client ``prefactor-http``, 0.1.0 or newer, unchanged.

Run by the Python of a virtual environment that holds that client and nothing of ours. One JSON object a line goes out:
``{"do": hook}`` asks the test to act on the sandbox and to answer with a line, ``{"facts": ...}`` is the end.
"""

import asyncio
import json
import os
import sys
from datetime import datetime, timezone

import prefactor_http
from prefactor_http import (
    BulkItem,
    BulkRequest,
    HttpClientConfig,
    PrefactorApiError,
    PrefactorAuthError,
    PrefactorHttpClient,
    PrefactorNotFoundError,
    PrefactorRetryExhaustedError,
    PrefactorValidationError,
)

NEW = not prefactor_http.__version__.startswith("0.1.")
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)  # noqa: UP017 - the client allows older Pythons
SCHEMA = {
    "external_identifier": "s1",
    "span_type_schemas": [{"name": "llm", "params_schema": {"type": "object"}, "title": "LLM", "template": "{{q}}"}],
}


def do(hook):
    """Let the test act on the sandbox."""
    sys.stdout.write(json.dumps({"do": hook}) + "\n")
    sys.stdout.flush()
    return json.loads(sys.stdin.readline())


def client(token=None, url=None):
    """The client, with short waits."""
    return PrefactorHttpClient(
        HttpClientConfig(
            url or os.environ["PREFACTOR_API_URL"],
            token or os.environ["PREFACTOR_API_TOKEN"],
            initial_retry_delay=0.01,
            max_retry_delay=0.05,
        )
    )


async def refusal(work):
    """Class, status and code of the exception that ``work`` raises."""
    try:
        await work
    except PrefactorApiError as error:
        return [type(error).__name__, error.status_code, error.code, sorted(getattr(error, "errors", None) or {})]
    except PrefactorRetryExhaustedError as error:
        return [type(error).__name__, error.last_error.status_code, error.last_error.code]
    return None


async def instances(api, facts):
    """Register, start and finish, with everything they take."""
    pfid = (await api.request("POST", "/api/v1/pfid/generate", json_data={"count": 1}))["pfids"][0]
    given = {
        "agent_id": facts["agent_id"],
        "agent_version": {"name": "n", "external_identifier": "v1", "description": None},
        "agent_schema_version": SCHEMA,
        "id": pfid,
        "idempotency_key": "walk-register",
        "update_current_version": False,
    }
    made = await api.agent_instances.register(**given)
    again = await api.agent_instances.register(**given)
    facts["registered"] = [made.id == pfid == again.id, made.status, made.span_counts.total, made.agent_id]
    started = await api.agent_instances.start(made.id, AT, "walk-start-1")
    facts["started"] = [started.status, started.started_at.isoformat()]
    facts["twice"] = await refusal(api.agent_instances.start(made.id))
    return made.id


async def spans(api, facts, instance):
    """Create and finish, with everything they take."""
    first = await api.agent_spans.create(
        instance, "llm", "active", payload={"q": "why", "n": None}, idempotency_key="walk-span-1"
    )
    child = await api.agent_spans.create(
        instance,
        "tool",
        "complete",
        {"a": 1},
        {"r": None},
        parent_span_id=first.id,
        started_at=AT,
        finished_at=AT,
    )
    facts["span"] = [first.status, first.payload, first.schema_title, first.summary]
    facts["child"] = [child.parent_span_id == first.id, child.result_payload, child.finished_at.isoformat()]
    done = await api.agent_spans.finish(first.id, "failed", {"x": 1}, AT, "walk-span-2")
    facts["finished_span"] = [done.status, done.result_payload, done.finished_at.isoformat()]
    do("lose")
    lost = await api.agent_spans.create(instance, "llm", "pending", idempotency_key="walk-lost-1")
    facts["lost"] = [lost.status, lost.started_at]
    facts["cancelled"] = (await api.agent_spans.finish(lost.id, "cancelled")).status
    do("throttle")
    facts["throttled"] = (await api.agent_spans.create(instance, "llm", "active")).status


async def bulk(api, facts, instance):
    """Many at once; the second stops at its error."""
    register = {"agent_id": facts["agent_id"], "agent_version": {}, "agent_schema_version": {}}
    details = {"agent_instance_id": instance, "schema_name": "llm", "status": "active"}
    items = [
        BulkItem(_type="agent_instances/register", idempotency_key="walk-bulk-1", **register),
        BulkItem(_type="agent_spans/create", idempotency_key="walk-bulk-2", details=details),
        BulkItem(_type="agent_spans/create", idempotency_key="walk-bulk-3", details=dict(details, status="odd")),
        BulkItem(_type="agent_spans/create", idempotency_key="walk-bulk-4", details=details),
    ]
    answer = await api.bulk.execute(BulkRequest(items=items))
    facts["bulk"] = {key: output.status for key, output in answer.outputs.items()}
    flat = BulkItem(_type="agent_spans/create", idempotency_key="walk-bulk-5", **details)
    outputs = (await api.bulk.execute(BulkRequest(items=[flat]))).outputs
    facts["flat"] = outputs["walk-bulk-5"].details["status"]


async def reads(api, facts, instance):
    """Through request(), the only way to read there is in 0.1.0."""
    query = {"agent_instance_id": instance, "pagination[offset]": "0", "pagination[page_size]": "2"}
    page = await api.request("GET", "/api/v1/agent_spans", params=query)
    facts["page"] = [len(page["summaries"]), page["pagination"]["next_page_offset"], page["pagination"]["item_count"]]
    page = await api.request("GET", "/api/v1/agent_instance", params={"agent_id": facts["agent_id"]})
    facts["listed"] = len(page["summaries"])
    facts["ping"] = (await api.request("GET", "/api/v1/ping"))["status"]


async def refusals(api, facts):
    """Every error class the service can cause."""
    wrong = client("wrong")
    facts["unauthorized"] = await refusal(wrong.agent_instances.start("x"))
    await wrong.close()
    facts["unknown"] = await refusal(api.agent_instances.finish("a%2Fb"))
    facts["unknown_span"] = await refusal(api.agent_spans.finish("nowhere"))
    facts["invalid"] = await refusal(
        api.agent_instances.register(agent_id="A", agent_version={}, agent_schema_version={}, id="no-pfid")
    )
    facts["no_route"] = await refusal(api.request("POST", "/api/v1/x"))
    assert issubclass(PrefactorAuthError, PrefactorApiError)
    assert issubclass(PrefactorNotFoundError, PrefactorApiError)
    assert issubclass(PrefactorValidationError, PrefactorApiError)
    do("fail")
    facts["exhausted"] = await refusal(api.agent_instances.start("x"))


async def newer(api, facts, instance):
    """What 0.1.0 has not: ping, get, the control signal, tokens that stand for an agent."""
    facts["valid"] = bool(await api.validate_token())
    facts["got"] = (await api.agent_instances.get(instance)).status
    told = []
    do("signal")
    await api.agent_spans.create(instance, "llm", "active", control_signal_callback=told.append)
    facts["told"] = told
    facts["quality"] = await refusal(api.agent_instances.record_quality(instance, "q", {"s": 1}))
    facts["agents"] = await refusal(api.agents.get("A"))
    deployment = client(do("deployment_token"))
    made = await deployment.agent_instances.register(
        agent_version={}, agent_schema_version={}, purpose="eval", external_identifier="walk"
    )
    await deployment.close()
    facts["deployed"] = [made.agent_id == facts["agent_id"], made.purpose, made.external_identifier]
    await api.agent_instances.start(made.id)
    do(f"terminate {made.id}")
    ended = await api.agent_instances.get(made.id)
    facts["terminated"] = [ended.status, ended.termination_reason]


async def main():
    """The whole walk."""
    facts = {"version": prefactor_http.__version__, "agent_id": do("agent_id")}
    async with client() as api:
        instance = await instances(api, facts)
        await spans(api, facts, instance)
        await bulk(api, facts, instance)
        await reads(api, facts, instance)
        await refusals(api, facts)
        if NEW:
            await newer(api, facts, instance)
        ended = await api.agent_instances.finish(instance, "complete", AT, "walk-finish-1")
        facts["finished"] = [ended.status, ended.finished_at.isoformat(), ended.span_counts.failed]
    sys.stdout.write(json.dumps({"facts": facts}) + "\n")


asyncio.run(main())
