"""``ScoreResult``: stored at once, found by what caches look for, sent with all that Plexus wants."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.errors import InvalidInput, RecordExists, RecordNotFound
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import ScoreResult
from syncer.sandbox.server import Sandbox
from tests.factory import scoring
from tests.files import rows

CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)
START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client over a file that can be pushed to the sandbox."""
    return PlexusDashboardClient(workspace=synced)


@pytest.fixture
def ids(synced: Workspace) -> dict[str, str]:
    """Account, scorecard, score and item."""
    return scoring(synced)


def given(ids: dict[str, str], **fields: Any) -> dict[str, Any]:
    """The arguments of a create."""
    return {"value": "Yes", **ids, **fields}


def waiting(path: Path) -> list[Any]:
    """Operations that wait on score results."""
    return [op for (op,) in rows(path, "SELECT op FROM outbox WHERE model = 'ScoreResult' ORDER BY seq")]


def test_a_created_result_is_complete_and_arrives(
    client: PlexusDashboardClient, ids: dict[str, str], sandbox: Sandbox
) -> None:
    """The object has its id, frozen times and decoded JSON, and the remote gets the same with JSON as text."""
    with clock.using(clock.Virtual(START)):
        made = ScoreResult.create(
            client,
            0.5,
            **ids,
            confidence=0.0,
            correct=False,
            metadata={"n": 1},
            trace=[1],
            cost='{"calls": 2}',
            explanation="é",
        )
    assert (made.value, made.createdAt, made.updatedAt) == ("0.5", START, START)
    assert (made.code, made.type, made.status) == ("200", "prediction", "COMPLETED")
    assert (made.metadata, made.trace, made.cost) == ({"n": 1}, [1], {"calls": 2})
    assert (made.confidence, made.correct, made.score, made.scoreName) == (0.0, False, None, None)
    assert client.workspace.push("plexus").exit_code == 0
    (stored,) = sandbox.rows("ScoreResult")
    sent = {name: stored.pop(name) for name in ("metadata", "trace", "cost")}
    assert {name: json.loads(text) for name, text in sent.items()} == {
        "metadata": {"n": 1},
        "trace": [1],
        "cost": {"calls": 2},
    }
    assert stored == {
        "id": made.id, "value": "0.5", **ids, "confidence": 0.0, "correct": False, "explanation": "é", "code": "200",
        "type": "prediction", "status": "COMPLETED", "createdAt": "2026-03-04T05:06:07.000Z",
        "updatedAt": stored["updatedAt"],
    }  # fmt: skip


def test_a_create_asks_the_file_for_nothing(client: PlexusDashboardClient, ids: dict[str, str], path: Path) -> None:
    """The hot path is the two inserts of row and change; whether others have committed is seen without asking SQLite."""
    statements: list[str] = []
    connection = client.workspace.database._open(look=False).connection
    connection.set_trace_callback(statements.append)
    ScoreResult.create(client, **given(ids))
    connection.set_trace_callback(None)
    assert [text.split()[0] for text in statements] == ["BEGIN", "INSERT", "INSERT", "COMMIT"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scoreId": None}, "ScoreResult needs scoreId"),
        ({"value": None}, "ScoreResult needs value"),
        ({"itemId": None}, "ScoreResult needs itemId"),
        ({"explanaton": "x"}, "ScoreResult has no field 'explanaton'"),
        ({"confidence": float("nan")}, "ScoreResult.confidence cannot be nan"),
        ({"correct": "yes"}, "ScoreResult.correct cannot be 'yes'"),
        ({"metadata": {"n": float("nan")}}, "ScoreResult.metadata cannot be {'n': nan}"),
        ({"trace": {(1, 2): 3}}, "ScoreResult.trace cannot be {(1, 2): 3}"),
        ({"cost": CIRCLE}, "ScoreResult.cost cannot be"),
        ({"cost": '{"n": NaN}'}, "ScoreResult.cost cannot be {'n': nan}"),
        ({"scoreId": ""}, "ScoreResult.scoreId cannot be ''"),
        ({"explanation": "\ud800"}, "ScoreResult.explanation cannot be"),
    ],
)
def test_what_plexus_would_refuse_is_refused_at_once(
    client: PlexusDashboardClient, ids: dict[str, str], path: Path, wrong: dict[str, Any], said: str
) -> None:
    """The error is a ValueError naming the field, and nothing is stored."""
    with pytest.raises(InvalidInput, match="ScoreResult") as caught:
        ScoreResult.create(client, **given(ids, **wrong))
    assert isinstance(caught.value, ValueError)
    assert said in str(caught.value)
    assert waiting(path) == rows(path, "SELECT id FROM plexus_score_result") == []


def test_a_misspelt_field_gets_a_hint(client: PlexusDashboardClient, ids: dict[str, str]) -> None:
    """The near spelling is named."""
    with pytest.raises(InvalidInput) as caught:
        ScoreResult.create(client, **given(ids, explanaton="x"))
    assert "explanation" in str(caught.value.hint)


def test_ids_that_are_not_given_stay_away(client: PlexusDashboardClient, ids: dict[str, str], sandbox: Sandbox) -> None:
    """Empty job and evaluation ids, which many callers pass on, are the same as none."""
    made = ScoreResult.create(client, **given(ids, scoringJobId="", evaluationId="", scoreVersionId=None))
    assert (made.scoringJobId, made.evaluationId, made.scoreVersionId) == (None, None, None)
    assert client.workspace.push("plexus").exit_code == 0
    assert {"scoringJobId", "evaluationId", "scoreVersionId"}.isdisjoint(sandbox.rows("ScoreResult")[0])


def test_json_that_python_has_and_json_has_not(client: PlexusDashboardClient, ids: dict[str, str]) -> None:
    """Dates in metadata become their text, as the original's ``default=str`` makes them; plain text is kept as text."""
    made = ScoreResult.create(client, **given(ids, metadata={"at": START}, trace="no json"))
    assert (made.metadata, made.trace) == ({"at": str(START)}, "no json")
    found = ScoreResult.get_by_id(made.id, client)
    assert found is not None
    assert (found.metadata, found.trace) == (made.metadata, made.trace)


def test_a_batch_is_stored_whole_with_the_defaults_of_a_create(
    client: PlexusDashboardClient, ids: dict[str, str], sandbox: Sandbox
) -> None:
    """Results come back in order, the dicts given are untouched, and the remote has every one."""
    items = [given(ids, value=n, metadata={"n": [n]}, evaluationId="") for n in range(30)]
    before = [dict(item) for item in items]
    made = ScoreResult.batch_create(client, items)
    assert items == before
    assert [(r.value, r.metadata, r.code, r.type, r.status, r.evaluationId) for r in made] == [
        (str(n), {"n": [n]}, "200", "prediction", "COMPLETED", None) for n in range(30)
    ]
    assert client.workspace.push("plexus").exit_code == 0
    assert [r["id"] for r in sandbox.rows("ScoreResult")] == [r.id for r in made]
    assert {(r["type"], r["status"], r["code"]) for r in sandbox.rows("ScoreResult")} == {("prediction", "COMPLETED", "200")}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"itemId": None}, "items[2]: ScoreResult needs itemId"),
        ({"scoreId": None, "value": None}, "items[2]: ScoreResult needs value and scoreId"),
        ({"confidence": "high"}, "items[2]: ScoreResult.confidence cannot be 'high'"),
        ({"client": 1}, "items[2]: ScoreResult has no field 'client'"),
    ],
)
def test_one_bad_item_keeps_the_whole_batch_out(
    client: PlexusDashboardClient, ids: dict[str, str], path: Path, bad: dict[str, Any], said: str
) -> None:
    """The error names the item's index and the field; none of the good ones is stored."""
    items = [given(ids, **(bad if n == 2 else {})) for n in range(5)]
    with pytest.raises(InvalidInput) as caught:
        ScoreResult.batch_create(client, items)
    assert said in str(caught.value)
    assert waiting(path) == []


def test_odd_batches(client: PlexusDashboardClient, ids: dict[str, str], path: Path) -> None:
    """An empty batch is nothing, a generator is as good as a list, what is no dict is named, and an id twice is refused."""
    assert ScoreResult.batch_create(client, []) == []
    assert len(ScoreResult.batch_create(client, (given(ids) for _ in range(2)))) == 2
    with pytest.raises(InvalidInput, match=r"items\[1\] is no dict but str"):
        ScoreResult.batch_create(client, [given(ids), "result"])  # type: ignore[list-item]
    with pytest.raises(RecordExists, match="twice"):
        ScoreResult.batch_create(client, [given(ids, id="twice"), given(ids, id="twice")])
    assert waiting(path) == ["create", "create"]


def test_an_update_is_a_new_object_and_carries_what_plexus_wants(
    client: PlexusDashboardClient, ids: dict[str, str], sandbox: Sandbox
) -> None:
    """The old object stays; times and JSON may be given; the strict sandbox accepts the update's composite keys."""
    made = ScoreResult.create(client, **given(ids, metadata={"n": 1}))
    client.workspace.push("plexus")
    changed = made.update(value=7, metadata={"n": 2}, createdAt=START)
    assert (made.value, made.metadata) == ("Yes", {"n": 1})
    assert (changed.value, changed.metadata, changed.createdAt, changed.id) == ("7", {"n": 2}, START, made.id)
    assert changed.scoreName == "Tone"
    assert client.workspace.push("plexus").exit_code == 0
    stored = sandbox.get("ScoreResult", made.id)
    assert stored is not None
    assert (stored["value"], json.loads(stored["metadata"])) == ("7", {"n": 2})
    assert stored["createdAt"] == "2026-03-04T05:06:07.000Z"
    assert len(sandbox.effects("ScoreResult", "update")) == 1


def test_updates_that_cannot_be(client: PlexusDashboardClient, ids: dict[str, str], synced: Workspace) -> None:
    """Required values cannot go, ids cannot change, unknown fields are named, and what is gone is not found."""
    made = ScoreResult.create(client, **given(ids))
    for wrong in ({"value": None}, {"id": "other"}, {"valu": "x"}):
        with pytest.raises(InvalidInput, match="ScoreResult"):
            made.update(**wrong)
    synced.plexus.delete("ScoreResult", made.id)
    with pytest.raises(RecordNotFound, match=made.id):
        made.update(value="No")
    assert ScoreResult.get_by_id(made.id, client) is None
    with pytest.raises(InvalidInput, match="has no client"):
        ScoreResult("r", "1", "i", "a", "c").update(value="2")


def test_reads_show_the_score(client: PlexusDashboardClient, ids: dict[str, str], synced: Workspace) -> None:
    """``score`` is id and name of the row the file has, None when it has none."""
    made = ScoreResult.create(client, **given(ids))
    found = ScoreResult.get_by_id(made.id, client)
    assert found is not None
    assert (found.score, found.scoreName) == ({"id": ids["scoreId"], "name": "Tone"}, "Tone")
    dangling = ScoreResult.create(client, **given({**ids, "scoreId": "nowhere"}))
    found = ScoreResult.get_by_id(dangling.id, client)
    assert found is not None
    assert (found.score, found.scoreName) == (None, None)


def test_the_newest_result_of_an_item_type_and_score(client: PlexusDashboardClient, ids: dict[str, str]) -> None:
    """The last one touched wins; other items, types and scores, even with a common beginning, do not count."""
    with clock.using(clock.Virtual(START)) as now:
        first, second = (ScoreResult.create(client, **given(ids, value=value)) for value in ("1", "2"))
        now.sleep(5)
        first.update(explanation="looked at again")
        for other in ({"itemId": "other"}, {"type": "feedback"}, {"scoreId": ids["scoreId"] + "0"}):
            now.sleep(5)
            ScoreResult.create(client, **given({**ids, **other}))
    found = ScoreResult.find_by_cache_key(client, ids["itemId"], "prediction", ids["scoreId"], account_id="any")
    assert found is not None
    assert (found.id, found.updatedAt, found.scoreName) == (first.id, START + timedelta(seconds=5), "Tone")
    second.update(value="3")
    found = ScoreResult.find_by_cache_key(client, ids["itemId"], "prediction", ids["scoreId"])
    assert found is not None
    assert found.id == second.id
    assert ScoreResult.find_by_cache_key(client, "nobody", "prediction", ids["scoreId"]) is None


def test_the_cache_key_has_an_index(client: PlexusDashboardClient, ids: dict[str, str], path: Path) -> None:
    """Looking up the newest result walks an index, not the table, and sorts nothing."""
    from syncer.records.write import found_by

    where = {"itemId": "i", "type": "t", "scoreId": "s"}
    sql, parameters = found_by(ScoreResult.model(), where, "-updatedAt", 1, 0)
    plan = " ".join(row[3] for row in rows(path, f"EXPLAIN QUERY PLAN {sql}", *parameters))
    assert "ix_plexus_score_result_item_id_type_score_id_updated_at" in plan
    assert "SCAN" not in plan


@pytest.mark.parametrize(
    ("value", "number"), [("0.5", 0.5), ("-1e3", -1000.0), ("Yes", None), ("", None), (" 7 ", 7.0), ("1,5", None)]
)
def test_values_as_numbers(value: str, number: float | None) -> None:
    """A number where the text is one, else None."""
    assert ScoreResult("r", value, "i", "a", "c").numeric_value == number


def test_from_the_wire(client: PlexusDashboardClient) -> None:
    """JSON text is decoded, broken JSON is None, absent type, code and status stay None, the dict given stays as it is."""
    wire = {
        "id": "r", "value": "Yes", "itemId": "i", "accountId": "a", "scorecardId": "c", "scoreId": "s",
        "score": {"id": "s", "name": "Tone"}, "metadata": '{"n": 1}', "trace": "{broken", "cost": '"plain"',
        "createdAt": "2026-03-04T05:06:07Z", "somethingNew": 1,
    }  # fmt: skip
    before = dict(wire)
    made = ScoreResult.from_dict(wire, client)
    assert wire == before
    assert (made.metadata, made.trace, made.cost) == ({"n": 1}, None, "plain")
    assert (made.code, made.type, made.status, made.updatedAt) == (None, None, None, None)
    assert (made.createdAt, made.scoreName) == (START, "Tone")
    with pytest.raises(InvalidInput, match="no value and no scorecardId"):
        ScoreResult.from_dict({"id": "r", "itemId": "i", "accountId": "a"}, client)
    assert {"id", "value", "scoreVersionId", "feedbackItemId"} <= set(ScoreResult.fields().split())


def test_a_lost_reply_makes_one_result(client: PlexusDashboardClient, ids: dict[str, str], sandbox: Sandbox) -> None:
    """A batch whose answer is lost is on the remote once after the next push."""
    client.workspace.push("plexus")
    made = ScoreResult.batch_create(client, [given(ids) for _ in range(3)])
    sandbox.faults.lose_next_reply()
    assert client.workspace.push("plexus").exit_code == 0
    assert sorted(e.key for e in sandbox.effects("ScoreResult", "create")) == sorted(r.id for r in made)
