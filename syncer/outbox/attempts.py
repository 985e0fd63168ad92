"""What became of every attempt that was not acknowledged: written where its answer is settled, in the same transaction.

The attempt that ended well has no row here: the ledger tells of it, when the change left and after how many attempts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from syncer import clock
from syncer.remote import DESCRIBED_ANEW, NOT_DEPLOYED, Change, Receipt, State
from syncer.store.database import Statement, Transaction
from syncer.store.schema import ATTEMPT, OUTBOX

NO_ATTEMPT = frozenset({"not-sent", NOT_DEPLOYED, DESCRIBED_ANEW})
"""Codes of receipts of changes that never left this machine."""

INTERRUPTED = "interrupted"
_LONGEST = 2000

_o = OUTBOX.c
_COLUMNS = ["seq", "number", "at", "ended_at", "outcome", "code", "reason", "request_id"]
_NOTE = Statement(
    ATTEMPT.insert().from_select(
        _COLUMNS,
        sa.select(
            _o.seq, _o.attempts, sa.func.coalesce(_o.attempted_at, sa.bindparam("now")), sa.bindparam("now"),
            sa.bindparam("outcome"), sa.bindparam("code"), sa.bindparam("reason"), sa.bindparam("request"),
        ).where(_o.seq == sa.bindparam("s")),
    )
)  # fmt: skip
_INTERRUPTED = Statement(
    ATTEMPT.insert().from_select(
        _COLUMNS,
        sa.select(
            _o.seq, _o.attempts, sa.func.coalesce(_o.attempted_at, _o.created_at), sa.null(), sa.null(),
            sa.bindparam("code"), sa.bindparam("reason"), sa.null(),
        ).where(_o.remote == sa.bindparam("r"), _o.state == State.SENDING),
    )
)  # fmt: skip
_ENDED = Statement(
    sa.select(sa.func.count()).where(ATTEMPT.c.seq == sa.bindparam("s"), ATTEMPT.c.code == sa.bindparam("code"))
)
_FORGET = Statement(
    ATTEMPT.delete().where(
        ATTEMPT.c.seq == sa.bindparam("s"),
        ATTEMPT.c.id == sa.select(sa.func.max(ATTEMPT.c.id)).where(ATTEMPT.c.seq == sa.bindparam("s")).scalar_subquery(),
    )
)


def note(tx: Transaction, pairs: Iterable[tuple[Change, Receipt]]) -> None:
    """Write down attempts that were not acknowledged, before the outbox forgets when they began."""
    now = clock.stored_now()
    told = [
        _NOTE.ordered(
            {
                "now": now,
                "outcome": str(receipt.kind),
                "code": receipt.code or None,
                "reason": receipt.reason[:_LONGEST] or None,
                "request": receipt.request_id or None,
                "s": change.seq,
            }
        )
        for change, receipt in pairs
        if receipt.code not in NO_ATTEMPT
    ]
    if told:
        tx.many(_NOTE, told)


def interrupted(tx: Transaction, remote: str) -> None:
    """Write down the attempts that a dead sync has left without an answer: no end, no outcome."""
    reason = "the sync stopped before an answer came"
    tx.run(_INTERRUPTED, {"code": INTERRUPTED, "reason": reason, "r": remote})


def ended(tx: Transaction, seq: int, code: str) -> int:
    """How many attempts of a change ended with ``code``, whatever else became of others."""
    found = tx.one(_ENDED, {"s": seq, "code": code})
    return int(found[0]) if found else 0


def forget_last(tx: Transaction, seqs: Sequence[int]) -> None:
    """The last attempt of each was acknowledged after all."""
    for seq in seqs:
        tx.run(_FORGET, {"s": seq})
