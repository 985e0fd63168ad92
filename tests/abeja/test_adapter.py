"""ABEJA's wire: what is sent, what an answer means, and that a create never makes two runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.abeja import APIClient
from syncer.adapters.abeja.adapter import GRACE_S, Abeja
from syncer.errors import InvalidInput, SettingError
from syncer.sandbox import Sandbox
from tests.abeja.rig import DEPLOYMENT, MARKER, ORGANIZATION, PLACE, STALE, VERSION, create, made, outbox
from tests.files import rows, write


def test_a_create_is_one_post_with_its_marker(client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path) -> None:
    """What the platform has is what was asked for, and one variable more: the key of the change."""
    create(client)
    create(client, input_data={"$datalake:1": "a/b"}, retry_count=0, distribution=0, environment={"A": "b"}, model_id="m")
    assert joined.push("abeja", wait_s=0).requests == 2
    first, second = sorted(sandbox.abeja.rows("run"), key=lambda run: -run["retry_count"])
    assert (first["retry_count"], first["input_data"], first["models"]) == (5, {}, {})
    assert (second["retry_count"], second["distribution"], second["models"]) == (0, 0, {"alias": "m"})
    keys = {key for (key,) in rows(path, "SELECT idem_key FROM ledger")}
    assert second["user_env_vars"].pop(MARKER) in keys
    assert second["user_env_vars"] == {"A": "b"}
    assert made(sandbox) == dict.fromkeys(keys, 1)


@pytest.mark.parametrize(
    ("given", "more"),
    [
        ({}, {}),
        ({"input_data": {}, "output_template": {}, "environment": {}, "model_id": ""}, {}),
        ({"retry_count": 0, "distribution": 0}, {"retry_count": 0, "distribution": 0}),
        ({"model_id": "m", "output_template": {"a": "b"}}, {"models": {"alias": "m"}, "output_template": {"a": "b"}}),
    ],
)
def test_the_body_is_the_original_clients(
    client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path, given: dict[str, Any], more: dict[str, Any]
) -> None:
    """Empty objects stay out, the environment is always there, zeros are sent."""
    create(client, **given)
    sandbox.faults.fail_next(429)
    joined.push("abeja", wait_s=0)
    run = json.loads(rows(path, "SELECT body FROM outbox")[0][0])["run"]
    run["environment"].pop(MARKER)
    assert run == {"version_id": VERSION, "environment": {}, **more}


@pytest.mark.parametrize("how", ["lose_next_reply", "truncate_next"])
def test_a_lost_reply_makes_one_run(client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path, how: str) -> None:
    """The run was made but its answer lost: it is found by its marker at once, nothing is sent again."""
    local = create(client)
    getattr(sandbox.faults, how)()
    report = joined.push("abeja")
    assert (report.exit_code, report.acked) == (0, 1)
    assert outbox(path) == []
    (run,) = sandbox.abeja.rows("run")
    assert client.get_run(*PLACE, local)["run_id"] == run["run_id"]
    assert rows(path, "SELECT outcome, reason FROM ledger") == [
        ("acked", f"found as {run['run_id']} after its answer was lost")
    ]


def test_a_listing_that_lags_makes_one_run(
    client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path, still: clock.Virtual
) -> None:
    """Reply lost and the run not listed yet: it is left alone for the grace period, then found."""
    create(client)
    sandbox.faults.lose_next_reply()
    sandbox.faults.fail_next(200, body=STALE)
    report = joined.push("abeja")
    assert (report.exit_code, outbox(path)) == (4, [("ambiguous", "reply-lost")])
    assert joined.push("abeja").requests == 0
    still.sleep(2 * GRACE_S)
    assert joined.push("abeja").exit_code == 0
    assert list(made(sandbox).values()) == [1]


def test_a_create_that_never_arrived_is_sent_again_after_the_grace_period(
    client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path, still: clock.Virtual
) -> None:
    """A 500 may hide a run: only after time and a second look goes the same marker out again."""
    create(client)
    sandbox.faults.fail_next(500)
    assert joined.push("abeja").exit_code == 4
    assert outbox(path) == [("ambiguous", "server-error")]
    marker = rows(path, "SELECT idem_key FROM outbox")[0][0]
    still.sleep(GRACE_S / 2)
    assert joined.push("abeja", wait_s=0).requests == 0
    still.sleep(GRACE_S)
    assert joined.push("abeja").exit_code == 0
    assert made(sandbox) == {marker: 1}


def test_a_retry_by_hand_looks_but_does_not_send_early(
    client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path, still: clock.Virtual
) -> None:
    """Somebody who cannot wait gets another look, not a second run."""
    create(client)
    sandbox.faults.fail_next(500)
    joined.push("abeja", wait_s=0)
    joined.retry(1)
    still.sleep(5)
    joined.push("abeja", wait_s=0)
    assert outbox(path) == [("ambiguous", "not-listed")]
    assert sandbox.abeja.count("run") == 0
    still.sleep(2 * GRACE_S)
    assert joined.push("abeja").exit_code == 0
    assert sandbox.abeja.count("run") == 1


def test_an_interrupted_create_is_looked_for(
    client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path, still: clock.Virtual
) -> None:
    """A sync that died while sending leaves a create that is found, not sent."""
    create(client)
    sandbox.faults.lose_next_reply()
    sandbox.faults.fail_next(200, body=STALE)
    joined.push("abeja", wait_s=0)
    write(path, "UPDATE outbox SET state = 'sending', next_attempt_at = NULL")
    assert joined.push("abeja", wait_s=0).exit_code == 0
    assert list(made(sandbox).values()) == [1]


def test_strict_mode_never_sends_twice(
    client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path, still: clock.Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ABEJA_STRICT a create without an answer waits for a person, with a code that says so; a listed one is adopted."""
    monkeypatch.setenv("ABEJA_STRICT", "1")
    with Workspace.open(path) as strict:
        create(client)
        create(client)
        sandbox.faults.fail_next(500)
        sandbox.faults.serve_next()
        strict.push("abeja", limit=1, wait_s=0)
        sandbox.faults.clear()
        sandbox.faults.lose_next_reply()
        strict.push("abeja", wait_s=0)
        still.sleep(2 * GRACE_S)
        report = strict.push("abeja", wait_s=0)
        assert report.exit_code == 3
        assert outbox(path) == [("rejected", "unknown-outcome")]
        assert sandbox.abeja.count("run") == 1
        still.sleep(10 * GRACE_S)
        assert strict.push("abeja", wait_s=0).requests == 0


def test_a_run_found_by_a_pull_answers_its_create(
    client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path, still: clock.Virtual
) -> None:
    """A pull that sees the run of a create in doubt maps it, instead of storing it a second time."""
    local = create(client)
    sandbox.faults.lose_next_reply()
    sandbox.faults.fail_next(200, body=STALE)
    joined.push("abeja", wait_s=0)
    report = joined.pull("abeja")
    assert report.remotes["abeja"].notes == []
    assert outbox(path) == []
    assert rows(path, "SELECT count(*) FROM abeja_run") == [(1,)]
    assert client.get_run(*PLACE, local)["run_id"] == sandbox.abeja.rows("run")[0]["run_id"]
    assert joined.status().consistent


def test_several_runs_of_one_create_are_reported(client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path) -> None:
    """The oldest is adopted, the others are named, in the report and in the ledger."""
    create(client)
    sandbox.faults.lose_next_reply()
    sandbox.faults.fail_next(200, body=STALE)
    joined.push("abeja", wait_s=0)
    (run,) = sandbox.abeja.rows("run")
    sandbox.abeja.put(run, run_id="run-9", created_at=clock.after(1))
    joined.retry(1)
    report = joined.push("abeja", wait_s=0).remotes["abeja"]
    assert report.acked == 1
    assert [("run-9" in note, run["run_id"] in note) for note in report.notes] == [(True, True)]
    ((key, reason),) = rows(path, "SELECT key, reason FROM ledger")
    assert key == run["run_id"]
    assert "run-9" in reason


def test_a_late_second_run_is_reported_by_the_pull(
    client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path
) -> None:
    """A request that lands after its create was answered for makes a run that the next pull names, once."""
    create(client)
    joined.sync("abeja")
    (run,) = sandbox.abeja.rows("run")
    sandbox.abeja.put(run, run_id="run-9", created_at=clock.after(1))
    (note,) = joined.sync("abeja").remotes["abeja"].notes
    assert "run-9" in note
    assert run["run_id"] in note
    assert joined.sync("abeja").remotes["abeja"].notes == []
    assert rows(path, f"SELECT count(*) FROM abeja_run WHERE user_env_vars LIKE '%{MARKER}%'") == [(0,)]


def test_wrong_credentials_cost_no_attempt(
    client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """401 stops the remote with exit code 4; the create goes out once they are right."""
    create(client)
    monkeypatch.setenv("PLATFORM_AUTH_TOKEN", "wrong")
    with Workspace.open(path) as wrong:
        report = wrong.sync("abeja").remotes["abeja"]
    assert (report.exit_code, report.stopped) == (4, "access-refused")
    assert "wrong" not in (report.reason or "")
    assert rows(path, "SELECT state, attempts FROM outbox") == [("pending", 0)]
    assert joined.sync("abeja").acked == 1


def test_an_incomplete_credential_is_named(client: APIClient, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a credential is no credential; the report says which half is missing, and nothing is sent."""
    create(client)
    monkeypatch.delenv("PLATFORM_AUTH_TOKEN")
    monkeypatch.setenv("ABEJA_PLATFORM_USER_ID", "1")
    with Workspace.open(path) as half:
        report = half.sync("abeja").remotes["abeja"]
    assert report.skipped
    assert report.notes == ["not configured: set ABEJA_PLATFORM_PERSONAL_ACCESS_TOKEN"]


@pytest.mark.parametrize("kind", ["user", "datasource"])
def test_the_other_credentials_work(
    client: APIClient, path: Path, sandbox: Sandbox, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """User and datasource go as Basic authorization."""
    create(client)
    monkeypatch.delenv("PLATFORM_AUTH_TOKEN")
    if kind == "user":
        monkeypatch.setenv("ABEJA_PLATFORM_USER_ID", "1000000000001")
        monkeypatch.setenv("ABEJA_PLATFORM_PERSONAL_ACCESS_TOKEN", "sandbox-abeja-pat")
    else:
        monkeypatch.setenv("ABEJA_PLATFORM_DATASOURCE_ID", "datasource-1000000000002")
        monkeypatch.setenv("ABEJA_PLATFORM_DATASOURCE_SECRET", "sandbox-abeja-secret")
    with Workspace.open(path) as other:
        assert other.sync("abeja").acked == 1


def test_a_token_that_expires_in_the_middle_loses_nothing(
    client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path
) -> None:
    """Some were sent, then 401: the rest waits untouched, also one whose run was being looked for."""
    for _ in range(6):
        create(client)
    sandbox.faults.serve_next(2)
    sandbox.faults.lose_next_reply()
    sandbox.faults.fail_next(401, count=20)
    report = joined.push("abeja").remotes["abeja"]
    assert report.stopped == "access-refused"
    states = [state for state, _ in outbox(path)]
    assert set(states) == {"pending", "ambiguous"}
    sandbox.faults.clear()
    assert joined.sync("abeja").exit_code == 0
    assert sorted(made(sandbox).values()) == [1] * 6


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "BadRequest"), (404, "NotFound"), (405, "MethodNotAllowed"), (409, "Conflict"), (422, "HttpError")],
)
def test_a_refusal_is_rejected_with_its_class(
    client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path, status: int, name: str
) -> None:
    """What the platform will never take waits for a person, under the class name of the exception."""
    create(client)
    body = json.dumps({"error": "e", "error_description": "why", "error_detail": [1]}).encode()
    sandbox.faults.fail_next(status, body=body)
    assert joined.push("abeja").exit_code == 3
    ((state, code, reason),) = rows(path, "SELECT state, code, reason FROM outbox")
    assert (state, code) == ("rejected", name)
    said = json.loads(reason)
    assert (said["error"], said["error_description"], said["error_detail"], said["status_code"]) == ("e", "why", [1], status)


@pytest.mark.parametrize("status", [413, 429])
def test_a_throttled_create_waits_as_told(
    client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path, still: clock.Virtual, status: int
) -> None:
    """Told to wait, it waits at least so long, and is not in doubt."""
    create(client)
    sandbox.faults.fail_next(status, {"Retry-After": "7"})
    joined.push("abeja", wait_s=0)
    assert outbox(path)[0][0] == "pending"
    began = still.moment
    assert joined.push("abeja").acked == 1
    assert (still.moment - began).total_seconds() >= 7


def test_a_web_page_is_no_answer(client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A captive portal stops the remote; it neither acknowledges nor refuses anything."""
    create(client)
    sandbox.faults.html_next(200)
    assert joined.push("abeja", wait_s=0).remotes["abeja"].stopped == "unreachable"
    assert outbox(path)[0][0] == "ambiguous"
    create(client)
    sandbox.faults.html_next(302)
    joined.push("abeja", wait_s=0)
    assert [state for state, _ in outbox(path)] == ["ambiguous", "pending"]


def test_nobody_there(client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A refused connection leaves the create as it was."""
    create(client)
    sandbox.stop()
    assert joined.sync("abeja").exit_code == 4
    assert rows(path, "SELECT state, attempts FROM outbox") == [("pending", 0)]


def test_what_the_platform_cannot_do_is_refused_at_once(client: APIClient, joined: Workspace, path: Path) -> None:
    """Runs are neither edited nor deleted, logs not written: said when it is tried, nothing is stored."""
    local = create(client)
    with pytest.raises(InvalidInput, match="no way to update"):
        joined.abeja.update("Run", local, {"status": "FAILED"})
    with pytest.raises(InvalidInput, match="no way to delete"):
        joined.abeja.delete("Run", local)
    with pytest.raises(InvalidInput, match="no way to create"):
        joined.abeja.create("RunLogEvent", {"run_id": local, "timestamp": "x", "occurrence": 0, "message": "m"})
    assert outbox(path) == [("pending", None)]


def test_a_run_by_plain_records_gets_a_local_id(joined: Workspace, sandbox: Sandbox) -> None:
    """``ws.abeja.create`` mints a local id too; an environment that is no object is refused before it is sent."""
    fields: dict[str, Any] = {"organization_id": ORGANIZATION, "deployment_id": DEPLOYMENT, "status": "SUBMITTED"}
    run = joined.abeja.create("Run", {**fields, "model_version_id": VERSION})
    assert run["run_id"].startswith("local-")
    joined.abeja.create("Run", {**fields, "model_version_id": VERSION, "user_env_vars": [1]})
    report = joined.push("abeja").remotes["abeja"]
    assert (report.acked, report.rejected) == (1, 1)


@pytest.mark.parametrize("as_text", [False, True])
def test_runs_of_others_come_home(joined: Workspace, sandbox: Sandbox, path: Path, as_text: bool) -> None:
    """Every page of every deployment, JSON as text or not, and a second pull changes nothing."""
    sandbox.abeja.as_text = as_text
    sandbox.abeja.page_size = 3
    for n in range(7):
        sandbox.abeja.put(input_data={"$datalake:1": str(n)}, created_at=clock.after(n))
    sandbox.abeja.put(deployment_id="2222222222222")
    counts = joined.sync("abeja").remotes["abeja"].pulled["Run"]
    assert (counts.added, counts.changed) == (8, 0)
    assert {run["input_data"]["$datalake:1"] for run in joined.abeja.find("Run", {"deployment_id": DEPLOYMENT})} == set(
        "0123456"
    )
    again = joined.sync("abeja").remotes["abeja"].pulled["Run"]
    assert (again.added, again.changed) == (0, 0)


def test_distribution_is_kept(client: APIClient, joined: Workspace) -> None:
    """The platform tells it once; later records without it do not wipe it out."""
    local = create(client, distribution=3)
    joined.sync("abeja")
    joined.sync("abeja")
    assert client.get_run(*PLACE, local)["distribution"] == 3


def test_unfinished_runs_are_read_again(client: APIClient, joined: Workspace, sandbox: Sandbox) -> None:
    """A run far down the list still tells that it ended."""
    local = create(client)
    joined.sync("abeja")
    run_id = joined.abeja.get("Run", local)["run_id"]  # type: ignore[index]
    for _ in range(5):
        sandbox.abeja.advance(run_id)
    joined.sync("abeja")
    assert joined.abeja.get("Run", local)["status"] == "SUCCEEDED"  # type: ignore[index]


def test_an_unknown_deployment_keeps_the_others_coming(
    sandbox: Sandbox, connected: None, path: Path, monkeypatch: Any
) -> None:
    """A wrong id in the settings is a note, not the end of the pull."""
    monkeypatch.setenv("ABEJA_DEPLOYMENT_IDS", f"9999, {DEPLOYMENT}")
    sandbox.abeja.put()
    with Workspace.open(path) as ws:
        report = ws.sync("abeja").remotes["abeja"]
    assert report.pulled["Run"].added == 1
    assert any("9999" in note for note in report.notes)


def test_a_page_token_that_expired_starts_from_the_top(joined: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A pull that was interrupted and whose token is not known any more is not stuck for ever."""
    sandbox.abeja.page_size = 1
    for n in range(3):
        sandbox.abeja.put(created_at=clock.after(n))
    sandbox.faults.serve_next()
    sandbox.faults.fail_next(401)
    joined.pull("abeja")
    write(path, "UPDATE _checkpoint SET token = 'gone' WHERE token IS NOT NULL")
    assert joined.pull("abeja").remotes["abeja"].notes == []
    assert rows(path, "SELECT count(*) FROM abeja_run") == [(3,)]


def test_a_list_that_goes_in_circles_ends(joined: Workspace, sandbox: Sandbox) -> None:
    """The same token again is the end of the list."""
    body = json.dumps({"entries": [sandbox.abeja.put()], "next_page_token": "round"}).encode()
    sandbox.faults.fail_next(200, body=body, count=2)
    assert joined.pull("abeja", models=["Run"]).exit_code == 0
    assert sandbox.faults.dealt["failed"] == 2


def test_logs_come_once_and_in_order(client: APIClient, joined: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Equal messages at one time stay apart, reading the same second again adds nothing, news are found."""
    create(client)
    joined.sync("abeja")
    sandbox.abeja.page_size = 2
    run_id = sandbox.abeja.rows("run")[0]["run_id"]
    at = clock.stored_now()
    for message in ("b", "a", "a", "b", "a"):
        sandbox.abeja.log(run_id, message, at)
    assert joined.sync("abeja").remotes["abeja"].pulled["RunLogEvent"].added == 5
    sandbox.abeja.log(run_id, "c", at)
    sandbox.abeja.log(run_id, "d", clock.after(0.25))
    counts = joined.sync("abeja").remotes["abeja"].pulled["RunLogEvent"]
    assert (counts.added, counts.changed) == (2, 0)
    stored = rows(path, "SELECT message FROM abeja_run_log_event ORDER BY timestamp, occurrence")
    assert [message for (message,) in stored] == list("baabacd")


def test_unsent_runs_have_no_log(client: APIClient, joined: Workspace, sandbox: Sandbox) -> None:
    """A run that only exists here is never asked for on the platform."""
    create(client)
    before = sandbox.requests
    report = joined.pull("abeja").remotes["abeja"]
    assert (report.exit_code, report.notes) == (0, [])
    assert sandbox.requests - before == 2  # one page of each deployment


@pytest.mark.parametrize(
    ("name", "value"), [("strict", "perhaps"), ("timeout_s", "soon"), ("api_url", "http://example.com")]
)
def test_malformed_settings_are_named(name: str, value: str) -> None:
    """A setting that cannot be meant is refused, before anything is claimed or sent."""
    with pytest.raises(SettingError):
        Abeja({name: value})


def test_runs_below_our_own_are_not_missed(
    client: APIClient, joined: Workspace, sandbox: Sandbox, still: clock.Virtual
) -> None:
    """A first page full of known and final runs of ours does not hide what others made before them."""
    sandbox.abeja.page_size = 2
    joined.sync("abeja")
    still.sleep(3600)
    other = sandbox.abeja.put()["run_id"]
    still.sleep(60)
    ours = [create(client) for _ in range(3)]
    joined.push("abeja")
    for local in ours:
        run_id = client.get_run(*PLACE, local)["run_id"]
        sandbox.abeja.advance(run_id, "FAILED")
        assert client.get_run(*PLACE, local)["status"] == "FAILED"
    joined.pull("abeja")
    assert joined.abeja.get("Run", other) is not None


def test_a_long_known_list_is_left_early(joined: Workspace, sandbox: Sandbox, still: clock.Virtual) -> None:
    """Once everything below is known and final, a pull reads the first page alone."""
    sandbox.abeja.page_size = 2
    for n in range(10):
        sandbox.abeja.put(created_at=clock.after(n), status="SUCCEEDED")
    still.sleep(3600)
    joined.pull("abeja")
    before = sandbox.requests
    joined.pull("abeja", models=["Run"])
    assert sandbox.requests - before == 2  # a page of each deployment


def test_without_deployments_the_report_says_what_to_set(
    connected: None, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull that has nowhere to look says so."""
    monkeypatch.delenv("ABEJA_DEPLOYMENT_IDS")
    with Workspace.open(path) as ws:
        notes = ws.pull("abeja").remotes["abeja"].notes
    assert notes == ["no Run to pull from: set ABEJA_ORGANIZATION_ID and ABEJA_DEPLOYMENT_IDS"]


def test_an_address_without_encryption_takes_nothing(
    client: APIClient, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where TLS does not come about, nothing was sent: the create is as it was, not in doubt."""
    create(client)
    monkeypatch.setenv("ABEJA_API_URL", sandbox.settings["ABEJA_API_URL"].replace("http:", "https:"))
    with Workspace.open(path) as misled:
        assert misled.push("abeja", wait_s=0).exit_code == 4
    assert rows(path, "SELECT state, attempts FROM outbox") == [("pending", 0)]
