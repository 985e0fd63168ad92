"""The three-way merge, by its laws."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syncer.adapters.plexus.spec import MODELS
from syncer.merge.three_way import differing, merge_record

MODEL = MODELS["ScoreResult"]
NAMES = ("value", "explanation", "code", "metadata")
VALUES = st.sampled_from([None, "1", "2", '{"a":1,"b":[2]}', '{"b":[2],"a":1}'])
RECORDS = st.fixed_dictionaries(dict.fromkeys(NAMES, VALUES))


def edited(base: dict[str, Any], row: dict[str, Any]) -> frozenset[str]:
    """The fields in which a row was changed."""
    return frozenset(n for n in NAMES if base[n] != row[n])


@given(base=RECORDS, row=RECORDS, record=RECORDS)
def test_no_value_is_lost(base: dict[str, Any], row: dict[str, Any], record: dict[str, Any]) -> None:
    """Every field holds ours or theirs; where both changed it differently, the conflict keeps all three values."""
    found = merge_record(MODEL, base, row, record, edited(base, row))
    clashing = {c.field: c for c in found.conflicts}
    for name in NAMES:
        assert found.row[name] in (row[name], record[name])
        if name in clashing:
            conflict = clashing[name]
            assert (conflict.base, conflict.ours, conflict.theirs) == (base[name], row[name], record[name])
            assert found.row[name] == row[name]
    assert found.ours <= edited(base, row)


@given(base=RECORDS, row=RECORDS)
def test_nothing_new_there_changes_nothing_here(base: dict[str, Any], row: dict[str, Any]) -> None:
    """A record equal to the base leaves row and edits as they are."""
    found = merge_record(MODEL, base, row, base, edited(base, row))
    assert found.conflicts == ()
    assert all(found.row[n] == row[n] for n in found.ours)


@given(base=RECORDS, record=RECORDS)
def test_nothing_edited_here_takes_theirs(base: dict[str, Any], record: dict[str, Any]) -> None:
    """Without edits the record is the row."""
    found = merge_record(MODEL, base, base, record, frozenset())
    assert (found.row, found.ours, found.conflicts) == (record, frozenset(), ())


@given(record=RECORDS, base=RECORDS)
def test_equal_edits_agree(base: dict[str, Any], record: dict[str, Any]) -> None:
    """The same value on both sides is no conflict and need not be sent."""
    found = merge_record(MODEL, base, record, record, edited(base, record))
    assert (found.ours, found.conflicts) == (frozenset(), ())


@given(base=RECORDS, row=RECORDS, record=RECORDS)
def test_disjoint_edits_commute(base: dict[str, Any], row: dict[str, Any], record: dict[str, Any]) -> None:
    """Where they changed one half and we the other, it does not matter whose edit is merged into whose."""
    ours = {**base, "value": row["value"], "code": row["code"]}
    theirs = {**base, "explanation": record["explanation"], "metadata": record["metadata"]}
    one = merge_record(MODEL, base, ours, theirs, edited(base, ours))
    other = merge_record(MODEL, base, theirs, ours, edited(base, theirs))
    assert differing(MODEL, one.row, other.row, NAMES) == []
    assert one.conflicts == other.conflicts == ()
