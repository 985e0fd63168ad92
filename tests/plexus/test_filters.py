"""Filters, sorts and pages over local rows: AppSync's form, answered here."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncer import Workspace
from syncer.adapters.plexus.spec import MODELS
from syncer.errors import InvalidInput
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.listing import pages, tokens
from syncer.plexus.listing.filters import Filter, parsed
from syncer.plexus.listing.pages import Order, ordered_by
from syncer.sandbox.plexus import filters as upstream
from syncer.schema.model import Model
from tests.files import write

ITEM: Model = MODELS["Item"]
QUESTION: dict[str, Any] = {}
RECORD = {
    **dict.fromkeys(ITEM.by_name),
    "id": "i1",
    "externalId": "call-7",
    "accountId": "a1",
    "isEvaluation": True,
    "createdAt": "2026-03-04T05:06:07.123000Z",
    "attachedFiles": ["one.txt", "two.txt"],
    "metadata": {"n": [1, None]},
}


@pytest.mark.parametrize(
    ("condition", "passes"),
    [
        (None, True),
        ({}, True),
        ({"externalId": None}, True),
        ({"externalId": {"eq": "call-7"}}, True),
        ({"externalId": {"ne": "call-7"}}, False),
        ({"description": {"ne": "x"}}, True),
        ({"description": {"eq": None}}, True),
        ({"description": {"lt": "x"}}, False),
        ({"externalId": {"gt": "call-6", "lt": "call-8"}}, True),
        ({"externalId": {"between": ["call-7", "call-7"]}}, True),
        ({"externalId": {"beginsWith": "call"}}, True),
        ({"externalId": {"contains": "ll-"}}, True),
        ({"externalId": {"notContains": "ll-"}}, False),
        ({"externalId": {"size": {"eq": 6}}}, True),
        ({"externalId": {"size": {"between": [7, 9]}}}, False),
        ({"externalId": {"attributeExists": True}}, True),
        ({"description": {"attributeExists": True}}, False),
        ({"description": {"attributeExists": False}}, True),
        ({"externalId": {"attributeType": "string"}}, True),
        ({"description": {"attributeType": "_null"}}, False),
        ({"isEvaluation": {"eq": True}}, True),
        ({"isEvaluation": {"ne": True}}, False),
        ({"attachedFiles": {"contains": "one.txt"}}, True),
        ({"attachedFiles": {"contains": "one"}}, False),
        ({"metadata": {"eq": {"n": [1, None]}}}, True),
        ({"metadata": {"eq": '{"n": [1, null]}'}}, True),
        ({"metadata": {"lt": {"n": 1}}}, False),
        ({"createdAt": {"ge": "2026-03-04T06:06:07.123+01:00"}}, True),
        ({"createdAt": {"gt": "2026-03-04T06:06:07.123+01:00"}}, False),
        ({"createdAt": {"beginsWith": "2026-03-04T05:06:07.123Z"}}, True),
        ({"createdAt": {"size": {"eq": 24}}}, True),
        ({"and": [{"accountId": {"eq": "a1"}}, {"externalId": {"eq": "call-8"}}]}, False),
        ({"and": {"accountId": {"eq": "a1"}}}, True),
        ({"or": [{"accountId": {"eq": "a2"}}, {"externalId": {"eq": "call-7"}}]}, True),
        ({"or": []}, False),
        ({"not": {"accountId": {"eq": "a1"}, "externalId": {"eq": "call-8"}}}, True),
        ({"not": {"or": [{"accountId": {"eq": "a1"}}]}}, False),
    ],
)
def test_a_condition_decides(condition: dict[str, Any] | None, passes: bool) -> None:
    """Every operator and every way to join them means what it means upstream."""
    assert parsed(ITEM, condition).test(RECORD) is passes


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ({"externalID": {"eq": "x"}}, "did you mean externalId"),
        ({"externalId": {"equals": "x"}}, "'equals'"),
        ({"externalId": "x"}, "{'eq': ...}"),
        ({"externalId": {"between": ["x"]}}, "two values"),
        ({"externalId": {"eq": 5}}, "text is needed"),
        ({"externalId": {"size": 5}}, "size on Item.externalId"),
        ({"externalId": {"size": {"between": 5}}}, "between 5"),
        ({"externalId": {"or": [{"eq": "x"}]}}, "'or'"),
        ({"createdAt": {"ge": "yesterday"}}, "Item.createdAt"),
        ({"and": ["x"]}, "a dict"),
        ([], "a dict"),
        ({5: {"eq": 1}}, "no field 5"),
        ({"externalId": {5: 1}}, "by 5"),
    ],
)
def test_a_wrong_condition_is_refused(condition: Any, names: str) -> None:
    """What the remote would refuse is refused here, naming what is wrong."""
    with pytest.raises(InvalidInput) as caught:
        parsed(ITEM, condition)
    assert names in f"{caught.value} {caught.value.hint}"


def test_only_what_must_hold_narrows_the_search() -> None:
    """Conditions joined by ``and`` go into the SQL; those under ``or`` and ``not``, and those on JSON, never do."""
    condition = {
        "accountId": {"eq": "a1"},
        "metadata": {"eq": {}},
        "or": [{"scoreId": {"eq": "s"}}],
        "not": {"description": {"eq": "d"}},
        "and": [{"createdAt": {"between": ["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]}}, {"text": {"ne": "t"}}],
    }
    assert parsed(ITEM, condition).where == {
        "accountId": {"eq": "a1"},
        "createdAt": {"ge": "2026-01-01T00:00:00.000000Z", "le": "2026-02-01T00:00:00.000000Z"},
    }


_texts = st.sampled_from(["", "a", "ab", "b"])
_field = st.one_of(
    st.tuples(st.sampled_from(["eq", "ne", "lt", "le", "gt", "ge", "contains", "notContains", "beginsWith"]), _texts),
    st.tuples(st.just("between"), st.lists(_texts, min_size=2, max_size=2)),
    st.tuples(st.just("attributeExists"), st.booleans()),
).map(lambda pair: dict([pair]))
_flat = st.dictionaries(st.sampled_from(["externalId", "description"]), _field, max_size=2)
_conditions = st.recursive(
    _flat,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"and": parts}, st.lists(inner, max_size=2)),
        st.builds(lambda parts: {"or": parts}, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(condition=_conditions, external=st.none() | _texts, description=st.none() | _texts)
def test_a_filter_here_agrees_with_the_upstream(
    condition: dict[str, Any], external: str | None, description: str | None
) -> None:
    """Whatever the filter, the local answer is the sandbox's, and what narrows the search never hides a match."""
    record = {"externalId": external, "description": description}
    theirs = upstream.matches(condition)
    present = {name: value for name, value in record.items() if value is not None}
    filtered = parsed(ITEM, condition)
    passes = filtered.test({**RECORD, **record})
    assert passes is (theirs is None or theirs(present))
    narrow = parsed(ITEM, {name: dict(bounds) for name, bounds in filtered.where.items()})
    assert narrow.test({**RECORD, **record}) or not passes


def some_items(ws: Workspace, count: int) -> list[str]:
    """Ids of new items of one account, in order, with external ids that repeat."""
    fields = [
        {"id": f"i{n:03}", "accountId": "a1", "externalId": f"x{n % 3}" if n % 4 else None, "description": str(n)}
        for n in range(count)
    ]
    return [record["id"] for record in ws.plexus.create_many("Item", fields)]


def walked(client: PlexusDashboardClient, wanted: Filter, order: Order, limit: int) -> list[str]:
    """The ids of all pages, one after the other."""
    found, token = [], None
    while True:
        part, token = pages.page(client, ITEM, wanted, order, limit, token, QUESTION)
        assert len(part) <= limit
        found += [record["id"] for record in part]
        if token is None:
            return found


@pytest.mark.parametrize("order", [Order(), Order("externalId"), Order("externalId", True), Order("isEvaluation")])
def test_pages_add_up(ws: Workspace, order: Order) -> None:
    """Every record comes once and in order, whatever the page size, ties and absent values included."""
    ids = some_items(ws, 25)
    client = PlexusDashboardClient(workspace=ws)
    every = pages.page(client, ITEM, parsed(ITEM, None), order, None, None, QUESTION)
    assert sorted(record["id"] for record in every[0]) == ids
    for limit in (1, 7, 24, 25, 1000):
        assert walked(client, parsed(ITEM, None), order, limit) == [record["id"] for record in every[0]]


def test_a_selective_filter_is_complete(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matches that lie far apart are all found: a page is full or the last, unlike the remote's."""
    monkeypatch.setattr(pages, "_READ", 10)
    some_items(ws, 95)
    client = PlexusDashboardClient(workspace=ws)
    wanted = parsed(ITEM, {"or": [{"description": {"eq": str(n)}} for n in (0, 50, 51, 94)]})
    assert walked(client, wanted, Order("createdAt"), 3) == ["i000", "i050", "i051", "i094"]


def test_writes_between_pages_neither_hide_nor_repeat(ws: Workspace) -> None:
    """Rows that go or come before the place of a token do not move what follows it."""
    ids = some_items(ws, 10)
    client = PlexusDashboardClient(workspace=ws)
    first, token = pages.page(client, ITEM, parsed(ITEM, None), Order(), 4, None, QUESTION)
    for record in first:
        ws.plexus.delete("Item", record["id"])
    ws.plexus.create("Item", {"id": "i0005", "accountId": "a1"})
    rest, _ = pages.page(client, ITEM, parsed(ITEM, None), Order(), None, token, QUESTION)
    assert [record["id"] for record in rest] == ids[4:]


def test_times_finer_than_ours_page_too(ws: Workspace, path: Any) -> None:
    """Records of other writers carry microseconds: the place of a token is exact, nothing comes twice."""
    ids = some_items(ws, 3)
    for n, id in enumerate(ids):
        write(path, "UPDATE plexus_item SET updated_at = ? WHERE id = ?", f"2026-03-04T05:06:07.12345{n}Z", id)
    client = PlexusDashboardClient(workspace=ws)
    assert walked(client, parsed(ITEM, None), Order("updatedAt", True), 1) == list(reversed(ids))
    exact = {"updatedAt": {"le": "2026-03-04T05:06:07.123450Z"}}
    assert walked(client, parsed(ITEM, exact), Order(), 5) == ids[:1]


def coded(text: bytes) -> str:
    """What looks like a token."""
    return base64.urlsafe_b64encode(text).decode()


def test_a_token_of_nowhere_is_refused(ws: Workspace) -> None:
    """Text that is no token, a token that was altered, one of another list: an error, never another answer."""
    client = PlexusDashboardClient(workspace=ws)
    altered = coded(json.dumps(["0" * 24, None, "i003"]).encode())
    elsewhere = tokens.issued({"model": "Score"}, (None, "i003"))
    wild: list[Any] = ["", "x", "\u00fc", "[]", 5, coded(b"[1,2]"), coded(b"[" * 100_000), coded(b'["x", {}, "k"]')]
    for token in [*wild, altered, elsewhere]:
        with pytest.raises(InvalidInput, match="no token of this list"):
            pages.page(client, ITEM, parsed(ITEM, None), Order(), 5, token, QUESTION)


def test_a_limit_is_a_count(ws: Workspace) -> None:
    """A page of nothing, or of something that is no number, is refused."""
    client = PlexusDashboardClient(workspace=ws)
    limits: list[Any] = [0, -1, True, 1.5, "5"]
    for limit in limits:
        with pytest.raises(InvalidInput, match="limit"):
            pages.page(client, ITEM, parsed(ITEM, None), Order(), limit, None, QUESTION)


@pytest.mark.parametrize("sort", [("nothing", "ASC"), ("metadata", "ASC"), ("createdAt", "UP")])
def test_a_wrong_sort_is_refused(sort: tuple[str, str]) -> None:
    """Unknown fields, fields without an order and unknown directions are named."""
    with pytest.raises(InvalidInput):
        ordered_by(ITEM, *sort)
