"""``Identifier``: names and values of items, found by either."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput, RecordExists, RecordNotFound
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import Identifier
from syncer.sandbox.server import Sandbox
from tests.factory import scoring
from tests.files import rows

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client over a file that can be pushed to the sandbox."""
    return PlexusDashboardClient(workspace=synced)


def test_created_and_pushed(client: PlexusDashboardClient, sandbox: Sandbox) -> None:
    """It has the synthetic id, positions count up by themselves, and the remote gets exactly that."""
    ids = scoring(client.workspace)
    with clock.using(clock.Virtual(START)):
        one = Identifier.create(client, ids["itemId"], "Form Id", "7", ids["accountId"])
        two = Identifier.create(client, ids["itemId"], "Report Id", "8", ids["accountId"], "https://r/8")
        far = Identifier.create(client, ids["itemId"], "Far", "9", ids["accountId"], position=40)
        last = Identifier.create(client, ids["itemId"], "Last", "10", ids["accountId"])
    assert (one.id, one.position, one.url, one.createdAt, one.updatedAt) == (
        f"{ids['itemId']}#Form Id",
        1,
        None,
        START,
        START,
    )
    assert [each.position for each in (two, far, last)] == [2, 40, 41]
    assert client.workspace.push("plexus").exit_code == 0
    assert {
        (r["itemId"], r["name"], r["value"], r["accountId"], r["position"], r.get("url")) for r in sandbox.rows("Identifier")
    } == {
        (ids["itemId"], "Form Id", "7", ids["accountId"], 1, None),
        (ids["itemId"], "Report Id", "8", ids["accountId"], 2, "https://r/8"),
        (ids["itemId"], "Far", "9", ids["accountId"], 40, None),
        (ids["itemId"], "Last", "10", ids["accountId"], 41, None),
    }


def test_updated_and_deleted_on_the_remote(client: PlexusDashboardClient, sandbox: Sandbox) -> None:
    """An update carries the value it needs upstream, and is a new instance; a delete leaves nothing."""
    ids = scoring(client.workspace)
    kept = Identifier.create(client, ids["itemId"], "Form Id", "7", ids["accountId"])
    gone = Identifier.create(client, ids["itemId"], "Gone", "8", ids["accountId"])
    assert client.workspace.push("plexus").exit_code == 0
    changed = kept.update(url="https://f/7")
    assert (changed.url, changed.value, kept.url) == ("https://f/7", "7", None)
    assert (gone.delete(), gone.delete()) == (True, False)
    assert client.workspace.push("plexus").exit_code == 0
    (left,) = sandbox.rows("Identifier")
    assert (left["name"], left["value"], left["url"]) == ("Form Id", "7", "https://f/7")
    assert Identifier.list_by_item_id(ids["itemId"], client) == [changed.update()]


@pytest.mark.parametrize("name", ["createdAt", "itemId", "name", "accountId", "nothing"])
def test_what_stays_what_it_is(client: PlexusDashboardClient, name: str) -> None:
    """Its key, account and creation cannot be changed, and unknown fields are refused: all ValueErrors."""
    made = Identifier.create(client, "i1", "Form Id", "7", "a1")
    with pytest.raises(ValueError, match=f"(?s)Identifier.*{name}"):
        made.update(**{name: "x"})
    assert Identifier.list_by_item_id("i1", client) == [made]


def test_a_name_is_taken_once(client: PlexusDashboardClient, path: Path) -> None:
    """A second identifier of the same name is refused; empty texts too; nothing of them is stored."""
    Identifier.create(client, "i1", "Form Id", "7", "a1")
    with pytest.raises(RecordExists):
        Identifier.create(client, "i1", "Form Id", "8", "a1")
    with pytest.raises(InvalidInput, match="value"):
        Identifier.create(client, "i1", "Other", "", "a1")
    assert rows(path, "SELECT value FROM plexus_identifier") == [("7",)]


def test_found_by_value_and_name(client: PlexusDashboardClient) -> None:
    """Within an account, the oldest of several; None where there is none."""
    with clock.using(clock.Virtual(START)):
        old = Identifier.create(client, "i9", "Form Id", "7", "a1")
        clock.sleep(1)
        Identifier.create(client, "i1", "Form Id", "7", "a1")
        other = Identifier.create(client, "i1", "Report Id", "7", "a1")
        Identifier.create(client, "i2", "Form Id", "7", "a2")
    assert Identifier.find_by_value("7", "a1", client) == old
    assert Identifier.find_by_name_and_value("Report Id", "7", "a1", client) == other
    assert Identifier.find_by_name_and_value("Report Id", "7", "a2", client) is None
    assert Identifier.find_by_value("8", "a1", client) is None


def test_many_values_at_once(client: PlexusDashboardClient) -> None:
    """Any text may be a value: quotes and braces search for themselves. Missing ones are absent; no values, no search."""
    hostile = '"}) { items { id } } #'
    for number, value in enumerate(["7", hostile, "\u00fc'"]):
        Identifier.create(client, f"i{number}", "Form Id", value, "a1")
    found = Identifier.batch_find_by_values(["7", hostile, "\u00fc'", "nobody's", "7"], "a1", client)
    assert {value: each.itemId for value, each in found.items()} == {"7": "i0", hostile: "i1", "\u00fc'": "i2"}
    assert Identifier.batch_find_by_values([], "a1", client) == {}


def test_many_for_one_item(client: PlexusDashboardClient) -> None:
    """They come in order behind those that are there; the dicts given stay as they are."""
    Identifier.create(client, "i1", "First", "0", "a1")
    given = [{"name": "B", "value": "1"}, {"name": "A", "value": "2", "url": "https://a"}]
    copies = [dict(each) for each in given]
    made = Identifier.batch_create_for_item(client, "i1", "a1", given)
    assert given == copies
    assert [(each.name, each.position, each.url) for each in made] == [("B", 2, None), ("A", 3, "https://a")]
    assert [each.name for each in Identifier.list_by_item_id("i1", client)] == ["First", "B", "A"]


def test_many_are_all_or_none(client: PlexusDashboardClient, path: Path) -> None:
    """One that lacks its value, or whose name is taken, stops all of them; the place in the list is named."""
    Identifier.create(client, "i1", "Taken", "0", "a1")
    with pytest.raises(InvalidInput, match=r"identifiers_data\[1\] has no value"):
        Identifier.batch_create_for_item(client, "i1", "a1", [{"name": "A", "value": "1"}, {"name": "B"}])
    with pytest.raises(RecordExists):
        Identifier.batch_create_for_item(client, "i1", "a1", [{"name": "A", "value": "1"}, {"name": "Taken", "value": "2"}])
    assert rows(path, "SELECT name FROM plexus_identifier") == [("Taken",)]
    assert rows(path, "SELECT count(*) FROM outbox") == [(1,)]


def test_loaded_by_its_synthetic_id(client: PlexusDashboardClient) -> None:
    """``itemId#name`` finds it even where item or name hold a ``#``; what is not there is a ValueError naming it."""
    made = Identifier.create(client, "i#1", "Form # Id", "7", "a1")
    assert Identifier.get_by_id(made.id, client) == made
    with pytest.raises(RecordNotFound, match="i1#Form Id"):
        Identifier.get_by_id("i1#Form Id", client)
    with pytest.raises(ValueError, match="no Identifier with id 'nothing'"):
        Identifier.get_by_id("nothing", client)


def test_from_dict_leaves_the_dict(client: PlexusDashboardClient) -> None:
    """GraphQL's answer becomes an instance with aware times, and stays as it was."""
    answer = {
        "itemId": "i1",
        "name": "Form Id",
        "value": "7",
        "accountId": "a1",
        "createdAt": "2026-03-04T05:06:07.000Z",
        "updatedAt": "2026-03-04T05:06:07.000Z",
        "position": 1,
        "__typename": "Identifier",
    }
    copy = dict(answer)
    made = Identifier.from_dict(answer, client)
    assert (answer, made.createdAt, made.id, made.url) == (copy, START, "i1#Form Id", None)
    assert Identifier.fields() == "itemId name value accountId createdAt updatedAt url position"
    with pytest.raises(InvalidInput, match="value"):
        Identifier.from_dict({"itemId": "i1", "name": "x"}, client)
