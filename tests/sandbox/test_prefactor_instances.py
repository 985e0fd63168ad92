"""Prefactor's agent instances: what registers, and which step follows which."""

from __future__ import annotations

import pytest
from freezegun import freeze_time

from syncer.errors import InvalidInput
from syncer.sandbox.prefactor import pfid
from tests.sandbox.rest import INSTANCE, assert_shape

MINE = "013xrzp12g3nqk8n4evtrcj59k8dhn3t"
FOREIGN = "01hf7yat0000001a04hmasw9nf6yy093"
SCHEMA = {
    "external_identifier": "s1",
    "span_type_schemas": [{"name": "llm", "params_schema": {"type": "object"}, "title": None}],
}


def test_a_registered_instance_is_pending(prefactor, sandbox):
    """The server fills in its own fields; times are the sandbox's clock."""
    with freeze_time("2026-01-02T03:04:05.678Z"):
        made = prefactor.register().details
    assert_shape(made, INSTANCE)
    assert made["status"] == "pending"
    assert made["inserted_at"] == made["updated_at"] == "2026-01-02T03:04:05.678000Z"
    assert made["account_id"] == sandbox.prefactor.account_id
    assert made["started_at"] is made["finished_at"] is None
    assert set(made["span_counts"].values()) == {0}
    assert pfid.is_pfid(made["id"])
    assert pfid.partition(made["id"]) == sandbox.prefactor.partition
    assert sandbox.prefactor.rows("agent_instance") == [made]


def test_an_agent_comes_to_be_when_it_registers(prefactor):
    """Any agent name of this account will do; one of another account will not."""
    assert prefactor.register(agent_id="A").details["agent_id"] == "A"
    assert prefactor.register(agent_id=FOREIGN).errors == {"agent_id": ["belongs to another account"]}


def test_a_client_id_is_kept(prefactor):
    """A PFID of the account's partition becomes the instance's id, once."""
    assert prefactor.register(id=MINE).details["id"] == MINE
    assert prefactor.register(id=MINE).errors == {"id": ["has already been taken"]}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (FOREIGN, "has the partition of another account"),
        ("", "can't be blank"),
        ("8" + MINE[1:], "is not a PFID"),
        (MINE.upper(), "is not a PFID"),
        (MINE[:-1], "is not a PFID"),
        (MINE[:-1] + "u", "is not a PFID"),
        (7, "is not a string"),
    ],
)
def test_a_client_id_has_the_shape_of_a_pfid(prefactor, sandbox, given, why):
    """Wrong length, letters or account are refused, and nothing is made."""
    assert prefactor.register(id=given).errors == {"id": [why]}
    assert sandbox.prefactor.count("agent_instance") == 0


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0, 0, 0), "0" * 32),
        ((1, 1, 0), "00000000010000010000000000000000"),
        ((1234567890000, 123456789, 0), "013xrzp12g3nqk8n0000000000000000"),
        ((1700000000000, 42, 0x0123456789ABCDEF0123), "01hf7yat0000001a04hmasw9nf6yy093"),
        ((2**48 - 1, 2**30 - 1, 2**80 - 1), "7" + "z" * 9 + "z" * 22),
    ],
)
def test_pfids_are_composed_as_published(numbers, text):
    """The published vectors come out, and tell their partition."""
    assert pfid.composed(*numbers) == text
    assert pfid.is_pfid(text)
    assert pfid.partition(text) == numbers[1]


def test_a_register_tells_every_mistake_at_once(prefactor):
    """Missing and mistyped fields are named together, nested ones in their place."""
    reply = prefactor.post(
        "/agent_instance/register",
        {
            "agent_version": {"name": 1},
            "agent_schema_version": {
                "span_type_schemas": [{"name": "x"}, "y"],
                "span_result_schemas": {"a": 1},
            },
            "update_current_version": "yes",
            "purpose": "fun",
        },
    )
    assert reply.errors == {
        "agent_id": ["can't be blank"],
        "agent_version": {"name": ["is not a string"]},
        "agent_schema_version": {
            "span_type_schemas": [{"params_schema": ["can't be blank"]}, "must hold objects"],
            "span_result_schemas": ["needs span_schemas", "must map names to schemas"],
        },
        "purpose": ["must be one of live, smoke_test, eval"],
        "update_current_version": ["is not a boolean"],
    }
    assert prefactor.post("/agent_instance/register", {"agent_id": "A"}).errors.keys() == {
        "agent_version",
        "agent_schema_version",
    }


def test_versions_are_reused_by_their_identifier(prefactor):
    """The same identifier and content is the same version; nulls do not count; without an identifier it is a new one."""
    version = {"name": "n", "external_identifier": "v1"}
    first = prefactor.register(agent_version=version, agent_schema_version=SCHEMA).details
    again = prefactor.register(agent_version=version | {"description": None}, agent_schema_version=SCHEMA).details
    assert first["id"] != again["id"]
    for name in ("agent_version_id", "agent_schema_version_id", "agent_deployment_id"):
        assert first[name] == again[name]
    assert prefactor.register().details["agent_version_id"] != prefactor.register().details["agent_version_id"]


def test_an_identifier_with_other_content_is_refused(prefactor, sandbox):
    """Neither the instance nor any version is made."""
    prefactor.register(agent_version={"name": "n", "external_identifier": "v1"})
    reply = prefactor.register(agent_version={"name": "m", "external_identifier": "v1"})
    assert reply.errors == {"agent_version": {"external_identifier": ["already exists with different details"]}}
    assert prefactor.register(agent_id="B", agent_version={"name": "m", "external_identifier": "v1"}).details
    assert sandbox.prefactor.count("agent_instance") == 2


def test_an_external_identifier_is_unique_per_agent(prefactor):
    """The second instance of the same name is refused, another agent's is not."""
    assert prefactor.register(external_identifier="run-7").details["external_identifier"] == "run-7"
    assert prefactor.register(external_identifier="run-7").errors == {"external_identifier": ["has already been taken"]}
    assert prefactor.register(agent_id="B", external_identifier="run-7").details


def test_a_run_goes_from_pending_over_active_to_complete(prefactor, sandbox):
    """Times are those given, converted to UTC with all their digits; a missing one is now."""
    made = prefactor.register().details["id"]
    started = prefactor.act(made, "start", timestamp="2024-05-06T07:08:09.123456+09:00").details
    assert (started["status"], started["started_at"]) == ("active", "2024-05-05T22:08:09.123456Z")
    with freeze_time("2026-01-02T03:04:05Z"):
        finished = prefactor.act(made, "finish").details
    assert (finished["status"], finished["finished_at"]) == ("complete", "2026-01-02T03:04:05.000000Z")
    assert finished["updated_at"] == "2026-01-02T03:04:05.000000Z"
    assert [effect.op for effect in sandbox.prefactor.effects("agent_instance")] == ["create", "start", "finish"]


def test_a_time_without_a_zone_is_utc(prefactor):
    """What the original client sends for a naive datetime is taken as UTC."""
    made = prefactor.register().details["id"]
    started = prefactor.act(made, "start", timestamp="2024-05-06T07:08:09.123456").details["started_at"]
    assert started == "2024-05-06T07:08:09.123456Z"


def test_a_pending_instance_can_be_cancelled(prefactor):
    """It then started and finished at the same moment."""
    made = prefactor.register().details["id"]
    ended = prefactor.act(made, "finish", status="cancelled", timestamp="2024-05-06T07:08:09Z").details
    assert (ended["status"], ended["started_at"], ended["finished_at"]) == (
        "cancelled",
        *["2024-05-06T07:08:09.000000Z"] * 2,
    )


@pytest.mark.parametrize(
    ("before", "action", "status"),
    [
        ("pending", "finish", "complete"),
        ("pending", "finish", "failed"),
        ("pending", "finish", None),
        ("active", "start", None),
        ("active", "finish", "cancelled"),
        ("complete", "start", None),
        ("complete", "finish", "complete"),
        ("failed", "finish", "failed"),
        ("cancelled", "finish", "cancelled"),
        ("cancelled", "start", None),
        ("terminated", "finish", "complete"),
        ("terminated", "start", None),
    ],
)
def test_a_step_that_the_status_does_not_allow_is_refused(prefactor, sandbox, before, action, status):
    """It is 409 invalid_action, active to cancelled included, and nothing changes."""
    row = sandbox.prefactor.put("agent_instance", status=before)
    reply = prefactor.act(row["id"], action, **({"status": status} if status else {}))
    assert reply.refusal == (409, "invalid_action")
    assert sandbox.prefactor.get("agent_instance", row["id"])["status"] == before
    assert sandbox.prefactor.effects() == []


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"status": "terminated"}, {"status": ["must be one of complete, failed, cancelled"]}),
        ({"timestamp": "yesterday"}, {"timestamp": ["is not a time"]}),
        ({"timestamp": 7}, {"timestamp": ["is not a time"]}),
    ],
)
def test_a_finish_with_wrong_fields_is_refused(prefactor, fields, errors):
    """Unknown statuses and times that are none are named."""
    assert prefactor.act(prefactor.active(), "finish", **fields).errors == errors


def test_an_instance_nobody_knows_is_not_found(prefactor):
    """Start, finish and reading of an unknown id, and of one that needs escaping, are 404."""
    for name in (MINE, "a%2Fb%3Fc"):
        assert prefactor.act(name, "start").refusal == (404, "not_found")
        assert prefactor.act(name, "finish").refusal == (404, "not_found")
        assert prefactor.get(f"/agent_instance/{name}").refusal == (404, "not_found")


def test_an_instance_can_be_read(prefactor):
    """Reading gives what the last write gave."""
    made = prefactor.register().details
    assert prefactor.get(f"/agent_instance/{made['id']}").details == made


def test_another_party_can_terminate_an_active_instance(prefactor, sandbox):
    """Its open spans are closed, its answers tell to stop, and nothing leads out of it."""
    made = prefactor.active()
    spans = {status: prefactor.span(made, status).details["id"] for status in ("pending", "active", "failed")}
    ended = sandbox.prefactor.terminate(made, "too expensive")
    assert (ended["status"], ended["termination_reason"]) == ("terminated", "too expensive")
    assert ended["span_counts"] | {"total": 3, "cancelled": 2, "failed": 1, "finished": 3} == ended["span_counts"]
    read = prefactor.get(f"/agent_instance/{made}").details
    assert read == ended
    stop = {"terminate": True, "reason": "too expensive"}
    late = prefactor.finish_span(spans["active"])
    assert (late.refusal, late.json["control"]) == ((409, "invalid_action"), stop)
    assert prefactor.span(made).json["control"] == stop
    assert prefactor.act(made, "finish").json["control"] == stop
    with pytest.raises(InvalidInput, match="must be active"):
        sandbox.prefactor.terminate(made)


def test_a_control_signal_rides_on_the_next_answers(prefactor, sandbox):
    """As many applied writes as asked for carry it beside their details; refusals and reads do not use it up."""
    made = prefactor.register().details["id"]
    sandbox.prefactor.control_next(reason="budget", count=2)
    sandbox.prefactor.control_next(terminate=False)
    assert prefactor.act(made, "finish").refusal == (409, "invalid_action")
    assert "control" not in prefactor.get(f"/agent_instance/{made}").json
    assert prefactor.act(made, "start").json["control"] == {"terminate": True, "reason": "budget"}
    assert prefactor.span(made).json["control"] == {"terminate": True, "reason": "budget"}
    assert prefactor.span(made).json["control"] == {"terminate": False, "reason": None}
    assert "control" not in prefactor.span(made).json
