"""Sweeps: what is gone on the remote goes here too, after a complete look, never by mistake, never with edits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.config import Settings
from syncer.engine.report import RemoteReport
from syncer.remote import Limits
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.factory import result, scoring
from tests.files import rows
from tests.prefactor.talking import Talk

OLD = {"createdAt": "2026-03-01T00:00:00.000Z", "updatedAt": "2026-03-01T00:00:00.000Z"}
NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def frozen() -> Iterator[clock.Virtual]:
    """The clock of everybody, standing at noon."""
    virtual = clock.Virtual(NOON)
    with clock.using(virtual):
        yield virtual


@pytest.fixture
def lab(sandbox: Sandbox) -> Sandbox:
    """An upstream with an account, a card and twelve results."""
    sandbox.put("Account", {"id": "acc", "name": "Lab", "key": "lab", **OLD})
    sandbox.put("Scorecard", {"id": "card", "name": "C", "key": "c", "accountId": "acc", **OLD})
    sandbox.put_all("ScoreResult", [record(f"r{n:02}") for n in range(12)])
    return sandbox


def record(key: str, **extra: Any) -> dict[str, Any]:
    """A score result as the remote holds it."""
    fields = {"value": "Yes", "itemId": "i", "accountId": "acc", "scorecardId": "card", "scoreId": "s", "type": "prediction"}
    return {"id": key, **fields, "status": "COMPLETED", **OLD, **extra}


def part_of(ws: Workspace, remote: str = "plexus", code: int = 0, **how: Any) -> RemoteReport:
    """A remote's part of a pull that ends with ``code``."""
    report = ws.pull(remote, **how)
    assert report.exit_code == code, report
    return report.remotes[remote]


def removed(part: RemoteReport) -> dict[str, int]:
    """Rows removed by model."""
    return {name: pulled.removed for name, pulled in part.pulled.items() if pulled.removed}


def ids(ws: Workspace, model: str = "ScoreResult") -> set[str]:
    """Ids of the rows here."""
    return {found["id"] for found in ws.plexus.find(model)}


def swept(path: Path) -> list[Any]:
    """What the history says was swept."""
    return rows(path, "SELECT model, key FROM _event WHERE kind = 'swept' ORDER BY model, key")


def test_a_full_pull_removes_what_is_gone(synced: Workspace, lab: Sandbox, path: Path) -> None:
    """A delta cannot show deletions; a complete scan does. The history names every row that went."""
    part_of(synced)
    lab.drop("ScoreResult", "r03")
    lab.drop("ScoreResult", "r07")
    assert removed(part_of(synced)) == {}
    assert removed(part_of(synced, full=True)) == {"ScoreResult": 2}
    assert ids(synced) == {f"r{n:02}" for n in range(12)} - {"r03", "r07"}
    assert swept(path) == [("ScoreResult", "r03"), ("ScoreResult", "r07")]
    assert removed(part_of(synced, full=True)) == {}
    assert (
        json.loads(rows(path, "SELECT counts FROM sync_run ORDER BY id DESC LIMIT 1 OFFSET 1")[0][0])["ScoreResult"][
            "removed"
        ]
        == 2
    )


def test_what_is_read_whole_each_time_is_swept_each_time(synced: Workspace, lab: Sandbox, path: Path) -> None:
    """Stages of a live task: one that is gone goes with the next pull, which costs one request more, and only then."""
    task = {"accountId": "acc", "type": "t", "status": "RUNNING", "target": "x", "command": "c", **OLD}
    lab.put("Task", {"id": "t", **task})
    for n in (1, 2):
        lab.put("TaskStage", {"id": f"s{n}", "taskId": "t", "name": "n", "order": n, "status": "RUNNING", **OLD})
    part_of(synced)
    before = lab.requests
    part_of(synced, models=["TaskStage"])
    usual = lab.requests - before
    lab.drop("TaskStage", "s1")
    before = lab.requests
    assert removed(part_of(synced, models=["TaskStage"])) == {"TaskStage": 1}
    assert lab.requests - before == usual + 1
    assert ids(synced, "TaskStage") == {"s2"}


def test_a_composite_key_is_swept_like_any_other(synced: Workspace, lab: Sandbox, path: Path) -> None:
    """Identifiers have two key fields, which may hold anything."""
    for name in ('a"b', "ü,\\ 1", "plain"):
        lab.put("Identifier", {"itemId": "i", "name": name, "value": name, "position": 1, "accountId": "acc", **OLD})
    part_of(synced)
    lab.drop("Identifier", json.dumps(["i", 'a"b'], separators=(",", ":")))
    assert len(lab.rows("Identifier")) == 2
    assert removed(part_of(synced, full=True)) == {"Identifier": 1}
    assert {found["name"] for found in synced.plexus.find("Identifier")} == {"ü,\\ 1", "plain"}


def test_a_row_the_list_does_not_show_is_asked_for_by_key(synced: Workspace, lab: Sandbox, path: Path) -> None:
    """A record that has moved to another account is in no list of ours, but it exists: the row is brought up to date."""
    part_of(synced)
    lab.edit("ScoreResult", "r05", accountId="elsewhere", value="moved", updatedAt=OLD["updatedAt"])
    part = part_of(synced, full=True)
    assert removed(part) == {}
    found = synced.plexus.get("ScoreResult", "r05")
    assert found is not None
    assert (found["accountId"], found["value"]) == ("elsewhere", "moved")


@pytest.mark.parametrize("where", ["in the middle of the list", "while asking by key", "after a limit", "resumed"])
def test_a_scan_that_did_not_end_removes_nothing(
    synced: Workspace, lab: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whatever stops it: what was not shown yet is not gone."""
    part_of(synced)
    lab.drop("ScoreResult", "r00")
    monkeypatch.setattr("syncer.adapters.plexus.adapter.Plexus.limits", Limits(page=4))
    only = ["ScoreResult"]
    if where == "after a limit":
        part_of(synced, models=only, full=True, limit=4)
    elif where == "resumed":
        part_of(synced, models=only, full=True, limit=4)
        part_of(synced, models=only)
    else:
        lab.faults.serve_next(1 if where == "in the middle of the list" else 3)
        lab.faults.fail_next(401)
        part_of(synced, models=only, full=True, code=4)
    assert len(ids(synced)) == 12
    assert swept(path) == []
    assert removed(part_of(synced, models=only, full=True)) == {"ScoreResult": 1}


def test_a_scan_in_two_runs_is_not_complete(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list without times that was left in the middle is ended by the next pull, and swept by the one after."""
    with Sandbox(Options(legacy=True)) as lab:
        settings = {**lab.settings, "PLEXUS_ACCOUNT_KEY": "lab"}
        job = {
            "accountId": "acc",
            "scorecardId": "card",
            "type": "t",
            "status": "OPEN",
            "modelProvider": "p",
            "modelName": "m",
        }
        lab.put_all("BatchJob", [{"id": f"b{n}", **job, "batchId": "b", "scoringJobCountCache": 0, **OLD} for n in range(6)])
        with Workspace(Settings(str(path), environ=settings)) as ws:
            only = ["BatchJob"]
            part_of(ws, models=only)
            lab.drop("BatchJob", "b0")
            monkeypatch.setattr("syncer.adapters.plexus.adapter.Plexus.limits", Limits(page=2))
            part_of(ws, models=only, limit=2)
            assert removed(part_of(ws, models=only)) == {}
            part = part_of(ws, models=only)
            assert (removed(part), part.notes, len(ids(ws, "BatchJob"))) == ({"BatchJob": 1}, [], 5)


def test_a_lost_answer_to_the_question_by_key_is_asked_again(synced: Workspace, lab: Sandbox, frozen: clock.Virtual) -> None:
    """Stumbling is not absence."""
    part_of(synced)
    lab.drop("ScoreResult", "r00")
    lab.faults.serve_next(1)
    lab.faults.lose_next_reply()
    lab.faults.truncate_next()
    assert removed(part_of(synced, models=["ScoreResult"], full=True)) == {"ScoreResult": 1}


def test_an_empty_answer_removes_nothing_and_is_said(synced: Workspace, lab: Sandbox, path: Path) -> None:
    """Nothing at all where rows are looks like a wrong address; it is believed only when that is allowed."""
    part_of(synced)
    for n in range(12):
        lab.drop("ScoreResult", f"r{n:02}")
    part = part_of(synced, full=True)
    assert removed(part) == {}
    (note,) = part.notes
    assert note.startswith("ScoreResult: plexus lists none, and 12 are here: nothing was removed")
    assert "syncer pull plexus --model ScoreResult --full --allow-mass-delete" in note
    assert len(ids(synced)) == 12
    assert removed(part_of(synced, full=True, allow_mass_delete=True)) == {"ScoreResult": 12}


@pytest.mark.parametrize(("gone", "many"), [(24, False), (25, True)])
def test_a_mass_of_deletions_stops_and_asks(synced: Workspace, lab: Sandbox, path: Path, gone: int, many: bool) -> None:
    """More than twenty and a fifth of what is here: none is removed, and the exit code says that a person should look."""
    lab.put_all("ScoreResult", [record(f"m{n:03}") for n in range(108)])
    part_of(synced)
    for n in range(gone):
        lab.drop("ScoreResult", f"m{n:03}")
    part = part_of(synced, full=True, code=3 if many else 0)
    assert removed(part) == ({} if many else {"ScoreResult": gone})
    assert len(ids(synced)) == (120 if many else 120 - gone)
    assert len(part.notes) == part.deletions_not_checked == int(many)
    if many:
        assert part.notes[0].startswith("ScoreResult: more than 24 of 120 rows here are gone from plexus: none was removed")
        assert removed(part_of(synced, full=True, allow_mass_delete=True)) == {"ScoreResult": gone}


def test_rows_with_waiting_edits_stay_and_become_a_conflict(synced: Workspace, lab: Sandbox, path: Path) -> None:
    """Deleted there, edited here: a person is asked, once; the edit and the row stay."""
    part_of(synced)
    synced.plexus.update("ScoreResult", "r01", {"value": "No"})
    lab.drop("ScoreResult", "r01")
    lab.drop("ScoreResult", "r02")
    part = part_of(synced, full=True, code=3)
    assert removed(part) == {"ScoreResult": 1}
    found = synced.plexus.get("ScoreResult", "r01")
    assert found is not None
    assert found["value"] == "No"
    assert rows(path, "SELECT state, reason FROM outbox") == [("conflict", "the record no longer exists on the remote")]
    assert rows(path, "SELECT key, field, theirs FROM v_conflicts") == [("r01", None, None)]
    part_of(synced, full=True, code=3)
    assert rows(path, "SELECT count(*) FROM conflict") == [(1,)]
    assert swept(path) == [("ScoreResult", "r02")]


def test_what_was_never_sent_is_not_missed_there(synced: Workspace, lab: Sandbox, path: Path) -> None:
    """Waiting creates, waiting deletes, and an edit on its way are left to the push."""
    part_of(synced)
    made = scoring(synced)
    synced.plexus.create("ScoreResult", result(made))
    synced.plexus.delete("ScoreResult", "r04")
    lab.drop("ScoreResult", "r04")
    before = rows(path, "SELECT seq, state FROM outbox")
    part = part_of(synced, full=True)
    assert (removed(part), part.notes) == ({}, [])
    assert rows(path, "SELECT seq, state FROM outbox") == before
    assert synced.push().exit_code == 0
    assert synced.status().consistent


def test_an_account_whose_rows_are_all_unsent_is_not_called_empty(synced: Workspace, sandbox: Sandbox) -> None:
    """A file that was filled off the network is not compared with a remote that has nothing yet."""
    scoring(synced)
    synced.pull()
    part = part_of(synced, full=True)
    assert (removed(part), part.notes) == ({}, [])
    assert len(ids(synced, "Scorecard")) == 1


def test_what_was_only_just_written_is_given_time(synced: Workspace, lab: Sandbox, frozen: clock.Virtual) -> None:
    """Lists show a write late: a row whose change has just left is not suspect yet."""
    part_of(synced)
    synced.plexus.update("ScoreResult", "r06", {"value": "No"})
    assert synced.push().exit_code == 0
    lab.drop("ScoreResult", "r06")
    assert removed(part_of(synced, full=True)) == {}
    frozen.sleep(120)
    assert removed(part_of(synced, full=True)) == {"ScoreResult": 1}


def test_what_was_under_a_record_that_is_gone_goes_with_it(synced: Workspace, lab: Sandbox, path: Path) -> None:
    """Blocks of a report that is gone are listed under nothing any more: they are asked for by key."""
    for name in ("keep", "gone"):
        lab.put("Report", {"id": name, "accountId": "acc", "name": name, "taskId": "t", **OLD})
        for n in range(3):
            lab.put("ReportBlock", {"id": f"{name}{n}", "reportId": name, "position": n, "type": "t", **OLD})
    part_of(synced)
    lab.drop("Report", "gone")
    for n in range(2):
        lab.drop("ReportBlock", f"gone{n}")
    assert removed(part_of(synced, models=["Report"], full=True)) == {"Report": 1, "ReportBlock": 2}
    assert ids(synced, "ReportBlock") == {"keep0", "keep1", "keep2", "gone2"}


def test_a_whole_scorecard_goes_with_all_under_it(synced: Workspace, lab: Sandbox, path: Path) -> None:
    """Card, section, score and version: each is asked for, each goes."""
    lab.put("Scorecard", {"id": "old", "name": "O", "key": "o", "accountId": "acc", **OLD})
    lab.put("ScorecardSection", {"id": "sec", "name": "S", "order": 1, "scorecardId": "old", **OLD})
    score = {"name": "S", "order": 1, "type": "LLM", "sectionId": "sec", "scorecardId": "old", "externalId": "x"}
    lab.put("Score", {"id": "score", **score, **OLD})
    lab.put("ScoreVersion", {"id": "ver", "scoreId": "score", "configuration": "c", "isFeatured": "false", **OLD})
    part_of(synced)
    for model, key in (("Scorecard", "old"), ("ScorecardSection", "sec"), ("Score", "score"), ("ScoreVersion", "ver")):
        lab.drop(model, key)
    gone = removed(part_of(synced, full=True))
    assert gone == {"Scorecard": 1, "ScorecardSection": 1, "Score": 1, "ScoreVersion": 1}


def test_a_first_pull_at_another_address_removes_nothing(path: Path, lab: Sandbox) -> None:
    """A file that was filled elsewhere is not emptied by pointing it at another deployment."""

    def opened(server: Sandbox) -> Workspace:
        return Workspace(Settings(str(path), environ={**server.settings, "PLEXUS_ACCOUNT_KEY": "lab"}))

    with opened(lab) as ws:
        part_of(ws)
    with Sandbox(Options()) as other:
        other.put("Account", {"id": "acc", "name": "Lab", "key": "lab", **OLD})
        other.put("ScoreResult", record("other"))
        with opened(other) as ws:
            assert removed(part_of(ws, full=True)) == {}
            assert len(ids(ws)) == 13


def test_half_a_pull_at_another_address_does_not_make_it_known(
    path: Path, lab: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a walk that came to its end says that the file belongs there [I15]."""

    def opened(server: Sandbox) -> Workspace:
        return Workspace(Settings(str(path), environ={**server.settings, "PLEXUS_ACCOUNT_KEY": "lab"}))

    with opened(lab) as ws:
        part_of(ws)
    with Sandbox(Options()) as other:
        other.put_all("ScoreResult", [record(f"other{n}") for n in range(4)])
        with opened(other) as ws:
            with monkeypatch.context() as small:
                small.setattr("syncer.adapters.plexus.adapter.Plexus.limits", Limits(page=2))
                part_of(ws, models=["ScoreResult"], limit=2)
            assert rows(path, "SELECT count(*) FROM _checkpoint WHERE token IS NOT NULL") == [(1,)]
            assert removed(part_of(ws, models=["ScoreResult"], full=True)) == {}
            assert len(ids(ws)) == 16


def test_an_unfinished_job_that_is_gone_is_removed(synced: Workspace, lab: Sandbox) -> None:
    """Unfinished jobs are asked for by key at every pull, which is answer enough."""
    job = {"status": "PENDING", "itemId": "i", "accountId": "acc", "scorecardId": "card", **OLD}
    for key in ("j1", "j2"):
        lab.put("ScoringJob", {"id": key, **job})
    part_of(synced)
    lab.drop("ScoringJob", "j1")
    assert removed(part_of(synced)) == {"ScoringJob": 1}
    assert ids(synced, "ScoringJob") == {"j2"}


def test_a_large_scan_is_swept_page_by_page(synced: Workspace, lab: Sandbox, path: Path) -> None:
    """Thousands of rows, hundreds gone, in batches; nothing of the search stays in the file."""
    lab.put_all("ScoreResult", [record(f"m{n:04}") for n in range(2500)])
    part_of(synced)
    for n in range(0, 2500, 6):
        lab.drop("ScoreResult", f"m{n:04}")
    assert removed(part_of(synced, models=["ScoreResult"], full=True)) == {"ScoreResult": 417}
    assert len(ids(synced)) == lab.count("ScoreResult")
    assert rows(path, "SELECT name FROM sqlite_master WHERE name IN ('seen', 'unseen')") == []


def test_spans_and_instances_that_are_gone_are_removed(synced: Workspace, sandbox: Sandbox) -> None:
    """Prefactor lists are read whole at every pull; spans of an instance that is gone go with it."""
    Talk(synced, sandbox.prefactor.agent_id).active()
    synced.push("prefactor")
    for name in ("one", "two"):
        sandbox.prefactor.put("agent_instance", id=name, status="active")
        for n in range(2):
            sandbox.prefactor.put("agent_span", id=f"{name}{n}", agent_instance_id=name)
    part_of(synced, "prefactor")
    sandbox.prefactor.drop("agent_span", "one0")
    assert removed(part_of(synced, "prefactor")) == {"AgentSpan": 1}
    sandbox.prefactor.drop("agent_instance", "two")
    for n in range(2):
        sandbox.prefactor.drop("agent_span", f"two{n}")
    assert removed(part_of(synced, "prefactor")) == {"AgentInstance": 1, "AgentSpan": 2}
    assert {span["id"] for span in synced.prefactor.find("AgentSpan")} == {"one1"}


def test_runs_whose_retention_has_ended_stay(synced: Workspace, sandbox: Sandbox) -> None:
    """Nobody can delete a run on ABEJA; what the platform forgets after a time is kept here."""
    sandbox.abeja.put(run_id="run-1")
    sandbox.abeja.put(run_id="run-2")
    part_of(synced, "abeja")
    sandbox.abeja.drop("run-1")
    assert removed(part_of(synced, "abeja", full=True)) == {}
    assert len(synced.abeja.find("Run")) == 2


def test_the_report_counts_what_was_removed(synced: Workspace, lab: Sandbox) -> None:
    """Removed rows are among what a pull did, in the sum and in the JSON."""
    part_of(synced)
    lab.drop("ScoreResult", "r00")
    report = synced.pull("plexus", full=True)
    assert report.pulled == 1
    assert report.as_dict()["remotes"]["plexus"]["pulled"]["ScoreResult"]["removed"] == 1
