"""Account: found by its key, changed, and the changes sent."""

from __future__ import annotations

import json
import logging

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import Account, PlexusDashboardClient
from syncer.sandbox.server import Sandbox
from tests.engine.push.test_push import START
from tests.factory import account


def client_of(ws: Workspace) -> PlexusDashboardClient:
    """A client on a test's own file."""
    return PlexusDashboardClient(workspace=ws)


def test_is_found_by_id_and_by_key_in_either_order_of_arguments(ws: Workspace) -> None:
    """All three lookups give the same account, JSON decoded."""
    id = account(ws, settings={"hue": 3})
    client = client_of(ws)
    found = Account.get_by_id(id, client)
    assert (found.id, found.name, found.key, found.description, found.settings) == (id, "Lab", "lab", None, {"hue": 3})
    assert found == Account.get_by_key("lab", client) == Account.list_by_key(client, "lab")
    assert Account.get_by_key("LAB", client) is None


def test_an_unknown_id_says_what_to_pull(ws: Workspace) -> None:
    """Not found is a ValueError that names class, key and command."""
    with pytest.raises(ValueError, match=r"Account with id 'gone'.*syncer pull plexus --model Account") as caught:
        Account.get_by_id("gone", client_of(ws))
    assert isinstance(caught.value, RecordNotFound)


def test_of_two_with_one_key_the_older_is_given_and_the_log_says_so(ws: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    """Plexus keeps no key unique: the choice is always the same, and told."""
    with clock.using(clock.Virtual(START)):
        older = account(ws, id="b")
        clock.sleep(1)
        account(ws, id="a")
    with caplog.at_level(logging.WARNING):
        found = Account.get_by_key("lab", client_of(ws))
    assert found is not None
    assert found.id == older
    assert "several Accounts have the same key" in caplog.text


def test_update_gives_a_new_instance_and_sends_only_what_changed(synced: Workspace, sandbox: Sandbox) -> None:
    """The old instance stays as it was; settings may be a dict or JSON text; Plexus ends with exactly these values."""
    id = account(synced, description="north")
    synced.push("plexus")
    before = Account.get_by_id(id, client_of(synced))
    after = before.update(name="Lab 2", settings='{"hue": 4}')
    assert (before.name, before.settings) == ("Lab", None)
    assert (after.name, after.settings, after.description) == ("Lab 2", {"hue": 4}, "north")
    assert synced.push("plexus").acked == 1
    [row] = sandbox.rows("Account")
    assert (row["id"], row["name"], row["key"], row["description"]) == (id, "Lab 2", "lab", "north")
    assert json.loads(row["settings"]) == {"hue": 4}


def test_update_refuses_what_is_no_field_and_stores_nothing(ws: Workspace) -> None:
    """A misspelt field fails before anything is stored, and says how it is spelt."""
    found = Account.get_by_id(account(ws), client_of(ws))
    with pytest.raises(InvalidInput) as caught:
        found.update(nam="Lab 2")
    assert "name" in str(caught.value.hint)
    assert Account.get_by_id(found.id, client_of(ws)).name == "Lab"


def test_an_instance_without_a_client_cannot_write() -> None:
    """One made by hand says what it lacks."""
    with pytest.raises(ValueError, match="no client"):
        Account("a", "Lab", "lab").update(name="Lab 2")
