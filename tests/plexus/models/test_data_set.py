"""Data sets: attributes of what the local file has."""

from __future__ import annotations

import pytest

from syncer import Workspace, clock
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import DataSet
from syncer.sandbox.server import Sandbox
from tests.factory import account


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client of a workspace that is configured for the sandbox."""
    return PlexusDashboardClient(workspace=synced)


def test_loading_one_works(client: PlexusDashboardClient, synced: Workspace, sandbox: Sandbox) -> None:
    """File, times, and the source its version belongs to; what the remote has no more is None. It is pushed as it is."""
    owner = account(synced)
    source = synced.plexus.create("DataSource", {"name": "Calls", "accountId": owner})["id"]
    fields = {"dataSourceId": source, "yamlConfiguration": "x", "isFeatured": True}
    version = synced.plexus.create("DataSourceVersion", fields)["id"]
    given = {"name": "May", "accountId": owner, "dataSourceVersionId": version, "file": "may.parquet"}
    record = synced.plexus.create("DataSet", given)
    found = DataSet.get_by_id(record["id"], client)
    assert (found.id, found.name, found.filePath, found.dataSourceId) == (record["id"], "May", "may.parquet", source)
    assert (found.status, found.source, found.errorMessage) == (None, None, None)
    assert found.dataSource is not None
    assert (found.dataSource.name, found.createdAt) == ("Calls", clock.usual_text(record["createdAt"]))
    assert synced.push("plexus").exit_code == 0
    assert [row["file"] for row in sandbox.rows("DataSet")] == ["may.parquet"]


def test_a_missing_version_is_no_harm(client: PlexusDashboardClient) -> None:
    """The source is unknown then."""
    record = client.records.create("DataSet", {"name": "May", "accountId": "a", "dataSourceVersionId": "gone"})
    found = DataSet.get_by_id(record["id"], client)
    assert (found.dataSourceId, found.dataSource) == (None, None)


def test_a_missing_data_set(client: PlexusDashboardClient) -> None:
    """Not found, as a ValueError that names class, id and what to pull."""
    with pytest.raises(ValueError, match="no DataSet with id 'gone'") as absent:
        DataSet.get_by_id("gone", client)
    assert "syncer pull plexus --model DataSet" in str(absent.value.hint)  # type: ignore[attr-defined]


def test_an_older_deployments_record(client: PlexusDashboardClient) -> None:
    """Its names are taken as they are; a record without an id is none; one made by hand has nothing but its id."""
    record = {"id": "s", "status": "DONE", "source": "db", "filePath": "x.csv", "dataSourceId": "d", "errorMessage": "e"}
    found = DataSet.from_dict(record, client)
    assert (found.status, found.source, found.filePath, found.dataSourceId) == ("DONE", "db", "x.csv", "d")
    assert set(DataSet.fields().split()) >= {"id", "filePath", "status", "dataSourceId"}
    assert (DataSet("s").filePath, DataSet("s", client)._client) == (None, client)
    with pytest.raises(ValueError, match="no id"):
        DataSet.from_dict({}, client)
