"""Answers that are no plain yes or no: what they leave in doubt is asked again, and nothing counts as done on silence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.engine.report import RemoteReport
from syncer.sandbox.server import Sandbox
from tests.files import rows
from tests.rigs.hostile import Answered, Asked, Hostile, forwarded

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture
def still() -> Iterator[clock.Virtual]:
    """Time that passes only where somebody waits."""
    source = clock.Virtual(START)
    with clock.using(source):
        yield source


@pytest.fixture
def between(sandbox: Sandbox, still: clock.Virtual) -> Iterator[Hostile]:
    """A server in front of the sandbox that passes everything on until a test says otherwise."""
    with Hostile(lambda asked: forwarded(sandbox, asked)) as server:
        yield server


@pytest.fixture
def ws(between: Hostile, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace whose Plexus is behind it."""
    for name, value in between.settings(sandbox).items():
        monkeypatch.setenv(name, value)
    with Workspace.open(path) as workspace:
        yield workspace


def said(document: Any, status: int = 200, **headers: str) -> Answered:
    """An answer of JSON."""
    return Answered(json.dumps(document).encode(), status, {"Content-Type": "application/json", **headers})


def made(ws: Workspace, count: int = 1) -> list[str]:
    """The ids of new accounts that the remote has."""
    found = [str(ws.plexus.create("Account", {"name": f"Lab {n}", "key": f"lab-{n}"})["id"]) for n in range(count)]
    assert ws.push("plexus").acked == count
    clock.sleep(1)  # versions of records are told apart by the millisecond
    return found


def outbox(path: Path) -> list[Any]:
    """Operation, state and code of what waits."""
    return rows(path, "SELECT op, state, code FROM outbox ORDER BY seq")


def writes(asked: Asked) -> bool:
    """True for a document of mutations."""
    return b'"mutation' in asked.body


def pushed(ws: Workspace, wait_s: float = 0.0) -> RemoteReport:
    """What a push came to."""
    return ws.push("plexus", wait_s=wait_s).remotes["plexus"]


def until_calm(ws: Workspace, between: Hostile, sandbox: Sandbox) -> None:
    """Let the network be well again, and everything go out."""
    between.answer = lambda asked: forwarded(sandbox, asked)
    clock.sleep(3600)
    assert ws.push("plexus").exit_code == 0
    assert ws.status().consistent


TIMED_OUT = {"path": None, "errorType": "ExecutionTimeout", "message": "Execution timed out."}


@pytest.mark.parametrize(
    "document",
    [
        {"data": {"m0": None}, "errors": [TIMED_OUT]},
        {"data": {"m0": None}, "errors": [{"message": "something nobody has seen"}]},
        {"data": {"m0": None}, "errors": {"message": "not a list"}},
        {"data": {"m0": None}, "errors": ["not an object"]},
        {"data": {}},
        {"data": {"deleteAccount": None}},
        {"data": None},
        {"data": None, "errors": []},
        {"data": []},
    ],
    ids=str,
)
def test_a_delete_is_not_done_because_nothing_is_said(
    ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path, document: dict[str, Any]
) -> None:
    """Null is a good answer to a delete; with an error beside it, or no word at all, it did not surely run [I2 I6]."""
    (key,) = made(ws)
    ws.plexus.delete("Account", key)
    between.answer = lambda _: said(document)
    assert pushed(ws).acked == 0
    assert [row[:2] for row in outbox(path)] == [("delete", "ambiguous")]
    until_calm(ws, between, sandbox)
    assert (sandbox.count("Account"), len(sandbox.effects("Account", "delete"))) == (0, 1)


@pytest.mark.parametrize("op", ["create", "update", "delete"])
def test_an_answer_about_other_records_acknowledges_nothing(
    ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path, op: str
) -> None:
    """A cache, or a connection that mixes answers up, gives those of another document: the aliases are the same [I2 I3]."""
    first, second = made(ws, 2)
    if op == "create":
        second = str(ws.plexus.create("Account", {"name": "Third", "key": "third"})["id"])
    elif op == "update":
        ws.plexus.update("Account", second, {"name": "Edited"})
    else:
        ws.plexus.delete("Account", second)
    stale = {"id": first, "createdAt": "2026-03-04T05:06:07.000Z", "updatedAt": "2026-03-04T05:06:07.000Z"}
    between.answer = lambda _: said({"data": {"m0": stale}})
    assert pushed(ws).acked == 0
    assert outbox(path) == [(op, "ambiguous", "other-record")]
    until_calm(ws, between, sandbox)
    found = sandbox.get("Account", second)
    assert (found and found["name"]) == {"create": "Third", "update": "Edited", "delete": None}[op]


@pytest.mark.parametrize("blanked", [False, True], ids=["with-record", "without-record"])
@pytest.mark.parametrize("kind", ["", "Unauthorized"])
@pytest.mark.parametrize("op", ["create", "update", "delete"])
def test_an_error_inside_of_an_answer_is_no_refusal(
    ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path, op: str, kind: str, blanked: bool
) -> None:
    """What failed is a field of the record that a mutation answered with: it ran, and is not rejected as refused [I3 I6]."""
    (key,) = made(ws)
    if op == "create":
        key = str(ws.plexus.create("Account", {"name": "Edited", "key": "new"})["id"])
    elif op == "update":
        ws.plexus.update("Account", key, {"name": "Edited"})
    else:
        ws.plexus.delete("Account", key)

    def spoiled(asked: Asked) -> Answered:
        answered = forwarded(sandbox, asked)
        document = json.loads(answered.body)
        if not writes(asked) or document["data"]["m0"] is None:
            return answered
        document["data"]["m0"] = None if blanked else {**document["data"]["m0"], "updatedAt": None}
        text = "Cannot return null for non-nullable type: 'AWSDateTime' within parent 'Account' (/m0/updatedAt)"
        document["errors"] = [{"path": ["m0", "updatedAt"], "message": text, "errorType": kind}]
        return said(document)

    between.answer = spoiled
    part = pushed(ws)
    assert part.rejected == 0
    assert [row[:2] for row in outbox(path)] == ([(op, "ambiguous")] if blanked else [])
    until_calm(ws, between, sandbox)
    found = sandbox.get("Account", key)
    assert (found and found["name"]) == (None if op == "delete" else "Edited")
    assert len([e for e in sandbox.effects("Account", op) if e.key == key]) == 1


@pytest.mark.parametrize("kind", ["DynamoDB:InternalServerErrorException", "DynamoDB:DynamoDbException"])
def test_a_table_that_stumbled_may_have_applied_it(
    ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path, kind: str
) -> None:
    """A 5xx of the table behind the API is no refusal of the record [I6]."""
    ws.plexus.create("Account", {"name": "Lab", "key": "lab"})

    def stumbled(asked: Asked) -> Answered:
        forwarded(sandbox, asked)
        text = "Internal server error (Service: DynamoDb, Status Code: 500, Request ID: X)"
        return said({"data": {"m0": None}, "errors": [{"path": ["m0"], "errorType": kind, "message": text}]})

    between.answer = stumbled
    pushed(ws)
    assert [row[:2] for row in outbox(path)] == [("create", "ambiguous")]
    until_calm(ws, between, sandbox)
    assert len(sandbox.effects("Account", "create")) == 1


def test_no_data_and_errors_of_single_changes(ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path) -> None:
    """Each alias is judged by its own error, and one without any is in doubt, not refused with the others [I6 I8]."""
    for n in range(3):
        ws.plexus.create("Account", {"name": f"Lab {n}", "key": f"lab-{n}"})
    errors = [
        {"path": ["m0"], "errorType": "DynamoDB:ThrottlingException", "message": "slow down"},
        {"path": ["m1"], "errorType": "Unauthorized", "message": "Not Authorized to access createAccount"},
    ]
    between.answer = lambda _: said({"data": None, "errors": errors})
    pushed(ws)
    assert [state for _, state, _ in outbox(path)] == ["pending", "rejected", "ambiguous"]


def test_a_text_that_sounds_like_throttling_does_not_hold_up_the_others(
    ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path
) -> None:
    """A validation error quotes the value it refuses; whatever that says, the culprit is found and rejected [I8 I9]."""
    bad = str(ws.plexus.create("Account", {"name": "Too many requests: rate exceeded, throttled", "key": "k"})["id"])
    for n in range(4):
        ws.plexus.create("Account", {"name": f"Lab {n}", "key": f"lab-{n}"})

    def strict(asked: Asked) -> Answered:
        if b"Too many requests" not in asked.body:
            return forwarded(sandbox, asked)
        text = "Variable 'i0' has an invalid value: 'Too many requests: rate exceeded, throttled' is not allowed"
        return said({"data": None, "errors": [{"path": None, "message": text}]})

    between.answer = strict
    report = pushed(ws)
    assert (report.acked, report.rejected) == (4, 1)
    assert rows(path, "SELECT key FROM outbox") == [(bad,)]


def test_being_told_to_wait_in_the_middle_of_a_search_for_the_culprit(
    ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path
) -> None:
    """The first half of a refused batch is answered with 503 and Retry-After: the other half waits as well [I8 I10]."""
    for n in range(8):
        ws.plexus.create("Account", {"name": f"Lab {n}", "key": f"lab-{n}"})
    asked_before = len(between.asked)
    refusals = iter([said({}, 400), said({}, 503, **{"Retry-After": "300"})])
    between.answer = lambda asked: next(refusals, None) or forwarded(sandbox, asked)
    pushed(ws)
    assert len(between.asked) - asked_before == 2
    clock.sleep(299)
    pushed(ws)
    assert len(between.asked) - asked_before == 2
    clock.sleep(2)
    pushed(ws, 60)
    assert (outbox(path), sandbox.count("Account")) == ([], 8)


@pytest.mark.parametrize(
    ("answer", "stopped"),
    [(said({}, 429, **{"Retry-After": "300"}), "throttled"), (said({}, 401), "access-refused")],
    ids=["429", "401"],
)
def test_what_stops_a_look_at_a_record_stops_the_push(
    ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path, answer: Answered, stopped: str
) -> None:
    """A condition failed and the record may not be read: the remote is left alone, not asked for each in turn [I10]."""
    (key,) = made(ws)
    ws.plexus.update("Account", key, {"name": "Ours"})
    sandbox.edit("Account", key, description="theirs")
    between.answer = lambda asked: forwarded(sandbox, asked) if writes(asked) else answer
    asked_before = len(between.asked)
    assert pushed(ws, 10).stopped == stopped
    assert len(between.asked) - asked_before == 2
    until_calm(ws, between, sandbox)
    found = sandbox.get("Account", key)
    assert found is not None
    assert (found["name"], found["description"]) == ("Ours", "theirs")


def test_a_record_that_nobody_asked_for_is_not_believed(
    ws: Workspace, between: Hostile, sandbox: Sandbox, path: Path
) -> None:
    """The look after a failed condition shows another record: it is neither merged nor taken for ours [I13 I14]."""
    first, second = made(ws, 2)
    ws.plexus.update("Account", second, {"name": "Ours"})
    sandbox.edit("Account", second, description="theirs")

    def mixed(asked: Asked) -> Answered:
        return forwarded(sandbox, asked if writes(asked) else replaced(asked, second, first))

    between.answer = mixed
    assert pushed(ws).conflicts == 0
    assert outbox(path) == [("update", "ambiguous", "unread")]
    until_calm(ws, between, sandbox)
    for found in (sandbox.get("Account", second), ws.plexus.get("Account", second)):
        assert found is not None
        assert (found["name"], found["description"]) == ("Ours", "theirs")


def replaced(asked: Asked, old: str, new: str) -> Asked:
    """The same request about another record."""
    return Asked(asked.method, asked.path, asked.headers, asked.body.replace(old.encode(), new.encode()))
