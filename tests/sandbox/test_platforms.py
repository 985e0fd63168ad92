"""Three protocols in one sandbox: one file, one set of faults, one log of effects."""

from __future__ import annotations

import http.client
import sqlite3
from contextlib import closing

import pytest

from syncer.errors import InvalidInput, RecordNotFound, UsageError
from syncer.sandbox import Effect, Options, Sandbox
from syncer.sandbox.abeja.credentials import Credentials
from tests.sandbox.rest import AbejaCaller, PrefactorCaller


def test_rows_keys_and_tokens_outlive_a_restart(tmp_path):
    """The same file continues: used keys still answer, page tokens still work, versions keep their names."""
    options = Options(db=tmp_path / "s.db")
    with Sandbox(options) as first, closing(PrefactorCaller(first)) as prefactor, closing(AbejaCaller(first)) as abeja:
        made = prefactor.register(idempotency_key="k" * 8).text
        first.abeja.page_size = 1
        run = abeja.create(version_id="ver-a").json
        abeja.create(version_id="ver-b")
        first.abeja.log(run["run_id"], "hello")
        token = abeja.get("").json["next_page_token"]
        effects = [*first.effects(remote="prefactor"), *first.effects(remote="abeja")]
    with Sandbox(options) as second, closing(PrefactorCaller(second)) as prefactor, closing(AbejaCaller(second)) as abeja:
        assert prefactor.register(idempotency_key="k" * 8).text == made
        (entry,) = abeja.get("", {"next_page_token": token}).json["entries"]
        assert entry["run_id"] == run["run_id"]
        assert abeja.create(version_id="ver-a").json["model_version"] == "0.0.1"
        assert abeja.get(f"/{run['run_id']}/logs").json["events"][0]["message"] == "hello"
        assert [*second.effects(remote="prefactor"), *second.effects(remote="abeja")][: len(effects)] == effects


def test_effects_name_key_and_marker(sandbox, prefactor, abeja):
    """Each remote has its own log; an effect carries the request's id and what tells repeats."""
    registered = prefactor.register(idempotency_key="k" * 8)
    made = abeja.create(environment={"MARK": "m"})
    assert sandbox.effects() == []
    assert sandbox.effects(remote="prefactor") == [
        Effect(
            "prefactor", "agent_instance", registered.details["id"], "create", registered.headers["x-request-id"], "k" * 8
        )
    ]
    assert sandbox.effects("run", "create", remote="abeja") == [
        Effect("abeja", "run", made.json["run_id"], "create", made.headers["x-request-id"], '{"MARK":"m"}')
    ]
    assert sandbox.prefactor.effects("agent_span") == sandbox.abeja.effects("run", "delete") == []


def test_a_file_from_before_there_were_marks_continues(tmp_path):
    """Its log is kept, and new effects have marks."""
    old = tmp_path / "s.db"
    connection = sqlite3.connect(old)
    connection.executescript(
        "CREATE TABLE effect (seq INTEGER PRIMARY KEY, remote TEXT NOT NULL, model TEXT NOT NULL, key TEXT NOT NULL, "
        "op TEXT NOT NULL, request TEXT NOT NULL);"
        "INSERT INTO effect (remote, model, key, op, request) VALUES ('plexus', 'Item', 'i', 'create', 'r');"
    )
    connection.close()
    with Sandbox(Options(db=old)) as running:
        assert running.effects() == [Effect("plexus", "Item", "i", "create", "r")]
        with closing(PrefactorCaller(running)) as caller:
            caller.register(idempotency_key="k" * 8)
        assert running.prefactor.effects_by_key() == {"k" * 8: 1}


def test_another_programs_tables_are_not_touched(tmp_path):
    """A table of the same name but another form is a usage error."""
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE abeja_run (id TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(UsageError, match="abeja_run"):
        Sandbox(Options(db=other))


def test_refusals_speak_the_protocol(sandbox, prefactor, abeja, call):
    """429 and 5xx have the body each platform writes, and Prefactor tells the wait in it too; nothing is applied."""
    sandbox.faults.throttle = 1
    throttled = prefactor.register()
    assert throttled.refusal == (429, "too_many_requests")
    assert throttled.json["retry_after_ms"] == 1000
    refused = abeja.create()
    assert refused.error == (429, "too_many_requests")
    assert refused.headers["Retry-After"] == throttled.headers["Retry-After"] == "1"
    assert call("{ listItems { nextToken } }").error["errorType"] == "TooManyRequestsException"
    sandbox.faults.throttle, sandbox.faults.fail_rate = 0, 1
    assert prefactor.register().refusal in ((500, "internal_failure"), (503, "service_unavailable"))
    assert abeja.create().error in ((500, "internal_failure"), (503, "service_unavailable"))
    sandbox.faults.clear()
    sandbox.faults.fail_next(503, body=b"sorry")
    assert abeja.create().text == "sorry"
    assert sandbox.effects(remote="abeja") == sandbox.effects(remote="prefactor") == []


def test_faults_can_be_aimed_at_one_remote(sandbox, prefactor, abeja):
    """The others are served, and use up no switch."""
    sandbox.faults.only = "abeja"
    sandbox.faults.fail_next(503)
    assert prefactor.register().status == 200
    assert abeja.create().status == 503
    assert abeja.create().status == 200


def test_every_fault_reaches_the_rest_platforms(sandbox, prefactor, abeja):
    """Cut, stalled and captive answers: applied where the connection breaks, not where a page is shown."""
    sandbox.faults.truncate_next()
    with pytest.raises(http.client.IncompleteRead):
        prefactor.register()
    assert sandbox.prefactor.count("agent_instance") == 1
    sandbox.faults.html_next()
    assert abeja.create().headers["Content-Type"] == "text/html"
    assert sandbox.abeja.count("run") == 0
    sandbox.faults.stall_next(0.02)
    assert abeja.create().status == 200


def test_everything_is_applied_once_under_a_storm():
    """A client that repeats with its key ends with one effect for each; without keys there are more."""
    options = Options(fail_rate=0.2, lose_reply_rate=0.3, throttle=0.1, seed=5)
    with Sandbox(options) as stormy, closing(PrefactorCaller(stormy)) as prefactor, closing(AbejaCaller(stormy)) as abeja:

        def insist(send):
            while True:
                try:
                    reply = send()
                except http.client.RemoteDisconnected:
                    continue
                if reply.status == 200:
                    return reply

        for number in range(30):
            insist(lambda key=f"key-{number:04}": prefactor.register(idempotency_key=key))
            insist(lambda mark=str(number): abeja.create(environment={"MARK": mark}))
        assert set(stormy.prefactor.effects_by_key().values()) == {1}
        assert stormy.prefactor.count("agent_instance") == 30
        assert max(stormy.abeja.effects_by("MARK").values()) > 1
        assert {"lost", "failed", "throttled", "served"} == set(stormy.faults.dealt)


def test_settings_can_be_chosen():
    """Tokens and ids of the options are those that are handed out and taken."""
    options = Options(
        prefactor_token="p",
        abeja_credentials=Credentials(token="a"),
        abeja_organization_id="7",
        abeja_deployment_ids=("8", "9"),
    )
    with Sandbox(options) as running:
        settings = running.settings
        assert (settings["PREFACTOR_API_TOKEN"], settings["PLATFORM_AUTH_TOKEN"]) == ("p", "a")
        assert (settings["ABEJA_ORGANIZATION_ID"], settings["ABEJA_DEPLOYMENT_IDS"]) == ("7", "8,9")
        with closing(PrefactorCaller(running)) as prefactor, closing(AbejaCaller(running)) as abeja:
            assert prefactor.get("/ping").status == abeja.get("").status == 200


def test_unknown_models_and_rows_are_errors(sandbox):
    """A misspelt model or an absent record is an error, not an empty answer."""
    with pytest.raises(InvalidInput, match="AgentSpan"):
        sandbox.prefactor.rows("AgentSpan")
    with pytest.raises(RecordNotFound):
        sandbox.prefactor.edit("agent_span", "none", status="complete")
    assert sandbox.prefactor.get("agent_span", "none") is None
    assert sandbox.abeja.get("run", "none") is None
