"""``Item``: creating, listing, and upserts by what people know an item by."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput, RecordExists
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import Identifier, Item
from syncer.plexus.upserts import display_name
from syncer.sandbox.server import Sandbox
from tests.factory import account
from tests.files import rows, write
from tests.racing import raced

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
UPSERTER = Path(__file__).with_name("upserter.py")


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client over a file that can be pushed to the sandbox."""
    return PlexusDashboardClient(workspace=synced)


def upsert(client: PlexusDashboardClient, identifiers: Any = None, account_id: str = "a1", **options: Any) -> Any:
    """The outcome of an upsert."""
    return Item.upsert_by_identifiers(client, account_id, identifiers, **options)


def upserted(client: PlexusDashboardClient, identifiers: Any = None, **options: Any) -> str:
    """The id of an upsert that went well."""
    key, _, error = upsert(client, identifiers, **options)
    assert error is None
    return str(key)


def named(client: PlexusDashboardClient, item_id: str) -> dict[str, str]:
    """Values of an item's identifiers by name, in order of position."""
    return {each.name: each.value for each in Identifier.list_by_item_id(item_id, client)}


# Single items.


def test_created_and_pushed(client: PlexusDashboardClient, sandbox: Sandbox) -> None:
    """Times are the call's, metadata a dict here and JSON text there; the remote gets exactly what was said."""
    account_id = account(client.workspace)
    with clock.using(clock.Virtual(START)):
        made = Item.create(client, "e1", "words", {"n": [1]}, accountId=account_id, attachedFiles=["f.txt"], externalId="x")
    assert (made.createdAt, made.updatedAt, made.metadata, made.attachedFiles) == (START, START, {"n": [1]}, ["f.txt"])
    assert (made.isEvaluation, made.createdByType, made.evaluationId) == (True, "evaluation", "e1")
    assert client.workspace.push("plexus").exit_code == 0
    (stored,) = sandbox.rows("Item")
    assert json.loads(stored.pop("metadata")) == {"n": [1]}
    stored.pop("updatedAt")
    assert {name: value for name, value in stored.items() if value is not None and name != "__typename"} == {
        "id": made.id,
        "evaluationId": "e1",
        "accountId": account_id,
        "text": "words",
        "isEvaluation": True,
        "createdByType": "evaluation",
        "attachedFiles": ["f.txt"],
        "externalId": "x",
        "createdAt": "2026-03-04T05:06:07.000Z",
    }


@pytest.mark.parametrize(
    ("evaluation", "fields", "expected"),
    [
        ("", {"isEvaluation": False}, ("prediction-default", False, "prediction")),
        ("e1", {"isEvaluation": False}, ("e1", False, "evaluation")),
        ("e1", {"createdByType": "prediction"}, ("e1", True, "prediction")),
    ],
)
def test_who_made_it(
    client: PlexusDashboardClient, evaluation: str, fields: dict[str, Any], expected: tuple[str, bool, str]
) -> None:
    """An item of no evaluation says so; ``createdByType`` follows from the rest unless it is given."""
    made = Item.create(client, evaluation, accountId="a1", **fields)
    assert (made.evaluationId, made.isEvaluation, made.createdByType) == expected


@pytest.mark.parametrize(
    "fields", [{"accountId": "a1"}, {"accountId": "a1", "isEvaluation": None}, {"isEvaluation": False}, {"colour": 1}]
)
def test_what_an_item_needs(client: PlexusDashboardClient, path: Path, fields: dict[str, Any]) -> None:
    """An evaluation unless it is of none, an account, and only fields there are: ValueErrors, and nothing is stored."""
    with pytest.raises(ValueError, match=r"evaluationId|accountId|colour"):
        Item.create(client, "", **fields)
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]


def test_a_deterministic_id_is_taken_once(client: PlexusDashboardClient) -> None:
    """The id is the one given, and another item cannot have it."""
    assert Item.create(client, "e1", deterministic_id="a1--7", accountId="a1").id == "a1--7"
    with pytest.raises(RecordExists):
        Item.create(client, "e1", deterministic_id="a1--7", accountId="a1")


def test_updated(client: PlexusDashboardClient, sandbox: Sandbox) -> None:
    """A new instance with the change, which reaches the remote; when it was made cannot change."""
    made = Item.create(client, "e1", accountId=account(client.workspace))
    changed = made.update(metadata='{"a": 1}', description="new")
    assert (changed.metadata, changed.description, made.description, changed.id) == ({"a": 1}, "new", None, made.id)
    with pytest.raises(ValueError, match="createdAt"):
        made.update(createdAt=START)
    assert client.workspace.push("plexus").exit_code == 0
    assert sandbox.rows("Item")[0]["description"] == "new"
    assert changed.update(description=None).description is None
    assert client.workspace.push("plexus").exit_code == 0
    assert sandbox.rows("Item")[0].get("description") is None


def test_read_by_id(client: PlexusDashboardClient) -> None:
    """The item, or None."""
    made = Item.create(client, "e1", accountId="a1")
    assert Item.get_by_id(made.id, client) == made
    assert Item.get_by_id("nobody", client) is None


def test_from_dict_leaves_the_dict(client: PlexusDashboardClient) -> None:
    """A whole answer and a selection of it both become instances; only the id must be there."""
    answer = {"id": "i1", "createdAt": "2026-03-04T05:06:07.000Z", "metadata": '{"a": 1}', "identifiers": None}
    copy = dict(answer)
    with clock.using(clock.Virtual(START)):
        made = Item.from_dict(answer, client)
    assert answer == copy
    assert (made.createdAt, made.updatedAt, made.metadata, made.accountId) == (START, START, {"a": 1}, "")
    with pytest.raises(InvalidInput, match="id"):
        Item.from_dict({"accountId": "a1"}, client)


def test_lists_are_filtered_sorted_and_whole(client: PlexusDashboardClient) -> None:
    """Filter, sort and limit are honoured together; the list knows where the next page starts."""
    with clock.using(clock.Virtual(START)):
        for number in range(12):
            Item.create(client, "e1", accountId="a1" if number % 2 else "a2", deterministic_id=f"i{number:02}")
            clock.sleep(1)
    wanted = {"accountId": {"eq": "a1"}, "id": {"ne": "i05"}}
    newest = {"createdAt": "DESC"}
    assert [each.id for each in Item.list(client, wanted, newest)] == ["i11", "i09", "i07", "i03", "i01"]
    first = Item.list(client, wanted, newest, 3)
    rest = Item.list(client, wanted, newest, 3, first.next_token)
    assert ([each.id for each in first], [each.id for each in rest]) == (["i11", "i09", "i07"], ["i03", "i01"])
    assert (rest.next_token, len(Item.list(client)), Item.list(client, {"accountId": {"eq": "a3"}})) == (None, 12, [])
    with pytest.raises(InvalidInput, match="token"):
        Item.list(client, {"accountId": {"eq": "a2"}}, newest, 3, first.next_token)
    with pytest.raises(InvalidInput, match="one field"):
        Item.list(client, sort={"createdAt": "ASC", "updatedAt": "ASC"})


def test_found_by_identifier(client: PlexusDashboardClient) -> None:
    """By name and value, the key or the name it makes; not by value alone, in another account, or without its item."""
    item_id = upserted(client, {"formId": 7, "reportId": "8"})
    Identifier.create(client, "not here", "Form Id", "9", "a1")
    for key in ("formId", "form_id", "Form Id"):
        found = Item.find_by_identifier(client, "a1", key, "7", debug=True)
        assert found is not None
        assert found.id == item_id
    assert Item.find_by_identifier(client, "a1", "reportId", "7") is None
    assert Item.find_by_identifier(client, "a2", "formId", "7") is None
    assert Item.find_by_identifier(client, "a1", "formId", "9") is None


# Upserts.


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("formId", "Form Id"),
        ("customer_id", "Customer Id"),
        ("item_Id", "Item  Id"),
        ("reportID", "Reportid"),
        ("_x_", "X"),
        ("Form Id", "Form  Id"),
    ],
)
def test_names_of_identifiers(key: str, name: str) -> None:
    """Keys become names by the original's rule, its oddities included: others look for exactly these."""
    assert display_name(key) == name


def test_an_upsert_creates_and_pushes(client: PlexusDashboardClient, sandbox: Sandbox) -> None:
    """A new item and its identifiers: blank values count for nothing, the remote gets exactly that."""
    account_id = account(client.workspace)
    identifiers = {"formId": 7, "blank": "  ", "none": None, "report_id": " 8 ", "zero": 0}
    copy = dict(identifiers)
    key, created, error = upsert(
        client, identifiers, account_id, external_id="x7", text="words", metadata={"a": 1}, debug=True
    )
    assert (key, created, error, identifiers) == (f"{account_id}--x7", True, None, copy)
    assert client.workspace.push("plexus").exit_code == 0
    (item,) = sandbox.rows("Item")
    assert json.loads(item["metadata"]) == {"a": 1}
    assert [item[name] for name in ("id", "evaluationId", "isEvaluation", "createdByType", "externalId", "text")] == [
        key,
        "prediction-default",
        False,
        "prediction",
        "x7",
        "words",
    ]
    assert {(r["itemId"], r["accountId"], r["name"], r["value"], r["position"]) for r in sandbox.rows("Identifier")} == {
        (key, account_id, "Form Id", "7", 1),
        (key, account_id, "Report Id", "8", 2),
        (key, account_id, "Zero", "0", 3),
    }
    assert client.workspace.status().consistent


def test_an_upsert_again_changes_nothing(client: PlexusDashboardClient, sandbox: Sandbox, path: Path) -> None:
    """The same upsert after its push finds the item, queues nothing and sends nothing."""
    account_id = account(client.workspace)
    options = {"external_id": "x7", "description": "d", "metadata": {"a": [1]}}
    key, *_ = upsert(client, {"formId": 7}, account_id, **options)
    client.workspace.push("plexus")
    assert upsert(client, {"formId": 7}, account_id, **options) == (key, False, None)
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]
    assert len(sandbox.effects("Item")) == 1


def test_an_upsert_updates_what_is_given(client: PlexusDashboardClient) -> None:
    """Truthy values are set, falsy ones leave what is there; evaluation and score belong to new items only."""
    first = upserted(client, {"formId": 7}, description="old", text="words", evaluation_id="e1", score_id="s1")
    again = upserted(
        client, {"formId": "7", "reportId": "8"}, description="new", text="", metadata='{"a": 1}', evaluation_id="e2",
        is_evaluation=True, score_id="s2", external_id="x",
    )  # fmt: skip
    found = Item.get_by_id(first, client)
    assert found is not None
    assert (again, found.description, found.text, found.metadata, found.externalId) == (first, "new", "words", {"a": 1}, "x")
    assert (found.evaluationId, found.scoreId, found.isEvaluation, found.createdByType) == ("e1", "s1", False, "evaluation")
    assert named(client, first) == {"Form Id": "7", "Report Id": "8"}


def test_a_changed_value_is_updated(client: PlexusDashboardClient, sandbox: Sandbox) -> None:
    """An identifier that the item has under another value takes the new one, here and upstream."""
    account_id = account(client.workspace)
    key, *_ = upsert(client, {"formId": 7, "reportId": "8"}, account_id)
    client.workspace.push("plexus")
    assert upsert(client, {"formId": 7, "reportId": "9"}, account_id) == (key, False, None)
    assert client.workspace.push("plexus").exit_code == 0
    assert {(r["name"], r["value"], r["position"]) for r in sandbox.rows("Identifier")} == {
        ("Form Id", "7", 1),
        ("Report Id", "9", 2),
    }


def test_what_another_item_holds_stays_there(client: PlexusDashboardClient) -> None:
    """The first identifier decides; values and the external id of another item are not taken from it."""
    one = upserted(client, {"formId": 1})
    two = upserted(client, {"reportId": 2}, external_id="x2")
    assert upserted(client, {"formId": 1, "reportId": 2, "caseId": 3}, external_id="x2") == one
    assert (named(client, one), named(client, two)) == ({"Form Id": "1", "Case Id": "3"}, {"Report Id": "2"})
    assert [each.externalId for each in Item.list(client, sort={"createdAt": "ASC"}) if each.id == one] == [None]
    assert upserted(client, {"reportId": 1}) not in (one, two)


def test_identifiers_come_before_the_external_id(client: PlexusDashboardClient) -> None:
    """Found by external id when no identifier is known; the identifiers are added then."""
    one = upserted(client, external_id="x1")
    assert one == "a1--x1"
    assert upserted(client, {"formId": 1}, external_id="x1") == one
    assert named(client, one) == {"Form Id": "1"}
    assert upserted(client, {"formId": 1}, external_id="x9") == one


def test_the_deterministic_id_is_found_too(client: PlexusDashboardClient) -> None:
    """An item that has the id already is updated, whatever its external id is now; another account's is left alone."""
    Item.create(client, "", deterministic_id="a1--x1", accountId="a1", isEvaluation=False)
    assert upsert(client, None, external_id="x1") == ("a1--x1", False, None)
    Item.create(client, "", deterministic_id="a--b--c", accountId="a--b", isEvaluation=False)
    key, created, error = upsert(client, None, "a", external_id="b--c")
    assert (created, error, key == "a--b--c") == (True, None, False)


def test_an_identifier_without_its_item_says_nothing(client: PlexusDashboardClient) -> None:
    """Where the item was deleted, a new one is made, and known by the identifier from then on."""
    old = upserted(client, {"formId": 7})
    client.records.delete("Item", old)
    new = upserted(client, {"formId": 7})
    assert (new == old, upserted(client, {"formId": 7})) == (False, new)


def test_an_item_deleted_and_upserted_again(client: PlexusDashboardClient, sandbox: Sandbox) -> None:
    """The same id again before the delete was sent: the remote ends with the new item."""
    account_id = account(client.workspace)
    key, *_ = upsert(client, None, account_id, external_id="x1", text="old", description="gone")
    client.workspace.push("plexus")
    client.records.delete("Item", str(key))
    assert upsert(client, None, account_id, external_id="x1", text="new") == (key, True, None)
    assert client.workspace.push("plexus").exit_code == 0
    (left,) = sandbox.rows("Item")
    assert (left["id"], left["text"], left.get("description")) == (key, "new", None)
    assert client.workspace.status().consistent


@pytest.mark.parametrize(
    ("account_id", "identifiers", "options", "names"),
    [
        ("", {"formId": 1}, {}, "account_id"),
        (None, {"formId": 1}, {}, "account_id"),
        (5, {"formId": 1}, {}, "accountId"),
        ("a1", ["formId"], {}, "identifiers"),
        ("a1", {"formId": 1}, {"text": 5}, "Item.text"),
        ("a1", {"formId": 1}, {"external_id": 5}, "Item.externalId"),
        ("a1", {"formId": 1}, {"description": "\ud800"}, "Item.description"),
        ("a1", {"formId": 1}, {"metadata": {"n": float("nan")}}, "Item.metadata"),
    ],
)
def test_refusals_come_back_as_text(
    client: PlexusDashboardClient, path: Path, account_id: Any, identifiers: Any, options: Any, names: str
) -> None:
    """(None, False, error): it never raises, and nothing is stored of it."""
    key, created, error = upsert(client, identifiers, account_id, **options)
    assert (key, created) == (None, False)
    assert names in error
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]
    assert rows(path, "SELECT count(*) FROM plexus_item") == [(0,)]


def test_an_error_of_the_file_comes_back_as_text(client: PlexusDashboardClient, path: Path) -> None:
    """Also when the database is what fails: the tuple tells, the half that was written is undone."""
    write(path, "CREATE TRIGGER no BEFORE INSERT ON plexus_identifier BEGIN SELECT RAISE(ABORT, 'no room'); END")
    key, created, error = upsert(client, {"formId": 1})
    assert (key, created, "no room" in str(error)) == (None, False, True)
    assert rows(path, "SELECT count(*) FROM plexus_item") == [(0,)]


def test_an_identifier_that_cannot_be_does_not_stop_the_item(
    client: PlexusDashboardClient, caplog: pytest.LogCaptureFixture
) -> None:
    """No name, half a character, the same name twice: left out and logged, without its value; positions count on."""
    with caplog.at_level(logging.WARNING):
        item_id = upserted(client, {"_": "1", "half": "secret-\ud800", "formId": "3", "form_id": "4", "last": "5"})
    assert named(client, item_id) == {"Form Id": "3", "Last": "5"}
    assert [each.position for each in Identifier.list_by_item_id(item_id, client)] == [3, 5]
    assert len(caplog.records) == 3


def test_threads_make_one(client: PlexusDashboardClient) -> None:
    """Eight threads upserting the same twenty items make twenty."""
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda n: upsert(client, {"formId": n % 20}, description=str(n)), range(160)))
    assert (sum(created for _, created, _ in outcomes), {error for *_, error in outcomes}) == (20, {None})
    assert (len(Item.list(client)), len(Identifier.batch_find_by_values([str(n) for n in range(20)], "a1", client))) == (
        20,
        20,
    )


def test_processes_make_one(client: PlexusDashboardClient, path: Path) -> None:
    """Two processes upserting the same thirty items at once make thirty, and each says what it made."""
    made = raced(UPSERTER, str(path), "item", "30")
    assert sum(int(count) for count in made) == 30
    assert (len(Item.list(client)), rows(path, "SELECT count(*) FROM plexus_identifier")) == (30, [(30,)])


def test_two_files_make_one_upstream(client: PlexusDashboardClient, sandbox: Sandbox, tmp_path: Path) -> None:
    """Both upsert offline; the later push finds the other's item and becomes an update of what its caller gave."""
    account_id = account(client.workspace)
    client.workspace.push("plexus")
    first, *_ = upsert(client, {"formId": 7, "reportId": 8}, account_id, description="first", text="kept")
    with Workspace.open(tmp_path / "other.db") as workspace:
        other = PlexusDashboardClient(workspace=workspace)
        second, created, _ = upsert(other, {"formId": 7, "reportId": 9}, account_id, description="second")
        assert (created, first == second) == (True, False)
        assert client.workspace.push("plexus").exit_code == 0
        assert workspace.push("plexus").exit_code == 0
        (item,) = sandbox.rows("Item")
        assert (item["id"], item["description"], item["text"]) == (first, "second", "kept")
        assert {(r["itemId"], r["name"], r["value"]) for r in sandbox.rows("Identifier")} == {
            (first, "Form Id", "7"),
            (first, "Report Id", "9"),
        }
        assert upsert(other, {"formId": 7}, account_id) == (first, False, None)
        found = Item.get_by_id(str(second), other)  # the id its caller was told still leads there
        assert found is not None
        assert (found.id, named(other, str(first))) == (first, {"Form Id": "7", "Report Id": "9"})
        assert workspace.status().consistent
