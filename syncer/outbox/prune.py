"""Making room: what the file remembers of things long done is removed, and only its count is kept.

Nothing that waits is touched, nor what it needs. A ledger line leaves its door and its number behind as one more in
``pruned``, in the transaction that removes it, so that the ledger closes after any crash; and one of a create that was
acknowledged leaves the record's key in ``made``, without which ``verify`` could not tell what was made here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from syncer.outbox import made
from syncer.store.core import ATTEMPT, CONFLICT, EVENT, LEDGER, OUTBOX, PRUNED, SYNC_RUN
from syncer.store.database import Database, Statement, Transaction

_AT_ONCE = 5_000  # a writer waits for one transaction, not for all of it

_l, _a, _e, _c, _r = LEDGER.c, ATTEMPT.c, EVENT.c, CONFLICT.c, SYNC_RUN.c
_before: sa.BindParameter[str] = sa.bindparam("before")
_after: sa.BindParameter[int] = sa.bindparam("after")
_waits = OUTBOX.c.seq
_IDS = sa.select(sa.func.json_each(sa.bindparam("ids")).table_valued("value").c.value)
_later = SYNC_RUN.alias("later")
_DOOR = Statement(
    sa.select(_l.seq, _l.door)
    .where(
        _l.seq > _after,
        _l.left_at < _before,
        sa.or_(_l.by_seq.is_(None), _l.by_seq.not_in(sa.select(_waits))),  # what a waiting change stands for stays
    )
    .order_by(_l.seq)
    .limit(_AT_ONCE)
)
_OLD: Mapping[str, tuple[sa.Table, sa.ColumnElement[bool]]] = {
    "attempts": (ATTEMPT, sa.and_(_a.at < _before, _a.seq.not_in(sa.select(_waits)))),
    "events": (EVENT, _e.at < _before),
    # An open one is still asked about: only those that were settled go.
    "conflicts": (CONFLICT, sa.and_(_c.resolved_at.is_not(None), _c.resolved_at < _before)),
    # The last push and pull of each remote are what ``status`` shows.
    "runs": (
        SYNC_RUN,
        sa.and_(
            _r.started_at < _before,
            sa.exists().where(_later.c.remote == _r.remote, _later.c.kind == _r.kind, _later.c.id > _r.id),
        ),
    ),
}
_FIND = {
    name: Statement(sa.select(table.c.id).where(table.c.id > _after, old).order_by(table.c.id).limit(_AT_ONCE))
    for name, (table, old) in _OLD.items()
}
_REMOVE = {name: Statement(table.delete().where(table.c.id.in_(_IDS))) for name, (table, _) in _OLD.items()}
_LEAVE = Statement(LEDGER.delete().where(_l.seq.in_(_IDS)))
_COUNT = Statement(PRUNED.insert().values(door=sa.bindparam("d"), changes=0, highest=0).prefix_with("OR IGNORE"))
_ADD = Statement(
    PRUNED.update()
    .where(PRUNED.c.door == sa.bindparam("d"))
    .values(changes=PRUNED.c.changes + sa.bindparam("n"), highest=sa.func.max(PRUNED.c.highest, sa.bindparam("h")))
)


@dataclass(slots=True)
class Pruned:
    """How many lines went, or would go: left changes, attempts, events of rows, settled conflicts, runs in the diary."""

    changes: int = 0
    attempts: int = 0
    events: int = 0
    conflicts: int = 0
    runs: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return sum(asdict(self).values())

    def as_dict(self) -> dict[str, int]:
        """The same for ``--json``."""
        return asdict(self)


def prune(database: Database, before: str, *, dry_run: bool = False) -> Pruned:
    """Remove what was done before that time (stored-form UTC text), a few thousand lines a transaction.

    ``dry_run``: only count, on a connection that cannot write. Raises: DatabaseError.
    """
    pruned = Pruned()
    for name in ("changes", *_OLD):
        after: int | None = 0
        while after is not None:
            if dry_run:
                found = database.read(lambda tx, n=name, a=after: _found(tx, n, before, a))  # type: ignore[misc]
            else:
                with database.transaction() as tx:
                    found = _found(tx, name, before, after)
                    _removed(tx, name, found)
            setattr(pruned, name, getattr(pruned, name) + len(found))
            after = found[-1][0] if len(found) == _AT_ONCE else None
    return pruned


def _found(tx: Transaction, name: str, before: str, after: int) -> list[tuple[int, str]]:
    """Numbers of old lines behind ``after``, and the doors of those that are changes."""
    rows = tx.all(_DOOR if name == "changes" else _FIND[name], {"before": before, "after": after})
    return [(int(row[0]), str(row[-1])) for row in rows]


def _removed(tx: Transaction, name: str, found: list[tuple[int, str]]) -> None:
    if not found:
        return
    listed = {"ids": json.dumps([number for number, _ in found])}
    if name != "changes":
        tx.run(_REMOVE[name], listed)
        return
    for door, n in Counter(door for _, door in found).items():
        tx.run(_COUNT, {"d": door})
        tx.run(_ADD, {"d": door, "n": n, "h": max(number for number, passed in found if passed == door)})
    made.keep(tx, listed["ids"])
    tx.run(_LEAVE, listed)
