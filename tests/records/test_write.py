"""Local writes: checked first, then row and change in one transaction, durable when the call returns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from syncer import Workspace
from syncer.errors import DatabaseError, InvalidInput, RecordExists, RecordNotFound
from tests.factory import account, result, scoring
from tests.files import rows, write


def test_a_write_is_seen_by_others_when_the_call_returns(ws: Workspace, path: Path) -> None:
    """Row and change are in the file, in the same commit, before the caller goes on."""
    made = ws.plexus.create("Account", {"name": "Lab", "key": "lab", "settings": {"tags": ["ä", None, 1.5]}})
    assert rows(path, "SELECT id, name, settings FROM plexus_account") == [(made["id"], "Lab", '{"tags":["ä",null,1.5]}')]
    assert rows(path, "SELECT remote, model, key, op, state FROM outbox") == [
        ("plexus", "Account", made["id"], "create", "pending")
    ]


@freeze_time("2026-03-04T05:06:07.890123Z")
def test_the_answer_is_what_the_remote_would_say(ws: Workspace) -> None:
    """Ids, defaults and times are filled in as the remote would, JSON comes back as Python values."""
    ids = scoring(ws)
    made = ws.plexus.create("ScoreResult", result(ids, metadata={"a": [1, {"b": None}]}, correct=True))
    assert made["type"] == "prediction"
    assert made["status"] == "COMPLETED"
    assert made["code"] == "200"
    assert made["correct"] is True
    assert made["metadata"] == {"a": [1, {"b": None}]}
    assert made["createdAt"] == made["updatedAt"] == "2026-03-04T05:06:07.890000Z"
    assert ws.plexus.get("ScoreResult", made["id"]) == made


def test_times_are_normalised_to_utc_milliseconds(ws: Workspace) -> None:
    """Aware datetimes and ISO texts of any offset mean the same moment in the file."""
    ids = scoring(ws)
    tokyo = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=9)))
    task = {"accountId": ids["accountId"], "type": "t", "status": "PENDING", "target": "x", "command": "c"}
    one = ws.plexus.create("Task", {**task, "startedAt": tokyo})
    two = ws.plexus.create("Task", {**task, "startedAt": "2026-01-02T03:04:05.678901+09:00"})
    assert one["startedAt"] == two["startedAt"] == "2026-01-01T18:04:05.678000Z"


@pytest.mark.parametrize(
    ("model", "fields", "named"),
    [
        ("Acount", {}, "Account"),
        ("Account", {"nam": "x", "key": "k"}, "name"),
        ("Account", {"name": 3, "key": "k"}, "Account.name cannot be 3"),
        ("Account", {"name": "x"}, "needs key"),
        ("Account", {"name": "x", "key": None}, "needs key"),
        ("Account", {"name": "x", "key": ""}, "empty text"),
        ("Account", {"id": "", "name": "x", "key": "k"}, "Account.id cannot be ''"),
        ("Account", {"name": "x", "key": "k", "settings": {"n": float("nan")}}, "Account.settings"),
        ("Account", {"name": "x", "key": "k", "settings": {1, 2}}, "Account.settings"),
        ("Account", {"name": "x", "key": "k", "createdAt": "2024-01-01T00:00:00Z"}, "set by the remote"),
        ("Account", {"name": "\ud800", "key": "k"}, "Account.name"),
        ("ChatSession", {"accountId": "a", "status": "OPEN"}, "ACTIVE, COMPLETED, ERROR"),
        ("ScorecardSection", {"name": "s", "scorecardId": "c", "order": True}, "whole number"),
        ("ScorecardSection", {"name": "s", "scorecardId": "c", "order": 2**31}, "32 bits"),
        (
            "Task",
            {"accountId": "a", "type": "t", "status": "s", "target": "x", "command": "c", "startedAt": "soon"},
            "Task.startedAt",
        ),
        (
            "Task",
            {
                "accountId": "a",
                "type": "t",
                "status": "s",
                "target": "x",
                "command": "c",
                "startedAt": "2024-01-01T00:00:00",
            },
            "offset",
        ),
        (
            "Task",
            {
                "accountId": "a",
                "type": "t",
                "status": "s",
                "target": "x",
                "command": "c",
                "startedAt": datetime(2024, 1, 1),  # noqa: DTZ001 - the point of the case
            },
            "time zone",
        ),
        ("Item", {"accountId": "a", "attachedFiles": "one.txt"}, "list of texts"),
        (
            "ScoreResult",
            {"value": 0.9, "itemId": "i", "accountId": "a", "scorecardId": "c", "scoreId": "s"},
            "text is needed",
        ),
        ("ScoreResult", {"value": "Yes", "itemId": "i", "accountId": "a", "scorecardId": "c"}, "needs scoreId"),
    ],
)
def test_bad_input_is_named_and_nothing_is_stored(
    ws: Workspace, path: Path, model: str, fields: dict[str, Any], named: str
) -> None:
    """A wrong model, field, type or value fails before anything is stored, and the error names it."""
    with pytest.raises(InvalidInput) as caught:
        ws.plexus.create(model, fields)
    assert named in f"{caught.value} {caught.value.hint}"
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]


def test_one_bad_record_of_many_stores_none(ws: Workspace, path: Path) -> None:
    """``create_many`` is all or nothing."""
    with pytest.raises(InvalidInput):
        ws.plexus.create_many("Account", [{"name": "a", "key": "a"}, {"name": "b"}])
    assert rows(path, "SELECT count(*) FROM plexus_account") == [(0,)]


def _in_a_unit(ws: Workspace, made: str) -> None:
    with ws.plexus.transaction() as unit:
        unit.create("Account", {"name": "c", "key": "c"})
        unit.update("Account", made, {"name": "New"})


WRITES: dict[str, Callable[[Workspace, str], Any]] = {
    "create": lambda ws, _: ws.plexus.create("Account", {"name": "a", "key": "a"}),
    "create-under-an-id": lambda ws, _: ws.plexus.create("Account", {"id": "mine", "name": "a", "key": "a"}),
    "create-many": lambda ws, _: ws.plexus.create_many("Account", [{"name": n, "key": n} for n in "ab"]),
    "update": lambda ws, made: ws.plexus.update("Account", made, {"name": "New"}),
    "delete": lambda ws, made: ws.plexus.delete("Account", made),
    "unit": _in_a_unit,
}


@pytest.mark.parametrize("kind", WRITES)
def test_a_change_that_cannot_be_queued_leaves_the_row_as_it_was(ws: Workspace, path: Path, kind: str) -> None:
    """The file refuses the outbox line: no row, no edit, no base of the write is left, and the next write works [I1]."""
    made = account(ws)
    tables = ("plexus_account", "outbox", "ledger", "_base")
    before = [rows(path, f"SELECT * FROM {table}") for table in tables]
    write(path, "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'no room'); END")
    with pytest.raises(DatabaseError, match="no room"):
        WRITES[kind](ws, made)
    assert [rows(path, f"SELECT * FROM {table}") for table in tables] == before
    write(path, "DROP TRIGGER full")
    WRITES[kind](ws, made)
    assert ws.status().consistent


def test_a_taken_id_is_refused(ws: Workspace) -> None:
    """A second record under an id that is here already is an error that names it."""
    account(ws, id="mine")
    with pytest.raises(RecordExists, match="plexus Account mine exists already"):
        account(ws, id="mine")


def test_updates_of_an_unsent_record_fold_into_its_create(ws: Workspace, path: Path) -> None:
    """Only the last state of a record that was never sent waits; every write keeps its number in the ledger."""
    made = account(ws)
    ws.plexus.update("Account", made, {"name": "B"})
    ws.plexus.update("Account", made, {"name": "C", "description": "d"})
    assert rows(path, "SELECT op, fields FROM outbox") == [("create", None)]
    assert rows(path, "SELECT seq, outcome, by_seq FROM ledger ORDER BY seq") == [(1, "superseded", 2), (2, "superseded", 3)]
    assert ws.status().consistent


def test_an_update_that_changes_nothing_waits_for_nothing(ws: Workspace, path: Path) -> None:
    """Writing what is there already is no change, also when JSON is spelled in another order."""
    made = account(ws, settings={"a": 1, "b": 2})
    ws.plexus.update("Account", made, {"name": "Lab", "settings": {"b": 2, "a": 1}})
    assert rows(path, "SELECT count(*), max(seq) FROM outbox") == [(1, 1)]


def test_create_and_delete_of_an_unsent_record_vanish(ws: Workspace, path: Path) -> None:
    """What was never sent and is gone again is not sent; the ledger still closes."""
    made = account(ws)
    ws.plexus.delete("Account", made)
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]
    assert rows(path, "SELECT seq, op, outcome FROM ledger ORDER BY seq") == [
        (1, "create", "superseded"),
        (2, "delete", "discarded"),
    ]
    assert ws.plexus.get("Account", made) is None
    assert ws.status().consistent


def test_missing_records_are_named(ws: Workspace) -> None:
    """Update and delete of what is not here say so; ``get`` gives None."""
    assert ws.plexus.get("Account", "nobody") is None
    with pytest.raises(RecordNotFound, match="nobody is not in the local file"):
        ws.plexus.update("Account", "nobody", {"name": "x"})
    with pytest.raises(RecordNotFound):
        ws.plexus.delete("Account", "nobody")


@pytest.mark.parametrize("changes", [{"id": "other"}, {"name": None}, {"updatedAt": "2024-01-01T00:00:00Z"}])
def test_what_may_not_be_changed_is_refused(ws: Workspace, changes: dict[str, Any]) -> None:
    """Keys, server times and the removal of required fields are refused."""
    made = account(ws)
    with pytest.raises(InvalidInput):
        ws.plexus.update("Account", made, changes)


def test_composite_keys(ws: Workspace) -> None:
    """A record with two key fields is addressed by a dict, and its position is the next free one."""
    ids = scoring(ws)
    fields = {"itemId": ids["itemId"], "accountId": ids["accountId"], "value": "1"}
    assert ws.plexus.create("Identifier", {**fields, "name": 'Call "A", [1]'})["position"] == 1
    assert ws.plexus.create("Identifier", {**fields, "name": "Case"})["position"] == 2
    key = {"itemId": ids["itemId"], "name": 'Call "A", [1]'}
    assert ws.plexus.update("Identifier", key, {"value": "2"})["value"] == "2"
    ws.plexus.delete("Identifier", key)
    assert ws.plexus.get("Identifier", key) is None
    with pytest.raises(InvalidInput, match="several fields"):
        ws.plexus.get("Identifier", "Case")
    with pytest.raises(InvalidInput, match="itemId, name"):
        ws.plexus.get("Identifier", {"itemId": "x"})


def test_find(ws: Workspace) -> None:
    """Equality, membership, absence, order and limit."""
    for name, description in (("a", None), ("b", "x"), ("c", "y")):
        account(ws, name=name, key=name, description=description)

    def names(**options: Any) -> list[str]:
        return [r["name"] for r in ws.plexus.find("Account", **options)]

    assert names(where={"name": "b"}) == ["b"]
    assert names(where={"name": ["a", "c"]}, order_by="-name") == ["c", "a"]
    assert names(where={"description": None}) == ["a"]
    assert names(order_by=["name"], limit=2) == ["a", "b"]
    assert names(where={"name": []}) == []
    with pytest.raises(InvalidInput, match="no field 'nme'"):
        ws.plexus.find("Account", {"nme": "b"})
    with pytest.raises(InvalidInput):
        ws.plexus.find("Account", order_by="nme")


def test_threads_share_commits_and_lose_nothing(ws: Workspace, path: Path) -> None:
    """Eight threads write at once; one that fails takes nobody with it."""
    errors: list[BaseException] = []

    def write(thread: int) -> None:
        for n in range(25):
            try:
                account(ws, id=f"{thread}-{n}" if n else "same", key=f"{thread}-{n}")
            except RecordExists as exc:
                errors.append(exc)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 7
    assert rows(path, "SELECT count(*) FROM plexus_account") == [(193,)]
    assert rows(path, "SELECT count(*) FROM outbox") == [(193,)]
    assert ws.status().consistent


def test_local_order_of_times_uses_utc(ws: Workspace) -> None:
    """Stored times sort as text."""
    made = account(ws)
    stored = ws.plexus.get("Account", made)
    assert stored is not None
    assert datetime.fromisoformat(stored["createdAt"]) <= datetime.now(UTC)
