"""What happened to a record, newest first, and nothing that did not happen (I12)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.errors import RecordNotFound
from syncer.sandbox.server import Sandbox
from tests.engine.plan.test_plan import run_of
from tests.factory import account, scoring
from tests.files import rows, write

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def still() -> Iterator[clock.Virtual]:
    """Time that passes only where somebody waits."""
    source = clock.Virtual(START)
    with clock.using(source):
        yield source


def kinds(entries: list[dict[str, Any]]) -> list[str]:
    """What happened, oldest first."""
    return [entry["kind"] for entry in reversed(entries)]


def events(path: Path) -> list[Any]:
    """Every event on record."""
    return rows(path, "SELECT model, key, kind, fields FROM _event ORDER BY id")


def test_a_life(synced: Workspace, sandbox: Sandbox, still: clock.Virtual) -> None:
    """Written, sent, changed by others, edited on both sides, settled, sent again: each at its time, newest first."""
    made = scoring(synced)
    item = made["itemId"]
    synced.sync("plexus")
    still.moment += timedelta(minutes=1)
    sandbox.edit("Item", item, externalId="call-7")
    synced.pull("plexus")
    still.moment += timedelta(minutes=1)
    synced.plexus.update("Item", item, {"description": "ours"})
    still.moment += timedelta(minutes=1)
    sandbox.edit("Item", item, description="theirs", text="more")
    synced.pull("plexus")
    still.moment += timedelta(minutes=1)
    synced.resolve(item, take="ours")
    still.moment += timedelta(minutes=1)
    synced.push("plexus")
    told = synced.history("plexus", "Item", item)
    assert kinds(told) == ["written", "acked", "pulled", "written", "merged", "conflict", "resolved", "acked"]
    assert [entry["at"] for entry in told] == sorted((entry["at"] for entry in told), reverse=True)
    by_kind = {entry["kind"]: entry for entry in told}
    assert by_kind["pulled"]["fields"] == ["externalId", "updatedAt"]
    assert by_kind["merged"]["fields"] == ["description", "text", "updatedAt"]
    assert by_kind["merged"]["note"] == "taken: text, updatedAt; asked about: description"
    assert by_kind["conflict"]["values"] == {"base": None, "ours": "ours", "theirs": "theirs"}
    assert by_kind["resolved"]["note"] == "ours"
    assert synced.history("plexus", "Item", item, limit=2) == told[:2]


def test_what_is_pulled_for_the_first_time_is_no_event(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A first pull of many writes no history, nor does any pull that changes nothing, from whatever checkpoint."""
    sandbox.put("Account", id="acc", name="Lab", key="lab")
    sandbox.put_all("Item", [{"id": f"i-{n}", "accountId": "acc", "isEvaluation": False} for n in range(30)])
    synced.pull("plexus")
    synced.pull("plexus", full=True)
    write(path, "DELETE FROM _checkpoint")
    assert synced.pull("plexus").pulled == 0
    assert events(path) == []
    assert synced.history("plexus", "Item", "i-1") == []


def test_only_rows_that_changed_are_told_of(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """One edit among many records is one event, however often the page is read again; spelling is no change."""
    sandbox.put("Account", id="acc", name="Lab", key="lab")
    sandbox.put_all("Item", [{"id": f"i-{n}", "accountId": "acc", "isEvaluation": False} for n in range(30)])
    synced.pull("plexus")
    sandbox.edit("Item", "i-3", description="new", metadata='{"a": 1, "b": 2}')
    for _ in range(3):
        synced.pull("plexus", full=True)
    fields = ["description", "metadata", "updatedAt"]
    assert [(key, kind, json.loads(names)) for _, key, kind, names in events(path)] == [("i-3", "pulled", fields)]
    write(path, "UPDATE plexus_item SET metadata = '{\"b\":2, \"a\":1}' WHERE id = 'i-3'")
    synced.pull("plexus", full=True)
    assert len(events(path)) == 1


def test_a_merge_is_told_once(synced: Workspace, sandbox: Sandbox, path: Path, still: clock.Virtual) -> None:
    """Disjoint edits of both sides are one event; reading the same record again is none."""
    made = scoring(synced)
    synced.push("plexus")
    synced.plexus.update("Item", made["itemId"], {"description": "ours"})
    still.sleep(1)  # edits of the same millisecond would have the same updatedAt
    sandbox.edit("Item", made["itemId"], text="theirs")
    for _ in range(3):
        synced.pull("plexus", full=True)
    found = [(key, kind, json.loads(names)) for model, key, kind, names in events(path) if model == "Item"]
    assert found == [(made["itemId"], "merged", ["text", "updatedAt"])]


def test_coalesced_writes_and_what_took_them_over(synced: Workspace, still: clock.Virtual) -> None:
    """Every write is told, those that never left by themselves with the change that carried them."""
    made = account(synced)
    synced.plexus.update("Account", made, {"name": "A"})
    synced.plexus.update("Account", made, {"name": "B"})
    synced.push("plexus")
    told = synced.history("plexus", "Account", made)
    assert kinds(told) == ["written", "written", "superseded", "written", "superseded", "acked"]
    assert [entry["note"] for entry in reversed(told) if entry["kind"] == "superseded"] == ["by change 2", "by change 3"]


def test_a_record_that_was_renamed(synced: Workspace, sandbox: Sandbox) -> None:
    """What happened under the id it had here is told under the remote's, and the other way round."""
    local = run_of(synced, sandbox)
    synced.push("abeja")
    key = str(synced.explain("abeja", "Run", local)["key"])
    told = synced.history("abeja", "Run", local)
    assert told == synced.history("abeja", "Run", key)
    assert sorted(kinds(told)) == ["acked", "renamed", "written"]
    assert next(entry for entry in told if entry["kind"] == "renamed")["note"] == f"{local} is {key} on the remote"


def test_a_row_that_was_swept_away(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """The history stays when the row goes."""
    made = scoring(synced)
    other = synced.plexus.create("Item", {"accountId": made["accountId"], "externalId": "call-2"})["id"]
    synced.sync("plexus")
    write(path, "UPDATE ledger SET left_at = '2026-01-01T00:00:00.000000Z'")  # else it counts as only just written
    sandbox.drop("Item", other)
    synced.sync("plexus", full=True)
    assert synced.plexus.get("Item", other) is None
    assert synced.history("plexus", "Item", other)[0]["kind"] == "swept"


def test_a_repair(synced: Workspace, path: Path) -> None:
    """What verify repaired is told."""
    made = scoring(synced)
    synced.sync("plexus")
    write(path, "UPDATE plexus_item SET description = 'meddled'")
    synced.verify("plexus", repair=True)
    told = synced.history("plexus", "Item", made["itemId"])
    assert "repaired" in kinds(told)
    assert synced.plexus.get("Item", made["itemId"]) == {
        **(synced.plexus.get("Item", made["itemId"]) or {}),
        "description": None,
    }


def test_dropped_by_hand(synced: Workspace) -> None:
    """A write that was given up says so."""
    made = account(synced)
    synced.push("plexus")
    synced.plexus.update("Account", made, {"name": "no"})
    synced.drop(2)
    newest = synced.history("plexus", "Account", made)[0]
    assert (newest["kind"], newest["note"]) == ("discarded", "dropped by hand")


def test_what_nobody_knows(synced: Workspace) -> None:
    """No such record: said so."""
    with pytest.raises(RecordNotFound):
        synced.history("plexus", "Account", "nothing")
