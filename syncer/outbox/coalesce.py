"""What a new write does to the last change that waits for the same record. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from syncer.remote import Op, State


class CoalesceAction(Enum):
    """What becomes of the earlier change when a new write arrives."""

    STAYS = "stays"  # the new change queues behind it
    SUPERSEDED = "superseded"  # the new change takes over what it wanted
    VANISHES = "vanishes"  # neither is ever sent


@dataclass(frozen=True, slots=True)
class Coalesced:
    """``op`` and ``fields`` of the change to append."""

    action: CoalesceAction
    op: str
    fields: frozenset[str]


def coalesce(
    earlier_op: str,
    earlier_state: State,
    earlier_fields: frozenset[str],
    sent: bool,
    op: str,
    fields: frozenset[str],
    *,
    coalesces: bool = False,
) -> Coalesced:
    """Judge a new ``op`` on a record whose last waiting change is given; ``sent``: it has been on the wire at least once.

    A change that may be applied (sending, ambiguous) or that waits for a person (conflict) is never touched. One that is
    surely not applied (pending, rejected) is taken over by the new one. An action of the model's own always queues, unless
    it ``coalesces`` into a create that was never sent.
    """
    if earlier_state not in (State.PENDING, State.REJECTED) or earlier_op not in (Op.CREATE, Op.UPDATE):
        return Coalesced(CoalesceAction.STAYS, op, fields)
    if op not in (Op.CREATE, Op.UPDATE, Op.DELETE) and (earlier_op != Op.CREATE or sent or not coalesces):
        return Coalesced(CoalesceAction.STAYS, op, fields)
    if op == Op.DELETE:
        if earlier_op == Op.CREATE and not sent:
            return Coalesced(CoalesceAction.VANISHES, op, fields)
        return Coalesced(CoalesceAction.SUPERSEDED, op, fields)
    if earlier_op == Op.CREATE:
        # The fields of a create are what an upsert would send if the record were there already.
        return Coalesced(CoalesceAction.SUPERSEDED, Op.CREATE, earlier_fields | fields if earlier_fields else frozenset())
    return Coalesced(CoalesceAction.SUPERSEDED, Op.UPDATE, earlier_fields | fields)
