"""Pull: what others wrote comes home, nothing is skipped, waiting edits are kept."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.adapters.plexus.spec import MODELS
from syncer.remote import Limits
from syncer.sandbox.server import Sandbox
from tests.factory import account
from tests.files import rows, write
from tests.sample_records import everything

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def pulled(report: Any) -> dict[str, tuple[int, int]]:
    """(added, changed) of the models where anything happened."""
    parts = report.remotes["plexus"].pulled
    return {name: (p.added, p.changed) for name, p in parts.items() if p.added or p.changed}


def upstream(sandbox: Sandbox, **extra: Any) -> None:
    """An account of a colleague's, with a card and two results."""
    stamp = {"createdAt": "2026-03-01T00:00:00.000Z", "updatedAt": "2026-03-01T00:00:00.000Z"}
    sandbox.put("Account", {"id": "acc", "name": "Lab", "key": "lab", **stamp})
    sandbox.put("Scorecard", {"id": "card", "name": "C", "key": "c", "accountId": "acc", **stamp})
    for n in range(2):
        sandbox.put("ScoreResult", score_result(f"r{n}", **extra))


def score_result(key: str, **extra: Any) -> dict[str, Any]:
    """A score result as the remote holds it."""
    fields = {"value": "Yes", "itemId": "i", "accountId": "acc", "scorecardId": "card", "scoreId": "s", "type": "prediction"}
    times = {"createdAt": "2026-03-01T00:00:00.000Z", "updatedAt": "2026-03-01T00:00:00.000Z"}
    return {"id": key, **fields, "status": "COMPLETED", **times, **extra}


def test_an_empty_file_fills(synced: Workspace, sandbox: Sandbox) -> None:
    """Account by key, then everything that hangs on it."""
    upstream(sandbox)
    report = synced.pull()
    assert report.exit_code == 0
    assert pulled(report) == {"Account": (1, 0), "Scorecard": (1, 0), "ScoreResult": (2, 0)}
    assert pulled(synced.pull()) == {}


def test_every_model_comes_home(synced: Workspace, sandbox: Sandbox, tmp_path: Path) -> None:
    """Every model an API key may use is found by another file, field for field."""
    made = everything(synced.plexus)
    account_key = synced.plexus.find("Account")[0]["key"]
    synced.push()
    with Workspace.open(tmp_path / "other.db") as other:
        other.settings.environ["PLEXUS_ACCOUNT_KEY"] = account_key  # type: ignore[index]
        report = other.pull()
        assert report.remotes["plexus"].notes == []
        for model, key, _ in made:
            assert other.plexus.get(model, key) == synced.plexus.get(model, key)


def test_a_new_and_an_edited_record_arrive(synced: Workspace, sandbox: Sandbox) -> None:
    """Only what changed since the checkpoint, with its overlap, is written."""
    upstream(sandbox)
    synced.pull()
    sandbox.edit("ScoreResult", "r0", value="No")
    now = clock.usual_text(clock.stored_now())
    sandbox.put("ScoreResult", score_result("r9", createdAt=now, updatedAt=now))
    assert pulled(synced.pull()) == {"ScoreResult": (1, 1)}
    found = synced.plexus.get("ScoreResult", "r0")
    assert found is not None
    assert found["value"] == "No"


def test_a_late_arrival_inside_the_overlap_is_seen(synced: Workspace, sandbox: Sandbox) -> None:
    """A record that appears with a time a little before the checkpoint is not missed."""
    now = clock.now()

    def text(minutes: int) -> str:
        return clock.usual_text(clock.stored(now - timedelta(minutes=minutes)))

    upstream(sandbox, updatedAt=text(0))
    synced.pull()
    sandbox.put("ScoreResult", score_result("late", updatedAt=text(4)))
    assert pulled(synced.pull()) == {"ScoreResult": (1, 0)}


def test_a_clock_that_runs_ahead_does_not_push_the_mark_past_now(synced: Workspace, sandbox: Sandbox) -> None:
    """A record dated tomorrow must not hide what is written today."""
    tomorrow = clock.usual_text(clock.after(86_400))
    upstream(sandbox, updatedAt=tomorrow)
    synced.pull()
    now = clock.usual_text(clock.stored_now())
    sandbox.put("ScoreResult", score_result("today", updatedAt=now))
    assert pulled(synced.pull()) == {"ScoreResult": (1, 0)}


@pytest.mark.parametrize(
    "text",
    ["2026-03-01T00:00:00Z", "2026-03-01T00:00:00.123456Z", "2026-03-01T09:00:00.5+09:00", "2026-03-01T00:00:00.1000Z"],
)
def test_odd_spellings_of_times_survive(synced: Workspace, sandbox: Sandbox, text: str) -> None:
    """Times are normalised in the file; conditions still spell them as the remote does, so an update goes through."""
    upstream(sandbox, updatedAt=text, createdAt=text)
    synced.pull()
    found = synced.plexus.get("ScoreResult", "r0")
    assert found is not None
    assert len(found["updatedAt"]) == 27
    synced.plexus.update("ScoreResult", "r0", {"value": "No"})
    assert synced.push().exit_code == 0
    stored = sandbox.get("ScoreResult", "r0")
    assert stored is not None
    assert (stored["value"], stored["createdAt"]) == ("No", text)


def test_a_waiting_edit_is_kept(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Another field changed upstream is merged in; ours stays and is sent on top."""
    upstream(sandbox)
    synced.pull()
    synced.plexus.update("ScoreResult", "r0", {"value": "No"})
    sandbox.edit("ScoreResult", "r0", explanation="theirs")
    synced.pull()
    found = synced.plexus.get("ScoreResult", "r0")
    assert found is not None
    assert (found["value"], found["explanation"]) == ("No", "theirs")
    assert synced.push().exit_code == 0
    stored = sandbox.get("ScoreResult", "r0")
    assert stored is not None
    assert (stored["value"], stored["explanation"]) == ("No", "theirs")
    assert rows(path, "SELECT count(*) FROM _base") == [(0,)]


def test_a_pull_leaves_what_may_be_applied_to_its_replay(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """The answer to our edit was lost and a colleague went on from it: no merge by guess, no question, one effect [I6]."""
    upstream(sandbox)
    synced.pull()
    synced.plexus.update("ScoreResult", "r0", {"value": "No"})
    sandbox.faults.lose_next_reply()
    synced.push(wait_s=0)
    sandbox.edit("ScoreResult", "r0", explanation="theirs")
    frozen = "SELECT state, idem_key, body_hash FROM outbox"
    before = rows(path, frozen)
    synced.pull()
    assert rows(path, frozen) == before
    assert before[0][0] == "ambiguous"
    assert synced.push().exit_code == 0
    assert len(sandbox.effects("ScoreResult", "update")) == 1
    synced.pull()
    found = synced.plexus.get("ScoreResult", "r0")
    assert found is not None
    assert (found["value"], found["explanation"]) == ("No", "theirs")
    assert rows(path, "SELECT * FROM conflict") == rows(path, "SELECT * FROM _base") == []


def test_a_field_changed_on_both_sides_is_a_conflict_with_both_values(
    synced: Workspace, sandbox: Sandbox, path: Path
) -> None:
    """Nothing is overwritten on either side; both values and their base are on record."""
    upstream(sandbox)
    synced.pull()
    synced.plexus.update("ScoreResult", "r0", {"value": "No", "explanation": "ours"})
    sandbox.edit("ScoreResult", "r0", value="Maybe", code="201")
    report = synced.sync()
    assert report.exit_code == 3
    assert rows(path, "SELECT field, base, ours, theirs FROM v_conflicts") == [("value", '"Yes"', '"No"', '"Maybe"')]
    assert rows(path, "SELECT state FROM outbox") == [("conflict",)]
    found, stored = synced.plexus.get("ScoreResult", "r0"), sandbox.get("ScoreResult", "r0")
    assert found is not None
    assert stored is not None
    assert (found["value"], found["explanation"], found["code"]) == ("No", "ours", "201")
    assert (stored["value"], stored.get("explanation")) == ("Maybe", None)
    assert synced.sync().requests == 0


def test_a_conflict_found_by_the_pull_is_the_same(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """It makes no difference whether push or pull meets the conflict first."""
    upstream(sandbox)
    synced.pull()
    synced.plexus.update("ScoreResult", "r0", {"value": "No"})
    sandbox.edit("ScoreResult", "r0", value="Maybe")
    synced.pull()
    assert rows(path, "SELECT field, base, ours, theirs FROM v_conflicts") == [("value", '"Yes"', '"No"', '"Maybe"')]
    assert synced.status().remotes["plexus"].conflicts == 1


def test_the_same_edit_on_both_sides_is_none(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Both sides agree: the change is acknowledged without a conflict."""
    upstream(sandbox, metadata='{"a":1,"b":2}')
    synced.pull()
    synced.plexus.update("ScoreResult", "r0", {"metadata": {"b": 3, "a": 1}})
    sandbox.edit("ScoreResult", "r0", metadata='{"a":1,"b":3}')
    assert synced.sync().exit_code == 0
    assert rows(path, "SELECT count(*) FROM conflict") == [(0,)]
    assert synced.status().consistent


def test_retrying_a_conflict_sends_ours(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """``retry`` decides for our values, on top of everything else they changed."""
    upstream(sandbox)
    synced.pull()
    synced.plexus.update("ScoreResult", "r0", {"value": "No"})
    sandbox.edit("ScoreResult", "r0", value="Maybe", explanation="theirs")
    synced.sync()
    (seq,) = rows(path, "SELECT seq FROM outbox")[0]
    synced.retry(seq)
    assert synced.sync().exit_code == 0
    stored = sandbox.get("ScoreResult", "r0")
    assert stored is not None
    assert (stored["value"], stored["explanation"]) == ("No", "theirs")
    assert rows(path, "SELECT count(*) FROM v_conflicts") == [(0,)]
    assert rows(path, "SELECT resolution, theirs FROM conflict") == [("ours", '"Maybe"')]


def test_dropping_a_conflict_takes_theirs(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """``drop`` decides for their values; ours stay on record in the conflict."""
    upstream(sandbox)
    synced.pull()
    synced.plexus.update("ScoreResult", "r0", {"value": "No"})
    sandbox.edit("ScoreResult", "r0", value="Maybe")
    synced.sync()
    (seq,) = rows(path, "SELECT seq FROM outbox")[0]
    assert synced.drop(seq).seqs == (seq,)
    found = synced.plexus.get("ScoreResult", "r0")
    assert found is not None
    assert found["value"] == "Maybe"
    assert rows(path, "SELECT resolution, ours FROM conflict") == [("theirs", '"No"')]
    assert synced.status().consistent
    assert synced.sync().exit_code == 0


def test_an_id_taken_by_another_record_is_a_conflict(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A create that meets a different record under its id overwrites nothing; retry turns it into an update."""
    upstream(sandbox)
    made = account(synced, id="acc", name="Mine")
    assert synced.push().exit_code == 3
    assert sandbox.get("Account", "acc")["name"] == "Lab"  # type: ignore[index]
    assert rows(path, "SELECT field, ours, theirs FROM v_conflicts") == [("name", '"Mine"', '"Lab"')]
    (seq,) = rows(path, "SELECT seq FROM outbox")[0]
    synced.retry(seq)
    assert synced.push().exit_code == 0
    assert sandbox.get("Account", made)["name"] == "Mine"  # type: ignore[index]
    assert synced.status().consistent


def test_deleting_what_others_changed_is_a_conflict(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A delete carries the version it was decided on; a newer record stays until a person has looked."""
    upstream(sandbox)
    synced.pull()
    synced.plexus.delete("ScoreResult", "r0")
    sandbox.edit("ScoreResult", "r0", value="Maybe")
    assert synced.sync().exit_code == 3
    assert sandbox.get("ScoreResult", "r0") is not None
    (seq,) = rows(path, "SELECT seq FROM outbox")[0]
    synced.drop(seq)
    found = synced.plexus.get("ScoreResult", "r0")
    assert found is not None
    assert found["value"] == "Maybe"


def test_updating_what_others_deleted_is_a_conflict(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """An update never brings a deleted record back silently."""
    upstream(sandbox)
    synced.pull()
    synced.plexus.update("ScoreResult", "r0", {"value": "No"})
    sandbox.drop("ScoreResult", "r0")
    assert synced.push().exit_code == 3
    assert sandbox.get("ScoreResult", "r0") is None
    assert "no longer exists" in rows(path, "SELECT reason FROM outbox")[0][0]


def test_a_killed_pull_goes_on_where_it_was(
    synced: Workspace, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages stored before the end stay, and the next pull follows the stored token instead of starting again."""
    upstream(sandbox)
    sandbox.put_all("ScoreResult", [score_result(f"n{n:04}") for n in range(500)])
    synced.pull(models=["Account"])
    monkeypatch.setattr("syncer.adapters.plexus.adapter.Plexus.limits", Limits(page=50))
    sandbox.faults.serve_next(4)
    sandbox.faults.fail_next(401)
    assert synced.pull(models=["ScoreResult"]).exit_code == 4
    (stored,) = rows(path, "SELECT count(*) FROM plexus_score_result")[0]
    assert 0 < stored < 502
    assert rows(path, "SELECT token IS NOT NULL FROM _checkpoint WHERE model = 'ScoreResult'") == [(1,)]
    before = sandbox.requests
    report = synced.pull(models=["ScoreResult"])
    assert report.exit_code == 0
    assert sandbox.requests - before == (502 - stored) // 50 + 1
    assert rows(path, "SELECT count(*) FROM plexus_score_result") == [(502,)]


def test_a_limited_pull_goes_on_where_it_stopped(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Piece by piece everything comes home, nothing twice."""
    upstream(sandbox)
    sandbox.put_all("ScoreResult", [score_result(f"n{n:03}") for n in range(98)])
    monkeypatch.setattr("syncer.adapters.plexus.adapter.Plexus.limits", Limits(page=20))
    added = []
    while len(synced.plexus.find("ScoreResult")) < 100:
        added.append(synced.pull(models=["Account", "ScoreResult"], limit=30).remotes["plexus"].pulled["ScoreResult"].added)
    assert sum(added) == 100
    assert len(added) > 2


def test_a_stumbling_remote_is_asked_again(synced: Workspace, sandbox: Sandbox) -> None:
    """Reading may be repeated: lost answers, failures and throttling do not end a pull."""
    upstream(sandbox)
    with clock.using(clock.Virtual(START)):
        sandbox.faults.fail_next(503)
        sandbox.faults.lose_next_reply()
        sandbox.faults.fail_next(429, {"Retry-After": "2"})
        sandbox.faults.truncate_next()
        assert synced.pull().exit_code == 0
    assert len(synced.plexus.find("ScoreResult")) == 2


def test_one_closed_model_does_not_keep_the_others_away(synced: Workspace, sandbox: Sandbox) -> None:
    """A model the deployment lacks is noted, the others are pulled."""
    upstream(sandbox)
    report = synced.pull(models=["Account", "BatchJob", "ScoreResult"])
    assert report.exit_code == 0
    assert pulled(report) == {"Account": (1, 0), "ScoreResult": (2, 0)}
    assert "BatchJob" in report.remotes["plexus"].notes[0]


def test_stages_of_unfinished_tasks_are_read_again(synced: Workspace, sandbox: Sandbox) -> None:
    """A stage's edit does not move its task; stages of live tasks are re-read, those of long finished ones are not."""
    upstream(sandbox)
    old = {"createdAt": "2026-03-01T00:00:00.000Z", "updatedAt": "2026-03-01T00:00:00.000Z"}
    task = {"accountId": "acc", "type": "t", "target": "x", "command": "c", **old}
    sandbox.put("Task", {"id": "live", "status": "RUNNING", **task})
    sandbox.put("Task", {"id": "done", "status": "COMPLETED", **task})
    for name in ("live", "done"):
        sandbox.put("TaskStage", {"id": f"s-{name}", "taskId": name, "name": "n", "order": 1, "status": "RUNNING", **old})
    synced.pull()
    sandbox.edit("TaskStage", "s-live", status="COMPLETED")
    before = sandbox.requests
    synced.pull(models=["TaskStage"])
    assert sandbox.requests - before == 1
    stages = {s["taskId"]: s["status"] for s in synced.plexus.find("TaskStage")}
    assert stages == {"live": "COMPLETED", "done": "RUNNING"}


def test_unfinished_jobs_are_read_again(synced: Workspace, sandbox: Sandbox) -> None:
    """Jobs are listed by creation; the edits of unfinished ones are found by asking for them."""
    upstream(sandbox)
    job = {"status": "PENDING", "itemId": "i", "accountId": "acc", "scorecardId": "card"}
    for key, day in (
        ("j", "2026-03-01"),
        ("newer", "2026-03-20"),
    ):  # the checkpoint, even with its overlap, is behind the first
        when = f"{day}T00:00:00.000Z"
        sandbox.put("ScoringJob", {"id": key, **job, "createdAt": when, "updatedAt": when})
    synced.pull()
    sandbox.edit("ScoringJob", "j", status="COMPLETED")
    synced.pull()
    assert {found["id"]: found["status"] for found in synced.plexus.find("ScoringJob")} == {
        "j": "COMPLETED",
        "newer": "PENDING",
    }


class OtherClock(BaseHTTPRequestHandler):
    """An upstream without records whose clock is ``off`` from ours."""

    off = timedelta(0)

    def do_POST(self) -> None:
        """An empty page for every question."""
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"data": {"page": {"items": [], "nextToken": null}}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """What its Date header says."""
        return format_datetime(datetime.now(UTC) + self.off, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.mark.parametrize(
    ("hours", "said"), [(3, "180 minutes behind plexus"), (-3, "180 minutes ahead of plexus"), (0, None)]
)
def test_a_clock_far_off_is_said_once(path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, said: str | None) -> None:
    """The remote's Date header tells: times of what is written here would be wrong."""
    handler = type("Handler", (OtherClock,), {"off": timedelta(hours=hours)})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("PLEXUS_API_URL", f"http://127.0.0.1:{server.server_port}/graphql")
        monkeypatch.setenv("PLEXUS_API_KEY", "k")
        monkeypatch.setenv("PLEXUS_ACCOUNT_KEY", "lab")
        with Workspace.open(path) as ws:
            account(ws)
            notes = [n for n in ws.pull("plexus").remotes["plexus"].notes if "clock" in n]
        server.shutdown()
        thread.join()
    assert len(notes) == (1 if said else 0)
    assert all(said in note for note in notes if said)


def test_full_starts_from_the_beginning(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """``full`` brings back rows that are missing here though their times are long past."""
    upstream(sandbox)
    now = clock.usual_text(clock.stored_now())
    sandbox.put("ScoreResult", score_result("new", updatedAt=now))
    synced.pull()
    write(path, "DELETE FROM plexus_score_result")
    assert pulled(synced.pull()) == {"ScoreResult": (1, 0)}
    assert pulled(synced.pull(full=True)) == {"ScoreResult": (2, 0)}


def test_records_only_the_remote_has_values_for_are_kept_as_they_are(synced: Workspace, sandbox: Sandbox) -> None:
    """JSON that is no JSON, double-encoded JSON and nulls in required fields do not stop a pull."""
    upstream(sandbox)
    sandbox.put("ScoreResult", score_result("odd", metadata="not json", trace=json.dumps(json.dumps({"a": 1})), value=None))
    report = synced.pull()
    assert report.exit_code == 0
    found = synced.plexus.get("ScoreResult", "r0")
    assert found is not None


def test_unfinished_models_are_those_with_a_plan() -> None:
    """Every model but the closed one has a way home."""
    assert [name for name, model in MODELS.items() if model.pull is None] == ["User"]
