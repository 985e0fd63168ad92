"""What is not the same here and there, and what counts as such while changes wait. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from syncer.merge.conflicts import OpenConflict
from syncer.merge.three_way import differences
from syncer.remote import Change, Op, Row, State
from syncer.schema.model import Model


class DifferenceKind(StrEnum):
    """How a record and its row differ."""

    MISSING_HERE = "missing here"
    MISSING_THERE = "missing there"
    LOST_THERE = "lost there"  # missing there, although our own create of it was acknowledged
    DIFFERENT = "different"
    INCONSISTENT = "unsound here"  # the row is not what it was based on with the waiting edits on top


@dataclass(slots=True)
class RecordDifference:
    """One record. ``fields``: (here, there) by name, in stored form; for unsound rows (row, base).

    ``note``: what else people should know. ``repaired``: what repair did about it, None while nothing was done.
    """

    model: str
    key: str
    kind: DifferenceKind
    fields: Mapping[str, tuple[Any, Any]]
    note: str = ""
    repaired: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        pairs = {name: {"here": here, "there": there} for name, (here, there) in self.fields.items()}
        return {
            "model": self.model,
            "key": self.key,
            "kind": str(self.kind),
            "fields": pairs,
            "note": self.note,
            "repaired": self.repaired,
        }


@dataclass(frozen=True, slots=True)
class LocalState:
    """What is here of one record: row, waiting changes in order, their base, open conflicts."""

    row: Row | None
    changes: Sequence[Change] = ()
    base: Row | None = None
    conflicts: Sequence[OpenConflict] = ()


def compare_record(model: Model, key: str, local: LocalState, record: Row | None) -> RecordDifference | None:
    """How ``record`` (None: the remote has none) differs from what is here; None when all is as it should be.

    With edits waiting it is their base that must be what the remote has. What may be applied already, and what a person
    has been asked about, is left alone: its replay, or the answer, will tell.
    """
    if not local.changes:
        return _clean(model, key, local.row, record)
    first = local.changes[0]
    if any(change.state in (State.SENDING, State.AMBIGUOUS) for change in local.changes):
        return None
    if first.op == Op.CREATE and (record is None or local.base is None or first.state is not State.CONFLICT):
        return None
    if record is None:
        asked = any(one.field is None and one.theirs is None for one in local.conflicts)
        if asked or local.changes[-1].op == Op.DELETE:
            return None
        return RecordDifference(
            model.name, key, DifferenceKind.MISSING_THERE, {}, "its edits wait: the next push will ask what becomes of them"
        )
    if local.base is None:
        return RecordDifference(
            model.name, key, DifferenceKind.DIFFERENT, {}, "what its pending edits were based on is gone"
        )
    fields = differences(model, local.base, record)
    if not fields:
        return None
    waits = "delete" if local.changes[-1].op == Op.DELETE else "edits"
    return RecordDifference(
        model.name, key, DifferenceKind.DIFFERENT, fields, f"here: what its pending {waits} were based on"
    )


def _clean(model: Model, key: str, row: Row | None, record: Row | None) -> RecordDifference | None:
    if row is None or record is None:
        kind = DifferenceKind.MISSING_HERE if row is None else DifferenceKind.MISSING_THERE
        return None if row is record else RecordDifference(model.name, key, kind, {})
    fields = differences(model, row, record)
    return RecordDifference(model.name, key, DifferenceKind.DIFFERENT, fields) if fields else None


def inconsistent(model: Model, key: str, local: LocalState) -> RecordDifference | None:
    """What is wrong with a record's own bookkeeping: base and waiting changes must make up the row."""
    last = local.changes[-1]
    if last.op == Op.DELETE:
        return (
            None
            if local.row is None
            else RecordDifference(
                model.name, key, DifferenceKind.INCONSISTENT, {}, "its delete is pending, but its row is there"
            )
        )
    if local.row is None:
        note = f"a change is pending, but its row is gone: syncer outbox show {last.seq}"
        return RecordDifference(model.name, key, DifferenceKind.INCONSISTENT, {}, note)
    if local.base is None or local.changes[0].op == Op.CREATE:
        return None
    edited = {name for change in local.changes for name in change.fields} | {model.changed_at}
    fields = {n: pair for n, pair in differences(model, local.row, local.base).items() if n not in edited}
    note = "differs from what its edits were based on, in fields that no edit names"
    return RecordDifference(model.name, key, DifferenceKind.INCONSISTENT, fields, note) if fields else None
