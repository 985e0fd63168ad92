"""Lists lag behind what was just written: a pull right after a push takes nothing back, and brings nothing back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.merge.rules import MergeRules, Rule
from syncer.sandbox.server import Sandbox
from tests.factory import account

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def time() -> Iterator[clock.Virtual]:
    """The clock of everybody, at noon."""
    virtual = clock.Virtual(NOON)
    with clock.using(virtual):
        yield virtual


@pytest.fixture
def item(synced: Workspace, time: clock.Virtual) -> str:
    """An item that is on both sides since a minute ago, within the overlap of every pull to come."""
    key = synced.plexus.create("Item", {"accountId": account(synced), "text": "first"})["id"]
    assert synced.sync("plexus").exit_code == 0
    time.sleep(61)
    return str(key)


class Lag:
    """Lists and reads that show a record as it was when this was made."""

    def __init__(self, sandbox: Sandbox, key: str) -> None:
        self._sandbox, self._key = sandbox, key
        self.was = sandbox.get("Item", key) or {}

    def shown(self, work: Any) -> None:
        """Do ``work`` while the remote answers late."""
        now = self._sandbox.get("Item", self._key)
        self._sandbox.put("Item", self.was)
        work()
        if now is None:
            self._sandbox.drop("Item", self._key)
        else:
            self._sandbox.put("Item", now)


def text(ws: Workspace, key: str) -> Any:
    """The item's text here."""
    return (ws.plexus.get("Item", key) or {}).get("text")


@pytest.mark.parametrize("full", [False, True])
def test_an_edit_just_sent_is_not_taken_back(
    synced: Workspace, sandbox: Sandbox, item: str, time: clock.Virtual, full: bool
) -> None:
    """The list still shows the record of before our edit, which was acknowledged: the row stays as it was sent."""
    lag = Lag(sandbox, item)
    synced.plexus.update("Item", item, {"text": "second"})
    assert synced.push("plexus").exit_code == 0
    time.sleep(1)
    lag.shown(lambda: synced.pull("plexus", full=full))
    assert text(synced, item) == "second"


@pytest.mark.parametrize("rule", [Rule.ASK, Rule.THEIRS])
def test_a_second_edit_does_not_clash_with_the_first(
    synced: Workspace, sandbox: Sandbox, item: str, time: clock.Virtual, rule: Rule
) -> None:
    """An edit that waits over one just sent meets the record of before both: nobody else wrote, nothing to decide."""
    synced.__dict__["rules"] = {"plexus": MergeRules(rule)}
    lag = Lag(sandbox, item)
    synced.plexus.update("Item", item, {"text": "second"})
    assert synced.push("plexus").exit_code == 0
    synced.plexus.update("Item", item, {"text": "third"})
    time.sleep(1)
    lag.shown(lambda: synced.pull("plexus"))
    assert text(synced, item) == "third"
    assert synced.sync("plexus").exit_code == 0
    assert (sandbox.get("Item", item) or {})["text"] == "third"


@pytest.mark.parametrize("full", [False, True])
def test_what_was_just_deleted_does_not_come_back(
    synced: Workspace, sandbox: Sandbox, item: str, time: clock.Virtual, full: bool
) -> None:
    """A list that still shows a record we have deleted would bring it back for good: no delta tells of deletions."""
    lag = Lag(sandbox, item)
    synced.plexus.delete("Item", item)
    assert synced.push("plexus").exit_code == 0
    assert sandbox.get("Item", item) is None
    time.sleep(1)
    lag.shown(lambda: synced.pull("plexus", full=full))
    assert text(synced, item) is None
    assert synced.plexus.find("Item") == []
