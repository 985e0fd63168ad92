"""``FeedbackChangeDetail``: a legacy model, kept here and sent where the deployment has it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import FeedbackChangeDetail, FeedbackItem
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.files import rows

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An upstream that has the older models."""
    with Sandbox(Options(legacy=True)) as server:
        yield server


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client over a file that can be pushed to it."""
    return PlexusDashboardClient(workspace=synced)


def item(client: PlexusDashboardClient, account_id: str, **fields: Any) -> str:
    """The id of a new feedback item."""
    given = {"accountId": account_id, "scorecardId": "c1", "scoreId": "s1", "itemId": "i1", "cacheKey": "k", **fields}
    return str(client.records.create("FeedbackItem", given)["id"])


def made(client: PlexusDashboardClient, item_id: str, **fields: Any) -> FeedbackChangeDetail:
    """A new change."""
    created = FeedbackChangeDetail.create(client, {"feedbackItemId": item_id, **fields})
    assert created is not None
    return created


def test_created_and_pushed(client: PlexusDashboardClient, sandbox: Sandbox) -> None:
    """The dict stays as it is, the remote gets exactly that."""
    given = {"feedbackItemId": item(client, "a1"), "changeType": "Response", "changedAt": START, "finalAnswerValue": "Yes"}
    copy = dict(given)
    with clock.using(clock.Virtual(START)):
        created = FeedbackChangeDetail.create(client, given)
    assert created is not None
    assert (given, created.changedAt, created.createdAt, created.changeType) == (copy, START, START, "Response")
    assert client.workspace.push("plexus").exit_code == 0
    (stored,) = sandbox.rows("FeedbackChangeDetail")
    at = "2026-03-04T05:06:07.000Z"
    kept = {name: value for name, value in stored.items() if value is not None and name not in ("updatedAt", "__typename")}
    assert kept == {**given, "id": created.id, "changedAt": at, "createdAt": at}


@pytest.mark.parametrize("fields", [{"feedbackItemId": None}, {"changeType": "Mood"}, {"colour": "red"}])
def test_what_it_needs(client: PlexusDashboardClient, path: Path, fields: dict[str, Any]) -> None:
    """Its feedback item, and only values and fields there are; nothing else is stored."""
    with pytest.raises(ValueError, match="FeedbackChangeDetail"):
        made(client, "f1", **fields)
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]


def test_read_and_related(client: PlexusDashboardClient) -> None:
    """By id, or None; its feedback item is there when it is among the fields."""
    item_id = item(client, "a1")
    created = made(client, item_id)
    assert created.id is not None
    plain = FeedbackChangeDetail.get(created.id, client)
    assert plain == created
    assert plain.feedbackItem is None
    full = FeedbackChangeDetail.get(created.id, client, fields=["id", "feedbackItem { id }"])
    assert full is not None
    assert full.feedbackItem == FeedbackItem.get(item_id, client)
    assert FeedbackChangeDetail.get("nobody", client) is None


def test_from_dict_leaves_the_dict(client: PlexusDashboardClient) -> None:
    """What the answer lacks is None, a nested feedback item is an instance, the dict stays as it was."""
    answer = {"id": "d1", "changedAt": "2026-03-04T05:06:07Z", "feedbackItem": {"id": "f1", "cacheKey": "k"}}
    copy = {**answer, "feedbackItem": {"id": "f1", "cacheKey": "k"}}
    found = FeedbackChangeDetail.from_dict(answer, client)
    assert (answer, found._raw_data, found.changedAt, found.changeType) == (copy, copy, START, None)
    assert found.feedbackItem is not None
    assert found.feedbackItem.cacheKey == "k"
    assert FeedbackChangeDetail.from_dict({})._client is None
    assert FeedbackChangeDetail.fields().split() == FeedbackChangeDetail.GRAPHQL_BASE_FIELDS


def test_lists_page(client: PlexusDashboardClient) -> None:
    """All, or those of one feedback item, page after page; a token is good for its own list."""
    for number in range(7):
        made(client, f"f{number % 2}", id=f"d{number}")
    found, token = FeedbackChangeDetail.list(client, "f0", limit=3)
    assert [each.id for each in found] == ["d0", "d2", "d4"]
    rest, end = FeedbackChangeDetail.list(client, "f0", limit=3, next_token=token)
    assert ([each.id for each in rest], end) == (["d6"], None)
    assert len(FeedbackChangeDetail.list(client)[0]) == 7
    with pytest.raises(InvalidInput, match="token"):
        FeedbackChangeDetail.list(client, "f1", next_token=token)


def test_counted_and_deleted_by_account(client: PlexusDashboardClient, sandbox: Sandbox) -> None:
    """Through their feedback items: those of other accounts stay, here and upstream."""
    ours, theirs = item(client, "a1"), item(client, "a2")
    for number in range(3):
        made(client, ours, id=f"d{number}")
    kept = made(client, theirs)
    client.workspace.push("plexus")
    assert FeedbackChangeDetail.count_by_account_id("a1", client) == 3
    assert FeedbackChangeDetail.delete_all_by_account_id("a1", client) == 3
    assert FeedbackChangeDetail.delete_all_by_account_id("a1", client) == 0
    assert (
        FeedbackChangeDetail.count_by_account_id("a1", client),
        FeedbackChangeDetail.count_by_account_id("a2", client),
    ) == (
        0,
        1,
    )
    assert client.workspace.push("plexus").exit_code == 0
    assert [each["id"] for each in sandbox.rows("FeedbackChangeDetail")] == [kept.id]
