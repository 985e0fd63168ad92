"""``FeedbackItem``: lists over an index, related records, upserts by cache key, deletes of an account."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import FeedbackChangeDetail, FeedbackItem, Item, ScoreResult, feedback
from syncer.sandbox.server import Sandbox
from tests.factory import scoring
from tests.files import rows, write
from tests.racing import raced

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
UPSERTER = Path(__file__).with_name("upserter.py")
FIELDS = {"accountId": "a1", "scorecardId": "c1", "scoreId": "s1", "itemId": "i1", "cacheKey": "k"}
BY_UPDATE = "byAccountScorecardScoreUpdatedAt"


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client over a file that can be pushed to the sandbox."""
    return PlexusDashboardClient(workspace=synced)


@pytest.fixture
def ids(synced: Workspace) -> dict[str, str]:
    """Account, scorecard, score and item."""
    return scoring(synced)


def made(client: PlexusDashboardClient, **fields: Any) -> FeedbackItem:
    """A new feedback item."""
    created = FeedbackItem.create(client, {**FIELDS, **fields})
    assert created is not None
    return created


def upsert(client: PlexusDashboardClient, cache_key: Any = "k", ids: Any = None, **options: Any) -> Any:
    """The outcome of an upsert."""
    keys = FIELDS if ids is None else ids
    return FeedbackItem.upsert_by_cache_key(
        client, keys["accountId"], keys["scorecardId"], keys["scoreId"], cache_key, **{"item_id": keys["itemId"], **options}
    )


def some(client: PlexusDashboardClient, count: int) -> list[str]:
    """Ids of feedback items made a minute apart, by turns of two scores."""
    with clock.using(clock.Virtual(START)):
        for number in range(count):
            made(client, id=f"f{number}", scoreId=f"s{number % 2}", cacheKey=f"k{number}")
            clock.sleep(60)
    return [f"f{number}" for number in range(count)]


def listed(client: PlexusDashboardClient, *args: Any, **options: Any) -> list[str | None]:
    """The ids of a list."""
    found, _ = FeedbackItem.list(client, *args, **options)
    return [each.id for each in found]


def test_created_and_pushed(client: PlexusDashboardClient, ids: dict[str, str], sandbox: Sandbox) -> None:
    """The dict stays as it is, ``editedAt`` is the call's time unless given, the remote gets exactly that."""
    given = {**ids, "cacheKey": "k", "isAgreement": False, "editorName": "Ada"}
    copy = dict(given)
    with clock.using(clock.Virtual(START)):
        created = FeedbackItem.create(client, given)
    assert created is not None
    assert (given, created.editedAt, created.createdAt, created.isAgreement) == (copy, START, START, False)
    assert client.workspace.push("plexus").exit_code == 0
    (stored,) = sandbox.rows("FeedbackItem")
    kept = {name: value for name, value in stored.items() if value is not None and name not in ("updatedAt", "__typename")}
    at = "2026-03-04T05:06:07.000Z"
    assert kept == {**given, "id": created.id, "createdAt": at, "editedAt": at}


def test_what_it_needs(client: PlexusDashboardClient, path: Path) -> None:
    """What the remote would refuse is refused here: missing fields, unknown ones; nothing is stored."""
    for wrong in ({"itemId": None}, {"cacheKey": ""}, {"colour": "red"}, {"item": {"id": "i1"}}):
        with pytest.raises(InvalidInput, match="FeedbackItem"):
            made(client, **wrong)
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]


def test_from_dict_leaves_the_dict(client: PlexusDashboardClient) -> None:
    """Nested records become instances, also of a selection; the dict stays, and is kept as ``_raw_data``."""
    answer = {
        "id": "f1",
        "editedAt": "2026-03-04T05:06:07Z",
        "item": {"id": "i1", "metadata": '{"a": 1}'},
        "score": {"id": "s1", "name": "Tone"},
        "scoreResults": {"items": []},
    }
    copy = {**answer, "item": dict(answer["item"])}  # type: ignore[call-overload]
    found = FeedbackItem.from_dict(answer, client)
    assert (answer, found._raw_data, found._client) == (copy, copy, client)
    assert (found.editedAt, found.scoreResults, found.account) == (START, {"items": []}, None)
    assert found.item is not None
    assert found.score is not None
    assert (found.item.metadata, found.item.accountId, found.score.name) == ({"a": 1}, None, "Tone")
    assert FeedbackItem.from_dict({}).id is None
    assert FeedbackItem(id="x", _client=client)._client is client
    assert FeedbackItem.fields().split() == FeedbackItem.GRAPHQL_BASE_FIELDS


def test_read_with_what_is_related(client: PlexusDashboardClient, ids: dict[str, str]) -> None:
    """Related records come from the local file when they are asked for, and only then; unknown names are refused."""
    result = ScoreResult.create(client, "Yes", ids["itemId"], ids["accountId"], ids["scorecardId"], scoreId=ids["scoreId"])
    created = made(client, **ids)
    result.update(feedbackItemId=created.id)
    assert created.id is not None
    plain = FeedbackItem.get(created.id, client, fields=["id"])
    assert plain is not None
    assert (plain, plain.item, plain.scoreResults, plain.changeDetails) == (created, None, None, None)
    wanted: dict[str, list[str]] = {name: ["id"] for name in ("account", "scorecard", "score", "item", "scoreResults")}
    full = FeedbackItem.get(created.id, client, relationship_fields=wanted)
    assert full is not None
    related = (full.account, full.scorecard, full.score, full.item)
    assert [each.id for each in related if each] == [ids[n] for n in ("accountId", "scorecardId", "scoreId", "itemId")]
    assert [each.id for each in full.scoreResults or ()] == [result.id]
    (again,), _ = FeedbackItem.list(client, ids["accountId"], fields=["id", "item { id }", "changeDetails"])
    assert again.item == Item.get_by_id(ids["itemId"], client)
    assert again.changeDetails == []
    with pytest.raises(InvalidInput, match="'itm'"):
        FeedbackItem.get(created.id, client, relationship_fields={"itm": ["id"]})
    assert FeedbackItem.get("nobody", client) is None
    lonely = made(client, cacheKey="k2")
    (found,), _ = FeedbackItem.list(client, "a1", relationship_fields={"score": ["id"]})
    assert (found.id, found.score) == (lonely.id, None)


def test_lists_page_by_time(client: PlexusDashboardClient) -> None:
    """An account's come in the order of their last change, page after page; the token is text and ends with None."""
    ids = some(client, 7)
    client.records.update("FeedbackItem", "f0", {"editorName": "Ada"})
    found, token = FeedbackItem.list(client, "a1", limit=3)
    assert ([each.id for each in found], isinstance(token, str)) == (["f1", "f2", "f3"], True)
    rest, end = FeedbackItem.list(client, "a1", limit=4, next_token=token)
    assert ([each.id for each in rest], end) == (["f4", "f5", "f6", "f0"], None)
    assert listed(client, limit=None) == ids
    with pytest.raises(InvalidInput, match="token"):
        FeedbackItem.list(client, "a1", score_id="s1", next_token=token)


def test_lists_by_every_key_and_filter(client: PlexusDashboardClient) -> None:
    """Arguments and filter hold together; the filter given stays as it is; accounts are kept apart."""
    some(client, 6)
    made(client, id="other", accountId="a2", cacheKey="k1")
    given = {"or": [{"cacheKey": {"eq": "k1"}}, {"cacheKey": {"eq": "k2"}}]}
    copy = {"or": [dict(part) for part in given["or"]]}
    assert listed(client, "a1", filter=given) == ["f1", "f2"]
    assert listed(client, "a1", "c1", "s1", filter=given) == ["f1"]
    assert (listed(client, cache_key="k1"), listed(client, "a1", cache_key="k1")) == (["f1", "other"], ["f1"])
    assert given == copy
    with pytest.raises(InvalidInput, match="cacheKeys"):
        FeedbackItem.list(client, filter={"cacheKeys": {"eq": "k1"}})


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (None, ["f1", "f3", "f5"]),
        ({"ge": "2026-03-04T05:09:07.000Z"}, ["f3", "f5"]),
        ({"between": ["2026-03-04T05:08:00Z", "2026-03-04T05:10:00Z"]}, ["f3"]),
        ({"updatedAt": {"lt": "2026-03-04T05:09:07Z"}}, ["f1"]),
        ({"scoreId": {"eq": "s1"}, "updatedAt": {"gt": "2026-03-04T05:07:07Z"}}, ["f3", "f5"]),
        ({"beginsWith": {"scorecardId": "c1", "scoreId": "s1", "updatedAt": "2026-03-04T05:09"}}, ["f3"]),
        ({"eq": {"scorecardId": "c1", "scoreId": "s1", "updatedAt": "2026-03-04T05:09:07Z"}}, ["f3"]),
        (
            {
                "scorecardIdScoreIdUpdatedAt": {
                    "between": [
                        {"scorecardId": "c1", "scoreId": "s1", "updatedAt": "2026-03-04T05:08:00Z"},
                        {"scorecardId": "c1", "scoreId": "s1", "updatedAt": "2026-03-04T06:11:00+01:00"},
                    ]
                }
            },
            ["f3"],
        ),
        ({"ge": {"scorecardId": "c2"}}, []),
    ],
)
def test_an_index_orders_and_bounds(client: PlexusDashboardClient, condition: Any, found: list[str]) -> None:
    """A sort condition is a range, in each of the forms in use."""
    some(client, 6)
    made(client, id="other", accountId="a2", scoreId="s1", cacheKey="k1")
    assert listed(client, "a1", "c1", "s1", index_name=BY_UPDATE, sort_condition=condition) == found


def test_wrong_ranges_are_refused(client: PlexusDashboardClient) -> None:
    """An index without its account, parts out of order, half a range: ValueErrors."""
    with pytest.raises(ValueError, match="account_id is required"):
        FeedbackItem.list(client, index_name=BY_UPDATE)
    wrong: list[Any] = [
        {"between": [{"scorecardId": "c1"}]},
        {"ge": {"scoreId": "s1"}},
        {"ge": {"scorecardId": "c1", "colour": 1}},
        {"ge": "yesterday"},
        {"colour": {"eq": 1}},
        {"scorecardIdScoreIdUpdatedAt": 5},
    ]
    for condition in wrong:
        with pytest.raises(ValueError, match=r"sort condition|two values|updatedAt|colour"):
            FeedbackItem.list(client, "a1", index_name=BY_UPDATE, sort_condition=condition)


def test_the_edited_index_and_unknown_ones(client: PlexusDashboardClient, caplog: pytest.LogCaptureFixture) -> None:
    """``...EditedAt`` orders by that time; a name we do not have is logged and has no effect."""
    for number, day in enumerate((3, 1, 2)):
        made(client, id=f"f{number}", cacheKey=f"k{number}", editedAt=f"2026-01-0{day}T00:00:00Z")
    edited = "byAccountScorecardScoreEditedAt"
    assert listed(client, "a1", index_name=edited) == ["f1", "f2", "f0"]
    assert listed(client, "a1", index_name=edited, sort_condition={"le": "2026-01-02T00:00:00Z"}) == ["f1", "f2"]
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert sorted(listed(client, "a1", index_name="byMood"), key=str) == ["f0", "f1", "f2"]
    assert "byMood" in caplog.text


def test_found_by_its_four_keys(client: PlexusDashboardClient, caplog: pytest.LogCaptureFixture) -> None:
    """All four must match; of several the one that changed last, which is logged."""
    key = FeedbackItem.generate_cache_key("s1", "form-7")
    assert key == "s1:form-7"
    first = made(client, cacheKey=key)
    assert FeedbackItem.get_by_composite_key(client, "a1", "c1", "s1", key) == first
    for wrong in (("a2", "c1", "s1"), ("a1", "c2", "s1"), ("a1", "c1", "s2")):
        assert FeedbackItem.get_by_composite_key(client, *wrong, key) is None
    with clock.using(clock.Virtual(datetime(2027, 1, 1, tzinfo=UTC))):
        second = made(client, cacheKey=key)
    with caplog.at_level(logging.WARNING):
        assert FeedbackItem.get_by_composite_key(client, "a1", "c1", "s1", key) == second
    assert "several" in caplog.text


# Upserts.


def test_an_upsert_creates_then_updates(client: PlexusDashboardClient, ids: dict[str, str], sandbox: Sandbox) -> None:
    """One record upstream: made with every option, then changed by those that are not None."""
    options = {"initial_answer_value": "No", "final_answer_value": "Yes", "is_agreement": False, "editor_name": "Ada"}
    with clock.using(clock.Virtual(START)):
        key, created, error = upsert(client, "k", ids, edited_at="2026-01-01T00:00:00Z", debug=True, **options)
    assert (created, error) == (True, None)
    assert client.workspace.push("plexus").exit_code == 0
    assert upsert(client, "k", ids, final_answer_value="Maybe", is_agreement=True, item_id=None) == (key, False, None)
    assert client.workspace.push("plexus").exit_code == 0
    (stored,) = sandbox.rows("FeedbackItem")
    wanted = {
        "id": key,
        "cacheKey": "k",
        **ids,
        "initialAnswerValue": "No",
        "finalAnswerValue": "Maybe",
        "isAgreement": True,
    }
    wanted |= {"editorName": "Ada", "editedAt": "2026-01-01T00:00:00.000Z"}
    assert {name: stored[name] for name in wanted} == wanted
    assert upsert(client, "k", ids, final_answer_value="Maybe") == (key, False, None)
    assert client.workspace.push("plexus").acked == 0


def test_a_cache_key_belongs_to_an_account(client: PlexusDashboardClient) -> None:
    """The same cache key in another account, or another in this one, is another feedback item."""
    first, *_ = upsert(client, "k")
    other, created, _ = upsert(client, "k", {**FIELDS, "accountId": "a2"})
    more, *_ = upsert(client, "k2")
    assert (created, len({first, other, more})) == (True, 3)


def test_a_row_without_its_edit_time_can_be_updated(client: PlexusDashboardClient, path: Path) -> None:
    """Old records lack ``editedAt``, which every update needs upstream: it is then when they were made."""
    with clock.using(clock.Virtual(START)):
        key, *_ = upsert(client)
    write(path, "UPDATE plexus_feedback_item SET edited_at = NULL")
    assert upsert(client, editor_name="Ada") == (key, False, None)
    found = FeedbackItem.get(str(key), client)
    assert found is not None
    assert (found.editedAt, found.editorName) == (START, "Ada")


@pytest.mark.parametrize(
    ("cache_key", "options", "names"),
    [
        ("k", {"item_id": None}, "itemId"),
        ("", {}, "cacheKey"),
        (None, {}, "cacheKey"),
        (5, {}, "cacheKey"),
        ("k", {"is_agreement": "yes"}, "isAgreement"),
        ("k", {"edited_at": "2026-01-01T00:00:00"}, "editedAt"),
        ("k", {"final_answer_value": 5}, "finalAnswerValue"),
    ],
)
def test_refusals_come_back_as_text(
    client: PlexusDashboardClient, path: Path, cache_key: Any, options: Any, names: str
) -> None:
    """(None, False, error): it never raises, and nothing is stored of it."""
    key, created, error = upsert(client, cache_key, **options)
    assert (key, created) == (None, False)
    assert names in error
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]


def test_threads_make_one(client: PlexusDashboardClient) -> None:
    """Eight threads upserting the same twenty make twenty."""
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda n: upsert(client, f"k{n % 20}", editor_name=str(n)), range(160)))
    assert (sum(created for _, created, _ in outcomes), {error for *_, error in outcomes}) == (20, {None})
    assert FeedbackItem.count_by_account_id("a1", client) == 20


def test_processes_make_one(client: PlexusDashboardClient, path: Path) -> None:
    """Two processes upserting the same thirty at once make thirty, and each says what it made."""
    assert sum(int(count) for count in raced(UPSERTER, str(path), "feedback", "30")) == 30
    assert FeedbackItem.count_by_account_id("a1", client) == 30


def test_two_files_make_one_upstream(
    client: PlexusDashboardClient, ids: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    """Both upsert offline; the later push becomes an update of what its caller gave, and its results point at the other."""
    client.workspace.push("plexus")
    first, *_ = upsert(client, "k", ids, final_answer_value="first", editor_name="kept")
    with Workspace.open(tmp_path / "other.db") as workspace:
        other = PlexusDashboardClient(workspace=workspace)
        second, *_ = upsert(other, "k", ids, final_answer_value="second")
        named = {"accountId": ids["accountId"], "scorecardId": ids["scorecardId"], "scoreId": ids["scoreId"]}
        ScoreResult.create(other, "Yes", ids["itemId"], named["accountId"], named["scorecardId"],
                           scoreId=named["scoreId"], feedbackItemId=second)  # fmt: skip
        assert client.workspace.push("plexus").exit_code == 0
        assert workspace.push("plexus").exit_code == 0
        (stored,) = sandbox.rows("FeedbackItem")
        assert (stored["id"], stored["finalAnswerValue"], stored["editorName"]) == (first, "second", "kept")
        assert [result["feedbackItemId"] for result in sandbox.rows("ScoreResult")] == [first]
        assert upsert(other, "k", ids) == (first, False, None)
        assert workspace.status().consistent


# Counting and deleting.


class Bar:
    """A progress bar that remembers."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, dict[str, Any]]] = []

    def update(self, task_id: Any, **what: Any) -> None:
        """What rich's bar has."""
        self.told.append((task_id, what))


def test_all_of_an_account_go(
    client: PlexusDashboardClient, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delete for every known row and no other account's; what was never sent just goes; progress is told."""
    ids = scoring(client.workspace)
    for number in range(5):
        made(client, **ids, cacheKey=f"k{number}")
    client.workspace.push("plexus")
    made(client, **ids, cacheKey="unsent")
    kept = made(client, accountId="a2")
    monkeypatch.setattr(feedback, "_TOGETHER", 4)
    bar = Bar()
    account_id = ids["accountId"]
    assert FeedbackItem.count_by_account_id(account_id, client) == 6
    assert FeedbackItem.delete_all_by_account_id(account_id, client, bar, 3) == 6
    assert [task for task, _ in bar.told] == [3, 3, 3]
    assert [what.get("advance", what.get("completed")) for _, what in bar.told] == [0, 4, 2]
    assert (FeedbackItem.count_by_account_id(account_id, client), FeedbackItem.count_by_account_id("a2", client)) == (0, 1)
    assert rows(path, "SELECT count(*) FROM outbox WHERE op = 'delete'") == [(5,)]
    assert client.workspace.push("plexus").exit_code == 0
    assert [each["id"] for each in sandbox.rows("FeedbackItem")] == [kept.id]
    assert FeedbackItem.delete_all_by_account_id(account_id, client) == 0


def test_a_delete_that_is_stopped_goes_on(client: PlexusDashboardClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted between two parts, what was removed stays removed; what somebody else removed is not counted."""
    some(client, 9)
    monkeypatch.setattr(feedback, "_TOGETHER", 4)

    class Stopping(Bar):
        def update(self, task_id: Any, **what: Any) -> None:
            if "advance" in what:
                client.records.delete("FeedbackItem", "f8")
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FeedbackItem.delete_all_by_account_id("a1", client, Stopping(), 1)
    assert FeedbackItem.count_by_account_id("a1", client) == 4
    keys = [f"f{number}" for number in range(9)]
    assert feedback.delete_all(client, FeedbackItem.model(), keys, "the rest", None, None) == 4
    assert FeedbackItem.count_by_account_id("a1", client) == 0


def test_change_details_are_loaded(client: PlexusDashboardClient) -> None:
    """Those of the local file, oldest first; kept until they are to be loaded again; a client and an id are needed."""
    created = made(client)
    for number, day in enumerate((2, 1)):
        fields = {"id": f"d{number}", "feedbackItemId": created.id, "changedAt": f"2026-01-0{day}T00:00:00Z"}
        FeedbackChangeDetail.create(client, fields)
    FeedbackChangeDetail.create(client, {"feedbackItemId": "another"})
    created.load_change_details()
    assert [each.id for each in created.changeDetails or ()] == ["d1", "d0"]
    client.records.delete("FeedbackChangeDetail", "d1")
    created.load_change_details()
    assert len(created.changeDetails or ()) == 2
    created.load_change_details(force_reload=True)
    assert [each.id for each in created.changeDetails or ()] == ["d0"]
    for alone in (FeedbackItem(id="f"), FeedbackItem(_client=client)):
        with pytest.raises(InvalidInput, match=r"client|id"):
            alone.load_change_details()
