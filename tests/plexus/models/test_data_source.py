"""Data sources: read from the local file in a thread, of the right account, complete."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from syncer import Workspace, clock
from syncer.plexus import ClientContext, PlexusDashboardClient
from syncer.plexus.models import DataSet, DataSource
from syncer.records.api import Records
from syncer.sandbox.server import Sandbox
from tests.factory import account

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def owner(synced: Workspace) -> str:
    """The id of the account that the settings name."""
    return account(synced)


@pytest.fixture
def client(synced: Workspace, owner: str) -> PlexusDashboardClient:
    """A client of a workspace whose settings name an account that is in the local file."""
    return PlexusDashboardClient(workspace=synced)


def made(client: PlexusDashboardClient, owner: str, day: int = 0, **fields: Any) -> str:
    """The id of a data source that was made on this day."""
    given = {"name": "Calls", "key": "calls", "accountId": owner, **fields}
    with clock.using(clock.Virtual(START + timedelta(days=day))):
        return str(client.records.create("DataSource", given)["id"])


def test_by_id(client: PlexusDashboardClient, owner: str) -> None:
    """All fields, the owner being the account and times text as the remote writes it; None when there is none."""
    id = made(client, owner, yamlConfiguration="class: X\n", attachedFiles=["a"], description="all")
    found = asyncio.run(DataSource.get(client, id))
    assert found is not None
    assert (found.id, found.name, found.key, found.description) == (id, "Calls", "calls", "all")
    assert (found.yamlConfiguration, found.attachedFiles, found.owner, found.accountId) == (
        "class: X\n",
        ["a"],
        owner,
        owner,
    )
    assert (found.createdAt, found.updatedAt) == ("2026-03-04T05:06:07.000Z", "2026-03-04T05:06:07.000Z")
    assert (found.scoreId, found.currentVersionId, found.dataSets) == (None, None, [])
    assert asyncio.run(DataSource.get(client, "gone")) is None
    with pytest.raises(ValueError, match="no DataSource with id 'gone'"):
        DataSource.get_by_id("gone", client)
    assert DataSource.get_by_id(id, client).owner == owner


def test_by_name_is_the_accounts_newest(client: PlexusDashboardClient, owner: str) -> None:
    """Another account's of the same name is not taken, unless no account is named at all."""
    wanted = made(client, owner, 1)
    made(client, owner, 0)
    theirs = made(client, "other", 2)
    found = asyncio.run(DataSource.get_by_name("Calls", client))
    assert found is not None
    assert found.id == wanted
    assert asyncio.run(DataSource.get_by_name("Mails", client)) is None
    other = PlexusDashboardClient(context=ClientContext(account_id="other"), workspace=client.workspace)
    assert [s.id for s in asyncio.run(DataSource.list_by_name(other, "Calls"))] == [theirs]


def test_without_an_account_any_name_and_no_list(
    client: PlexusDashboardClient, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody named one: a lookup by name takes any account's, a list of the account's says what to set."""
    made(client, "other", 2)
    monkeypatch.delenv("PLEXUS_ACCOUNT_KEY")
    with Workspace.open(path) as ws:
        alone = PlexusDashboardClient(workspace=ws)
        found = asyncio.run(DataSource.get_by_name("Calls", alone))
        assert found is not None
        assert found.accountId == "other"
        for listing in (DataSource.list_by_key(alone, "calls"), DataSource.list_by_name(alone, "Calls")):
            with pytest.raises(ValueError, match="no account is named"):
                asyncio.run(listing)
        strange = PlexusDashboardClient(context=ClientContext(account_key="gone"), workspace=ws)
        with pytest.raises(ValueError, match="'gone'"):
            asyncio.run(DataSource.get_by_name("Calls", strange))


def test_lists_are_complete_newest_first(client: PlexusDashboardClient, owner: str) -> None:
    """By key and by name of the account; the plain list of all accounts, filtered as AppSync does."""
    old, new = made(client, owner, 1), made(client, owner, 2)
    mails = made(client, owner, 3, name="Mails", key="mails")
    theirs = made(client, "other", 4)
    assert [s.id for s in asyncio.run(DataSource.list_by_key(client, "calls"))] == [new, old]
    assert [s.id for s in asyncio.run(DataSource.list_by_name(client, "Mails"))] == [mails]
    assert [s.id for s in asyncio.run(DataSource.list_by_key(client, "none"))] == []
    assert [s.id for s in asyncio.run(DataSource.list(client))] == [theirs, mails, new, old]
    kept = asyncio.run(
        DataSource.list(client, {"accountId": {"eq": owner}, "or": [{"name": {"contains": "all"}}, {"key": {"eq": "x"}}]})
    )
    assert [s.id for s in kept] == [new, old]
    with pytest.raises(ValueError, match="colour"):
        asyncio.run(DataSource.list(client, {"colour": {"eq": "red"}}))


class Watched(PlexusDashboardClient):
    """A client that notes which threads read its records."""

    seen: ClassVar[set[int]] = set()

    @property
    def records(self) -> Records:
        """The records, as ever."""
        self.seen.add(threading.get_ident())
        return super().records


def test_the_event_loop_goes_on(client: PlexusDashboardClient, owner: str) -> None:
    """The file is read in other threads: many lookups at once work, and none runs in the loop's own."""
    id = made(client, owner)
    watched = Watched(workspace=client.workspace)

    async def many() -> list[DataSource | None]:
        return await asyncio.gather(*(DataSource.get(watched, id) for _ in range(20)))

    assert {found.id for found in asyncio.run(many()) if found} == {id}
    assert watched.seen
    assert threading.get_ident() not in watched.seen


def test_data_sets_come_with_their_source(client: PlexusDashboardClient, owner: str) -> None:
    """Those of all its versions, the newest first, each knowing its source; those of another source do not."""
    sources = [made(client, owner, n, name=f"Source {n}") for n in range(2)]
    sets = []
    for day, source in enumerate([sources[0], sources[0], sources[1]]):
        fields = {"dataSourceId": source, "yamlConfiguration": "x", "isFeatured": True}
        version = client.records.create("DataSourceVersion", fields)["id"]
        with clock.using(clock.Virtual(START + timedelta(days=day))):
            given = {"accountId": owner, "dataSourceVersionId": version, "file": f"{day}.parquet"}
            sets.append(client.records.create("DataSet", given)["id"])
    found = asyncio.run(DataSource.list(client))
    assert [[each.id for each in source.dataSets or ()] for source in found] == [[sets[2]], [sets[1], sets[0]]]
    inner = (found[1].dataSets or [])[0]
    assert (inner.dataSource, inner.dataSourceId, inner.filePath) == (found[1], sources[0], "1.parquet")


def test_a_record_of_the_remote_becomes_a_data_source(client: PlexusDashboardClient) -> None:
    """Nested data sets, as a list or a connection, become data sets; a record without a name is none."""
    nested = {"items": [{"id": "s", "file": "x.csv"}, None]}
    found = DataSource.from_dict({"id": "d", "name": "n", "accountId": "a", "dataSets": nested}, client)
    (only,) = found.dataSets or []
    assert (found.owner, found.createdAt, only.filePath) == ("a", None, "x.csv")
    assert isinstance(only, DataSet)
    again = DataSource.from_dict({"id": "d", "name": "n", "dataSets": [only], "owner": "me"}, None)
    assert (again.dataSets, again.owner) == ([only], "me")
    with pytest.raises(ValueError, match="no name"):
        DataSource.from_dict({"id": "d"}, client)


def test_what_others_wrote_is_found_after_a_pull(
    client: PlexusDashboardClient, owner: str, synced: Workspace, sandbox: Sandbox
) -> None:
    """A source that only the remote had is found by key once pulled."""
    synced.push("plexus")
    sandbox.put("DataSource", {"id": "theirs", "name": "Mails", "key": "mails", "accountId": owner})
    assert asyncio.run(DataSource.list_by_key(client, "mails")) == []
    assert synced.pull("plexus").exit_code == 0
    assert [s.id for s in asyncio.run(DataSource.list_by_key(client, "mails"))] == ["theirs"]
