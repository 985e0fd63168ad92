"""Prefactor's lists, tokens and routes."""

from __future__ import annotations

import pytest

from syncer.sandbox.prefactor import pfid
from tests.sandbox.rest import INSTANCE, PAGINATION, SPAN, assert_shape


def test_pages_cover_everything_once(prefactor):
    """Following next_page_offset gives every instance of the agent, oldest first, and ends with null."""
    made = [prefactor.register(agent_id="A").details for _ in range(5)]
    prefactor.register(agent_id="B")
    found, offset, offsets = [], 0, []
    while offset is not None:
        query = {"agent_id": "A", "pagination[offset]": offset, "pagination[page_size]": 2}
        page = prefactor.get("/agent_instance", query).json
        assert page["status"] == "success"
        found += page["summaries"]
        offset = page["pagination"]["next_page_offset"]
        offsets.append(offset)
    assert found == made
    assert offsets == [2, 4, None]
    assert_shape(found[0], INSTANCE)


def test_a_page_says_where_it_stands(prefactor):
    """Counts, positions and neighbours, in records; an empty list is a page too."""
    for _ in range(5):
        prefactor.register(agent_id="A")
    query = {"agent_id": "A", "pagination[offset]": 2, "pagination[page_size]": 2}
    pagination = prefactor.get("/agent_instance", query).json["pagination"]
    assert pagination.keys() == PAGINATION
    assert pagination == {
        "item_count": 5,
        "item_start": 3,
        "item_end": 4,
        "page_count": 3,
        "page_index": 2,
        "page_offset": 2,
        "page_size": 2,
        "next_page_offset": 4,
        "previous_page_offset": 0,
    }
    empty = prefactor.get("/agent_instance", {"agent_id": "nobody"}).json
    assert empty["summaries"] == []
    assert empty["pagination"]["item_count"] == 0
    assert empty["pagination"]["next_page_offset"] is empty["pagination"]["previous_page_offset"] is None


@pytest.mark.parametrize(
    "query",
    [
        {"pagination[page_size]": 0},
        {"pagination[page_size]": 101},
        {"pagination[page_size]": "many"},
        {"pagination[offset]": -1},
        {"pagination[offset]": "²"},
    ],
)
def test_page_numbers_have_bounds(prefactor, query):
    """1 to 100 a page, from 0 on; anything else is refused, naming the parameter."""
    for path, owner in (("/agent_instance", "agent_id"), ("/agent_spans", "agent_instance_id")):
        assert prefactor.get(path, {owner: "A"} | query).errors.keys() == query.keys()


def test_lists_need_an_owner(prefactor):
    """Instances belong to an agent, spans to an instance or an agent."""
    assert prefactor.get("/agent_instance").errors.keys() == {"agent_id"}
    assert prefactor.get("/agent_spans").errors.keys() == {"agent_instance_id"}


def test_instances_can_be_listed_by_version_and_not_sorted(prefactor):
    """A version narrows the list; any sorting is refused."""
    first, _ = (prefactor.register(agent_id="A").details for _ in range(2))
    query = {"agent_id": "A", "agent_version_id": first["agent_version_id"]}
    assert prefactor.get("/agent_instance", query).json["summaries"] == [first]
    for name in ("sorting", "sorting[field]"):
        assert prefactor.get("/agent_instance", {"agent_id": "A", name: "id"}).errors.keys() == {name}


def test_spans_are_listed_by_instance_or_agent(prefactor, sandbox):
    """Both owners find them; sorted by id when asked; summaries can be left out."""
    instance = prefactor.active()
    made = [prefactor.span(instance).details for _ in range(3)]
    prefactor.span(prefactor.active(agent_id="B"))
    by_instance = prefactor.get("/agent_spans", {"agent_instance_id": instance}).json
    assert by_instance["summaries"] == made
    assert by_instance["sorting"] is None
    assert_shape(made[0], SPAN)
    by_agent = prefactor.get("/agent_spans", {"agent_id": sandbox.prefactor.agent_id, "include_summaries": "false"}).json
    assert by_agent["summaries"] == [{name: span[name] for name in span if name != "summary"} for span in made]
    down = sorted((span["id"] for span in made), reverse=True)
    for query in ({"sorting": "-id"}, {"sorting[field]": "id", "sorting[direction]": "desc"}):
        page = prefactor.get("/agent_spans", {"agent_instance_id": instance} | query).json
        assert [span["id"] for span in page["summaries"]] == down
        assert page["sorting"] == {"field": "id", "direction": "desc"}
    for query in ({"sorting": "status"}, {"sorting[field]": "id", "sorting[direction]": "up"}):
        assert prefactor.get("/agent_spans", {"agent_instance_id": instance} | query).errors.keys() == {"sorting"}


def test_spans_can_be_bounded_in_time(prefactor):
    """By their start, both bounds inclusive."""
    instance = prefactor.active()
    times = [f"2024-01-0{day}T00:00:00.000000Z" for day in (1, 2, 3)]
    for time in times:
        prefactor.span(instance, started_at=time)
    query = {"agent_instance_id": instance, "start_time": times[0], "end_time": "2024-01-02T00:00:00Z"}
    found = prefactor.get("/agent_spans", query).json["summaries"]
    assert [span["started_at"] for span in found] == times[:2]
    assert prefactor.get("/agent_spans", query | {"start_time": "soon"}).errors.keys() == {"start_time"}


def test_rows_of_other_parties_appear_in_lists(prefactor, sandbox):
    """What tests put or edit behind the client's back is served, without counting as an effect."""
    row = sandbox.prefactor.put("agent_instance", agent_id="A", status="waiting_for_rain")
    span = sandbox.prefactor.put("agent_span", agent_instance_id=row["id"], payload={"by": "another"})
    sandbox.prefactor.edit("agent_span", span["id"], status="complete", result_payload={"r": 1})
    (found,) = prefactor.get("/agent_instance", {"agent_id": "A"}).json["summaries"]
    assert (found["status"], found["span_counts"]["complete"]) == ("waiting_for_rain", 1)
    (found,) = prefactor.get("/agent_spans", {"agent_instance_id": row["id"]}).json["summaries"]
    assert found == sandbox.prefactor.get("agent_span", span["id"])
    assert found["result_payload"] == {"r": 1}
    assert sandbox.prefactor.effects() == []


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic sandbox-prefactor-token", "sandbox-prefactor-token"])
def test_a_token_is_needed(prefactor, header):
    """Without the account's bearer token every route is 401 in the documented form."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": header} if header else {})
    for method, path in (("GET", "/ping"), ("POST", "/agent_spans"), ("GET", "/agent_instance?agent_id=A")):
        assert prefactor.send(method, path, b"{}" if method == "POST" else None, headers).refusal == (401, "unauthorized")


def test_a_deployment_token_stands_for_its_agent_and_only_writes(prefactor, sandbox):
    """Register needs no agent with it and takes no other; reads are 401, in bulk too."""
    prefactor.headers["Authorization"] = "Bearer sandbox-prefactor-deployment-token"
    body = {"agent_version": {}, "agent_schema_version": {}}
    made = prefactor.post("/agent_instance/register", body).details
    assert made["agent_id"] == sandbox.prefactor.agent_id
    assert prefactor.register().details["agent_id"] == sandbox.prefactor.agent_id
    assert prefactor.register(agent_id="B").errors == {"agent_id": ["is not the agent of this token"]}
    assert prefactor.act(made["id"], "start").status == 200
    assert prefactor.get("/ping").status == 200
    assert prefactor.get(f"/agent_instance/{made['id']}").refusal == (401, "unauthorized")
    item = {"_type": "agent_instances/list", "idempotency_key": "k" * 8, "agent_id": "A"}
    assert prefactor.bulk(item).json["outputs"]["k" * 8]["code"] == "unauthorized"


def test_ping_answers(prefactor):
    """A good token gets an object."""
    assert prefactor.get("/ping").json == {"status": "success"}


def test_pfids_are_handed_out(prefactor, sandbox):
    """As many as asked for, of this account, all different; they are good ids."""
    found = prefactor.post("/pfid/generate", {"count": 3, "account_id": sandbox.prefactor.account_id}).json["pfids"]
    assert len(set(found)) == 3
    assert {pfid.partition(each) for each in found} == {sandbox.prefactor.partition}
    assert prefactor.register(id=found[0]).details["id"] == found[0]
    for count in (0, 1001, None, True, "2"):
        assert prefactor.post("/pfid/generate", {"count": count}).errors.keys() == {"count"}
    assert prefactor.post("/pfid/generate", {"count": 1, "account_id": "other"}).errors.keys() == {"account_id"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/x"),
        ("GET", "/"),
        ("GET", "/agent_spans/one"),
        ("PUT", "/agent_instance/one"),
        ("GET", "/agent_instance/one/start"),
        ("POST", "/agent_instance//start"),
        ("POST", "/agent_instance/a/b/start"),
        ("POST", "/agent_instance/one/record_quality"),
        ("GET", "/agent"),
        ("DELETE", "/bulk"),
    ],
)
def test_any_other_route_is_not_found(prefactor, method, path):
    """404 in the documented form, the vendor's agent and quality endpoints included."""
    assert prefactor.send(method, path).refusal == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"{}", "text/plain"),
        (b'{"a": NaN}', "application/json"),
        (b'{"a": "\\ud800"}', "application/json"),
    ],
)
def test_a_body_is_a_json_object(prefactor, body, kind):
    """Anything else is 400 bad_request."""
    headers = prefactor.headers | {"Content-Type": kind}
    assert prefactor.send("POST", "/agent_spans", body, headers).refusal == (400, "bad_request")
