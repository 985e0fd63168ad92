"""Every fact derived from the descriptions, against the published schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from syncer.adapters.plexus import naming
from syncer.adapters.plexus.naming import SCALARS
from syncer.adapters.plexus.spec import MODELS
from syncer.schema.model import Field, Index, Kind, Model, Origin
from syncer.schema.pull import Incremental, PerParent

SCHEMA: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "fixtures" / "plexus.schema.json").read_text()
)

every_model = pytest.mark.parametrize("name", SCHEMA)


def type_text(field: Field) -> str:
    """A field's type as the schema file writes it."""
    return f"enum:{'|'.join(field.values)}" if field.kind is Kind.ENUM else SCALARS[field.kind]


def composite(model: Model) -> list[Index]:
    """Indexes with several sort fields."""
    return [index for index in model.indexes if len(index.sort) > 1]


def test_the_same_models_are_described():
    """No model is missing, and none is made up."""
    assert MODELS.keys() == SCHEMA.keys()


@every_model
def test_fields_have_the_published_types(name):
    """Names, types, lists and enum values agree."""
    ours = {field.name: (type_text(field), field.many) for field in MODELS[name].remote_fields}
    theirs = {field: (facts["type"], facts["list"]) for field, facts in SCHEMA[name]["fields"].items()}
    assert ours == theirs


@every_model
def test_the_same_fields_are_required(name):
    """What the schema promises never to be null is what we describe as required."""
    ours = {field.name for field in MODELS[name].remote_fields if field.required}
    assert ours == {field for field, facts in SCHEMA[name]["fields"].items() if facts["required"]}


@every_model
def test_the_key_is_the_published_identifier(name):
    """The key fields agree, in order."""
    assert list(MODELS[name].key) == SCHEMA[name]["identifier"]


@every_model
def test_a_client_may_mint_a_lone_id(name):
    """An ``id`` may be given on create, and is not demanded."""
    ours = {field.name for field in MODELS[name].remote_fields if field.kind is Kind.ID and field.name in MODELS[name].key}
    theirs = {field for field, facts in SCHEMA[name]["fields"].items() if facts.get("client_may_supply_on_create")}
    assert ours == theirs
    assert not theirs & set(MODELS[name].create_required)


@every_model
def test_timestamps_go_in_the_inputs_that_take_them(name):
    """A stamp is optional in both inputs, a server time in neither."""
    model = MODELS[name]
    for field, facts in SCHEMA[name]["timestamps"].items():
        if facts["in_create_input"] == "unconfirmed":
            continue
        assert facts["in_create_input"] == facts["in_update_input"]
        expected = {"absent": Origin.SERVER, "optional": Origin.STAMP}[facts["in_create_input"]]
        assert model.by_name[field].origin is expected
    read_only = {field for field, facts in SCHEMA[name]["fields"].items() if facts.get("read_only")}
    assert read_only == {field.name for field in model.fields if field.origin is Origin.SERVER}


@every_model
def test_a_create_demands_the_published_fields(name):
    """Required fields agree."""
    assert list(MODELS[name].create_required) == SCHEMA[name]["create_required"]


@every_model
def test_a_create_carries_its_companions(name):
    """Fields a create needs only because of the server's stamps agree."""
    assert list(MODELS[name].create_companions) == SCHEMA[name]["create_also_required_by_composite_index"]


@every_model
def test_an_update_carries_its_companions(name):
    """Fields every update needs agree."""
    assert set(MODELS[name].update_companions) == set(SCHEMA[name]["update_always_required"])


@every_model
def test_composite_groups_are_the_published_ones(name):
    """The sort fields that travel together agree."""
    ours = sorted([list(index.sort) for index in composite(MODELS[name])])
    assert ours == sorted(SCHEMA[name]["composite_sort_groups"])


@every_model
def test_indexes_have_the_published_fields_and_names(name):
    """Partition, sort fields, name, query field, sort argument and its type agree, index by index."""
    model = MODELS[name]
    ours = [
        {
            "partition": index.partition,
            "sort": list(index.sort),
            "name": naming.index_name(model, index),
            "query_field": naming.index_field(model, index),
            "sort_arg": naming.sort_argument(index),
            "sort_arg_type": naming.sort_argument_type(model, index),
            "sort_direction_allowed": bool(index.sort),
        }
        for index in model.indexes
    ]
    assert ours == [{fact: theirs[fact] for fact in ours[0]} for theirs in SCHEMA[name]["indexes"]]


@every_model
def test_index_names_are_given_only_where_unusual(name):
    """A description names an index exactly where the schema does."""
    ours = [bool(index.name) for index in MODELS[name].indexes]
    assert ours == [theirs["name_is_explicit"] for theirs in SCHEMA[name]["indexes"]]


@every_model
def test_index_keys_are_the_published_ones(name):
    """The fields in which neither null nor an empty text may be sent agree."""
    theirs = {field for field, facts in SCHEMA[name]["fields"].items() if facts.get("index_key")}
    ours = set(MODELS[name].index_keys)
    # The indexes of the older models are not known; a nested list gives one away.
    assert ours >= theirs if MODELS[name].legacy else ours == theirs


@every_model
def test_references_are_the_published_ones(name):
    """The models that fields point at agree."""
    assert {field.name: field.ref for field in MODELS[name].references} == SCHEMA[name]["references"]


@every_model
def test_nested_parents_are_the_published_ones(name):
    """The object nested for each reference agrees in name, model and field."""
    ours = {field.relation: {"model": field.ref, "field": field.name} for field in MODELS[name].references if field.relation}
    assert ours == SCHEMA[name]["belongs_to"]


@every_model
def test_nested_lists_are_the_published_ones(name):
    """The lists nested in each model agree in name, model and field."""
    ours = {
        field.inverse: {"model": child.name, "field": field.name}
        for child in MODELS.values()
        for field in child.references
        if field.ref == name and field.inverse
    }
    assert ours == SCHEMA[name]["has_many"]


@every_model
def test_operations_have_the_published_names(name):
    """Get, list, create, update and delete are called as published, and get takes the key."""
    model, theirs = MODELS[name], SCHEMA[name]["operations"]
    assert naming.get_field(model) == theirs["get"]
    assert naming.list_field(model) == theirs["list"]
    assert list(model.key) == theirs["get_args"]
    for op in ("create", "update", "delete"):
        assert naming.mutation_field(op, model) == theirs[op]


@every_model
def test_older_models_are_marked(name):
    """A model absent from today's schema is marked as legacy, and only such a one."""
    assert MODELS[name].legacy is not SCHEMA[name]["in_current_schema"]


@every_model
def test_models_closed_to_the_api_key_are_marked(name):
    """A model that an API key may not use is marked as closed, and only such a one."""
    assert MODELS[name].closed is ("apiKey" not in SCHEMA[name]["auth"])


@every_model
def test_a_pull_reads_an_index_that_exists(name):
    """Pulls by index name a declared index, a parent that comes before, and a cursor that is its sort key."""
    model = MODELS[name]
    if isinstance(model.pull, Incremental | PerParent):
        index = model.index_on(*model.pull.index)
        assert model.by_name[index.partition].ref in (model.pull.parent, None)
        assert list(MODELS).index(model.pull.parent) < list(MODELS).index(name)
    if isinstance(model.pull, Incremental):
        assert index.sort[0] == model.pull.cursor
