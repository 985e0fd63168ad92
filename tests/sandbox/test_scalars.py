"""What each scalar takes, and how it comes back."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("value", 1.5, "Variable 'value' has an invalid value. Expected type 'String' but was 'Double'."),
        ("value", True, "Variable 'value' has an invalid value. Expected type 'String' but was 'Boolean'."),
        ("confidence", "high", "Variable 'confidence' has an invalid value. Expected type 'Float' but was 'String'."),
        ("correct", 1, "Variable 'correct' has an invalid value. Expected type 'Boolean' but was 'Integer'."),
        ("id", 1.5, "Variable 'id' has an invalid value. Expected type 'ID' but was 'Double'."),
        (
            "metadata",
            {"n": 1, "ok": None},
            "Variable 'metadata' has an invalid value. Unable to parse {n=1, ok=null} as valid JSON.",
        ),
        ("metadata", "{n: 1}", "Variable 'metadata' has an invalid value. Unable to parse {n: 1} as valid JSON."),
        ("metadata", "NaN", "Variable 'metadata' has an invalid value. Unable to parse NaN as valid JSON."),
        (
            "createdAt",
            "2026-01-01",
            "Variable 'createdAt' has an invalid value. Unable to parse `2026-01-01` as a valid DateTime Object.",
        ),
        (
            "createdAt",
            "2026-13-01T00:00:00Z",
            "Variable 'createdAt' has an invalid value. Unable to parse `2026-13-01T00:00:00Z` as a valid DateTime Object.",
        ),
        ("attachments", ["a", 1], "Variable 'attachments' has an invalid value. Expected type 'String' but was 'Integer'."),
        ("value", None, "Variable 'i' has coerced Null value for NonNull type 'String!'"),
    ],
)
def test_a_value_of_the_wrong_type_rejects_the_request(create, result, sandbox, field, value, words):
    """Nothing runs; the message names the innermost field, and there is neither data nor errorType."""
    reply = create("ScoreResult", result("r", **{field: value}))
    assert reply.status == 200
    assert reply.json["data"] is None
    assert reply.error == {
        "path": None,
        "locations": [{"line": 1, "column": 12, "sourceName": None}],
        "message": words,
    }
    assert sandbox.requests == 1
    assert sandbox.effects() == []


@pytest.mark.parametrize(
    ("number", "taken"), [(2**31 - 1, True), (-(2**31), True), (2**31, False), (7.0, True), (1.5, False)]
)
def test_whole_numbers_have_32_bits(create, number, taken):
    """An Int beyond 32 bits is refused, and so is a fraction."""
    record = {"id": "s", "taskId": "t", "name": "n", "order": number, "status": "PENDING"}
    assert ("errors" not in create("TaskStage", record).json) is taken


def test_json_comes_back_compact(create, result, sandbox):
    """JSON text is stored and answered without spaces, letters unescaped, and the value unchanged."""
    sent = '{"n": 1,\n "text": "na\\u00efve", "deep": [1, null, true, 2.5]}'
    answered = create("ScoreResult", result("r", metadata=sent), "metadata").data["r"]["metadata"]
    assert answered == '{"n":1,"text":"naïve","deep":[1,null,true,2.5]}'
    assert sandbox.get("ScoreResult", "r")["metadata"] == answered


def test_numbers_and_lists_come_back(create, result):
    """A whole Float is a Float, a lone value is a list of one, an empty list stays."""
    made = create("ScoreResult", result("r", confidence=1, attachments="a"), "confidence attachments correct").data["r"]
    assert made == {"confidence": 1.0, "attachments": ["a"], "correct": None}
    assert create("ScoreResult", result("s", attachments=[]), "attachments").data["r"] == {"attachments": []}


def test_an_id_may_be_a_number(create, result):
    """ID takes an integer as its text."""
    assert create("ScoreResult", result(7), "id").data["r"] == {"id": "7"}


def test_enums_take_their_values_only(create):
    """A value outside the enum is refused, also in a filter."""
    record = {"id": "s", "accountId": "a", "status": "SLEEPING"}
    assert "Invalid input for Enum 'ChatSessionStatus'" in create("ChatSession", record).error["message"]
    assert create("ChatSession", record | {"status": "ACTIVE"}, "status").data["r"] == {"status": "ACTIVE"}


@pytest.mark.parametrize(
    ("model", "record"),
    [
        ("Account", {"name": "n", "key": "k", "createdAt": "2026-01-01T00:00:00.000Z"}),
        (
            "ChatMessage",
            {"sessionId": "s", "content": "c", "responseStatus": "PENDING", "updatedAt": "2026-01-01T00:00:00.000Z"},
        ),
        ("Scorecard", {"name": "n", "key": "k", "accountId": "a", "colour": "red"}),
    ],
)
def test_a_field_outside_the_input_rejects_the_request(create, model, record):
    """Times that only the server sets count as unknown fields; the message points nowhere."""
    error = create(model, record).error
    assert error["locations"] is None
    assert error["message"] == (
        f"The variables input contains a field that is not defined for input object type 'Create{model}Input' "
    )


def test_unicode_survives(create, sandbox):
    """Any letter comes back as it went in."""
    name = 'ünïcode 😀 \u2028 "quoted" \\ \n'
    assert create("Scorecard", {"id": "c", "name": name, "key": "k", "accountId": "a"}, "name").data["r"] == {"name": name}
    assert sandbox.get("Scorecard", "c")["name"] == name
