"""One sync per file and remote: a lease with a fencing token, the hold a remote asked for, and the log of syncs.

The token rises with every lease and is checked in every commit of a sync, so that a sync that stood
still past its lease (suspended, swapped out) cannot write after another one took over.

Where the clock was set back, what the file says is due is moved along, so that nothing waits until
the old time comes again. A laptop that wakes with a wrong date and is put right would otherwise
hold every change that was to wait a second for as long as the date was wrong. How much was left of
each wait stays: a remote that asked for five minutes gets them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from syncer import clock, failpoints, ids
from syncer.errors import LeaseLost, SyncRunning
from syncer.store.database import Database, Statement, Transaction
from syncer.store.schema import OUTBOX, REMOTE_STATE, SYNC_RUN

LEASE_S = 120.0

_s = REMOTE_STATE.c
_MINE = (_s.remote == sa.bindparam("r"), _s.fence == sa.bindparam("f"))
_GET = Statement(
    sa.select(_s.fence, _s.lease_owner, _s.lease_until, _s.hold_until, _s.hold_reason).where(_s.remote == sa.bindparam("r"))
)
_FIRST = Statement(REMOTE_STATE.insert().values(remote=sa.bindparam("r"), fence=sa.bindparam("f")))
_TAKE = Statement(
    REMOTE_STATE.update()
    .where(_s.remote == sa.bindparam("r"))
    .values(fence=sa.bindparam("f"), lease_owner=sa.bindparam("o"), lease_until=sa.bindparam("u"))
)
_RENEW = Statement(REMOTE_STATE.update().where(*_MINE).values(lease_until=sa.bindparam("u")))
_STANDS = Statement(sa.select(_s.fence).where(*_MINE, _s.lease_until > sa.bindparam("now")))
_RELEASE = Statement(REMOTE_STATE.update().where(*_MINE).values(lease_owner=None, lease_until=None))
_FREE = Statement(REMOTE_STATE.update().values(lease_owner=None, lease_until=None))
_HOLD = Statement(REMOTE_STATE.update().where(*_MINE).values(hold_until=sa.bindparam("u"), hold_reason=sa.bindparam("why")))


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to sync one remote, until it is overtaken."""

    remote: str
    fence: int

    def renew(self, tx: Transaction) -> None:
        """Check and prolong the lease inside a transaction of the sync. Raises: LeaseLost, which undoes it."""
        if tx.run(_RENEW, {"r": self.remote, "f": self.fence, "u": clock.after(LEASE_S)}) != 1:
            raise LeaseLost(
                f"this sync of {self.remote} stood still too long and another one took over",
                hint="nothing is lost; the other sync goes on, or run: syncer sync",
            )

    def stands(self, tx: Transaction) -> bool:
        """Whether it is still ours and its time has not passed: asked before anything leaves."""
        return tx.one(_STANDS, {"r": self.remote, "f": self.fence, "now": clock.stored_now()}) is not None

    def hold(self, tx: Transaction, until: str | None, why: str | None) -> None:
        """Remember, across restarts, not to call the remote before ``until``."""
        tx.run(_HOLD, {"r": self.remote, "f": self.fence, "u": until, "why": why})

    def release(self, tx: Transaction) -> None:
        """Give the lease back; a lost one is left alone."""
        tx.run(_RELEASE, {"r": self.remote, "f": self.fence})


def acquire(database: Database, remote: str) -> Lease:
    """Take the lease of ``remote``. Raises: SyncRunning while a living holder has it."""
    with database.transaction() as tx:
        found = tx.one(_GET, {"r": remote})
        if found is None:
            tx.run(_FIRST, {"r": remote, "f": 0})
            found = (0, None, None, None, None)
        fence, owner, until = int(found[0]), found[1], found[2]
        set_right(tx, remote, until and clock.stored(clock.parsed(until) - timedelta(seconds=LEASE_S)))
        if owner and until and _lasts(until) and not ids.owner_is_dead(owner):
            raise SyncRunning(
                f"another sync of {remote} is running (process {owner}, lease until {until})",
                hint="wait for it to end, then run: syncer sync",
            )
        tx.run(_TAKE, {"r": remote, "f": fence + 1, "o": ids.owner(), "u": clock.after(LEASE_S)})
    failpoints.reached("lease-acquired")
    return Lease(remote, fence + 1)


def _lasts(until: str) -> bool:
    """Whether a lease until then is alive; one longer than any lease is from before the clock was set back."""
    return clock.stored_now() < until <= clock.after(LEASE_S + NOTICED_S)


def forget_holders(tx: Transaction) -> None:
    """Let every lease be free. For copies of the file only, on which nobody else is at work."""
    tx.run(_FREE)


def held_until(tx: Transaction, remote: str) -> tuple[str | None, str | None]:
    """(until, why) of the hold on a remote; (None, None) when it may be called."""
    found = tx.one(_GET, {"r": remote})
    if found is None or not found[3] or found[3] <= clock.stored_now():
        return None, None
    return found[3], found[4]


NOTICED_S = 60.0
"""Steps smaller than this are a clock being kept right; they delay nothing by more."""

_o = OUTBOX.c
_r = SYNC_RUN.c
_LAST = Statement(
    sa.select(_r.ended_at).where(_r.remote == sa.bindparam("r"), _r.ended_at.is_not(None)).order_by(_r.id.desc()).limit(1)
)
_DUE = Statement(
    sa.select(_o.seq, _o.next_attempt_at).where(_o.remote == sa.bindparam("r"), _o.next_attempt_at > sa.bindparam("now"))
)
_MOVE = Statement(OUTBOX.update().where(_o.seq == sa.bindparam("s")).values(next_attempt_at=sa.bindparam("d")))
_TRIED = Statement(
    OUTBOX.update()
    .where(_o.remote == sa.bindparam("r"), _o.attempted_at > sa.bindparam("now"))
    .values(attempted_at=sa.bindparam("now"))
)
_HELD = Statement(sa.select(_s.hold_until).where(_s.remote == sa.bindparam("r"), _s.hold_until > sa.bindparam("now")))
_MOVE_HOLD = Statement(REMOTE_STATE.update().where(_s.remote == sa.bindparam("r")).values(hold_until=sa.bindparam("u")))


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
    for seq, next_attempt_at in tx.all(_DUE, {"r": remote, "now": at}):
        tx.run(_MOVE, {"s": seq, "d": _moved(next_attempt_at, back, now)})
    for (until,) in tx.all(_HELD, {"r": remote, "now": at}):
        tx.run(_MOVE_HOLD, {"r": remote, "u": _moved(until, back, now)})
    tx.run(_TRIED, {"r": remote, "now": at})
    # This line is now the last run, so that the same step is not made up for twice.
    note(tx, remote, "clock", at, "set-back", {"seconds": round(back.total_seconds())})
    return back.total_seconds()


def _moved(text: str, back: timedelta, now: datetime) -> str:
    return clock.stored(max(now, clock.parsed(text) - back))


_NAMES = ("remote", "kind", "started_at", "ended_at", "outcome", "counts", "reason")
_ADD = Statement(SYNC_RUN.insert().values({n: sa.bindparam(n) for n in _NAMES}))


def note(
    tx: Transaction,
    remote: str,
    kind: str,
    started_at: str,
    outcome: str,
    counts: Mapping[str, object],
    reason: str | None = None,
) -> None:
    """Write down a finished push or pull."""
    tx.run(_ADD, (remote, kind, started_at, clock.stored_now(), outcome, json.dumps(counts), reason))
