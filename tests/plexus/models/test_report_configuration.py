"""Report configurations: created, replaced, listed in pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncer import Workspace, clock
from syncer.errors import RecordNotFound
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import ReportConfiguration
from syncer.sandbox.server import Sandbox
from tests.factory import account
from tests.files import rows

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client of a workspace that is configured for the sandbox."""
    return PlexusDashboardClient(workspace=synced)


@pytest.fixture
def owner(synced: Workspace) -> str:
    """The id of an account."""
    return account(synced)


def several(client: PlexusDashboardClient, owner: str, days: list[int]) -> list[str]:
    """Ids of configurations that were made on these days, alike in name."""
    made = []
    for day in days:
        with clock.using(clock.Virtual(START + timedelta(days=day))):
            made.append(ReportConfiguration.create(client, "Weekly", owner, f"day: {day}").id)
    return made


def test_created_replaced_and_sent(client: PlexusDashboardClient, owner: str, synced: Workspace, sandbox: Sandbox) -> None:
    """The text stays as written; an update replaces all and returns a new instance, sending what differs."""
    text = "# Weekly\n\n```block\nclass: Topics\n```\n"
    made = ReportConfiguration.create(client, "Weekly", owner, text, "every Monday")
    assert ReportConfiguration.get_by_id(made.id, client) == made
    assert (made.configuration, made.description, made.createdAt is not None) == (text, "every Monday", True)
    assert synced.push("plexus").exit_code == 0
    changed = made.update(client, "Weekly", owner, text + "more")
    assert (changed.configuration, changed.description, made.description) == (text + "more", None, "every Monday")
    assert rows(synced.path, "SELECT fields FROM outbox") == [('["configuration", "description"]',)]
    assert synced.push("plexus").exit_code == 0
    (found,) = sandbox.rows("ReportConfiguration")
    assert (found["id"], found["accountId"], found["configuration"]) == (made.id, owner, text + "more")
    assert found.get("description") is None


def test_an_update_of_what_is_gone(client: PlexusDashboardClient, owner: str, path: Path) -> None:
    """Not found, as a ValueError; a name that is none is refused."""
    made = ReportConfiguration.create(client, "Weekly", owner, "x")
    with pytest.raises(ValueError, match="configuration"):
        made.update(client, "Weekly", owner, None)  # type: ignore[arg-type]
    client.records.delete("ReportConfiguration", made.id)
    with pytest.raises(RecordNotFound, match=made.id):
        made.update(client, "Weekly", owner, "y")


def test_by_name_is_the_one_that_changed_last(client: PlexusDashboardClient, owner: str) -> None:
    """Of this account only; None when there is none."""
    made = several(client, owner, [1, 3, 2])
    several(client, "other", [9])
    found = ReportConfiguration.get_by_name("Weekly", owner, client)
    assert found is not None
    assert found.id == made[1]
    assert ReportConfiguration.get_by_name("Daily", owner, client) is None


def pages_of(client: PlexusDashboardClient, owner: str, limit: int) -> list[list[str]]:
    """Ids of all pages by account."""
    found, token = [], None
    while True:
        page = ReportConfiguration.list_by_account_id(owner, client, limit, token)
        found.append([each.id for each in page["items"]])
        token = page["nextToken"]
        if token is None:
            return found


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 8, 50])
def test_pages_are_complete_newest_first(client: PlexusDashboardClient, owner: str, limit: int) -> None:
    """Every one once, whatever the size of the page, those of the same moment too; no empty page at the end."""
    made = several(client, owner, [0, 1, 1, 1, 2, 3, 3])
    several(client, "other", [1])
    days = dict(zip(made, [0, 1, 1, 1, 2, 3, 3], strict=True))
    found = pages_of(client, owner, limit)
    flat = [each for page in found for each in page]
    assert flat == sorted(made, key=lambda each: (-days[each], each))
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert found[-1]


def test_pages_hold_while_others_write(client: PlexusDashboardClient, owner: str) -> None:
    """What is added in front or removed behind neither repeats nor hides anything."""
    made = several(client, owner, [0, 1, 2, 3])
    first = ReportConfiguration.list_by_account_id(owner, client, 2)
    several(client, owner, [9])
    client.records.delete("ReportConfiguration", made[2])
    second = ReportConfiguration.list_by_account_id(owner, client, 2, first["nextToken"])
    assert [each.id for each in second["items"]] == [made[1], made[0]]


def test_pages_by_name(client: PlexusDashboardClient, owner: str) -> None:
    """Only those of the name, in the same shape."""
    made = several(client, owner, [0, 1, 2])
    ReportConfiguration.create(client, "Daily", owner, "x")
    page = ReportConfiguration.list_by_account_and_name(owner, "Weekly", client, limit=2)
    assert [each.id for each in page["items"]] == made[:0:-1]
    rest = ReportConfiguration.list_by_account_and_name(owner, "Weekly", client, 2, page["nextToken"])
    assert ([each.id for each in rest["items"]], rest["nextToken"]) == (made[:1], None)


def test_a_token_is_of_its_list(client: PlexusDashboardClient, owner: str) -> None:
    """Of another list, made up, or no text at all: a ValueError; so is a page of nothing."""
    several(client, owner, [0, 1, 2])
    token = ReportConfiguration.list_by_account_id(owner, client, 1)["nextToken"]
    with pytest.raises(ValueError, match="no token of this list"):
        ReportConfiguration.list_by_account_and_name(owner, "Weekly", client, 1, token)
    for bad in ("", "x", "ü", token[:-4], token + "AAAA", "bnVsbA==", "WyJhIl0=", 7):
        with pytest.raises(ValueError, match="no token of this list"):
            ReportConfiguration.list_by_account_id(owner, client, 1, bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="not 0"):
        ReportConfiguration.list_by_account_id(owner, client, 0)
