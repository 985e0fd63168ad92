"""ABEJA's runs: made, read and listed."""

from __future__ import annotations

import base64
import http.client
import json

import pytest
from freezegun import freeze_time

from syncer.errors import InvalidInput, RecordNotFound
from tests.sandbox.rest import RUN, assert_shape

FULL = {
    "version_id": "ver-1111111111111111",
    "environment": {"EXAMPLE_ENV": "example"},
    "input_data": {"$datalake:1": "2222222222222/20180101T112233-44444444-5555-6666-7777-888888888888"},
    "models": {"alias": "3333333333333"},
    "output_template": {"$datalake:1": "2222222222222"},
    "retry_count": 0,
    "distribution": 0,
}


def basic(name, secret):
    """A Basic authorization header."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def test_a_run_answers_with_its_own_names(abeja, sandbox):
    """Environment, version and model come back under other names; status and times are the platform's."""
    with freeze_time("2018-01-01T00:00:00Z"):
        run = abeja.post("", FULL).json
    assert_shape(run, RUN)
    assert run == {
        "run_id": run["run_id"],
        "deployment_id": "1111111111111",
        "model_version_id": FULL["version_id"],
        "model_version": "0.0.1",
        "models": FULL["models"],
        "input_data": FULL["input_data"],
        "output_template": FULL["output_template"],
        "retry_count": 0,
        "distribution": 0,
        "status": "SUBMITTED",
        "user_env_vars": FULL["environment"],
        "created_at": "2018-01-01T00:00:00.000000Z",
        "modified_at": "2018-01-01T00:00:00.000000Z",
    }
    assert run["run_id"].startswith("run-")
    assert len(run["run_id"]) == 20
    assert sandbox.abeja.rows("run") == [run | {"organization_id": "1234567890123"}]


def test_only_the_create_answer_tells_the_distribution(abeja):
    """Get and list leave it out, as documented."""
    run = abeja.post("", FULL).json
    del run["distribution"]
    assert abeja.get(f"/{run['run_id']}").json == run
    assert abeja.get("").json == {"entries": [run], "next_page_token": None}


def test_a_minimal_run_has_defaults(abeja):
    """Five retries, nothing else; a missing environment is an empty one."""
    run = abeja.post("", {"version_id": "ver-2"}).json
    assert (run["retry_count"], run["user_env_vars"], run["models"], run["input_data"]) == (5, {}, {}, {})
    assert run["output_template"] is run["distribution"] is None


def test_versions_are_named_in_order_of_use(abeja):
    """The same version keeps its name."""
    versions = [abeja.create(version_id=name).json["model_version"] for name in ("ver-a", "ver-b", "ver-a")]
    assert versions == ["0.0.1", "0.0.2", "0.0.1"]


def test_a_repeated_post_makes_a_second_run(abeja, sandbox):
    """There is no idempotency of any kind, not even after a lost reply: markers in the environment show it."""
    sandbox.faults.lose_next_reply()
    with pytest.raises(http.client.RemoteDisconnected):
        abeja.create(environment={"MARK": "a"})
    first, second = (abeja.create(environment={"MARK": mark}).json for mark in "ab")
    assert first["run_id"] != second["run_id"]
    assert sandbox.abeja.effects_by("MARK") == {"a": 2, "b": 1}
    assert [effect.key for effect in sandbox.abeja.effects("run", "create")] == [
        run["run_id"] for run in sandbox.abeja.rows("run")
    ]
    assert json.loads(sandbox.abeja.effects()[-1].mark) == {"MARK": "b"}


@pytest.mark.parametrize("count", range(10))
def test_up_to_nine_retries_are_taken(abeja, count):
    """Zero to nine."""
    assert abeja.create(retry_count=count).json["retry_count"] == count


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"retry_count": 10}, "retry_count"),
        ({"retry_count": -1}, "retry_count"),
        ({"retry_count": "5"}, "retry_count"),
        ({"retry_count": True}, "retry_count"),
        ({"distribution": 1.5}, "distribution"),
        ({"version_id": ""}, "version_id"),
        ({"version_id": None}, "version_id"),
        ({"environment": {"A": 1}}, "environment"),
        ({"environment": {"1A": "x"}}, "environment"),
        ({"environment": {"": "x"}}, "environment"),
        ({"environment": []}, "environment"),
        ({"input_data": '{"$datalake:1": "x"}'}, "input_data"),
        ({"input_data": {"$datalake:1": {}}}, "input_data"),
        ({"output_template": "x"}, "output_template"),
        ({"models": {"name": "x"}}, "models"),
        ({"models": {"alias": ""}}, "models"),
    ],
)
def test_a_run_with_wrong_fields_is_refused(abeja, sandbox, fields, named):
    """400 in the documented form, naming the field, and nothing is made."""
    assert abeja.create(**fields).field == named
    assert sandbox.abeja.count("run") == 0


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"{", "application/json"), (b"[]", "application/json"), (b"{}", "text/plain"), (b"", "application/json")],
)
def test_a_body_is_a_json_object(abeja, sandbox, body, kind):
    """Anything else is a bad request."""
    assert abeja.send("POST", "", body, abeja.headers | {"Content-Type": kind}).error == (400, "bad_request")
    assert sandbox.abeja.count("run") == 0


@pytest.mark.parametrize(
    "header",
    [
        "Bearer sandbox-abeja-token",
        basic("user-1000000000001", "sandbox-abeja-pat"),
        basic("datasource-1000000000002", "sandbox-abeja-secret"),
    ],
)
def test_all_three_kinds_of_credentials_are_taken(abeja, header):
    """A token, a user's and a datasource's."""
    assert abeja.send("GET", "", headers={"Authorization": header}).status == 200


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer wrong",
        "Basic sandbox-abeja-token",
        basic("1000000000001", "sandbox-abeja-pat"),
        basic("user-1000000000001", "sandbox-abeja-secret"),
        basic("datasource-1000000000001", "sandbox-abeja-secret"),
    ],
)
def test_any_other_credentials_are_refused(abeja, sandbox, header):
    """None, wrong ones, or ones without their prefix: 401, and nothing is made."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": header} if header else {})
    assert abeja.send("POST", "", b'{"version_id": "v"}', headers).error == (401, "unauthorized")
    assert sandbox.abeja.count("run") == 0


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "/organizations/1/deployments/1111111111111/runs", (403, "forbidden")),
        ("GET", "/organizations/1234567890123/deployments/1/runs", (404, "not_found")),
        ("GET", "/organizations/1234567890123/deployments/1111111111111/runs/run-0", (404, "not_found")),
        ("GET", "/organizations/1234567890123/deployments/1111111111111/runs/run-0/logs", (404, "not_found")),
        ("GET", "/organizations/1234567890123/deployments/1111111111111/runs/run-0/recentlogs", (404, "not_found")),
        ("GET", "/organizations/1234567890123/deployments/1111111111111/runs/run-0/other", (404, "not_found")),
        ("GET", "/organizations/1234567890123/deployments/1111111111111/runs/", (404, "not_found")),
        ("GET", "/organizations/1234567890123/deployments/1111111111111/runs/a%2Fb", (404, "not_found")),
        ("GET", "/organizations/a%20b/deployments/d/e/runs/r", (404, "not_found")),
        ("POST", "/elsewhere", (404, "not_found")),
        ("DELETE", "/organizations/1234567890123/deployments/1111111111111/runs", (405, "method_not_allowed")),
        ("POST", "/organizations/1234567890123/deployments/1111111111111/runs/run-0", (405, "method_not_allowed")),
    ],
)
def test_other_places_are_refused(abeja, method, path, error):
    """Another organization is forbidden; unknown deployments, runs and paths are not found; other methods not allowed."""
    connection = http.client.HTTPConnection("127.0.0.1", abeja.sandbox.port)
    connection.request(method, "/abeja" + path, headers=abeja.headers)
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    assert (response.status, body["error"]) == error
    assert isinstance(body["error_description"], str)


def test_a_run_belongs_to_one_deployment(abeja, sandbox):
    """Another deployment neither lists nor finds it."""
    other = sandbox.abeja.put(deployment_id="2222222222222")
    assert abeja.get(f"/{other['run_id']}").error == (404, "not_found")
    assert abeja.get("").json["entries"] == []


def test_objects_can_be_answered_as_text(abeja, sandbox):
    """The reference says JSON text in places; readers can be tried against both."""
    sandbox.abeja.as_text = True
    run = abeja.post("", FULL).json
    assert json.loads(run["input_data"]) == FULL["input_data"]
    assert json.loads(run["user_env_vars"]) == FULL["environment"]
    (listed,) = abeja.get("").json["entries"]
    assert json.loads(listed["output_template"]) == FULL["output_template"]
    assert abeja.create().json["output_template"] is None


def test_runs_of_others_come_and_go(abeja, sandbox):
    """Runs that triggers make are listed without counting as effects, and are forgotten with their logs."""
    run = sandbox.abeja.put(run_id="run-7", user_env_vars={"A": "b"})
    sandbox.abeja.log("run-7", "hello")
    assert abeja.get("/run-7").json["user_env_vars"] == {"A": "b"}
    assert sandbox.abeja.get("run", "run-7") == run
    sandbox.abeja.drop("run-7")
    assert abeja.get("/run-7").error == (404, "not_found")
    assert sandbox.abeja.count("run_log") == 0
    assert sandbox.abeja.effects() == []
    with pytest.raises(RecordNotFound):
        sandbox.abeja.log("run-7", "late")
    with pytest.raises(InvalidInput, match="runs"):
        sandbox.abeja.rows("runs")
