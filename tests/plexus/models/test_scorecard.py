"""Scorecard: made, and found by key, name and external id within an account."""

from __future__ import annotations

import logging

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import ClientContext, PlexusDashboardClient, Scorecard
from syncer.sandbox.server import Sandbox
from tests.engine.push.test_push import START
from tests.factory import account


def client_of(ws: Workspace, **context: str) -> PlexusDashboardClient:
    """A client on a test's own file."""
    return PlexusDashboardClient(context=ClientContext(**context), workspace=ws)


def test_create_is_durable_at_once_and_sent_as_it_is(synced: Workspace, sandbox: Sandbox) -> None:
    """What Plexus has after the push is exactly what was given, under the id minted here."""
    owner = account(synced)
    made = Scorecard.create(client_of(synced), "Quality", "quality", "97", owner)
    assert made == Scorecard.get_by_id(made.id, client_of(synced))
    assert synced.push("plexus").acked == 2
    [row] = sandbox.rows("Scorecard")
    sent = {name: value for name, value in row.items() if name not in ("createdAt", "updatedAt")}
    assert sent == {"id": made.id, "name": "Quality", "key": "quality", "externalId": "97", "accountId": owner}


def test_what_is_empty_is_left_out(ws: Workspace) -> None:
    """Plexus finds scorecards by external id, and cannot have an empty one."""
    made = Scorecard.create(client_of(ws), "Quality", "quality", "", account(ws), "")
    assert (made.externalId, made.description) == (None, None)


@pytest.mark.parametrize("field", ["name", "key", "accountId"])
def test_what_plexus_would_refuse_is_refused_here(ws: Workspace, field: str) -> None:
    """An empty name, key or account never waits for a push that must fail."""
    given = {"name": "Quality", "key": "quality", "externalId": "97", "accountId": "a", field: ""}
    with pytest.raises(InvalidInput, match=f"Scorecard.{field} cannot be empty"):
        Scorecard.create(client_of(ws), **given)
    assert ws.plexus.find("Scorecard") == []


def test_every_lookup_finds_it(ws: Workspace) -> None:
    """By id, key, name, external id, by the names that say list, and by account and external id."""
    client, owner = client_of(ws), account(ws)
    made = Scorecard.create(client, "Quality", "quality", "97", owner, "calls")
    found = [
        Scorecard.get_by_id(made.id, client),
        Scorecard.get_by_key("quality", client),
        Scorecard.get_by_name("Quality", client),
        Scorecard.get_by_external_id("97", client),
        Scorecard.list_by_key("quality", client),
        Scorecard.list_by_name("Quality", client),
        Scorecard.list_by_external_id("97", client),
        Scorecard.get_by_account_and_external_id(owner, "97", client),
    ]
    assert found == [made] * len(found)
    assert made.description == "calls"


def test_a_miss_raises_or_is_none_as_in_the_original(ws: Workspace) -> None:
    """get_by_* raise one error that names what to pull; list_by_* and the account's own lookup give None."""
    client = client_of(ws)
    for lookup in (Scorecard.get_by_key, Scorecard.get_by_name, Scorecard.get_by_external_id, Scorecard.get_by_id):
        with pytest.raises(RecordNotFound, match=r"no Scorecard with .* 'gone' .*syncer pull plexus --model Scorecard"):
            lookup("gone", client)
    for listing in (Scorecard.list_by_key, Scorecard.list_by_name, Scorecard.list_by_external_id):
        assert listing("gone", client) is None
    assert Scorecard.get_by_account_and_external_id("a", "gone", client) is None


def test_an_absent_external_id_is_not_something_to_find_by(ws: Workspace) -> None:
    """Cards without one are not each other's twins."""
    client = client_of(ws)
    Scorecard.create(client, "Quality", "quality", "", account(ws))
    assert Scorecard.list_by_external_id("", client) is None


def test_a_client_for_an_account_finds_only_its_scorecards(ws: Workspace) -> None:
    """Two accounts use one key: each client gets its own, by account key or id; a client for neither the older, warned."""
    one, two = account(ws, key="one"), account(ws, key="two")
    with clock.using(clock.Virtual(START)):
        first = ws.plexus.create("Scorecard", {"id": "b", "name": "Q", "key": "q", "accountId": one})["id"]
        clock.sleep(1)
        second = ws.plexus.create("Scorecard", {"id": "a", "name": "Q", "key": "q", "accountId": two})["id"]
    assert Scorecard.get_by_key("q", client_of(ws, account_key="one")).id == first
    assert Scorecard.get_by_key("q", client_of(ws, account_key="two")).id == second
    assert Scorecard.get_by_name("Q", client_of(ws, account_id=two)).id == second
    assert Scorecard.get_by_key("q", client_of(ws)).id == first
    with pytest.raises(RecordNotFound, match="Account"):
        Scorecard.get_by_key("q", client_of(ws, account_key="three"))


@pytest.mark.parametrize(("key", "external", "word"), [("q", "2", "key"), ("p", "1", "external")])
def test_a_second_of_the_same_key_is_made_and_warned_of(
    ws: Workspace, caplog: pytest.LogCaptureFixture, key: str, external: str, word: str
) -> None:
    """Keys are nobody's job upstream: the write is kept, the log tells, and another account's card is no reason to."""
    client, owner = client_of(ws), account(ws)
    with caplog.at_level(logging.WARNING):
        Scorecard.create(client, "Q", "q", "1", owner)
        Scorecard.create(client, "Q", "q", "1", account(ws, key="other"))
    assert caplog.text == ""
    with caplog.at_level(logging.WARNING):
        Scorecard.create(client, "Q", key, external, owner)
    assert word in caplog.text
    assert len(ws.plexus.find("Scorecard", {"accountId": owner})) == 2


def test_from_dict_leaves_its_dict_alone_and_tolerates_more(ws: Workspace) -> None:
    """A record with fields of tomorrow loads; one that is no scorecard says so."""
    record = {"id": "c", "name": "Q", "key": "q", "externalId": None, "accountId": "a", "sections": {"items": []}}
    before = dict(record)
    assert Scorecard.from_dict(record, client_of(ws)).description is None
    assert record == before
    with pytest.raises(ValueError, match="no accountId"):
        Scorecard.from_dict({"id": "c", "name": "Q", "key": "q", "externalId": "1"}, client_of(ws))
