"""What is pulled where not everything is wanted, by settings and by options; and the guard of deletions as it is met."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.adapters import registry
from syncer.adapters.plexus.spec import MODELS
from syncer.config import load
from syncer.engine.pull.selection import EVERYTHING, Selection, entries, narrowed, read
from syncer.errors import SettingError, UsageError
from syncer.remote import Limits
from syncer.sandbox.server import Sandbox
from tests.cli.conftest import Syncer
from tests.files import rows

OLD = {"createdAt": "2026-03-01T00:00:00.000Z", "updatedAt": "2026-03-01T00:00:00.000Z"}
CARDS = ("quality", "safety")


@pytest.fixture
def lab(sandbox: Sandbox) -> Sandbox:
    """Two accounts; in the first two scorecards, each with everything that may hang on one."""
    for key in ("lab", "plant"):
        sandbox.put("Account", {"id": f"acc-{key}", "name": key, "key": key, **OLD})
    sandbox.put("Scorecard", {"id": "card-plant", "name": "P", "key": "p", "accountId": "acc-plant", **OLD})
    for key in CARDS:
        belonging(sandbox, key)
    sandbox.put("Task", task("task-none"))
    sandbox.put("Item", {"id": "item", "accountId": "acc-lab", "isEvaluation": False, **OLD})
    return sandbox


def task(key: str, **extra: Any) -> dict[str, Any]:
    """A task as the remote holds it."""
    fields = {"accountId": "acc-lab", "type": "t", "status": "RUNNING", "target": "x", "command": "c"}
    return {"id": key, **fields, **OLD, **extra}


def belonging(sandbox: Sandbox, key: str) -> None:
    """A scorecard and what belongs to it."""
    card = f"card-{key}"
    sandbox.put("Scorecard", {"id": card, "name": key.title(), "key": key, "accountId": "acc-lab", **OLD})
    sandbox.put("ScorecardSection", {"id": f"section-{key}", "name": "S", "order": 1, "scorecardId": card, **OLD})
    score = {"name": "S", "order": 1, "type": "LLM", "sectionId": f"section-{key}", "scorecardId": card, "externalId": "x"}
    sandbox.put("Score", {"id": f"score-{key}", **score, **OLD})
    version = {"scoreId": f"score-{key}", "configuration": "c", "isFeatured": "false"}
    sandbox.put("ScoreVersion", {"id": f"version-{key}", **version, **OLD})
    sandbox.put("Task", task(f"task-{key}", scorecardId=card))
    stage = {"taskId": f"task-{key}", "name": "n", "order": 1, "status": "RUNNING"}
    sandbox.put("TaskStage", {"id": f"stage-{key}", **stage, **OLD})
    owned = {"accountId": "acc-lab", "scorecardId": card, "itemId": "item", "scoreId": f"score-{key}"}
    sandbox.put("FeedbackItem", {"id": f"feedback-{key}", **owned, "cacheKey": key, "editedAt": OLD["createdAt"], **OLD})
    result = {**owned, "value": "Yes", "type": "prediction", "status": "COMPLETED"}
    sandbox.put_all(
        "ScoreResult", [{"id": f"result-{key}-{n}", **result, **OLD} for n in range(3 if key == "quality" else 60)]
    )
    hour = {"timeRangeStart": OLD["createdAt"], "timeRangeEnd": OLD["createdAt"], "numberOfMinutes": 60, "count": 1}
    metrics = {"accountId": "acc-lab", "compositeKey": key, "recordType": "r", "complete": True, "scorecardId": card}
    sandbox.put("AggregatedMetrics", {**metrics, **hour, **OLD})


def configured(tmp_path: Path, text: str, section: str = "plexus") -> Path:
    """A file of settings that selects."""
    path = tmp_path / "selecting.toml"
    path.write_text(f"[{section}.pull]\n{text}\n")
    return path


def ids(ws: Workspace, model: str) -> set[str]:
    """Ids of the rows here."""
    return {found["id"] for found in ws.plexus.find(model)}


def pulled(ws: Workspace, **how: Any) -> dict[str, int]:
    """How many rows a pull added, by model."""
    report = ws.pull("plexus", **how)
    assert report.exit_code == 0, report
    return {name: part.added for name, part in report.remotes["plexus"].pulled.items() if part.added}


@pytest.mark.parametrize("name", ["quality", "card-quality", "Quality"])
def test_only_a_scorecard_and_what_belongs_to_it(synced: Workspace, lab: Sandbox, name: str) -> None:
    """By key, id or name: what has an index for it, what hangs on its parents, what is only filtered; the rest as ever."""
    found = pulled(synced, scorecards=[name])
    assert found == {
        "Account": 1, "Scorecard": 2, "ScorecardSection": 1, "Score": 1, "ScoreVersion": 1, "Task": 1, "TaskStage": 1,
        "FeedbackItem": 1, "ScoreResult": 3, "AggregatedMetrics": 1, "Item": 1,
    }  # fmt: skip
    assert ids(synced, "Task") == {"task-quality"}
    assert ids(synced, "FeedbackItem") == {"feedback-quality"}


def test_what_is_not_selected_is_not_even_read(synced: Workspace, lab: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty results of another scorecard cost no page."""
    synced.pull(models=["Account", "Scorecard"])
    monkeypatch.setattr("syncer.adapters.plexus.adapter.Plexus.limits", Limits(page=5))
    before = lab.requests
    synced.pull(models=["ScoreResult"], scorecards=["quality"])
    assert lab.requests - before == 1


def test_another_choice_has_marks_of_its_own(synced: Workspace, lab: Sandbox) -> None:
    """Widening what is selected brings what was left out, old as it may be; and nothing a second time."""
    assert pulled(synced, scorecards="quality")["ScoreResult"] == 3
    assert pulled(synced, scorecards="quality") == {}
    widened = pulled(synced, scorecards=["quality", "safety"])
    assert (widened["ScoreResult"], widened["FeedbackItem"], widened["TaskStage"]) == (60, 1, 1)
    assert pulled(synced) == {"Task": 1}
    assert pulled(synced) == {}


def test_accounts_of_a_file_of_settings(path: Path, lab: Sandbox, tmp_path: Path, online: Any) -> None:
    """Several accounts in one file, whatever PLEXUS_ACCOUNT_KEY says; an option names others for once."""
    online()
    settings = load(path, config=configured(tmp_path, 'accounts = ["plant"]'))
    with Workspace(settings) as ws:
        pulled(ws)
        assert ids(ws, "Scorecard") == {"card-plant"}
        pulled(ws, accounts=["lab", "plant"])
        assert ids(ws, "Scorecard") == {"card-plant", "card-quality", "card-safety"}
        assert len(ids(ws, "ScoreResult")) == 63


def test_models_bring_those_they_are_reached_through(path: Path, lab: Sandbox, tmp_path: Path, online: Any) -> None:
    """``models = ["TaskStage"]`` needs tasks and the account; ``exclude`` leaves models out."""
    online()
    with Workspace(load(path, config=configured(tmp_path, 'models = ["TaskStage"]'))) as ws:
        assert pulled(ws) == {"Account": 1, "Task": 3, "TaskStage": 2}
    with Workspace(load(path, config=configured(tmp_path, 'exclude = ["ScoreResult", "Score"]'))) as ws:
        assert pulled(ws).keys().isdisjoint({"ScoreResult", "Score"})
        assert pulled(ws, models=["ScoreResult"]) == {"ScoreResult": 63}


def test_since_bounds_the_first_pull(synced: Workspace, lab: Sandbox) -> None:
    """What is listed by time starts there; what is not is pulled as ever; earlier records come when it is moved back."""
    now = clock.usual_text(clock.stored_now())
    lab.edit("ScoreResult", "result-quality-0", updatedAt=now)
    found = pulled(synced, since="2026-10-01")
    assert (found["ScoreResult"], found["Scorecard"]) == (1, 2)
    assert "Task" not in found
    lab.edit("ScoreResult", "result-quality-1", updatedAt=now)
    assert pulled(synced, since="2026-10-01") == {"ScoreResult": 1}
    assert pulled(synced, since="2026-01-01")["ScoreResult"] == 61


def test_since_bounds_a_sweep_too(synced: Workspace, lab: Sandbox) -> None:
    """Rows older than what was asked for are no suspects."""
    now = clock.usual_text(clock.stored_now())
    for n in range(2):
        lab.edit("ScoreResult", f"result-quality-{n}", updatedAt=now)
    pulled(synced)
    lab.drop("ScoreResult", "result-quality-0")
    lab.drop("ScoreResult", "result-quality-2")
    part = synced.pull("plexus", since="2026-10-01", full=True).remotes["plexus"]
    assert part.pulled["ScoreResult"].removed == 1
    assert "result-quality-2" in ids(synced, "ScoreResult")


def test_a_sweep_stays_within_what_is_selected(synced: Workspace, lab: Sandbox) -> None:
    """Rows of other scorecards, which the scan was not asked for, stay."""
    pulled(synced)
    for key in CARDS:
        lab.drop("ScoreResult", f"result-{key}-0")
        lab.drop("FeedbackItem", f"feedback-{key}")
    belonging(lab, "quality-more")
    lab.edit("FeedbackItem", "feedback-quality-more", scorecardId="card-quality")
    part = synced.pull("plexus", scorecards=["quality"], full=True).remotes["plexus"]
    assert (part.pulled["ScoreResult"].removed, part.pulled["FeedbackItem"].removed) == (1, 1)
    assert {"feedback-safety"} <= ids(synced, "FeedbackItem")
    assert {"result-safety-0"} <= ids(synced, "ScoreResult")


def test_runs_since(synced: Workspace, sandbox: Sandbox) -> None:
    """ABEJA lists runs newest first: the walk ends where they get too old."""
    for n in range(40):
        at = f"2026-0{1 + n // 10}-{1 + n % 10:02}T00:00:00.000000Z"
        sandbox.abeja.put(run_id=f"run-{n}", created_at=at, modified_at=at, status="SUCCEEDED")
    whole = sandbox.requests
    synced.pull("abeja", since="2026-04-05", models=["Run"])
    some = sandbox.requests - whole
    assert {"run-39", "run-35"} <= {run["run_id"] for run in synced.abeja.find("Run")}
    synced.pull("abeja", models=["Run"], full=True)
    assert len(synced.abeja.find("Run")) == 40
    assert some <= sandbox.requests - whole - some


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ('modles = ["Task"]', "no entry 'modles'", "did you mean models?"),
        ('models = ["Taks"]', "names a model that does not exist: 'Taks'", "did you mean Task"),
        ('exclude = ["ScoreResults"]', "names a model that does not exist: 'ScoreResults'", "did you mean ScoreResult"),
        ("models = [3]", "models must be a list of names, not [3]", 'models = ["NAME"]'),
        ("accounts = true", "accounts must be a list of names, not True", 'accounts = ["NAME"]'),
        ('since = "yesterday"', "since cannot be 'yesterday'", "a day, 2026-10-01"),
        ("since = 2026-10-01T08:00:00", "a time needs an offset", "for example a final Z"),
        ("since = 2926-10-01", "that is in the future", "a day in the past"),
        ("since = 5", "since cannot be 5", "a day"),
    ],
)
def test_wrong_entries_are_named(path: Path, tmp_path: Path, text: str, said: str, hint: str) -> None:
    """The table, the entry and what was probably meant."""
    with Workspace(load(path, config=configured(tmp_path, text))) as ws, pytest.raises(SettingError) as caught:
        ws.pull()
    assert said in caught.value.sentence
    assert "[plexus.pull] in " in caught.value.sentence
    assert hint in (caught.value.hint or "")


def test_days_and_times_of_toml() -> None:
    """TOML has days and times of its own; text is taken as well."""
    wanted = "2026-10-01T00:00:00.000000Z"
    for value in ("2026-10-01", date(2026, 10, 1), datetime(2026, 10, 1, tzinfo=UTC), "2026-10-01T02:00:00+02:00"):
        assert read({"since": value}, MODELS, "there").since == wanted


def test_what_each_remote_can_be_narrowed_by() -> None:
    """Every remote by model; by time what lists by time; by account and scorecard Plexus alone."""
    found = {name: entries(registry.models(name)) for name in registry.names()}
    assert found == {
        "plexus": ("models", "exclude", "accounts", "scorecards", "since"),
        "prefactor": ("models", "exclude"),
        "abeja": ("models", "exclude", "since"),
    }


def test_options_take_the_place_of_entries() -> None:
    """An option replaces its own entry, leaves the others, and is refused where no remote knows it."""
    models = {name: registry.models(name) for name in registry.names()}
    before = {"plexus": Selection(exclude=frozenset({"Task"}), chosen={"accounts": ("a",), "scorecards": ("b",)})}
    after = narrowed(before, models, ["plexus", "abeja"], since="2026-10-01", accounts=["c"], scorecards=None)
    assert after["plexus"].chosen == {"accounts": ("c",), "scorecards": ("b",)}
    assert (after["plexus"].exclude, after["abeja"].chosen) == ({"Task"}, {})
    assert after["abeja"].since == after["plexus"].since == "2026-10-01T00:00:00.000000Z"
    assert narrowed({}, models, ["prefactor"])["prefactor"] == EVERYTHING
    with pytest.raises(UsageError, match="pulls from prefactor cannot be narrowed by accounts"):
        narrowed({}, models, ["prefactor"], accounts=["c"])


def test_options_on_the_command_line(connected: Syncer, lab: Sandbox, path: Path, tmp_path: Path) -> None:
    """What is named is pulled; wrong names end with 2 and say what was probably meant."""
    ended = connected("pull", "plexus", "--scorecard", "quality", "--since", "2026-01-01")
    assert ended.code == 0, ended
    assert "ScoreResult: 3 new" in ended.out
    assert rows(path, "SELECT count(*) FROM plexus_score_result") == [(3,)]
    for arguments, said, hint in (
        (("--scorecard", "qualty"), "scorecards names no Scorecard that is known here: 'qualty'", "did you mean Quality"),
        (("--account", "lba"), "accounts names no Account that is known here: 'lba'", "did you mean lab"),
        (("--since", "soon"), "since cannot be 'soon'", "a day, 2026-10-01"),
    ):
        wrong = connected("sync", "plexus", *arguments)
        assert wrong.code == 2
        assert said in wrong.err
        assert hint in wrong.err
    connected.env["SYNCER_CONFIG"] = str(configured(tmp_path, 'scorecards = ["saftey"]'))
    wrong = connected("pull", "plexus", "--json")
    assert wrong.error["code"] == "setting"
    assert "[plexus.pull] in " in wrong.error["what"]
    assert "Safety" in wrong.error["hint"]


def test_a_mass_of_deletions_on_the_command_line(connected: Syncer, lab: Sandbox, path: Path) -> None:
    """Exit 3, the number, the command that goes on; that command removes them, and says so."""
    assert connected("sync", "plexus").code == 0
    for n in range(30):
        lab.drop("ScoreResult", f"result-safety-{n}")
    held = connected("pull", "plexus", "--full")
    assert held.code == 3
    assert "ScoreResult: more than 20 of 63 rows here are gone from plexus: none was removed" in held.out
    command = "syncer pull plexus --model ScoreResult --full --allow-mass-delete"
    assert command in held.out
    assert rows(path, "SELECT count(*) FROM plexus_score_result") == [(63,)]
    done = connected(*command.split()[1:])
    assert done.code == 0, done
    assert "removed 30 rows whose records are gone" in done.out
    assert "ScoreResult: 30 removed" in done.out
    assert rows(path, "SELECT count(*) FROM plexus_score_result") == [(33,)]
    assert "up to date" in connected("sync", "plexus", "--full").out


def test_records_are_selected_by_the_entries_of_any_remote(synced: Workspace, lab: Sandbox) -> None:
    """``select`` takes every entry that the pull settings of a remote have; ``scorecards`` alone is its older spelling."""
    assert pulled(synced, select={"scorecards": ["quality"]})["ScoreResult"] == 3
    assert pulled(synced, select={"scorecards": "quality", "accounts": ["lab"]}) == {}
    for wrong in ({"models": ["Task"]}, {"since": "2026-10-01"}, {"a b": ["c"]}):
        with pytest.raises(UsageError):
            synced.pull("plexus", select=wrong)
    with pytest.raises(UsageError, match="cannot be narrowed by notebooks"):
        synced.pull("plexus", select={"notebooks": ["field"]})


def test_the_command_line_selects(lab: Sandbox, connected: Syncer) -> None:
    """``--select ENTRY=NAME``; anything else is a wrong option."""
    done = connected("pull", "plexus", "--select", "scorecards=quality", "--json")
    assert done.json["remotes"]["plexus"]["pulled"]["ScoreResult"]["added"] == 3
    assert connected("pull", "plexus", "--select", "quality").code == 2
    assert connected("pull", "plexus", "--select", "notebooks=field").code == 2
