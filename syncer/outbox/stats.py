"""How much waits, and when the next of it is due."""

from __future__ import annotations

import sqlalchemy as sa

from syncer.outbox.queue import SENDABLE
from syncer.remote import FIELD_NOT_DEPLOYED, NOT_DEPLOYED, State
from syncer.store.database import Statement, Transaction
from syncer.store.schema import LEDGER, OUTBOX, PRUNED

_o = OUTBOX.c
_ahead = OUTBOX.alias("ahead")
_STUCK = sa.or_(_o.state == State.REJECTED, _o.state == State.CONFLICT)
# What the deployment has no place for is asked about again some day, but nobody waits for it.
_PLACED = sa.or_(_o.code.is_(None), sa.and_(_o.code != NOT_DEPLOYED, _o.code != FIELD_NOT_DEPLOYED))
_NEXT_DUE = Statement(
    sa.select(sa.func.min(_o.next_attempt_at)).where(
        _o.remote == sa.bindparam("remote"),
        SENDABLE,
        _PLACED,
        _o.next_attempt_at > sa.bindparam("now"),
        ~sa.exists().where(_ahead.c.model == _o.model, _ahead.c.key == _o.key, _ahead.c.seq < _o.seq),
    )
)
_COUNT = Statement(sa.select(sa.func.count()).select_from(OUTBOX).where(_o.remote == sa.bindparam("remote")))
_COUNT_ATTENTION = Statement(
    sa.select(sa.func.count()).select_from(OUTBOX).where(_o.remote == sa.bindparam("remote"), _STUCK)
)
_COUNT_TRIED = Statement(
    sa.select(sa.func.count())
    .select_from(OUTBOX)
    .where(_o.remote == sa.bindparam("remote"), SENDABLE, _PLACED, sa.or_(_o.attempts > 0, _o.next_attempt_at.is_not(None)))
)

_LAST = Statement(
    sa.select(sa.column("seq")).select_from(sa.table("sqlite_sequence")).where(sa.column("name") == OUTBOX.name)
)
_BEHIND = tuple(
    Statement(sa.select(sa.func.count()).select_from(table).where(table.c.seq > sa.bindparam("after")))
    for table in (OUTBOX, LEDGER)
)
_PRUNED = Statement(sa.select(sa.func.sum(PRUNED.c.changes), sa.func.max(PRUNED.c.highest)))
_COUNT_SENDING = Statement(
    sa.select(sa.func.count()).select_from(OUTBOX).where(_o.remote == sa.bindparam("remote"), _o.state == State.SENDING)
)


def next_due(tx: Transaction, remote: str, now: str) -> str | None:
    """When the next change that waits for its time is due; None when none does."""
    row = tx.one(_NEXT_DUE, {"remote": remote, "now": now})
    return row[0] if row else None


def count(tx: Transaction, remote: str) -> int:
    """How many changes wait for a remote."""
    row = tx.one(_COUNT, {"remote": remote})
    return int(row[0]) if row else 0


def count_attention(tx: Transaction, remote: str) -> int:
    """How many of them wait for a person: rejected or in conflict."""
    row = tx.one(_COUNT_ATTENTION, {"remote": remote})
    return int(row[0]) if row else 0


def count_tried(tx: Transaction, remote: str) -> int:
    """How many were sent, without an answer that settles them, and will be sent again."""
    row = tx.one(_COUNT_TRIED, {"remote": remote})
    return int(row[0]) if row else 0


def count_sending(tx: Transaction, remote: str) -> int:
    """How many of them are being sent right now."""
    row = tx.one(_COUNT_SENDING, {"remote": remote})
    return int(row[0]) if row else 0


def is_consistent(tx: Transaction, last: int | None = None) -> bool:
    """Whether every change ever accepted, or each of the ``last`` ones, waits or has an outcome in the ledger."""
    row = tx.one(_LAST)
    given = int(row[0]) if row else 0
    after = 0 if last is None else max(0, given - last)
    pruned, highest = (int(value or 0) for value in tx.one(_PRUNED) or (0, 0))
    if after < highest:
        after = 0  # of those that were pruned, only how many they were is known
    found = [tx.one(statement, {"after": after}) for statement in _BEHIND]
    return sum(int(one[0]) for one in found if one) + (0 if after else pruned) == given - after
