"""Nested parents and lists, and the model that an API key may not use."""

from __future__ import annotations


def test_a_parent_is_nested_and_may_dangle(sandbox, call):
    """The record a field points at comes along; null when there is none, without error."""
    sandbox.put("Score", id="s", name="S", order=1, type="t", sectionId="x", scorecardId="c", externalId="e")
    for number, score in enumerate(("s", "gone", None)):
        sandbox.put("Evaluation", id=f"e{number}", type="t", accuracy=0, status="DONE", accountId="a", scoreId=score)
    found = call("{ p: listEvaluations { items { score { name } } } }").data["p"]["items"]
    assert found == [{"score": {"name": "S"}}, {"score": None}, {"score": None}]


def test_a_nested_list_pages_like_any_other(sandbox, call):
    """Default limit, token, filter and direction work inside a parent too."""
    sandbox.put("Task", id="t", accountId="a", type="t", status="s", target="t", command="c")
    for number in range(120):
        sandbox.put("TaskStage", id=f"s{number:03}", taskId="t", name="n", order=number, status="PENDING")

    def stages(arguments: str) -> dict:
        document = f'{{ getTask(id: "t") {{ stages{arguments} {{ items {{ id task {{ id }} }} nextToken }} }} }}'
        return call(document).data["getTask"]["stages"]

    first = stages("")
    assert len(first["items"]) == 100
    assert first["items"][0] == {"id": "s000", "task": {"id": "t"}}
    second = stages(f'(nextToken: "{first["nextToken"]}")')
    assert [stage["id"] for stage in second["items"]] == [f"s{n}" for n in range(100, 120)]
    assert second["nextToken"] is None
    assert stages("(filter: {order: {eq: 7}}, limit: 10)")["items"] == [{"id": "s007", "task": {"id": "t"}}]
    assert stages("(sortDirection: DESC, limit: 1)")["items"][0]["id"] == "s119"


def test_the_closed_model_is_unauthorized(call, sandbox):
    """Every operation on User is null with an Unauthorized error, at HTTP 200."""
    for kind, field, arguments in (
        ("Query", "getUser", '(id: "u")'),
        ("Query", "listUsers", ""),
        ("Mutation", "createUser", '(input: {email: "e"})'),
    ):
        selection = "{ nextToken }" if field == "listUsers" else "{ id }"
        reply = call(f"{kind.lower()} {{ {field}{arguments} {selection} }}")
        assert reply.status == 200
        assert reply.json["data"] == {field: None}
        assert reply.error["errorType"] == "Unauthorized"
        assert reply.error["message"] == f"Not Authorized to access {field} on type {kind}"
    assert sandbox.count("User") == 0


def test_the_closed_model_is_unauthorized_when_nested(sandbox, call):
    """A nested user is null with an error of its own path; the rest of the record comes."""
    for number in range(2):
        sandbox.put("Report", id=f"r{number}", accountId="a", createdByUserId="u")
    reply = call("{ p: listReports { items { id createdByUser { email } } } }")
    assert reply.json["data"]["p"]["items"] == [{"id": "r0", "createdByUser": None}, {"id": "r1", "createdByUser": None}]
    assert [error["path"] for error in reply.json["errors"]] == [
        ["p", "items", 0, "createdByUser"],
        ["p", "items", 1, "createdByUser"],
    ]
    assert reply.json["errors"][0]["message"] == "Not Authorized to access createdByUser on type Report"


def test_an_old_row_without_a_promised_value_is_null(sandbox, call):
    """The page keeps its good elements; the bad one is null, with an error for each missing value."""
    sandbox.put("Score", id="good", name="S", order=1, type="t", sectionId="x", scorecardId="c", externalId="e")
    sandbox.put("Score", id="old", name="S", type="t", sectionId="x", scorecardId="c")
    reply = call("{ listScores { items { id order externalId } nextToken } }")
    assert reply.json["data"]["listScores"]["items"] == [{"id": "good", "order": 1, "externalId": "e"}, None]
    assert reply.json["errors"] == [
        {
            "path": ["listScores", "items", 1, "order"],
            "locations": None,
            "message": "Cannot return null for non-nullable type: 'Int' within parent 'Score' (/listScores/items[1]/order)",
        },
        {
            "path": ["listScores", "items", 1, "externalId"],
            "locations": None,
            "message": "Cannot return null for non-nullable type: 'String' within parent 'Score' "
            "(/listScores/items[1]/externalId)",
        },
    ]
