"""JSON objects by key, and rules that decide: the laws of the merge that a person need not be asked about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.adapters.plexus.spec import MODELS
from syncer.errors import SettingError
from syncer.merge.rules import MergeRules, Rule, read, ruled
from syncer.merge.three_way import FieldConflict, Merged, Side, conflicting_keys, merge_field, merge_record
from syncer.schema.values import same

MODEL = MODELS["ScoreResult"]
METADATA = MODEL.by_name["metadata"]
NAMES = ("value", "explanation", "code", "metadata", "trace", "attachments")
LEAVES = st.sampled_from([None, True, 1, 0, "x", [1], [1, 2]])
TREES = st.recursive(LEAVES, lambda below: st.dictionaries(st.sampled_from("abc"), below, max_size=3), max_leaves=8)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), TREES, max_size=4)
VALUES = st.one_of(st.none(), TREES.map(json.dumps))
RECORDS = st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES))
SIDES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["ours", "theirs"]))


def edited(base: dict[str, Any], row: dict[str, Any]) -> list[str]:
    """The fields in which a row was changed."""
    return [n for n in NAMES if base[n] != row[n]]


def united(base: Any, ours: Any, theirs: Any, prefer: Side = "ours") -> tuple[Any, bool]:
    """Three Python values merged as a JSON field."""
    texts = [None if value is None else json.dumps(value) for value in (base, ours, theirs)]
    text, clash = merge_field(METADATA, *texts, prefer)
    return (None if text is None else json.loads(text)), clash


def test_different_keys_are_both_kept() -> None:
    """Each side changed, added and removed keys of its own, at any depth: all of it holds, and nothing conflicts."""
    base = {"a": 1, "b": {"x": 1, "y": 2}, "gone": 1, "left": 1}
    ours = {"a": 2, "b": {"x": 1, "y": 3}, "left": 1, "new": [1]}
    theirs = {"a": 1, "b": {"x": 9, "y": 2}, "gone": 1, "more": {}}
    assert united(base, ours, theirs) == ({"a": 2, "b": {"x": 9, "y": 3}, "new": [1], "more": {}}, False)


def test_objects_made_on_both_sides_are_united() -> None:
    """Where there was none before, each side's keys are its additions."""
    assert united(None, {"a": 1}, {"b": 2}) == ({"a": 1, "b": 2}, False)


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        ([1], [1, 2], [1, 3]),
        ({"a": 1}, {"a": 2}, None),
        ({"a": 1}, [1], {"a": 2}),
        ("text", {"a": 1}, {"b": 1}),
        (1, 2, 3),
    ],
)
def test_what_is_no_object_on_all_sides_clashes_as_a_whole(base: Any, ours: Any, theirs: Any) -> None:
    """Lists, texts, numbers and removed objects are not taken apart."""
    assert united(base, ours, theirs) == (ours, True)
    assert united(base, ours, theirs, "theirs") == (theirs, True)


def test_a_clash_in_one_key_keeps_the_others() -> None:
    """Only the key both changed is one side's; its path is named."""
    base, ours, theirs = {"a": 1, "b": {"c": 1}}, {"a": 2, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": 4}
    assert united(base, ours, theirs) == ({"a": 2, "b": {"c": 2}, "d": 4}, True)
    assert united(base, ours, theirs, "theirs") == ({"a": 2, "b": {"c": 3}, "d": 4}, True)
    assert conflicting_keys(METADATA, *map(json.dumps, (base, ours, theirs))) == ["b.c"]


@given(base=OBJECTS, ours=OBJECTS, theirs=OBJECTS)
def test_without_a_clash_the_sides_may_be_swapped(base: Any, ours: Any, theirs: Any) -> None:
    """Merging ours into theirs is merging theirs into ours; a conflict is one from both sides."""
    one, other = united(base, ours, theirs), united(base, theirs, ours)
    assert one[1] == other[1]
    if not one[1]:
        assert one == other
    assert united(base, theirs, ours, "theirs")[0] == one[0]


@given(base=OBJECTS, ours=OBJECTS, theirs=OBJECTS)
def test_merging_the_result_again_changes_nothing(base: Any, ours: Any, theirs: Any) -> None:
    """What came out, merged with the same record from the same base, comes out again."""
    once, clash = united(base, ours, theirs)
    assert united(base, once, theirs) == (once, clash)


@given(base=OBJECTS, theirs=OBJECTS)
def test_one_side_unchanged_is_the_other(base: Any, theirs: Any) -> None:
    """Nothing changed here takes theirs, nothing there keeps ours, equal changes agree."""
    assert united(base, base, theirs) == united(base, theirs, base) == united(base, theirs, theirs) == (theirs, False)


@pytest.mark.parametrize("hostile", ['{"a":NaN}', '{"a":"\\ud800"}', '{"a":' * 900 + "1" + "}" * 900, "[" * 5000])
def test_json_made_to_break_programs_breaks_nothing(hostile: str) -> None:
    """What cannot be taken apart or written again is a conflict of whole values; the winner's text stays as it came."""
    text, clash = merge_field(METADATA, '{"b":1}', '{"b":2}', hostile, "theirs")
    assert (text, clash) == (hostile, True)
    text, clash = merge_field(METADATA, '{"b":1}', '{"b":2}', hostile, "ours")
    assert clash
    assert '"b":2' in text
    assert text.encode()


@given(base=RECORDS, row=RECORDS, record=RECORDS, sides=SIDES)
def test_both_values_of_every_clash_are_kept(
    base: dict[str, Any], row: dict[str, Any], record: dict[str, Any], sides: dict[str, Side]
) -> None:
    """Decided or not, a conflict holds all three values.

    Only a side that has won is taken, and unsent fields equal theirs.
    """
    found = merge_record(MODEL, base, row, record, edited(base, row), decide=sides.get)
    field_conflicts = {c.field: c for c in found.conflicts} | {c.field: c for c, _ in found.decided}
    assert len(field_conflicts) == len(found.conflicts) + len(found.decided)
    assert {c.field: side for c, side in found.decided} == {n: sides[n] for n in field_conflicts if n in sides}
    for name, conflict in field_conflicts.items():
        assert (conflict.base, conflict.ours, conflict.theirs) == (base[name], row[name], record[name])
    for name in set(NAMES) - found.ours:
        assert found.row[name] == record[name]


@given(base=RECORDS, row=RECORDS, record=RECORDS, sides=SIDES, order=st.permutations(NAMES))
def test_the_order_of_fields_does_not_matter(
    base: dict[str, Any], row: dict[str, Any], record: dict[str, Any], sides: dict[str, Side], order: list[str]
) -> None:
    """The same merge, whatever order fields and edits come in; and twice the same."""

    def shuffled(values: dict[str, Any]) -> dict[str, Any]:
        return {name: values[name] for name in order}

    names = edited(base, row)
    one = merge_record(MODEL, base, row, record, names, decide=sides.get)
    other = merge_record(
        MODEL, shuffled(base), shuffled(row), shuffled(record), sorted(names, key=order.index), decide=sides.get
    )
    assert one == other == merge_record(MODEL, base, row, record, names, decide=sides.get)


@given(base=RECORDS, row=RECORDS, record=RECORDS)
def test_asking_again_finds_the_same_clashes(base: dict[str, Any], row: dict[str, Any], record: dict[str, Any]) -> None:
    """With the conflicts still open and the record as base, the same record asks the same questions and changes nothing."""
    once = merge_record(MODEL, base, row, record, edited(base, row))
    asked = {c.field: c for c in once.conflicts}
    again = merge_record(MODEL, record, once.row, record, once.ours, asked=asked)
    assert again.row == once.row
    assert again.ours == once.ours
    assert [c.field for c in again.conflicts] == [c.field for c in once.conflicts]


def one(base: Any, row: Any, record: Any, **more: Any) -> Merged:
    """A merge of one plain field."""
    return merge_record(MODEL, {"value": base}, {"value": row}, {"value": record}, ["value"], **more)


def test_an_open_question_is_measured_against_what_was_before_it() -> None:
    """They go on editing: still a conflict, with the first base; they go back, or come to our value: none any more."""
    asked = {"value": FieldConflict("value", "A", "B", "C")}
    assert one("C", "B", "D", asked=asked).conflicts == (FieldConflict("value", "A", "B", "D"),)
    assert one("C", "B", "A", asked=asked) == Merged({"value": "B"}, frozenset({"value"}), ())
    assert one("C", "B", "B", asked=asked) == Merged({"value": "B"}, frozenset(), ())
    assert one("C", "A", "D", asked=asked).conflicts == (FieldConflict("value", "A", "A", "D"),)


def test_an_edit_taken_back_is_none() -> None:
    """A field edited and edited back is theirs to change."""
    assert one("A", "A", "B") == Merged({"value": "B"}, frozenset(), ())


TIMES = {
    "before": "2026-03-04T05:06:06.999000Z",
    "same": "2026-03-04T05:06:07.000900Z",
    "after": "2026-03-04T05:06:07.001000Z",
}


@pytest.mark.parametrize(
    ("edited_at", "record", "side"),
    [
        (TIMES["after"], {"updatedAt": "2026-03-04T05:06:07.000000Z"}, "ours"),
        (TIMES["before"], {"updatedAt": "2026-03-04T05:06:07.000000Z"}, "theirs"),
        (TIMES["same"], {"updatedAt": "2026-03-04T05:06:07.000000Z"}, None),
        (None, {"updatedAt": "2026-03-04T05:06:07.000000Z"}, None),
        (TIMES["after"], {"updatedAt": "yesterday"}, None),
        (TIMES["after"], {}, None),
        (TIMES["after"], None, None),
    ],
)
def test_the_newest_edit_wins_where_it_can_be_told(edited_at: str | None, record: Any, side: Side | None) -> None:
    """By the remote's own precision; equal or unknown times are a question for a person."""
    assert ruled(Rule.NEWEST, MODEL, edited_at, record) == side


def test_rules_are_found_from_the_field_up() -> None:
    """The field's own, else its model's, else the default; a model may be written as a table."""
    found = read({"default": "ours", "ScoreResult": "theirs", "ScoreResult.value": "ask"}, MODELS, "[plexus.merge]")
    assert [
        found.rule(MODEL, "value"),
        found.rule(MODEL, "code"),
        found.rule(MODEL),
        found.rule(MODELS["Item"], "text"),
    ] == [
        "ask",
        "theirs",
        "theirs",
        "ours",
    ]
    table = {"default": "ours", "ScoreResult": {"default": "theirs", "value": "ask"}}
    assert read(table, MODELS, "[plexus.merge]") == found
    assert read({}, MODELS, "") == MergeRules()


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"ScoreReslt": "ours"}, "ScoreReslt.*did you mean ScoreResult"),
        ({"ScoreResult.valu": "ours"}, "valu.*did you mean value"),
        ({"ScoreResult": {"zzz": "ours"}}, "zzz.*fields are: id"),
        ({"ScoreResult": "their"}, "no such rule for ScoreResult: 'their'.*did you mean theirs"),
        ({"default": 3}, "no such rule for default: 3.*rules are: theirs, ours, newest, ask"),
    ],
)
def test_wrong_rules_are_named(section: dict[str, Any], words: str) -> None:
    """Model, field or rule that does not exist: the error names the entry and what was meant."""
    import re

    with pytest.raises(SettingError) as caught:
        read(section, MODELS, "[plexus.merge] in syncer.toml")
    assert re.search(words, f"{caught.value.sentence} {caught.value.hint}")
    assert "[plexus.merge] in syncer.toml" in caught.value.sentence


def test_true_is_not_one() -> None:
    """An edit from 1 to true is an edit, at any depth; 1 and 1.0 are one value, as JSON has it."""
    assert united({"a": [1]}, {"a": [True]}, {"a": [1], "b": 1}) == ({"a": [True], "b": 1}, False)
    assert not same(METADATA, '{"a":[1]}', '{"a":[true]}')
    assert same(METADATA, '{"a":[1]}', '{"a": [1.0]}')
