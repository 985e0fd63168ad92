"""Documents: what is refused before it runs, and the shapes that may run."""

from __future__ import annotations

import json

import pytest
from graphql import build_client_schema, get_introspection_query, validate_schema

from syncer.adapters.plexus import naming
from syncer.adapters.plexus.spec import MODELS
from syncer.sandbox import Options, Sandbox
from syncer.sandbox.plexus.schema import schema


@pytest.mark.parametrize("body", [b"meow", b"{}", b"[]", b'{"query": 1}', b'{"query": "{ a", "variables": null}', b"\xff"])
def test_what_is_no_request_is_malformed(call, body):
    """A body that holds no readable document is a 400."""
    reply = call.post(body)
    assert reply.status == 400
    assert reply.json == {
        "errors": [{"errorType": "MalformedHttpRequestException", "message": "Unable to parse GraphQL query."}]
    }


def test_an_empty_body_is_malformed(call):
    """Nothing at all is a 400 with words of its own."""
    reply = call.post(b"")
    assert (reply.status, reply.json["errors"][0]["message"]) == (400, "Request body is empty.")


@pytest.mark.parametrize("key", ["wrong", ""])
def test_a_wrong_key_is_refused_before_anything_is_read(call, key):
    """401 without data, whatever the body."""
    reply = call.post(b"meow", key)
    assert reply.status == 401
    assert reply.json == {
        "errors": [{"errorType": "UnauthorizedException", "message": "You are not authorized to make this call."}]
    }


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{ getNothing { id } }", "FieldUndefined: Field 'getNothing' in type 'Query' is undefined @ 'getNothing'"),
        (
            "{ p: listItems { items { id colour } } }",
            "FieldUndefined: Field 'colour' in type 'Item' is undefined @ 'listItems/items/colour'",
        ),
        (
            '{ listItems(limit: "2") { nextToken } }',
            "WrongType: argument 'limit' with value 'StringValue{value='2'}' is not a valid 'Int' @ 'listItems'",
        ),
        (
            "{ listItems(filter: {isEvaluation: {eq: [true, null, 1.5]}}) { nextToken } }",
            "WrongType: argument 'filter.isEvaluation.eq' with value 'ArrayValue{values=[BooleanValue{value=true}, "
            "NullValue{}, FloatValue{value=1.5}]}' is not a valid 'Boolean' @ 'listItems'",
        ),
        (
            "{ listChatSessions(filter: {status: {eq: GONE}}) { nextToken } }",
            "WrongType: argument 'filter.status.eq' with value 'EnumValue{name='GONE'}' is not a valid "
            "'ChatSessionStatus' @ 'listChatSessions'",
        ),
    ],
)
def test_breaches_are_worded_as_appsync_does(call, document, message):
    """Undefined fields and wrong types carry the path of fields, and Java's way of printing values."""
    reply = call(document)
    assert reply.status == 200
    assert reply.json["data"] is None
    error = reply.json["errors"][0]
    assert error["message"] == f"Validation error of type {message}"
    assert error["path"] is None
    assert "errorType" not in error


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ("{ getItem { id } }", "MissingFieldArgument"),
        ('{ getItem(id: "a", name: "b") { id } }', "UnknownArgument"),
        ('{ getItem(id: "a") }', "SubSelectionRequired"),
        ('query Q($x: Int) { getItem(id: "a") { id } }', "UnusedVariable"),
        ("{ getItem(id: $x) { id } }", "UndefinedVariable"),
        ("query Q($x: Int) { getItem(id: $x) { id } }", "VariableTypeMismatch"),
        ("query Q($x: Nothing) { getItem(id: $x) { id } }", "UnknownType"),
        ('{ getItem(id: "a") { ...F } }', "UndefinedFragment"),
        ('{ getItem(id: "a") { id: text id } }', "FieldsConflict"),
        ("subscription { onCreateItem { id } }", "InvalidSyntax"),
    ],
)
def test_every_breach_has_a_kind(call, document, kind):
    """The kinds of breaches that clients tell apart by text."""
    reply = call(document)
    assert reply.json["data"] is None
    assert f"Validation error of type {kind}" in " ".join(error["message"] for error in reply.json["errors"])


def test_a_breach_anywhere_keeps_everything_from_running(call, sandbox, result):
    """One bad alias rejects the whole document; no other alias is applied."""
    document = """mutation M($i: CreateScoreResultInput!) {
        a: createScoreResult(input: $i) { id } b: createNothing(input: $i) { id } }"""
    assert call(document, {"i": result("r")}).json["data"] is None
    assert sandbox.effects() == []


def test_fragments_aliases_and_typenames(call, sandbox):
    """Fragments open, the same field under two names comes twice, and types say their names."""
    sandbox.put("Item", id="i", accountId="a", isEvaluation=True, text="t")
    document = """
    query Q { one: getItem(id: "i") { ...F more: text __typename } one: getItem(id: "i") { accountId }
              page: listItems { __typename first: items { ...F } second: items { ... on Item { text } } } __typename }
    fragment F on Item { key: id }
    """
    assert call(document).data == {
        "__typename": "Query",
        "one": {"key": "i", "more": "t", "__typename": "Item", "accountId": "a"},
        "page": {"__typename": "ModelItemConnection", "first": [{"key": "i"}], "second": [{"text": "t"}]},
    }


def test_fields_are_skipped_and_included_by_variables(call, sandbox):
    """@skip and @include are decided anew by each request's variables."""
    sandbox.put("Item", id="i", accountId="a", isEvaluation=True)
    document = 'query Q($y: Boolean!) { getItem(id: "i") { id @include(if: $y) accountId @skip(if: $y) } }'
    assert call(document, {"y": True}).data["getItem"] == {"id": "i"}
    assert call(document, {"y": False}).data["getItem"] == {"accountId": "a"}


def test_variables_inside_literals_and_defaults(call, sandbox):
    """Variables fill in objects and lists; one that is not given leaves its place out; defaults apply."""
    for name in "abc":
        sandbox.put("Item", id=name, accountId="x", isEvaluation=True, text=name)
    document = """query Q($t: String, $u: String, $l: Int = 2) {
        p: listItems(limit: $l, filter: {text: {ge: $t, le: $u}}) { items { id } } }"""
    assert call(document, {"t": "b"}).data["p"]["items"] == [{"id": "b"}]
    assert call(document, {"t": "b", "l": 3}).data["p"]["items"] == [{"id": "b"}, {"id": "c"}]
    assert call(document, {"u": "a", "l": 3}).data["p"]["items"] == [{"id": "a"}]


def test_the_named_operation_runs(call, sandbox):
    """Of several operations the request names one; without a name it is malformed."""
    sandbox.put("Item", id="i", accountId="a", isEvaluation=True)
    query = 'query A { getItem(id: "i") { id } } query B { getItem(id: "i") { accountId } }'
    assert call.post(json.dumps({"query": query, "operationName": "B"}).encode()).data == {"getItem": {"accountId": "a"}}
    assert call.post(json.dumps({"query": query}).encode()).status == 400


def test_the_schema_tells_about_itself(call):
    """The whole introspection query works, and describes a valid schema with every model of today."""
    graph = build_client_schema(call(get_introspection_query()).data)
    assert validate_schema(graph) == []
    assert "ScoreResult" in graph.type_map
    assert "BatchJob" not in graph.type_map


def test_introspection_beside_other_fields(call, sandbox):
    """A probe may ask for a type and for rows at once."""
    sandbox.put("Item", id="i", accountId="a", isEvaluation=True)
    data = call('{ __type(name: "BatchJob") { name } i: __type(name: "Item") { name } getItem(id: "i") { id } }').data
    assert data == {"__type": None, "i": {"name": "Item"}, "getItem": {"id": "i"}}


@pytest.mark.parametrize("legacy", [False, True])
def test_the_schema_is_valid(legacy):
    """graphql-core finds no fault in the generated schema."""
    assert validate_schema(schema(legacy)) == []


def test_older_models_are_served_on_demand_only(call, connect):
    """The three older models are undefined fields today, and work in a sandbox that is asked for them."""
    record = {"id": "d", "feedbackItemId": "f", "changeType": "Score"}
    document = (
        "mutation M($i: CreateFeedbackChangeDetailInput!) { r: createFeedbackChangeDetail(input: $i) { id changeType } }"
    )
    refused = call(document, {"i": record})
    assert refused.json["data"] is None
    assert "FieldUndefined" in " ".join(error["message"] for error in refused.json["errors"])
    with Sandbox(Options(legacy=True)) as older:
        ask = connect(older)
        assert ask(document, {"i": record}).data == {"r": {"id": "d", "changeType": "Score"}}
        found = ask('{ p: listFeedbackChangeDetails(filter: {feedbackItemId: {eq: "f"}}) { items { id } } }')
        assert found.data["p"]["items"] == [{"id": "d"}]


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if not model.legacy])
def test_every_generated_query_runs(call, name):
    """Get, root list and each index query of every model answer, or say that the model is closed."""
    model = MODELS[name]
    fields = [f"l: {naming.list_field(model)} {{ nextToken }}"]
    key = ", ".join(f'{part}: "x"' for part in model.key)
    fields.append(f"g: {naming.get_field(model)}({key}) {{ {' '.join(field.name for field in model.remote_fields)} }}")
    for number, index in enumerate(model.indexes):
        fields.append(f'i{number}: {naming.index_field(model, index)}({index.partition}: "x") {{ items {{ __typename }} }}')
    reply = call(f"{{ {' '.join(fields)} }}")
    if model.closed:
        assert {error["errorType"] for error in reply.json["errors"]} == {"Unauthorized"}
    else:
        assert reply.data == {"l": {"nextToken": None}, "g": None} | {
            f"i{n}": {"items": []} for n in range(len(model.indexes))
        }
