"""Checkpoints: a pull starts where the last one ended, skips nothing, and goes on from wherever it was left."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from syncer import Workspace, clock
from syncer.adapters.abeja.spec import RUN
from syncer.adapters.plexus.spec import MODELS
from syncer.config import Settings
from syncer.engine.pull.checkpoint import Checkpoint, Partition, advanced, nothing_below, rewound
from syncer.remote import Limits, Page
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from syncer.schema.pull import FullList
from tests.files import rows, write

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
OLD = {"createdAt": "2026-03-01T00:00:00.000Z", "updatedAt": "2026-03-01T00:00:00.000Z"}
DUMP = ("outbox", "ledger", "conflict", "_event", "_base", "_id_map", "plexus_score_result", "plexus_account")


def text(moment: datetime) -> str:
    """A time as Plexus spells it."""
    return clock.usual_text(clock.stored(moment))


def result(key: str, at: datetime | str, **extra: Any) -> dict[str, Any]:
    """A score result written at a time."""
    when = at if isinstance(at, str) else text(at)
    fields = {"value": "Yes", "itemId": "i", "accountId": "acc", "scorecardId": "card", "scoreId": "s", "type": "prediction"}
    return {"id": key, **fields, "status": "COMPLETED", "createdAt": when, "updatedAt": when, **extra}


@pytest.fixture
def frozen() -> Iterator[clock.Virtual]:
    """The clock of everybody, standing at noon."""
    virtual = clock.Virtual(NOON)
    with clock.using(virtual):
        yield virtual


@pytest.fixture
def lab(sandbox: Sandbox) -> Sandbox:
    """An upstream with an account."""
    sandbox.put("Account", {"id": "acc", "name": "Lab", "key": "lab", **OLD})
    return sandbox


def added(ws: Workspace, model: str = "ScoreResult", **how: Any) -> int:
    """How many rows of a model a pull added."""
    report = ws.pull("plexus", **how)
    assert report.exit_code == 0
    return report.remotes["plexus"].pulled[model].added


def keys(ws: Workspace, model: str = "ScoreResult") -> list[str]:
    """Ids of the rows here."""
    return sorted(record["id"] for record in ws.plexus.find(model))


class Skewed(BaseHTTPRequestHandler):
    """Passes every request on, and answers with a Date that is ``off``; ``spoil`` may change what is sent."""

    protocol_version = "HTTP/1.1"
    upstream = ""
    off = timedelta(0)

    def do_POST(self) -> None:
        """Ask the sandbox."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        target = urlsplit(self.upstream)
        connection = http.client.HTTPConnection(target.netloc)
        connection.request("POST", target.path, body, {"x-api-key": self.headers["x-api-key"]})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        self.send_response_only(answer.status)
        self.send_header("Date", format_datetime(clock.now() + type(self).off, usegmt=True))
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def skewed(sandbox: Sandbox, off: timedelta) -> Iterator[tuple[str, type[Skewed]]]:
    """Address of the sandbox as a server whose clock is ``off`` from ours, and the handler to set that anew."""
    handler = type("Handler", (Skewed,), {"upstream": sandbox.url, "off": off})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/graphql", handler
        finally:
            server.shutdown()
            thread.join()


def opened(path: Path, sandbox: Sandbox, **more: str) -> Workspace:
    """A workspace on the sandbox, whatever the environment says."""
    return Workspace(Settings(str(path), environ={**sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab", **more}))


@pytest.mark.parametrize("hours", [-7, 0, 7])
def test_nothing_is_skipped_whatever_the_servers_clock_says(
    path: Path, lab: Sandbox, frozen: clock.Virtual, hours: int
) -> None:
    """Checkpoints are made of the server's times alone: hours between its clock and ours change nothing."""
    off = timedelta(hours=hours)
    with skewed(lab, off) as (url, _), opened(path, lab, PLEXUS_API_URL=url) as ws:
        for n in range(4):
            lab.put("ScoreResult", result(f"r{n}", frozen.now() + off))
            if n == 2:  # a late arrival, minutes behind what was seen
                lab.put("ScoreResult", result("late", frozen.now() + off - timedelta(minutes=4)))
            assert added(ws) == (2 if n == 2 else 1)
            frozen.sleep(600)
        assert keys(ws) == ["late", "r0", "r1", "r2", "r3"]


def test_a_server_clock_that_is_put_back_hides_nothing(path: Path, lab: Sandbox, frozen: clock.Virtual) -> None:
    """Checkpoints from when it ran three hours ahead would lie in the future: what is written after that is still seen."""
    off = timedelta(hours=3)
    with skewed(lab, off) as (url, handler), opened(path, lab, PLEXUS_API_URL=url) as ws:
        lab.put("ScoreResult", result("before", frozen.now() + off))
        assert added(ws) == 1
        handler.off = timedelta(0)
        frozen.sleep(600)
        lab.put("ScoreResult", result("after", frozen.now()))
        frozen.sleep(4 * 3600)  # the old checkpoint is in the past again by now
        assert added(ws) == 1
        lab.put("ScoreResult", result("later", frozen.now()))
        assert added(ws, models=["ScoreResult"]) == 1


def test_a_mark_without_clock_trouble_stays_as_it_is() -> None:
    """Seconds between two looks at a clock are no reason to read anything again."""
    checkpoint = Checkpoint("all", cursor="2026-11-20T12:00:00.000000Z", complete_at="2026-11-20T11:59:58.000000Z")
    assert rewound(checkpoint, -3.0) is checkpoint
    assert rewound(checkpoint, None) is checkpoint
    assert rewound(checkpoint, -3600.0).cursor == "2026-11-20T10:59:58.000000Z"


def test_a_time_from_the_future_moves_a_mark_to_the_servers_present_only() -> None:
    """Also where no answer tells the server's time, so that no later look could set the checkpoint back."""
    model = MODELS["ScoreResult"]
    at = [f.name for f in model.fields].index("updatedAt")
    row = [None] * (len(model.fields) + 1)
    row[at] = clock.stored(NOON + timedelta(days=1))  # type: ignore[call-overload]
    partition = Partition(model, model, "all", cursor="updatedAt")
    assert advanced(partition, Checkpoint("all", started_at=clock.stored(NOON)), Page((tuple(row),))).cursor == clock.stored(
        NOON
    )


@pytest.mark.parametrize(
    ("minutes", "states", "below"),
    [(5, ("FAILED", "FAILED"), False), (11, ("FAILED", "FAILED"), True), (11, ("RUNNING", "FAILED"), False)],
)
def test_a_list_is_left_only_where_nothing_can_be_late_or_change(minutes: int, states: tuple[str, ...], below: bool) -> None:
    """Runs show in the list up to ten minutes late; those not ended yet are read again [I12]."""
    plan = RUN.pull
    assert isinstance(plan, FullList)
    names = [f.name for f in RUN.fields]

    def row(state: str) -> tuple[Any, ...]:
        told = {"status": state, "created_at": clock.stored(NOON - timedelta(minutes=minutes))}
        return tuple(told.get(name) for name in names)

    assert nothing_below(RUN, Page(tuple(map(row, states))), plan, clock.stored(NOON)) is below


@pytest.mark.parametrize("nonsense", ["zzz", "0", "2026-11-20 12:00:00.000000+", None, 5])
def test_what_is_no_time_never_becomes_a_mark(nonsense: Any) -> None:
    """A text that is no time in a time's place moves the checkpoint nowhere."""
    model = MODELS["ScoreResult"]
    at = [f.name for f in model.fields].index("updatedAt")
    row = tuple(nonsense if n == at else None for n in range(len(model.fields) + 1))
    partition = Partition(model, model, "accountId=acc", "accountId", "acc", "updatedAt")
    checkpoint = Checkpoint("accountId=acc", cursor="2026-11-19T00:00:00.000000Z")
    assert advanced(partition, checkpoint, Page([row], None, "2026-11-20T12:00:00.000000Z")).cursor == checkpoint.cursor


def test_both_spellings_of_times_are_found(synced: Workspace, lab: Sandbox, frozen: clock.Virtual) -> None:
    """Milliseconds with Z and microseconds, Z and +00:00: the index orders them by letters, the overlap sees them all."""
    lab.put("ScoreResult", result("seen", frozen.now()))
    assert added(synced) == 1
    for key, spelling in (
        ("micro", "2026-11-20T12:00:00.000123Z"),
        ("offset", "2026-11-20T12:00:00+00:00"),
        ("both", "2026-11-20T11:59:59.999999+00:00"),
        ("bare", "2026-11-20T12:00:00Z"),
    ):
        lab.put("ScoreResult", result(key, spelling))
    assert added(synced) == 4
    assert added(synced) == 0


def test_reading_again_changes_nothing(synced: Workspace, lab: Sandbox, path: Path, frozen: clock.Virtual) -> None:
    """What the overlap and a full pull read again leaves rows, outbox, history and conflicts as they are."""
    for n in range(5):
        lab.put(
            "ScoreResult", result(f"r{n}", frozen.now(), metadata='{"a": 1.50, "b": [1, 2]}', updatedAt=OLD["updatedAt"])
        )
    synced.pull()
    synced.plexus.update("ScoreResult", "r0", {"value": "No"})
    lab.edit("ScoreResult", "r0", explanation="theirs")
    synced.pull()

    def dump() -> list[Any]:
        return [rows(path, f"SELECT * FROM {table}") for table in DUMP]

    before = dump()
    synced.pull()
    synced.pull(full=True)
    assert dump() == before


def test_a_record_that_moves_between_pages_is_seen(
    synced: Workspace, lab: Sandbox, path: Path, frozen: clock.Virtual, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit while pages are read moves a record behind the token; an already read one moves to the end."""
    lab.put_all("ScoreResult", [result(f"r{n:02}", NOON - timedelta(hours=40 - n)) for n in range(30)])
    synced.pull(models=["Account"])
    monkeypatch.setattr("syncer.adapters.plexus.adapter.Plexus.limits", Limits(page=10))
    synced.pull(models=["ScoreResult"], limit=10)
    frozen.sleep(60)
    lab.edit("ScoreResult", "r02", value="read before")
    lab.edit("ScoreResult", "r25", value="not read yet")
    synced.pull(models=["ScoreResult"])
    assert len(keys(synced)) == 30
    found = {record["id"]: record["value"] for record in synced.plexus.find("ScoreResult")}
    assert (found["r02"], found["r25"]) == ("read before", "not read yet")


@pytest.mark.parametrize("token", ["bm8gdG9rZW4=", "not even base64 \u00fc", '"}'])
def test_a_token_the_remote_does_not_know_any_more_costs_only_a_restart(
    synced: Workspace, lab: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    """Tokens expire: that part is walked again from its checkpoint, in the same pull and without an error."""
    lab.put_all("ScoreResult", [result(f"r{n:02}", OLD["updatedAt"]) for n in range(30)])
    synced.pull(models=["Account"])
    monkeypatch.setattr("syncer.adapters.plexus.adapter.Plexus.limits", Limits(page=10))
    synced.pull(models=["ScoreResult"], limit=10)
    write(path, "UPDATE _checkpoint SET token = ? WHERE model = 'ScoreResult'", token)
    report = synced.pull(models=["ScoreResult"])
    assert (report.exit_code, report.remotes["plexus"].notes) == (0, [])
    assert len(keys(synced)) == 30
    assert rows(path, "SELECT token FROM _checkpoint WHERE model = 'ScoreResult'") == [(None,)]


def test_a_remote_that_refuses_every_second_page_is_said_and_not_asked_for_ever(
    synced: Workspace, lab: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One restart, then the refusal is the answer; other models are pulled nevertheless."""
    lab.put_all("ScoreResult", [result(f"r{n:02}", OLD["updatedAt"]) for n in range(30)])
    lab.put("Task", {"id": "t", "accountId": "acc", "type": "t", "status": "DONE", "target": "x", "command": "c", **OLD})
    synced.pull(models=["Account"])
    monkeypatch.setattr("syncer.adapters.plexus.adapter.Plexus.limits", Limits(page=10))
    refusal = b'{"data":{"page":null},"errors":[{"path":["page"],"errorType":"DynamoDB:DynamoDbException","message":"no"}]}'
    for served in (2, 1):
        lab.faults.serve_next(served)
        lab.faults.fail_next(200, body=refusal)
    report = synced.pull(models=["ScoreResult", "Task"])
    part = report.remotes["plexus"]
    assert part.notes == ["Plexus would not list ScoreResult: no"]
    assert (part.pulled["Task"].added, part.pulled["ScoreResult"].added) == (1, 10)
    assert added(synced, models=["ScoreResult"]) == 20


def test_another_account_key_starts_anew(path: Path, lab: Sandbox) -> None:
    """What is filtered by the checkpoint of one account is not filtered by that for another."""
    lab.put("Account", {"id": "acc2", "name": "Plant", "key": "plant", **OLD})
    for card, owner in (("card", "acc"), ("card2", "acc2")):
        lab.put("Scorecard", {"id": card, "name": card, "key": card, "accountId": owner, **OLD})
    with opened(path, lab) as ws:
        ws.pull()
        assert keys(ws, "Scorecard") == ["card"]
    with opened(path, lab, PLEXUS_ACCOUNT_KEY="plant") as ws:
        ws.pull()
        assert keys(ws, "Scorecard") == ["card", "card2"]


def test_marks_made_at_another_address_say_nothing_here(path: Path, lab: Sandbox, frozen: clock.Virtual) -> None:
    """The same file against another deployment pulls from the beginning; back at the first it goes on where it was."""
    lab.put("ScoreResult", result("here", frozen.now()))
    with opened(path, lab) as ws:
        assert added(ws) == 1
    with Sandbox(Options()) as other:
        other.put("Account", {"id": "acc", "name": "Lab", "key": "lab", **OLD})
        other.put("ScoreResult", result("there", OLD["updatedAt"]))
        with opened(path, other) as ws:
            assert added(ws) == 1
            assert keys(ws) == ["here", "there"]
    lab.put("ScoreResult", result("old", OLD["updatedAt"]))
    with opened(path, lab) as ws:
        assert added(ws) == 0


def test_marks_of_earlier_versions_are_taken_over(
    synced: Workspace, lab: Sandbox, path: Path, frozen: clock.Virtual
) -> None:
    """A checkpoint without an address is of this one.

    An upgrade does not pull everything again, and it is taken once only.
    """
    lab.put("ScoreResult", result("seen", frozen.now()))
    synced.pull()
    (marked,) = rows(path, "SELECT partition FROM _checkpoint WHERE model = 'ScoreResult'")
    bare = marked[0].partition(" at ")[0]
    write(path, "UPDATE _checkpoint SET partition = ?, scope = ? WHERE model = 'ScoreResult'", bare, Checkpoint(bare).scope)
    lab.put("ScoreResult", result("old", OLD["updatedAt"]))
    assert added(synced) == 0
    assert rows(path, "SELECT partition FROM _checkpoint WHERE model = 'ScoreResult'") == [marked]


def stage(task: str) -> dict[str, Any]:
    """A stage of a task."""
    return {"id": f"s-{task}", "taskId": task, "name": "n", "order": 1, "status": "RUNNING", **OLD}


def task(key: str, status: str = "COMPLETED", **extra: Any) -> dict[str, Any]:
    """A task as the remote holds it."""
    return {"id": key, "accountId": "acc", "type": "t", "status": status, "target": "x", "command": "c", **OLD, **extra}


def test_children_of_a_parent_that_arrives_late_are_not_skipped(synced: Workspace, lab: Sandbox) -> None:
    """A finished task whose times are long past, found after its stages were last pulled, still gets its stages."""
    synced.pull()
    lab.put("Task", task("old"))
    lab.put("TaskStage", stage("old"))
    synced.pull(models=["Task"], full=True)
    assert added(synced, "TaskStage") == 1
    before = lab.requests
    assert added(synced, "TaskStage", models=["TaskStage"]) == 0
    assert lab.requests == before


def test_a_walk_over_parents_that_was_interrupted_asks_the_new_ones_too(
    synced: Workspace, lab: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finished parent whose key sorts before the place where the walk stopped is asked all the same."""
    for name in ("m", "n", "o"):
        lab.put("Task", task(name))
        lab.put("TaskStage", stage(name))
    synced.pull(models=["Account", "Task"])
    lab.faults.serve_next(1)
    lab.faults.fail_next(401)
    assert synced.pull(models=["TaskStage"]).exit_code == 4
    lab.put("Task", task("b"))
    lab.put("TaskStage", stage("b"))
    synced.pull(models=["Task"], full=True)
    synced.pull()
    synced.pull()
    assert keys(synced, "TaskStage") == ["s-b", "s-m", "s-n", "s-o"]


def test_a_page_that_cannot_be_stored_leaves_the_mark_where_it_was(
    synced: Workspace, lab: Sandbox, path: Path, online: Callable[[], None]
) -> None:
    """Rows and checkpoint are one commit: when the rows fail, the next pull reads the same page again."""
    synced.pull()
    before = rows(path, "SELECT * FROM _checkpoint WHERE model = 'ScoreResult'")
    lab.put("ScoreResult", result("r", clock.now()))
    write(path, "CREATE TRIGGER no BEFORE INSERT ON plexus_score_result BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(Exception, match="no"):
        synced.pull()
    assert rows(path, "SELECT * FROM _checkpoint WHERE model = 'ScoreResult'") == before
    write(path, "DROP TRIGGER no")
    assert added(synced) == 1


def test_a_job_pushed_days_late_is_found(synced: Workspace, lab: Sandbox, frozen: clock.Virtual) -> None:
    """Jobs are listed by when they were made, which a machine that was off the network tells late."""
    job = {"status": "COMPLETED", "itemId": "i", "accountId": "acc", "scorecardId": "card"}
    now = text(frozen.now())
    lab.put("ScoringJob", {"id": "new", **job, "createdAt": now, "updatedAt": now})
    synced.pull()
    lab.put("ScoringJob", {"id": "late", **job, "createdAt": text(NOON - timedelta(days=5)), "updatedAt": now})
    assert added(synced, "ScoringJob") == 1


def test_children_of_a_late_parent_that_a_narrowed_pull_brought_are_not_skipped(synced: Workspace, lab: Sandbox) -> None:
    """A pull of tasks alone, of one account only, brings an old task: the usual pulls ask for its stages all the same."""
    lab.put("Task", task("first"))
    synced.pull()
    lab.put("Task", task("old"))
    lab.put("TaskStage", stage("old"))
    synced.pull("plexus", models=["Task"], full=True, accounts=["lab"])
    assert keys(synced, "Task") == ["first", "old"]
    assert added(synced, "TaskStage") == 1
