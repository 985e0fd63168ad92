"""What a new write does to the change that waits: every combination of the table."""

from __future__ import annotations

import itertools

import pytest

from syncer.outbox.coalesce import CoalesceAction, coalesce
from syncer.remote import Op, State

A, B = frozenset("a"), frozenset("b")


@pytest.mark.parametrize("state", [State.SENDING, State.AMBIGUOUS, State.CONFLICT])
def test_what_may_be_applied_is_never_touched(state: State) -> None:
    """A change on the wire, of unknown fate or in conflict keeps its body; the new one queues behind it."""
    for earlier, op in itertools.product(Op, (Op.UPDATE, Op.DELETE, Op.CREATE)):
        found = coalesce(earlier, state, A, True, op, B)
        assert (found.action, found.op, found.fields) == (CoalesceAction.STAYS, op, B)


@pytest.mark.parametrize("state", [State.PENDING, State.REJECTED])
def test_what_is_surely_not_applied_is_taken_over(state: State) -> None:
    """Edits fold into creates, edits into edits, deletes replace edits; a delete is never undone by folding."""
    assert coalesce(Op.CREATE, state, frozenset(), True, Op.UPDATE, B).op is Op.CREATE
    folded = coalesce(Op.UPDATE, state, A, True, Op.UPDATE, B)
    assert (folded.action, folded.op, folded.fields) == (CoalesceAction.SUPERSEDED, Op.UPDATE, A | B)
    assert coalesce(Op.UPDATE, state, A, True, Op.DELETE, frozenset()).action is CoalesceAction.SUPERSEDED
    assert coalesce(Op.DELETE, state, frozenset(), True, Op.CREATE, frozenset()).action is CoalesceAction.STAYS


def test_only_what_was_never_sent_vanishes() -> None:
    """Create and delete cancel out before the first attempt; afterwards the delete goes out to make sure."""
    assert coalesce(Op.CREATE, State.PENDING, frozenset(), False, Op.DELETE, frozenset()).action is CoalesceAction.VANISHES
    sent = coalesce(Op.CREATE, State.REJECTED, frozenset(), True, Op.DELETE, frozenset())
    assert (sent.action, sent.op) == (CoalesceAction.SUPERSEDED, Op.DELETE)


@pytest.mark.parametrize("state", [State.PENDING, State.REJECTED])
def test_an_action_folds_only_into_a_create_that_was_never_sent(state: State) -> None:
    """Afterwards it is a step of its own, as it always is for actions that do not fold, and behind edits."""
    nothing: frozenset[str] = frozenset()
    assert coalesce(Op.CREATE, state, nothing, False, "start", B, coalesces=True).action is CoalesceAction.SUPERSEDED
    assert coalesce(Op.CREATE, state, nothing, True, "start", B, coalesces=True).action is CoalesceAction.STAYS
    assert coalesce(Op.CREATE, state, nothing, False, "start", B).action is CoalesceAction.STAYS
    assert coalesce(Op.UPDATE, state, A, False, "start", B, coalesces=True).action is CoalesceAction.STAYS
