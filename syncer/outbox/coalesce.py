"""What a new write does to the last change that waits for the same record. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from syncer.remote import Op, State


class Fate(Enum):
    """What becomes of the earlier change when a new write arrives."""

    STAYS = "stays"  # the new change queues behind it
    SUPERSEDED = "superseded"  # the new change takes over what it wanted
    VANISHES = "vanishes"  # neither is ever sent


@dataclass(frozen=True, slots=True)
class Verdict:
    """``op`` and ``fields`` of the change to append."""

    fate: Fate
    op: str
    fields: frozenset[str]


def verdict(
    earlier_op: str,
    earlier_state: State,
    earlier_fields: frozenset[str],
    sent: bool,
    op: str,
    fields: frozenset[str],
    *,
    folds: bool = False,
) -> Verdict:
    """Judge a new ``op`` on a record whose last waiting change is given; ``sent``: it has been on the wire at least once.

    A change that may be applied (sending, ambiguous) or that waits for a person (conflict) is never touched. One that is
    surely not applied (pending, rejected) is taken over by the new one. An action of the model's own always queues, unless
    it ``folds`` into a create that was never sent.
    """
    if earlier_state not in (State.PENDING, State.REJECTED) or earlier_op not in (Op.CREATE, Op.UPDATE):
        return Verdict(Fate.STAYS, op, fields)
    if op not in (Op.CREATE, Op.UPDATE, Op.DELETE) and (earlier_op != Op.CREATE or sent or not folds):
        return Verdict(Fate.STAYS, op, fields)
    if op == Op.DELETE:
        if earlier_op == Op.CREATE and not sent:
            return Verdict(Fate.VANISHES, op, fields)
        return Verdict(Fate.SUPERSEDED, op, fields)
    if earlier_op == Op.CREATE:
        # The fields of a create are what an upsert would send if the record were there already.
        return Verdict(Fate.SUPERSEDED, Op.CREATE, earlier_fields | fields if earlier_fields else frozenset())
    return Verdict(Fate.SUPERSEDED, Op.UPDATE, earlier_fields | fields)
