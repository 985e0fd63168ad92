"""The numbers of changes, also of those that took over others."""

from __future__ import annotations

import sqlalchemy as sa

from syncer.store.core import LEDGER, OUTBOX
from syncer.store.database import Statement, Transaction

_LAST = Statement(
    sa.select(sa.column("seq")).select_from(sa.table("sqlite_sequence")).where(sa.column("name") == OUTBOX.name)
)
_TAKEN_OVER = Statement(
    sa.select(LEDGER.c.seq)
    .where(LEDGER.c.seq < sa.bindparam("s"), LEDGER.c.by_seq == sa.bindparam("s"))
    .order_by(LEDGER.c.seq.desc())
)


def last(tx: Transaction) -> int:
    """The last number that was given out."""
    found = tx.one(_LAST)
    return int(found[0]) if found else 0


def known_as(tx: Transaction, seq: int, until: int) -> int | None:
    """The number, not above ``until``, under which what ``seq`` stands for was written; None when it stands for nothing."""
    found: int | None = seq
    while found is not None and found > until:
        row = tx.one(_TAKEN_OVER, {"s": found})
        found = None if row is None else int(row[0])
    return found
