"""``APIClient``: the original's calls over the local file, with and without the platform."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.abeja import APIClient, BadRequest, Conflict, NotFound, Unauthorized, paging
from syncer.sandbox import Sandbox
from tests.abeja.rig import DEPLOYMENT, MARKER, ORGANIZATION, PLACE, VERSION, create, outbox
from tests.files import rows


@pytest.fixture
def offline(ws: Workspace) -> APIClient:
    """A client without any settings."""
    return APIClient(workspace=ws)


def remote_id(joined: Workspace, local: str) -> str:
    """What the platform calls a run."""
    run = joined.abeja.get("Run", local)
    assert run is not None
    return str(run["run_id"])


def test_a_new_run_looks_like_the_platforms(offline: APIClient, path: Path) -> None:
    """Every documented key, the caller's values under the names of answers, and the way it has come under ``sync``."""
    run = offline.create_run(*PLACE, VERSION, {"$datalake:1": "a/b"}, None, 2, None, {"A": "b"}, "4444444444444")
    key = rows(path, "SELECT idem_key FROM outbox")[0][0]
    assert run.pop("run_id").startswith("local-")
    assert run.pop("created_at") == run.pop("modified_at")
    assert run == {
        "deployment_id": DEPLOYMENT,
        "model_version_id": VERSION,
        "model_version": None,
        "models": {"alias": "4444444444444"},
        "input_data": {"$datalake:1": "a/b"},
        "output_template": None,
        "retry_count": 5,
        "distribution": 2,
        "status": "SUBMITTED",
        "user_env_vars": {"A": "b"},
        "sync": {"state": "pending", "op_id": key, "error": None},
    }


def test_a_bare_run_has_empty_objects(offline: APIClient) -> None:
    """What was left out is as the documentation says."""
    run = offline.create_run(*PLACE, VERSION)
    assert (run["models"], run["user_env_vars"], run["distribution"]) == ({}, {}, None)
    assert datetime.fromisoformat(run["created_at"]).tzinfo is not None
    assert len(run["created_at"]) == 27


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"retry_count": 10}, "retry_count must be 0 to 9, not 10"),
        ({"retry_count": -1}, "retry_count"),
        ({"retry_count": True}, "retry_count"),
        ({"retry_count": "3"}, "retry_count"),
        ({"distribution": 1.5}, "distribution"),
        ({"distribution": 2**40}, "distribution"),
        ({"input_data": "$datalake:1"}, "input_data"),
        ({"output_template": [1]}, "output_template"),
        ({"environment": {"A": 1}}, "environment"),
        ({"environment": {MARKER: "x"}}, MARKER),
        ({"environment": {"A": "\ud800"}}, "user_env_vars"),
        ({"model_id": 4}, "model_id"),
        ({"organization_id": ""}, "organization_id"),
        ({"deployment_id": ".."}, "deployment_id"),
        ({"version_id": None}, "version_id"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_stored(
    offline: APIClient, path: Path, wrong: dict[str, Any], word: str
) -> None:
    """BadRequest names the parameter; neither row nor change exists."""
    given: dict[str, Any] = {"organization_id": ORGANIZATION, "deployment_id": DEPLOYMENT, "version_id": VERSION}
    with pytest.raises(BadRequest) as caught:
        offline.create_run(**{**given, **wrong})
    assert word in str(caught.value)
    assert rows(path, "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM abeja_run)") == [(0, 0)]


def test_both_ids_are_good_for_ever(client: APIClient, joined: Workspace) -> None:
    """Before and after the sync, in this process and another, the local id names the same run; so does the platform's."""
    local = create(client, environment={"A": "b"})
    assert client.get_run(*PLACE, local)["run_id"] == local
    joined.sync("abeja")
    run = client.get_run(*PLACE, local)
    assert run["run_id"] == remote_id(joined, local)
    assert run["run_id"].startswith("run-")
    assert run["sync"] == {"state": "synced", "op_id": None, "error": None}
    assert run["user_env_vars"] == {"A": "b"}
    assert run["model_version"] == "0.0.1"
    with Workspace.open(joined.path) as again:
        assert APIClient(workspace=again).get_run(*PLACE, local) == APIClient(workspace=again).get_run(*PLACE, run["run_id"])


def test_a_run_of_another_deployment_is_not_found(client: APIClient) -> None:
    """As on the platform, a run belongs to its deployment."""
    local = create(client)
    with pytest.raises(NotFound):
        client.get_run(ORGANIZATION, "2222222222222", local)


def test_an_unknown_run_is_not_cached(offline: APIClient) -> None:
    """Without credentials nobody can tell whether the platform has it: the error says so."""
    with pytest.raises(NotFound) as caught:
        offline.get_run(*PLACE, "run-1")
    assert caught.value.error == "not_cached"
    assert "PLATFORM_AUTH_TOKEN is not set" in caught.value.error_description
    for call in (offline.get_run_logs, offline.get_run_recent_logs):
        with pytest.raises(NotFound):
            call(*PLACE, "run-1")


def test_an_unknown_run_is_fetched_and_kept(client: APIClient, sandbox: Sandbox, still: clock.Virtual) -> None:
    """A miss asks the platform once; from then on the run is here, also when nobody answers."""
    run = sandbox.abeja.put(user_env_vars={"A": "b", MARKER: "0" * 32})
    assert client.get_run(*PLACE, run["run_id"])["user_env_vars"] == {"A": "b"}
    sandbox.stop()
    assert client.get_run(*PLACE, run["run_id"])["status"] == "SUBMITTED"


def test_a_run_the_platform_has_not_is_not_found(client: APIClient) -> None:
    """Asked and answered: not the same as not cached."""
    with pytest.raises(NotFound) as caught:
        client.get_run(*PLACE, "run-1")
    assert caught.value.error == "not_found"


def test_reading_shows_how_a_run_goes_on(client: APIClient, joined: Workspace, sandbox: Sandbox) -> None:
    """A loop that waits for the end of a run sees it end; a final run is not asked for again."""
    local = create(client)
    joined.sync("abeja")
    sandbox.abeja.advance(remote_id(joined, local), "FAILED")
    assert client.get_run(*PLACE, local)["status"] == "FAILED"
    before = sandbox.requests
    client.get_run(*PLACE, local)
    assert sandbox.requests == before


def test_who_does_not_answer_is_not_asked_again_at_once(client: APIClient, sandbox: Sandbox, still: clock.Virtual) -> None:
    """After a failure reads answer from the file alone for half a minute."""
    sandbox.faults.fail_next(500, count=3)
    with pytest.raises(NotFound, match="not_cached"):
        client.get_run(*PLACE, "run-1")
    before = sandbox.requests
    with pytest.raises(NotFound, match="a moment ago"):
        client.get_run(*PLACE, "run-1")
    assert sandbox.requests == before
    still.sleep(60)
    with pytest.raises(NotFound, match="not_found"):
        client.get_run(*PLACE, "run-1")


def test_an_explicit_credential_wins(joined: Workspace, sandbox: Sandbox, path: Path) -> None:
    """It is used for reads, copied, and stored nowhere; an empty one means nobody, not the environment."""
    run = sandbox.abeja.put()
    given = {"user_id": "1000000000001", "personal_access_token": "sandbox-abeja-pat"}
    assert APIClient(given, workspace=joined).get_run(*PLACE, run["run_id"])["run_id"] == run["run_id"]
    assert given["user_id"] == "1000000000001"
    with pytest.raises(Unauthorized):
        APIClient({"auth_token": "wrong"}, workspace=joined).get_run(*PLACE, "run-2")
    with pytest.raises(NotFound, match="not_cached"):
        APIClient({}, workspace=joined).get_run(*PLACE, "run-2")
    joined.close()
    assert b"sandbox-abeja-pat" not in path.read_bytes()


def test_numbers_of_the_environment_are_read(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The original keeps them as text and fails; zero counts as unset, as there."""
    monkeypatch.setenv("ABEJA_SDK_CONNECTION_TIMEOUT", "7")
    monkeypatch.setenv("ABEJA_SDK_MAX_RETRY_COUNT", "2")
    client = APIClient(timeout=0, workspace=ws)
    assert (client.timeout, client.max_retry_count) == (7, 2)


def test_a_netrc_changes_nothing(
    client: APIClient, joined: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry for the host does not replace the credentials."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    create(client)
    assert joined.sync("abeja").acked == 1


def test_a_refusal_comes_back_as_its_class(client: APIClient, joined: Workspace, sandbox: Sandbox) -> None:
    """What the platform said at the push is raised when the run is asked for, with all its attributes."""
    local = create(client)
    body = json.dumps({"error": "e", "error_description": "d", "error_detail": [1]}).encode()
    sandbox.faults.fail_next(409, body=body)
    joined.push("abeja")
    with pytest.raises(Conflict) as caught:
        client.get_run(*PLACE, local)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.error, error.error_description, error.error_detail, error.status_code) == ("e", "d", [1], 409)
    assert error.url.endswith("/runs")
    assert client.get_runs(*PLACE)["entries"][0]["sync"]["error"]["code"] == "Conflict"


def test_a_huge_refusal_keeps_its_class(client: APIClient, joined: Workspace, sandbox: Sandbox) -> None:
    """The outbox keeps two thousand characters; class, error and the beginning of the description survive."""
    local = create(client)
    body = json.dumps({"error": "e", "error_description": "ä" * 5000, "error_detail": ["x" * 5000]}).encode()
    sandbox.faults.fail_next(400, body=body)
    joined.push("abeja")
    with pytest.raises(BadRequest) as caught:
        client.get_run(*PLACE, local)
    assert caught.value.error == "e"
    assert caught.value.error_description.startswith("äää")


def test_an_unknown_outcome_is_told_not_raised(client: APIClient, joined: Workspace, sandbox: Sandbox) -> None:
    """A create in doubt shows its state and why."""
    local = create(client)
    sandbox.faults.fail_next(500)
    joined.push("abeja", wait_s=0)
    sync = client.get_run(*PLACE, local)["sync"]
    assert (sync["state"], sync["error"]["code"]) == ("ambiguous", "server-error")


def walked(client: APIClient, **how: Any) -> list[str]:
    """Ids of all pages of a list."""
    found: list[str] = []
    token = None
    while True:
        page = client.get_runs(*PLACE, next_page_token=token, **how)
        found += [run["run_id"] for run in page["entries"]]
        token = page["next_page_token"]
        if token is None:
            return found


def test_runs_are_paged_newest_first(offline: APIClient, still: clock.Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both directions, stable where times are equal, None at the end, other deployments left out."""
    monkeypatch.setattr(paging, "SIZE", 3)
    made = []
    for n in range(7):
        made.append(create(offline))
        still.sleep(n % 2)
    offline.create_run(ORGANIZATION, "2222222222222", VERSION)
    newest = walked(offline)
    assert walked(offline, scan_forward=True) == newest[::-1]
    assert sorted(newest) == sorted(made)
    assert newest[0] in made[-2:]


def test_a_new_run_does_not_shift_pages(offline: APIClient, still: clock.Virtual, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token names a place: what is created meanwhile neither repeats nor hides a run."""
    monkeypatch.setattr(paging, "SIZE", 2)
    made = []
    for _ in range(4):
        made.append(create(offline))
        still.sleep(1)
    page = offline.get_runs(*PLACE)
    create(offline)
    rest = offline.get_runs(*PLACE, next_page_token=page["next_page_token"])
    assert [run["run_id"] for run in page["entries"] + rest["entries"]] == made[::-1]


def test_tokens_of_other_lists_are_refused(offline: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nonsense, another deployment's token, another direction: BadRequest, never a wrong page. An empty one is none."""
    monkeypatch.setattr(paging, "SIZE", 1)
    for _ in range(2):
        create(offline)
    token = offline.get_runs(*PLACE)["next_page_token"]
    for call in (
        lambda: offline.get_runs(*PLACE, next_page_token="???"),
        lambda: offline.get_runs(*PLACE, next_page_token="ä"),
        lambda: offline.get_runs(ORGANIZATION, "2222222222222", next_page_token=token),
        lambda: offline.get_runs(*PLACE, next_page_token=token, scan_forward=True),
    ):
        with pytest.raises(BadRequest):
            call()
    assert len(offline.get_runs(*PLACE, next_page_token="")["entries"]) == 1


@pytest.fixture
def logged(client: APIClient, joined: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> str:
    """The local id of a run with the lines 0 to 6, a second apart, of which a page holds three."""
    local = create(client)
    joined.sync("abeja")
    for n in range(7):
        sandbox.abeja.log(remote_id(joined, local), str(n), clock.after(n))
    joined.sync("abeja")
    monkeypatch.setattr(paging, "SIZE", 3)
    return local


def lines(page: dict[str, Any]) -> str:
    """The messages of a page, in order."""
    return "".join(event["message"] for event in page["events"])


def test_logs_end_without_a_token(client: APIClient, logged: str) -> None:
    """Oldest first; the last page has no ``next_token``, not even None."""
    pages = [client.get_run_logs(*PLACE, logged)]
    while "next_token" in pages[-1]:
        pages.append(client.get_run_logs(*PLACE, logged, next_token=pages[-1]["next_token"]))
    assert [lines(page) for page in pages] == ["012", "345", "6"]
    assert pages[-1].keys() == {"events"}
    assert pages[0]["events"][0].keys() == {"message", "timestamp"}


def test_recent_logs_end_without_events(client: APIClient, joined: Workspace, sandbox: Sandbox, logged: str) -> None:
    """Newest first, both tokens always; empty at both ends, and turning round shows the last page again."""
    page = client.get_run_recent_logs(*PLACE, logged)
    first = page
    seen = [lines(page)]
    while page["events"]:
        page = client.get_run_recent_logs(*PLACE, logged, next_backward_token=page["next_backward_token"])
        seen.append(lines(page))
    assert seen == ["654", "321", "0", ""]
    back = client.get_run_recent_logs(*PLACE, logged, next_forward_token=page["next_forward_token"])
    assert lines(back) == "210"
    end = client.get_run_recent_logs(*PLACE, logged, next_forward_token=first["next_forward_token"])
    assert (end["events"], end.keys()) == ([], first.keys())
    turned = client.get_run_recent_logs(*PLACE, logged, next_backward_token=end["next_backward_token"])
    assert lines(turned) == "654"
    sandbox.abeja.log(remote_id(joined, logged), "7", clock.after(9))
    joined.sync("abeja")
    assert lines(client.get_run_recent_logs(*PLACE, logged, next_forward_token=first["next_forward_token"])) == "7"
    with pytest.raises(BadRequest):
        client.get_run_recent_logs(
            *PLACE, logged, next_forward_token=end["next_forward_token"], next_backward_token=end["next_backward_token"]
        )


def test_bounds_are_included_and_kept_by_tokens(client: APIClient, logged: str, still: clock.Virtual) -> None:
    """Times with a zone are converted, times without are UTC; a token goes on between the same bounds."""
    start, end = still.moment + timedelta(seconds=1), still.moment + timedelta(seconds=5)
    tokyo = start.astimezone(timezone(timedelta(hours=9)))
    page = client.get_run_logs(*PLACE, logged, start_time=tokyo, end_time=end.replace(tzinfo=None))
    assert lines(page) == "123"
    assert lines(client.get_run_logs(*PLACE, logged, next_token=page["next_token"])) == "45"
    assert lines(client.get_run_recent_logs(*PLACE, logged, start_time=start, end_time=end)) == "543"
    with pytest.raises(BadRequest):
        client.get_run_logs(*PLACE, logged, start_time="2026-01-01")  # type: ignore[arg-type]


def test_an_unsent_run_has_empty_logs(offline: APIClient) -> None:
    """Nothing has run yet: no events, the end at once."""
    local = create(offline)
    assert offline.get_run_logs(*PLACE, local) == {"events": []}
    recent = offline.get_run_recent_logs(*PLACE, local)
    assert recent["events"] == []
    assert recent["next_forward_token"]
    assert recent["next_backward_token"]


def test_what_the_platform_adds_survives(joined: Workspace, client: APIClient, sandbox: Sandbox) -> None:
    """Unknown keys and statuses come through as they are."""
    sandbox.abeja.put(run_id="run-7", status="HIBERNATING", priority={"class": 1})
    joined.pull("abeja")
    (run,) = client.get_runs(*PLACE)["entries"]
    assert (run["status"], run["priority"]) == ("HIBERNATING", {"class": 1})


def test_the_usual_workspace_is_the_environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``workspace`` the client writes where ``syncer sync`` looks, and keeps no secret there."""
    monkeypatch.setenv("SYNCER_DB", str(tmp_path / "usual.db"))
    monkeypatch.setenv("PLATFORM_AUTH_TOKEN", "canary")
    create(APIClient())
    assert outbox(tmp_path / "usual.db") == [("pending", None)]
    assert b"canary" not in b"".join(p.read_bytes() for p in tmp_path.glob("usual.db*"))


def test_a_start_before_any_time_is_fine(client: APIClient, logged: str) -> None:
    """Bounds need not touch anything."""
    assert lines(client.get_run_logs(*PLACE, logged, end_time=datetime(2000, 1, 1, tzinfo=UTC))) == ""
