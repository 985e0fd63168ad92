"""The deployed schema compared with the description: what a deployment has besides, what it lacks, what it demands."""

from __future__ import annotations

from typing import Any

import pytest

from syncer.adapters.plexus import codec, documents
from syncer.adapters.plexus import introspection as plexus_introspection
from syncer.adapters.plexus.adapter import Plexus
from syncer.adapters.plexus.spec import MODELS
from syncer.errors import RemoteRefused
from syncer.remote import SchemaDifference
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from syncer.schema.model import Origin

ITEM = MODELS["Item"]
OUTSIDE = "Validation error of type FieldUndefined: Field 'text' in type 'Item' is undefined @ 'page/items/text'"


def plexus(server: Sandbox) -> Plexus:
    """The remote as configured for ``server``."""
    return Plexus({"api_url": server.url, "api_key": "sandbox-key"})


def found(**options: Any) -> dict[str, SchemaDifference]:
    """What a probe of every model finds on a sandbox with these options."""
    with Sandbox(Options(**options)) as server:
        remote = plexus(server)
        assert remote.probe(list(MODELS)) is not None
        return dict(remote.differences)


def test_a_deployment_as_described_differs_in_nothing() -> None:
    """Introspection of every generated type finds what the description says, and nothing else."""
    assert found(legacy=True) == {}


def test_what_is_new_lacking_or_demanded_is_found() -> None:
    """Plain fields of any type are found; a field missing takes its indexes along; a model may be missing as a whole."""
    differences = found(
        legacy=True,
        extra_fields={
            "Item": {"mood": "String", "many": "[String]", "at": "AWSDateTime"},
            "Account": {"plan": "String!"},
        },
        missing_fields={"Item": ["text", "metadata"], "ScoreResult": ["createdAt"], "BatchJob": ["*"]},
    )
    assert differences == {
        "Item": SchemaDifference(unknown=("at", "many", "mood"), absent=("metadata", "text")),
        "Account": SchemaDifference(unknown=("plan",), demanded=("plan",)),
        "ScoreResult": SchemaDifference(absent=("createdAt",)),
        "BatchJob": SchemaDifference(nowhere=True),
    }


def shape(*names: str, kind: str = "SCALAR", **more: Any) -> list[dict[str, Any]]:
    """Introspected fields of one kind."""
    return [{"name": name, "type": {"kind": kind, "name": "T"}, **more} for name in names]


def described() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Object and input fields of an Item as described."""
    everything = shape(*(f.name for f in ITEM.remote_fields))
    return everything, everything


def test_a_stamp_that_no_input_takes_is_read_and_not_sent() -> None:
    """A deployment that sets its times alone still tells them; nothing is kept back because of them."""
    answered, taken = described()
    taken = [entry for entry in taken if entry["name"] != "createdAt"]
    difference = plexus_introspection.difference(ITEM, {"fields": answered}, {"inputFields": taken}, {"inputFields": taken})
    assert difference == SchemaDifference(unsent=("createdAt",))
    adapted = plexus_introspection.adapted(ITEM, difference)
    assert adapted.by_name["createdAt"].origin is Origin.SERVER
    row = {"id": "i", "accountId": "a", "createdAt": "2026-03-04T05:06:07.000000Z", "isEvaluation": 1}
    assert "createdAt" not in codec.create_input(adapted, row)
    assert "createdAt" in documents.selection(adapted)


@pytest.mark.parametrize(
    ("entry", "plain"),
    [
        ({"name": "deep", "type": {"kind": "OBJECT", "name": "T"}}, False),
        ({"name": "asked", "args": [{"name": "limit"}], "type": {"kind": "SCALAR", "name": "T"}}, False),
        ({"name": "listed", "type": {"kind": "LIST", "ofType": {"kind": "NON_NULL", "ofType": {"kind": "ENUM"}}}}, True),
        ({"name": "x } evil { y", "type": {"kind": "SCALAR", "name": "T"}}, False),
        ({"name": "__typename", "type": {"kind": "SCALAR", "name": "T"}}, False),
        ({"name": None, "type": {"kind": "SCALAR"}}, False),
        ({"name": "untyped"}, False),
        ("nothing", False),
    ],
)
def test_only_what_a_bare_name_selects_is_taken_up(entry: Any, plain: bool) -> None:
    """Objects, fields with arguments, and names that are none stay out: they would spoil every later request."""
    answered, taken = described()
    inputs = {"inputFields": taken}
    difference = plexus_introspection.difference(ITEM, {"fields": [*answered, entry]}, inputs, inputs)
    assert difference == (SchemaDifference(unknown=(entry["name"],)) if plain else SchemaDifference())


@pytest.mark.parametrize("shape_told", [None, {}, {"fields": None}, {"fields": "x"}, [], 5])
def test_a_type_that_is_not_told_is_not_there(shape_told: Any) -> None:
    """Whatever comes in the place of a type, it is no crash."""
    assert plexus_introspection.difference(ITEM, shape_told, None, None) == SchemaDifference(nowhere=True)


def test_an_adapted_model_keeps_the_order_of_its_columns() -> None:
    """Values of a page land in their own columns, a lacking one in the middle being empty; new ones land in ``extra``."""
    adapted = plexus_introspection.adapted(ITEM, SchemaDifference(unknown=("mood",), absent=("text",)))
    assert [f.name for f in adapted.fields] == [f.name for f in ITEM.fields]
    record = dict.fromkeys((f.name for f in adapted.remote_fields), None) | {"id": "i", "metadata": "{}", "mood": "glad"}
    row = codec.as_row(adapted, record)
    assert (row["text"], row["metadata"], row["extra"]) == (None, "{}", '{"mood":"glad"}')
    assert "text" not in documents.selection(adapted).split()
    assert documents.selection(adapted).split()[-1] == "mood"
    assert plexus_introspection.adapted(ITEM, SchemaDifference()) is ITEM
    assert plexus_introspection.adapted(ITEM, SchemaDifference(unknown=("mood",), absent=("text",))) is adapted


@pytest.mark.parametrize(
    ("message", "names"),
    [
        (OUTSIDE, {"Item"}),
        ("a field that is not defined for input object type 'CreateScoreResultInput' ", {"ScoreResult"}),
        ("Field 'listItemByAccountIdAndUpdatedAt' in type 'Query' is undefined", {"Item"}),
        ("Unknown type 'UpdateTaskInput'", {"Task"}),
        ("Field 'x' in type 'ModelItemzConnection' is undefined", set()),
        ("", set()),
    ],
)
def test_a_refusal_names_its_models(message: str, names: set[str]) -> None:
    """By type, by operation, by input; words that merely contain a name do not count."""
    assert plexus_introspection.named(message) == names


def test_a_silent_schema_is_said_so() -> None:
    """Where introspection is turned off the probe fails in words, and nothing is made up."""
    with Sandbox(Options(introspection=False)) as server:
        remote = plexus(server)
        with pytest.raises(RemoteRefused, match="would not tell its schema"):
            remote.probe(["Item"])
        assert remote.differences == {}
    assert plexus_introspection.undefined(OUTSIDE) == ("Item", "text")
    assert plexus_introspection.undefined("FieldUndefined: Field 'nope' in type 'Item' is undefined") is None
