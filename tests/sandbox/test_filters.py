"""Filters: every operator, and how they combine."""

from __future__ import annotations

import pytest

ROWS = [
    {"id": "a", "name": "alpha", "order": 1, "accuracy": 0.5, "isDisabled": True, "key": "k-1"},
    {"id": "b", "name": "beta", "order": 2, "accuracy": 1.5, "isDisabled": False},
    {"id": "c", "name": "gamma", "order": 10},
]
BASE = {"type": "t", "sectionId": "s", "scorecardId": "c", "externalId": "e", "createdAt": "2026-01-01T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"name": {"eq": "beta"}}, "b"),
        ({"name": {"ne": "beta"}}, "ac"),
        ({"name": {"lt": "beta"}}, "a"),
        ({"name": {"le": "beta"}}, "ab"),
        ({"name": {"gt": "beta"}}, "c"),
        ({"name": {"ge": "beta"}}, "bc"),
        ({"name": {"between": ["alpha", "beta"]}}, "ab"),
        ({"name": {"contains": "mm"}}, "c"),
        ({"name": {"notContains": "a"}}, ""),
        ({"name": {"beginsWith": "al"}}, "a"),
        ({"name": {"size": {"gt": 4}}}, "ac"),
        ({"name": {"attributeType": "string"}}, "abc"),
        ({"order": {"gt": 2}}, "c"),
        ({"order": {"between": [1, 2]}}, "ab"),
        ({"order": {"attributeType": "number"}}, "abc"),
        ({"accuracy": {"ge": 1}}, "b"),
        ({"accuracy": {"lt": 1}}, "a"),
        ({"accuracy": {"ne": 0.5}}, "bc"),
        ({"isDisabled": {"eq": True}}, "a"),
        ({"isDisabled": {"ne": True}}, "bc"),
        ({"key": {"attributeExists": True}}, "a"),
        ({"key": {"attributeExists": False}}, "bc"),
        ({"key": {"notContains": "k"}}, "bc"),
        ({"key": {"eq": None}}, ""),
        ({"id": {"eq": "a"}}, "a"),
        ({"createdAt": {"beginsWith": "2026"}}, "abc"),
        ({"name": {"gt": "alpha", "lt": "gamma"}}, "b"),
        ({"name": {"eq": "beta"}, "order": {"eq": 1}}, ""),
        ({"or": [{"name": {"eq": "alpha"}}, {"order": {"eq": 10}}]}, "ac"),
        ({"and": [{"name": {"ne": "alpha"}}, {"order": {"lt": 10}}]}, "b"),
        ({"not": {"name": {"eq": "alpha"}}}, "bc"),
        ({"not": {"or": [{"name": {"eq": "alpha"}}, {"name": {"eq": "beta"}}]}, "order": {"gt": 0}}, "c"),
        ({"name": None}, "abc"),
        ({}, "abc"),
        (None, "abc"),
    ],
)
def test_filters(sandbox, call, condition, expected):
    """Each filter lets the right rows through; attributes that are not there equal nothing."""
    for row in ROWS:
        sandbox.put("Score", BASE | row)
    reply = call("query Q($f: ModelScoreFilterInput) { p: listScores(filter: $f) { items { id } } }", {"f": condition})
    assert "".join(item["id"] for item in reply.data["p"]["items"]) == expected


def test_lists_and_enums_are_filtered(sandbox, call):
    """A list contains its elements; an enum is equal or not."""
    sandbox.put("ChatSession", id="s1", accountId="a", status="ACTIVE")
    sandbox.put("ChatSession", id="s2", accountId="a", status="ERROR")
    sandbox.put("DataSource", id="d", name="n", accountId="a", attachedFiles=["x.csv", "y.csv"])
    assert call("{ p: listChatSessions(filter: {status: {ne: ACTIVE}}) { items { id } } }").data["p"]["items"] == [
        {"id": "s2"}
    ]
    found = call('{ p: listDataSources(filter: {attachedFiles: {contains: "x.csv"}}) { items { id } } }')
    assert found.data["p"]["items"] == [{"id": "d"}]


def test_a_wrong_number_of_bounds_is_refused(sandbox, call):
    """``between`` takes two values."""
    sandbox.put("Score", BASE | ROWS[0])
    reply = call('{ listScores(filter: {name: {between: ["a"]}}) { nextToken } }')
    assert reply.error["errorType"] == "DynamoDB:DynamoDbException"


def test_operators_inside_a_field_do_not_combine(call):
    """``or`` exists between fields, not inside one."""
    reply = call('{ listIdentifiers(filter: {value: {or: [{eq: "a"}]}}) { nextToken } }')
    assert reply.json["data"] is None
    assert "Validation error of type WrongType" in reply.json["errors"][0]["message"]
