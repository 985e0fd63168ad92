"""Report blocks: output is a dict here and text there, files one text here and a list there."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import Report, ReportBlock
from syncer.sandbox.server import Sandbox
from tests.factory import account
from tests.files import rows


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client of a workspace that is configured for the sandbox, whose account is in the local file."""
    account(synced)
    return PlexusDashboardClient(workspace=synced)


@pytest.fixture
def report(client: PlexusDashboardClient) -> Report:
    """A report to put blocks into."""
    return Report.create(client, "configuration", client.records.find("Account")[0]["id"], "task", "Weekly")


def row(client: PlexusDashboardClient, block: ReportBlock) -> dict[str, Any]:
    """The block's row as it is in the file."""
    found = client.records.get("ReportBlock", block.id)
    assert found is not None
    return found


def test_a_block_made_by_hand_is_of_no_record(client: PlexusDashboardClient) -> None:
    """The constructor knows neither id nor client, so an update cannot know what to change."""
    block = ReportBlock("report", 1, "Text")
    assert (block.output, block.name, block.id) == ({}, None, "")
    with pytest.raises(ValueError, match="no id"):
        block.update(client, name="x")
    block.id = "b"
    with pytest.raises(ValueError, match="no client"):
        block.update(name="x")


def test_output_is_text_in_the_file_and_a_dict_here(client: PlexusDashboardClient, report: Report) -> None:
    """JSON text is stored as it is given, a dict as JSON; both come back as a dict. None is absent."""
    text = '{"b":  1, "a": [null]}'
    block = ReportBlock.create(client, report.id, 0, "Text", text, "Intro", "did it")
    assert (block.output, row(client, block)["output"]) == ({"b": 1, "a": [None]}, text)
    assert (block.reportId, block.position, block.name, block.log) == (report.id, 0, "Intro", "did it")
    assert block.createdAt is not None
    assert block.createdAt.tzinfo is UTC
    other = ReportBlock.create(client, report.id, 1, "Text", {"n": 1, "ü": None})  # type: ignore[arg-type]
    assert (other.output, row(client, other)["output"]) == ({"n": 1, "ü": None}, '{"n":1,"ü":null}')
    bare = ReportBlock.create(client, report.id, 2, "Text")
    assert (bare.output, row(client, bare)["output"], bare.attachedFiles) == ({}, None, None)
    assert ReportBlock.get_by_id(block.id, client) == block


@pytest.mark.parametrize("text", ["# a report\nscore: 3", "{", "[" * 100_000])
def test_output_that_is_no_json_is_kept_beside_an_error(client: PlexusDashboardClient, report: Report, text: str) -> None:
    """Nothing is lost, and reading it does not fail."""
    block = ReportBlock.create(client, report.id, 0, "Text", text)
    assert block.output is not None
    assert block.output["raw_output"] == text
    assert block.output["error"]


def test_output_that_cannot_be_json_is_refused(client: PlexusDashboardClient, report: Report) -> None:
    """Neither NaN nor a circle; what JSON does not know becomes its text."""
    circle: dict[str, Any] = {}
    circle["self"] = circle
    for bad in ({"n": float("nan")}, circle):
        with pytest.raises(ValueError, match=r"JSON|[Cc]ircular"):
            ReportBlock.create(client, report.id, 0, "Text", bad)  # type: ignore[arg-type]
    assert client.records.find("ReportBlock") == []
    block = ReportBlock.create(client, report.id, 0, "Text", {"at": Path("x")})  # type: ignore[arg-type]
    assert block.output == {"at": "x"}


@pytest.mark.parametrize(
    ("given", "kept", "shown"),
    [
        ("a.txt", ["a.txt"], "a.txt"),
        (["a.txt"], ["a.txt"], "a.txt"),
        ('["a.txt","b.txt"]', ["a.txt", "b.txt"], '["a.txt","b.txt"]'),
        (["a.txt", "b.txt"], ["a.txt", "b.txt"], '["a.txt","b.txt"]'),
        ([], [], None),
        ("{", ["{"], "{"),
    ],
)
def test_files_are_a_list_there_and_text_here(
    client: PlexusDashboardClient, report: Report, given: Any, kept: list[str], shown: str | None
) -> None:
    """A path, a list or its JSON text; the remote always gets a list."""
    block = ReportBlock.create(client, report.id, 0, "Text", attachedFiles=given)
    assert (block.attachedFiles, row(client, block)["attachedFiles"]) == (shown, kept)
    with pytest.raises(InvalidInput, match="attachedFiles"):
        block.update(attachedFiles=[1])


def test_a_block_that_is_too_large_is_stored_with_a_warning(
    client: PlexusDashboardClient, report: Report, caplog: pytest.LogCaptureFixture
) -> None:
    """Above 350,000 characters of output, or 380,000 in all; below, not a word; never the content itself."""
    ReportBlock.create(client, report.id, 0, "Text", "x" * 350_000)
    assert caplog.text == ""
    block = ReportBlock.create(client, report.id, 1, "Text", "x" * 350_001)
    assert "350001" in caplog.text
    caplog.clear()
    block.update(output="y" * 300_000, log="z" * 80_001)
    assert "380001" in caplog.text
    assert "yyy" not in caplog.text
    assert len(client.records.find("ReportBlock")) == 2


def test_update_changes_what_it_may(
    client: PlexusDashboardClient, report: Report, caplog: pytest.LogCaptureFixture, path: Path, synced: Workspace
) -> None:
    """A dict becomes text, None removes, other names are left out with a warning, nothing to change queues nothing."""
    block = ReportBlock.create(client, report.id, 0, "Text", "{}", "Intro", "log")
    synced.push("plexus")
    assert block.update(createdAt="x", status="done") is block
    assert "createdAt and status" in caplog.text
    assert rows(path, "SELECT * FROM outbox") == []
    changed = block.update(output={"n": 1}, log=None, position=4)
    assert (changed.output, changed.log, changed.position, block.position) == ({"n": 1}, None, 4, 4)
    assert rows(path, "SELECT fields FROM outbox") == [('["log", "output", "position"]',)]
    with pytest.raises(ValueError, match="position"):
        block.update(position=None)


def test_another_client_can_be_given(client: PlexusDashboardClient, report: Report) -> None:
    """A block loaded without one is updated with the one that is given, and keeps it."""
    block = ReportBlock.create(client, report.id, 0, "Text")
    loose = ReportBlock.from_dict(row(client, block), None)
    loose.update(client, name="x")
    loose.update(type="Chart")
    assert (row(client, block)["name"], row(client, block)["type"]) == ("x", "Chart")


def test_blocks_are_listed_by_position(client: PlexusDashboardClient, report: Report) -> None:
    """Those of the report, all of them unless ``max_items`` says otherwise."""
    for position in (10, 2, 7):
        ReportBlock.create(client, report.id, position, "Text")
    ReportBlock.create(client, "other", 1, "Text")
    assert [b.position for b in ReportBlock.list_by_report_id(report.id, client, limit=1)] == [2, 7, 10]
    assert [b.position for b in ReportBlock.list_by_report_id(report.id, client, max_items=2)] == [2, 7]
    with pytest.raises(ValueError, match="-1"):
        ReportBlock.list_by_report_id(report.id, client, max_items=-1)


def test_a_record_of_the_remote_becomes_a_block(client: PlexusDashboardClient) -> None:
    """A missing position is -1, null output an empty dict; without its report it is no block."""
    record = {"id": "b", "reportId": "r", "type": "Text", "output": None, "createdAt": "2026-03-04T05:06:07.000Z"}
    before = dict(record)
    block = ReportBlock.from_dict(record, client)
    assert (block.position, block.output, block.attachedFiles, block.updatedAt) == (-1, {}, None, None)
    assert (record, block.id) == (before, "b")
    with pytest.raises(ValueError, match="reportId"):
        ReportBlock.from_dict({"id": "b", "type": "Text"}, client)


def test_the_remote_gets_it(client: PlexusDashboardClient, report: Report, synced: Workspace, sandbox: Sandbox) -> None:
    """After its report, with output as text and files as a list; then an edit of both."""
    block = ReportBlock.create(client, report.id, 0, "Text", '{"n": 1}', attachedFiles="a.txt")
    assert synced.push("plexus").exit_code == 0
    block.update(output={"n": 2}, attachedFiles=["a.txt", "b.txt"])
    assert synced.push("plexus").exit_code == 0
    (found,) = sandbox.rows("ReportBlock")
    assert (found["id"], found["reportId"], found["position"], found["type"]) == (block.id, report.id, 0, "Text")
    files = found["attachedFiles"]
    assert (json.loads(found["output"]), files) == ({"n": 2}, ["a.txt", "b.txt"])


def test_a_missing_block(client: PlexusDashboardClient, report: Report) -> None:
    """Not found on read and on update, as a ValueError that names the id."""
    with pytest.raises(ValueError, match="no ReportBlock with id 'gone'"):
        ReportBlock.get_by_id("gone", client)
    block = ReportBlock.create(client, report.id, 0, "Text")
    report.delete()
    with pytest.raises(RecordNotFound, match=block.id):
        block.update(name="x")
