"""Reports: created, listed, changed, and deleted with their blocks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.errors import RecordNotFound
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import Report, ReportBlock
from syncer.sandbox.server import Sandbox
from tests.factory import account
from tests.files import rows

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client of a workspace that is configured for the sandbox, whose account is in the local file."""
    account(synced)
    return PlexusDashboardClient(workspace=synced)


def made(client: PlexusDashboardClient, name: str = "Weekly", **fields: Any) -> Report:
    """A report of the account in the file."""
    owner = client.records.find("Account")[0]["id"]
    return Report.create(client, "configuration", owner, "task", name, **fields)


def blocks(client: PlexusDashboardClient, report: Report, count: int = 3) -> list[str]:
    """Ids of new blocks of ``report``."""
    return [ReportBlock.create(client, report.id, n, "Text", "{}").id for n in range(count)]


def test_a_report_is_what_was_given(client: PlexusDashboardClient) -> None:
    """Parameters come back as a dict, whether given so, as JSON text, or not at all."""
    report = made(client, parameters={"days": [7, None]}, output="# Weekly")
    assert (report.reportConfigurationId, report.taskId, report.name) == ("configuration", "task", "Weekly")
    assert (report.parameters, report.output, report.createdAt.tzinfo) == ({"days": [7, None]}, "# Weekly", UTC)
    assert Report.get_by_id(report.id, client) == report
    assert made(client, parameters='{"a": 1}').parameters == {"a": 1}
    assert made(client).parameters == {}


def test_the_remote_gets_it(client: PlexusDashboardClient, synced: Workspace, sandbox: Sandbox) -> None:
    """Created, then changed: parameters as JSON, output removed, nothing else touched."""
    report = made(client, parameters={"days": 7}, output="draft")
    assert synced.push("plexus").exit_code == 0
    report.update(parameters={"days": 8}, output=None)
    assert synced.push("plexus").exit_code == 0
    (found,) = sandbox.rows("Report")
    assert (found["id"], found["name"], found["taskId"]) == (report.id, "Weekly", "task")
    assert (json.loads(found["parameters"]), found.get("output")) == ({"days": 8}, None)


def test_update_refreshes_and_drops_none(client: PlexusDashboardClient) -> None:
    """None leaves a field as it is, except output; the instance itself is returned, with what others wrote meanwhile."""
    report = made(client, output="old")
    Report.get_by_id(report.id, client).update(parameters={"n": 1})
    assert report.update(name=None, output=None) is report
    assert (report.name, report.output, report.parameters) == ("Weekly", None, {"n": 1})


@pytest.mark.parametrize(
    "name",
    [
        "status", "startedAt", "completedAt", "errorMessage", "errorDetails", "taskId", "accountId",
        "reportConfigurationId", "createdAt", "colour",
    ],
)  # fmt: skip
def test_what_is_the_tasks_or_fixed_is_refused(client: PlexusDashboardClient, name: str) -> None:
    """A ValueError that names the field, even when None is given; nothing is written."""
    report = made(client)
    with pytest.raises(ValueError, match=name):
        report.update(**{name: None if name in ("status", "createdAt") else "x", "name": "new"})
    assert Report.get_by_id(report.id, client).name == "Weekly"


def test_without_a_client_nothing_can_be_changed() -> None:
    """A report made by hand says so."""
    report = Report("r", "c", "a", "n", "t", START, START)
    with pytest.raises(ValueError, match="no client"):
        report.update(name="x")
    with pytest.raises(ValueError, match="no client"):
        report.delete()


def test_lookups_are_of_one_account_and_newest_first(client: PlexusDashboardClient) -> None:
    """By name the one that changed last; the list is complete unless ``max_items`` says otherwise."""
    owner = client.records.find("Account")[0]["id"]
    reports = []
    for day in range(4):
        with clock.using(clock.Virtual(START + timedelta(days=day))):
            reports.append(made(client))
    Report.create(client, "configuration", "other", "task", "Weekly")
    newest = [report.id for report in reversed(reports)]
    assert [r.id for r in Report.list_by_account_id(owner, client, limit=2)] == newest
    assert [r.id for r in Report.list_by_account_id(owner, client, max_items=3)] == newest[:3]
    assert Report.list_by_account_id(owner, client, max_items=0) == []
    found = Report.get_by_name("Weekly", owner, client)
    assert found is not None
    assert found.id == newest[0]
    assert Report.get_by_name("weekly", owner, client) is None


def test_a_record_of_the_remote_becomes_a_report(client: PlexusDashboardClient) -> None:
    """JSON text is decoded, missing times are now, a missing task is no report; the dict stays as it was."""
    record = {
        "id": "r",
        "reportConfigurationId": None,
        "accountId": "a",
        "name": "n",
        "taskId": None,
        "parameters": '{"x":1}',
    }
    before = dict(record)
    with clock.using(clock.Virtual(START)):
        report = Report.from_dict(record, client)
    assert (report.parameters, report.createdAt, report.updatedAt) == ({"x": 1}, START, START)
    assert record == before
    del record["taskId"]
    with pytest.raises(ValueError, match="taskId"):
        Report.from_dict(record, client)


def test_what_was_never_sent_is_only_forgotten(client: PlexusDashboardClient, synced: Workspace, sandbox: Sandbox) -> None:
    """Report and blocks vanish from file and outbox, and the remote never hears of them."""
    report = made(client)
    blocks(client, report)
    assert report.delete() is True
    assert client.records.find("Report") == client.records.find("ReportBlock") == []
    synced.push("plexus")
    assert [effect.model for effect in sandbox.effects()] == ["Account"]
    assert synced.status().consistent


def test_deleting_takes_the_blocks_along(client: PlexusDashboardClient, synced: Workspace, sandbox: Sandbox) -> None:
    """Blocks are deleted before their report, sent or not; those of another report stay, here and there."""
    report, other = made(client), made(client, "Other")
    sent = blocks(client, report)
    kept = blocks(client, other, 1)
    synced.push("plexus")
    blocks(client, report, 2)
    assert Report.delete_by_id(report.id, client) is True
    assert [b["id"] for b in client.records.find("ReportBlock")] == kept
    assert synced.push("plexus").exit_code == 0
    assert [r["id"] for r in sandbox.rows("Report")] == [other.id]
    assert [b["id"] for b in sandbox.rows("ReportBlock")] == kept
    deleted = [effect.key for model in ("ReportBlock", "Report") for effect in sandbox.effects(model, "delete")]
    assert sorted(deleted) == sorted([*sent, report.id])
    order = [effect.model for effect in sandbox.effects() if effect.op == "delete"]
    assert order == ["ReportBlock"] * 3 + ["Report"]
    assert synced.status().consistent


def test_several_at_once_say_which_were_there(client: PlexusDashboardClient, synced: Workspace, sandbox: Sandbox) -> None:
    """By id True or False, one named twice counted once, all in one transaction."""
    one, two = made(client), made(client, "Two")
    blocks(client, one)
    synced.push("plexus")
    found = Report.delete_multiple([one.id, "gone", two.id, one.id], client)
    assert found == {one.id: True, "gone": False, two.id: True}
    assert synced.push("plexus").exit_code == 0
    assert (sandbox.count("Report"), sandbox.count("ReportBlock")) == (0, 0)
    assert Report.delete_multiple([], client) == {}


def test_deleting_is_one_transaction(client: PlexusDashboardClient, path: Path) -> None:
    """A key that cannot be one undoes the deletes before it."""
    report = made(client)
    blocks(client, report)
    before = rows(path, "SELECT seq, model, key, op FROM outbox")
    with pytest.raises(ValueError, match="17"):
        Report.delete_multiple([report.id, 17], client)  # type: ignore[list-item]
    assert rows(path, "SELECT seq, model, key, op FROM outbox") == before
    assert len(client.records.find("ReportBlock")) == 3


def test_deleting_nothing_is_an_error(client: PlexusDashboardClient) -> None:
    """A ValueError that names class and id, for a report deleted already too."""
    with pytest.raises(ValueError, match="no Report with id 'gone'"):
        Report.delete_by_id("gone", client)
    report = made(client)
    report.delete()
    with pytest.raises(RecordNotFound, match=report.id):
        report.delete()
