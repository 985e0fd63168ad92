"""Lists and index queries: order, limits, tokens, key conditions."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from syncer.adapters.plexus.spec import MODELS
from syncer.sandbox.plexus.tables import Bound, Place, Slice, Table
from syncer.sandbox.storage import Storage


def put_results(sandbox: Any, count: int, **fields: Any) -> None:
    """Score results r000, r001, ..., one second apart."""
    sandbox.put_all(
        "ScoreResult",
        (
            {
                "id": f"r{n:03}",
                "value": str(n),
                "itemId": f"item-{n % 2}",
                "accountId": "acc-1",
                "scorecardId": "card-1",
                "scoreId": f"score-{n % 3}",
                "type": "prediction",
                "status": "COMPLETED",
                "createdAt": "2026-01-01T00:00:00.000Z",
                "updatedAt": f"2026-01-01T00:{n // 60:02}:{n % 60:02}.000Z",
            }
            | fields
            for n in range(count)
        ),
    )


def pages(call: Any, field: str, arguments: str, limit: int | None = None) -> list[list[str]]:
    """The ids of every page, read to the end."""
    document = (
        f"query Q($l: Int, $n: String) {{ p: {field}({arguments} limit: $l nextToken: $n) {{ items {{ id }} nextToken }} }}"
    )
    found: list[list[str]] = []
    token = None
    while True:
        page = call(document, {"l": limit, "n": token}).data["p"]
        found.append([item["id"] for item in page["items"]])
        token = page["nextToken"]
        if token is None:
            return found


def ids(call: Any, field: str, arguments: str) -> list[str]:
    """The ids of all pages together."""
    return list(chain.from_iterable(pages(call, field, arguments)))


BY_UPDATED = "listScoreResultByAccountIdAndUpdatedAt"


def test_a_page_holds_a_hundred_rows_unless_asked_otherwise(sandbox, call):
    """The default limit is 100, and the last page alone has no token."""
    put_results(sandbox, 250)
    assert [len(page) for page in pages(call, BY_UPDATED, 'accountId: "acc-1"')] == [100, 100, 50]
    assert [len(page) for page in pages(call, "listScoreResults", "")] == [100, 100, 50]


def test_a_full_last_page_still_has_a_token(sandbox, call):
    """A read that stops at its limit has not seen the end: one empty page follows, as with DynamoDB."""
    put_results(sandbox, 4)
    assert [len(page) for page in pages(call, BY_UPDATED, 'accountId: "acc-1"', 2)] == [2, 2, 0]


def test_the_limit_counts_rows_read_before_the_filter(sandbox, call):
    """Pages may be short or empty while a token is set."""
    put_results(sandbox, 7)
    found = pages(call, BY_UPDATED, 'accountId: "acc-1" filter: {value: {eq: "5"}}', 2)
    assert found == [[], [], ["r005"], []]


def test_an_index_is_read_in_the_order_of_its_text(sandbox, call):
    """Sort keys are compared letter by letter: microseconds sort before the same moment in milliseconds."""
    texts = ["2026-01-01T00:00:00.123Z", "2026-01-01T00:00:00.123456Z", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00Z"]
    for number, text in enumerate(texts):
        put_results(sandbox, 1, id=f"r{number}", updatedAt=text)
    assert ids(call, BY_UPDATED, 'accountId: "acc-1"') == ["r2", "r1", "r0", "r3"]
    assert ids(call, BY_UPDATED, 'accountId: "acc-1" sortDirection: DESC') == ["r3", "r0", "r1", "r2"]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_equal_sort_keys_are_paged_without_loss(sandbox, call, direction):
    """A page that ends between equal keys goes on with the next row, in both directions."""
    put_results(sandbox, 9, updatedAt="2026-01-01T00:00:00.000Z")
    found = pages(call, BY_UPDATED, f'accountId: "acc-1" sortDirection: {direction}', 2)
    expected = [f"r00{n}" for n in range(9)]
    assert list(chain.from_iterable(found)) == (expected if direction == "ASC" else expected[::-1])


def test_rows_written_while_paging_do_not_disturb_the_token(sandbox, call):
    """A page starts after the last row read, not after a count of rows."""
    put_results(sandbox, 4)
    document = f"""query Q($n: String) {{
        p: {BY_UPDATED}(accountId: "acc-1" limit: 2 nextToken: $n) {{ items {{ id }} nextToken }} }}"""
    first = call(document).data["p"]
    put_results(sandbox, 1, id="early", updatedAt="2025-01-01T00:00:00.000Z")
    sandbox.drop("ScoreResult", "r001")
    second = call(document, {"n": first["nextToken"]}).data["p"]
    assert [item["id"] for item in second["items"]] == ["r002", "r003"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('{gt: "2026-01-01T00:00:02.000Z"}', ["r003", "r004"]),
        ('{ge: "2026-01-01T00:00:03.000Z"}', ["r003", "r004"]),
        ('{lt: "2026-01-01T00:00:01.000Z"}', ["r000"]),
        ('{le: "2026-01-01T00:00:01.000Z"}', ["r000", "r001"]),
        ('{eq: "2026-01-01T00:00:02.000Z"}', ["r002"]),
        ('{between: ["2026-01-01T00:00:01.000Z", "2026-01-01T00:00:03.000Z"]}', ["r001", "r002", "r003"]),
        ('{beginsWith: "2026-01-01T00:00:04"}', ["r004"]),
        ("{}", ["r000", "r001", "r002", "r003", "r004"]),
        ("null", ["r000", "r001", "r002", "r003", "r004"]),
    ],
)
def test_key_conditions(sandbox, call, condition, expected):
    """Every comparison of a sort key selects its range."""
    put_results(sandbox, 5)
    assert ids(call, BY_UPDATED, f'accountId: "acc-1" updatedAt: {condition}') == expected


def test_number_keys_are_compared_as_numbers(sandbox, call):
    """An index sorted by an Int puts 10 after 9."""
    for position in (10, 9, 1):
        sandbox.put("ReportBlock", id=f"b{position}", reportId="r", position=position, type="t")
    found = ids(call, "listReportBlockByReportIdAndPosition", 'reportId: "r" position: {gt: 1}')
    assert found == ["b9", "b10"]


def test_composite_keys_are_joined(sandbox, call):
    """Parts are joined with #, and trailing ones may be left out."""
    put_results(sandbox, 6)
    field = "listScoreResultByItemIdAndTypeAndScoreIdAndUpdatedAt"
    start = 'itemId: "item-0" typeScoreIdUpdatedAt'
    assert ids(call, field, f'{start}: {{beginsWith: {{type: "prediction", scoreId: "score-1"}}}}') == ["r004"]
    exact = '{eq: {type: "prediction", scoreId: "score-2", updatedAt: "2026-01-01T00:00:02.000Z"}}'
    assert ids(call, field, f"{start}: {exact}") == ["r002"]
    between = '{between: [{type: "prediction", scoreId: "score-1"}, {type: "prediction", scoreId: "score-2#"}]}'
    assert ids(call, field, f"{start}: {between}") == ["r004"]


def test_two_comparisons_of_one_key_are_refused(call):
    """DynamoDB takes one condition per key."""
    reply = call(f'{{ {BY_UPDATED}(accountId: "a", updatedAt: {{gt: "1", lt: "2"}}) {{ nextToken }} }}')
    assert "one condition per key" in reply.error["message"]


def test_a_row_without_an_index_key_is_absent_from_the_index(sandbox, call):
    """A missing sort key, or a missing part of a composite one, keeps a row out."""
    put_results(sandbox, 2)
    put_results(sandbox, 1, id="odd", updatedAt=None, scoreId=None, itemId="item-0")
    assert "odd" not in ids(call, BY_UPDATED, 'accountId: "acc-1"')
    assert "odd" not in ids(call, "listScoreResultByItemIdAndTypeAndScoreIdAndUpdatedAt", 'itemId: "item-0"')
    assert "odd" in ids(call, "listScoreResultByItemId", 'itemId: "item-0"')


def test_an_index_without_sort_key_takes_no_direction(call):
    """The argument is offered, and refused when the query runs."""
    error = call('{ listScoreResultByItemId(itemId: "i", sortDirection: DESC) { nextToken } }').error
    assert error["errorType"] == "InvalidArgumentsError"


def test_a_root_list_takes_no_direction(call):
    """A scan has no order, so its field has no such argument."""
    error = call("{ listScoreResults(sortDirection: DESC) { nextToken } }").error
    assert error["message"].startswith("Validation error of type UnknownArgument")


def test_a_root_list_of_a_composite_key_takes_its_parts(sandbox, call):
    """With the first part it reads one partition, by the second part in the direction asked."""
    for item, name in (("i1", "a"), ("i1", "b"), ("i2", "a")):
        sandbox.put("Identifier", itemId=item, name=name, value="v", position=1, accountId="acc")

    def names(arguments: str) -> list[str]:
        document = f"{{ p: listIdentifiers{arguments} {{ items {{ itemId name }} }} }}"
        return [item["itemId"] + item["name"] for item in call(document).data["p"]["items"]]

    assert names("") == ["i1a", "i1b", "i2a"]
    assert names('(itemId: "i1", sortDirection: DESC)') == ["i1b", "i1a"]
    assert names('(itemId: "i1", name: {gt: "a"})') == ["i1b"]
    wrong = call('{ listIdentifiers(name: {eq: "a"}) { nextToken } }').error
    assert wrong["errorType"] == "InvalidArgumentsError"
    assert call("{ listIdentifiers(sortDirection: ASC) { nextToken } }").error["errorType"] == "InvalidArgumentsError"


def test_a_read_stops_at_a_megabyte(sandbox, call):
    """Large rows make short pages, whatever the limit."""
    for number in range(5):
        sandbox.put("ReportBlock", id=f"b{number}", reportId="r", position=number, type="t", output="x" * 390_000)
    found = pages(call, "listReportBlockByReportIdAndPosition", 'reportId: "r"', 1000)
    assert [len(page) for page in found] == [2, 2, 1]


def test_a_token_serves_only_the_query_it_came_from(sandbox, call):
    """Tokens of other queries, and made-up ones, are refused."""
    put_results(sandbox, 3)
    token = call(f'{{ p: {BY_UPDATED}(accountId: "acc-1", limit: 1) {{ nextToken }} }}').data["p"]["nextToken"]
    for field, made in (("listScoreResults(", token), (f'{BY_UPDATED}(accountId: "other", ', token), ("listItems(", "x")):
        reply = call(f'{{ p: {field}nextToken: "{made}") {{ nextToken }} }}')
        assert reply.json["data"] == {"p": None}
        assert "pagination token" in reply.error["message"]


def test_a_limit_is_at_least_one(call):
    """Zero is refused."""
    assert call("{ listItems(limit: 0) { nextToken } }").error["errorType"] == "DynamoDB:DynamoDbException"


@pytest.mark.parametrize("index", MODELS["ScoreResult"].indexes, ids=lambda index: "-".join(index.fields))
@pytest.mark.parametrize("descending", [False, True])
def test_index_queries_read_an_index_alone(index, descending):
    """SQLite answers a page of an index from that index, in its order, without sorting or looking at other rows."""
    storage = Storage()
    table = Table(storage.connection, MODELS["ScoreResult"])
    part = Slice(index, "x", (Bound(">", "y"),) if index.sort else (), descending, Place("z", 7))
    sql, values = table.query(part, 10)
    plan = " ".join(str(row[3]) for row in storage.connection.execute(f"EXPLAIN QUERY PLAN {sql}", values))
    storage.close()
    assert "USING INDEX" in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan
