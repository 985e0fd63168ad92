"""A clock that was set back: what the file says is due is moved along, so that nothing waits until the old time comes again.

A laptop that wakes with a wrong date and is put right would otherwise hold every change that was to wait a second for
as long as the date was wrong. How much was left of each wait stays: a remote that asked for five minutes gets them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from syncer import clock
from syncer.outbox import runs
from syncer.store.core import OUTBOX, REMOTE_STATE, SYNC_RUN
from syncer.store.database import Statement, Transaction

NOTICED_S = 60.0
"""Steps smaller than this are a clock being kept right; they delay nothing by more."""

_o, _s, _r = OUTBOX.c, REMOTE_STATE.c, SYNC_RUN.c
_LAST = Statement(
    sa.select(_r.ended_at).where(_r.remote == sa.bindparam("r"), _r.ended_at.is_not(None)).order_by(_r.id.desc()).limit(1)
)
_DUE = Statement(sa.select(_o.seq, _o.due_at).where(_o.remote == sa.bindparam("r"), _o.due_at > sa.bindparam("now")))
_MOVE = Statement(OUTBOX.update().where(_o.seq == sa.bindparam("s")).values(due_at=sa.bindparam("d")))
_TRIED = Statement(
    OUTBOX.update()
    .where(_o.remote == sa.bindparam("r"), _o.attempted_at > sa.bindparam("now"))
    .values(attempted_at=sa.bindparam("now"))
)
_HELD = Statement(sa.select(_s.hold_until).where(_s.remote == sa.bindparam("r"), _s.hold_until > sa.bindparam("now")))
_HOLD = Statement(REMOTE_STATE.update().where(_s.remote == sa.bindparam("r")).values(hold_until=sa.bindparam("u")))


def set_right(tx: Transaction, remote: str, seen: str | None) -> float:
    """Move the due times of ``remote`` along with its clock; by how many seconds that was set back, 0.0 if it was not.

    ``seen``: a moment at which this file was surely worked on, besides the ends of its runs.
    """
    now = clock.now()
    ended = tx.one(_LAST, {"r": remote})
    latest = max(filter(None, (seen, ended[0] if ended else None)), default=None)
    back = (clock.parsed(latest) - now) if latest else timedelta()
    if back.total_seconds() < NOTICED_S:
        return 0.0
    at = clock.stored(now)
    for seq, due_at in tx.all(_DUE, {"r": remote, "now": at}):
        tx.run(_MOVE, {"s": seq, "d": _moved(due_at, back, now)})
    for (until,) in tx.all(_HELD, {"r": remote, "now": at}):
        tx.run(_HOLD, {"r": remote, "u": _moved(until, back, now)})
    tx.run(_TRIED, {"r": remote, "now": at})
    # This line is now the last run, so that the same step is not made up for twice.
    runs.note(tx, remote, "clock", at, "set-back", {"seconds": round(back.total_seconds())})
    return back.total_seconds()


def _moved(text: str, back: timedelta, now: datetime) -> str:
    return clock.stored(max(now, clock.parsed(text) - back))
