"""Create, update and delete, one rule at a time."""

from __future__ import annotations

import re

import pytest
from freezegun import freeze_time

from syncer.sandbox import Options, Sandbox

CONDITIONAL = "DynamoDB:ConditionalCheckFailedException"
REFUSED = "DynamoDB:DynamoDbException"


def test_a_create_without_id_gets_one(create, sandbox):
    """The server mints a UUID and stamps both times, in milliseconds with a Z."""
    with freeze_time("2026-05-04T03:02:01.123456Z"):
        made = create("Scorecard", {"name": "n", "key": "k", "accountId": "a"}).data["r"]
    assert re.fullmatch(r"[0-9a-f-]{36}", made["id"])
    assert made["createdAt"] == made["updatedAt"] == "2026-05-04T03:02:01.123Z"
    assert sandbox.get("Scorecard", made["id"])["name"] == "n"


def test_given_times_are_kept_as_written(create, result):
    """A time the client sends wins over the server's, and comes back letter by letter."""
    odd = "2026-01-01T00:00:00.123456+02:00"
    made = create("ScoreResult", result("r", createdAt=odd, updatedAt="2026-01-01T00:00:00Z")).data["r"]
    assert made == {"id": "r", "createdAt": odd, "updatedAt": "2026-01-01T00:00:00Z"}


def test_a_taken_id_is_refused(create, result, sandbox):
    """A second create with other values fails and changes nothing."""
    create("ScoreResult", result("r"))
    reply = create("ScoreResult", result("r", value="No"))
    assert reply.json["data"] == {"r": None}
    assert reply.error["errorType"] == CONDITIONAL
    assert reply.error["path"] == ["r"]
    assert sandbox.get("ScoreResult", "r")["value"] == "Yes"
    assert len(sandbox.effects("ScoreResult")) == 1


def test_a_create_repeated_alike_succeeds_without_effect(create, result, sandbox):
    """The same create with every attribute equal, times included, is answered as a success and applied once."""
    record = result("r", createdAt="2026-01-01T00:00:00.000Z", updatedAt="2026-01-01T00:00:00.000Z", metadata='{"a": 1}')
    first = create("ScoreResult", record)
    assert create("ScoreResult", record).json == first.json
    assert [effect.op for effect in sandbox.effects("ScoreResult")] == ["create"]


def test_a_create_repeated_without_its_times_is_refused(create, result):
    """The server's own stamps differ between two creates, so the repeat is no repeat."""
    with freeze_time("2026-01-01T00:00:00Z"):
        create("ScoreResult", result("r"))
    with freeze_time("2026-01-01T00:00:01Z"):
        assert create("ScoreResult", result("r")).error["errorType"] == CONDITIONAL


def test_a_create_under_a_condition_that_does_not_hold_is_refused(create, result, sandbox):
    """The condition of a create is tested against nothing, in addition to the key's absence."""
    assert create("ScoreResult", result("r"), value={"eq": "Yes"}).error["errorType"] == CONDITIONAL
    assert sandbox.count("ScoreResult") == 0
    assert create("ScoreResult", result("r"), value={"ne": "Yes"}).data


def test_an_update_of_an_absent_id_is_refused(update):
    """An update never inserts."""
    assert update("Scorecard", {"id": "none", "name": "n"}).error["errorType"] == CONDITIONAL


def test_an_update_sets_what_it_carries(create, update, sandbox):
    """Other fields stay, and the server moves updatedAt."""
    with freeze_time("2026-01-01T00:00:00Z"):
        create("Scorecard", {"id": "c", "name": "n", "key": "k", "accountId": "a"})
    with freeze_time("2026-01-02T00:00:00Z"):
        update("Scorecard", {"id": "c", "name": "m"})
    assert sandbox.get("Scorecard", "c") == {
        "id": "c",
        "name": "m",
        "key": "k",
        "accountId": "a",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": "2026-01-02T00:00:00.000Z",
    }


def test_null_in_an_update_removes_a_required_field_too(create, update, sandbox):
    """DynamoDB knows no required attributes; the answer then cannot hold the promised value."""
    create("Scorecard", {"id": "c", "name": "n", "key": "k", "accountId": "a"})
    reply = update("Scorecard", {"id": "c", "name": None}, "id name")
    assert "name" not in sandbox.get("Scorecard", "c")
    assert reply.json["data"] == {"r": None}
    assert reply.error == {
        "path": ["r", "name"],
        "locations": None,
        "message": "Cannot return null for non-nullable type: 'String' within parent 'Scorecard' (/r/name)",
    }


def test_a_condition_on_updated_at_guards_update_and_delete(create, update, delete, sandbox):
    """A stale base is refused and the row stays; the right one goes through."""
    base = create("TaskStage", {"id": "s", "taskId": "t", "name": "n", "order": 1, "status": "PENDING"}).data["r"][
        "updatedAt"
    ]
    stale = {"eq": "2000-01-01T00:00:00.000Z"}
    assert update("TaskStage", {"id": "s", "name": "m"}, updatedAt=stale).error["errorType"] == CONDITIONAL
    assert delete("TaskStage", {"id": "s"}, updatedAt=stale).error["errorType"] == CONDITIONAL
    assert sandbox.get("TaskStage", "s")["name"] == "n"
    base = update("TaskStage", {"id": "s", "name": "m"}, updatedAt={"eq": base}).data["r"]["updatedAt"]
    assert delete("TaskStage", {"id": "s"}, updatedAt={"eq": base}).data
    assert sandbox.count("TaskStage") == 0


def test_a_delete_repeated_is_null(create, delete, sandbox):
    """The first delete answers the record, the second null without error, and only the first is an effect."""
    create("Scorecard", {"id": "c", "name": "n", "key": "k", "accountId": "a"})
    assert delete("Scorecard", {"id": "c"}, "name").data == {"r": {"name": "n"}}
    assert delete("Scorecard", {"id": "c"}, "name").data == {"r": None}
    assert [effect.op for effect in sandbox.effects("Scorecard")] == ["create", "delete"]


@pytest.mark.parametrize(
    ("model", "record", "index", "missing"),
    [
        (
            "ScoreResult",
            {"value": "Y", "itemId": "i", "accountId": "a", "scorecardId": "c"},
            "byTypeStatusUpdated",
            "status",
        ),
        (
            "ScoreResult",
            {"value": "Y", "itemId": "i", "accountId": "a", "scorecardId": "c", "status": "s"},
            "byItemScorecardScore",
            "scoreId",
        ),
        (
            "FeedbackItem",
            {"accountId": "a", "scorecardId": "c", "cacheKey": "k", "scoreId": "s", "itemId": "i"},
            "byAccountScorecardScoreEditedAt",
            "editedAt",
        ),
        (
            "ChatMessage",
            {"sessionId": "s", "content": "c"},
            "chatMessagesByResponseTargetAndResponseStatusAndCreatedAt",
            "responseStatus",
        ),
        ("ScoreVersion", {"scoreId": "s", "configuration": "c"}, "byScoreIdAndIsFeaturedAndCreatedAt", "isFeatured"),
    ],
)
def test_a_create_carries_whole_composite_keys(create, model, record, index, missing):
    """A create that touches a composite sort key, be it by a stamp, must carry all of its parts."""
    error = create(model, record).error
    assert error["errorType"] is None
    assert error["message"] == (
        f"When creating any part of the composite sort key for @index '{index}', you must provide all fields for the "
        f"key. Missing key: '{missing}'."
    )


def test_null_counts_as_carried(create, result):
    """A part given as null is present for the composite rule, and leaves the row out of that index."""
    assert create("ScoreResult", result("r", status=None)).data


def test_an_update_of_an_identifier_carries_its_value(create, update):
    """The key holds one part of a composite sort key, so every update needs the other."""
    create("Identifier", {"itemId": "i", "name": "n", "value": "v", "position": 1, "accountId": "a"}, "itemId")
    message = update("Identifier", {"itemId": "i", "name": "n", "url": "u"}).error["message"]
    assert "When updating any part" in message
    assert "Missing key: 'value'" in message


@pytest.mark.parametrize("verb", ["create", "update"])
def test_an_empty_index_key_is_refused(create, update, result, verb):
    """DynamoDB takes no empty text in any index key, on create and on update."""
    create("ScoreResult", result("r", createdAt="2026-01-01T00:00:00.000Z"))
    write = create if verb == "create" else update
    error = write("ScoreResult", result("r", evaluationId="", createdAt="2026-01-01T00:00:00.000Z")).error
    assert error["errorType"] == REFUSED
    assert "IndexName: gsi-Evaluation.scoreResults, IndexKey: evaluationId" in error["message"]


def test_an_empty_id_is_refused(create):
    """The primary key cannot be empty either."""
    error = create("Scorecard", {"id": "", "name": "n", "key": "k", "accountId": "a"}).error
    assert error["errorType"] == REFUSED


def test_null_in_a_partition_key_is_dropped(create, sandbox, result):
    """A create leaves a null out where a declared index is partitioned by it."""
    assert create("ScoreResult", result("r", evaluationId=None)).data
    assert "evaluationId" not in sandbox.get("ScoreResult", "r")


def test_null_in_a_sort_key_is_refused(create):
    """Null in the only sort key of an index reaches DynamoDB and fails."""
    record = {"name": "n", "key": "k", "accountId": "a", "externalId": None}
    assert create("Scorecard", record).data, "externalId is a partition key too"
    assert create("DataSource", {"name": "n", "accountId": "a", "key": None}).error["errorType"] == REFUSED


def test_null_in_an_index_key_is_removed_by_an_update(create, update, sandbox, result):
    """An update takes null as a removal, and the row leaves that index."""
    create("ScoreResult", result("r", feedbackItemId="f", createdAt="2026-01-01T00:00:00.000Z"))
    assert update("ScoreResult", result("r", feedbackItemId=None, createdAt="2026-01-01T00:00:00.000Z")).data
    assert "feedbackItemId" not in sandbox.get("ScoreResult", "r")


def test_an_item_has_at_most_400_kilobytes(create, sandbox):
    """A larger item is refused by bytes, not characters."""
    record = {"id": "b", "reportId": "r", "position": 1, "type": "t"}
    error = create("ReportBlock", record | {"output": "ü" * 210_000}).error
    assert error["errorType"] == REFUSED
    assert "Item size has exceeded the maximum allowed size" in error["message"]
    assert sandbox.count("ReportBlock") == 0
    assert create("ReportBlock", record | {"output": "u" * 400_000}).data


def test_aliases_run_in_order_and_each_for_itself(call, sandbox, result):
    """A later alias sees what an earlier one did; a failing one leaves the others applied."""
    document = """mutation M($i: CreateScoreResultInput!) {
      a: createScoreResult(input: $i) { id }
      b: deleteScoreResult(input: {id: "none"}) { id }
      c: updateScoreResult(input: {id: "r", value: "x"}) { id }
      d: deleteScoreResult(input: {id: "r"}) { value }
    }"""
    reply = call(document, {"i": result("r")})
    assert reply.json["data"] == {"a": {"id": "r"}, "b": None, "c": None, "d": {"value": "Yes"}}
    assert reply.error["path"] == ["c"]
    effects = sandbox.effects("ScoreResult")
    assert [(effect.key, effect.op) for effect in effects] == [("r", "create"), ("r", "delete")]
    assert {effect.request for effect in effects} == {reply.headers["x-amzn-requestid"]}


def test_composite_keys_are_one_key(create, sandbox):
    """A record is found, and its effects are counted, by all parts of its key."""
    record = {"itemId": "i", "name": "n", "value": "v", "position": 1, "accountId": "a"}
    create("Identifier", record, "itemId")
    assert create("Identifier", record | {"name": "m"}, "itemId").data
    assert create("Identifier", record | {"value": "w"}, "itemId").error["errorType"] == CONDITIONAL
    assert [effect.key for effect in sandbox.effects("Identifier", "create")] == ['["i","n"]', '["i","m"]']


def test_an_older_model_has_stamps_only_where_described(connect):
    """A model without updatedAt gets none."""
    with Sandbox(Options(legacy=True)) as older:
        call = connect(older)
        document = (
            'mutation { createBatchJobScoringJob(input: {id: "j", batchJobId: "b", scoringJobId: "s"}) { createdAt } }'
        )
        assert call(document).data
        assert "updatedAt" not in older.get("BatchJobScoringJob", "j")
