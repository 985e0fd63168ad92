"""What has left the outbox: which records were made here, what has only just left, and how old lines are removed.

Lists and reads of a remote may not show yet what has only just left.

Pruning removes what the file remembers of things long done, and only its count is kept. Nothing
that waits is touched, nor what it needs. A ledger line leaves its outcome and its number behind as one
more in ``_pruned``, in the transaction that removes it, so that the ledger is consistent after any crash;
and one of a create that was acknowledged leaves the record's key in ``_created_here``, without which
``verify`` could not tell what was created here.

Source: docs/remotes/plexus.md#consistency
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from syncer import clock
from syncer.remote import Op
from syncer.schema.model import Model
from syncer.store.database import Database, Statement, Transaction
from syncer.store.schema import ATTEMPT, CONFLICT, CREATED_HERE, EVENT, LEDGER, OUTBOX, PRUNED, SYNC_RUN

_l = LEDGER.c
_m = CREATED_HERE.c
_later = LEDGER.alias("later")
_listed = sa.select(sa.func.json_each(sa.bindparam("keys")).table_valued("value").c.value)
_going = _l.seq.in_(sa.select(sa.func.json_each(sa.bindparam("seqs")).table_valued("value").c.value))
_DELETED = sa.exists().where(
    _later.c.remote == _l.remote,
    _later.c.model == _l.model,
    _later.c.key == _l.key,
    _later.c.op == Op.DELETE,
    _later.c.outcome == "acked",
    _later.c.seq > _l.seq,
)
_HERE = Statement(
    sa.select(_l.key, _l.left_at)
    .where(
        _l.remote == sa.bindparam("r"),
        _l.model == sa.bindparam("m"),
        _l.key.in_(_listed),
        _l.op == Op.CREATE,
        _l.outcome == "acked",
    )
    .order_by(_l.left_at)
)
_PRUNED = Statement(
    sa.select(_m.key, _m.acked_at).where(_m.remote == sa.bindparam("r"), _m.model == sa.bindparam("m"), _m.key.in_(_listed))
)
_FORGET = Statement(
    CREATED_HERE.delete().where(
        sa.tuple_(_m.remote, _m.model, _m.key).in_(
            sa.select(_l.remote, _l.model, _l.key).where(_going, _l.op == Op.DELETE, _l.outcome == "acked")
        )
    )
)
_KEEP = Statement(
    CREATED_HERE.insert()
    .prefix_with("OR REPLACE")
    .from_select(
        ["remote", "model", "key", "acked_at"],
        sa.select(_l.remote, _l.model, _l.key, _l.left_at).where(
            _going, _l.op == Op.CREATE, _l.outcome == "acked", ~_DELETED
        ),
    )
)


def created_here(tx: Transaction, model: Model, keys: Iterable[str]) -> dict[str, str]:
    """Those of ``keys`` whose create was acknowledged, with the time."""
    named = {"r": model.remote, "m": model.name, "keys": json.dumps(list(keys))}
    return {str(key): str(at) for statement in (_PRUNED, _HERE) for key, at in tx.all(statement, named)}


def keep_created(tx: Transaction, seqs: str) -> None:
    """Before these ledger lines go (a JSON list of numbers): what they made, and did not delete again, stays known."""
    tx.run(_FORGET, {"seqs": seqs})
    tx.run(_KEEP, {"seqs": seqs})


_KEYS = sa.select(sa.func.json_each(sa.bindparam("keys")).table_valued("value").c.value)


def _creates(table: sa.Table) -> tuple[sa.ColumnElement[bool], ...]:
    columns = table.c
    return (
        columns.remote == sa.bindparam("r"),
        columns.model == sa.bindparam("m"),
        columns.op == Op.CREATE,
        columns.idem_key.in_(_KEYS),
    )


_WAITING = Statement(sa.select(OUTBOX.c.idem_key, OUTBOX.c.seq, OUTBOX.c.key).where(*_creates(OUTBOX)))
_ACKED_BY_KEY = Statement(sa.select(LEDGER.c.idem_key, LEDGER.c.key).where(*_creates(LEDGER), LEDGER.c.outcome == "acked"))


def pending_by_idempotency_key(tx: Transaction, model: Model, idem_keys: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Number and record key of the waiting creates under any of ``idem_keys``, by it."""
    found = tx.all(_WAITING, {"r": model.remote, "m": model.name, "keys": json.dumps(list(idem_keys))})
    return {idem_key: (seq, key) for idem_key, seq, key in found}


def acked_by_idempotency_key(tx: Transaction, model: Model, idem_keys: Iterable[str]) -> dict[str, str]:
    """What the creates that went out under any of ``idem_keys`` made: record keys by it."""
    found = tx.all(_ACKED_BY_KEY, {"r": model.remote, "m": model.name, "keys": json.dumps(list(idem_keys))})
    return {str(idem_key): str(key) for idem_key, key in found}


_LATE_S = 60.0  # by how much a remote may lag behind what it has acknowledged
_RECENTLY_ACKED = Statement(
    sa.select(_l.key, _l.op)
    .where(
        _l.model == sa.bindparam("m"),
        _l.key.in_(sa.select(sa.func.json_each(sa.bindparam("keys")).table_valued("value").c.value)),
        _l.left_at >= sa.bindparam("since"),
        _l.outcome == "acked",
    )
    .order_by(_l.seq)
)


def recent_since(moment: str | None = None) -> str:
    """From when on what was acknowledged counts as just written at ``moment`` (now when None)."""
    return clock.after(-_LATE_S, None if moment is None else clock.parsed(moment))


def recently_acked(tx: Transaction, model: Model, keys: Iterable[str], moment: str | None = None) -> dict[str, str]:
    """Those of ``keys`` of which a change was acknowledged just before ``moment`` (now when None), with its operation."""
    found = tx.all(_RECENTLY_ACKED, {"m": model.name, "keys": json.dumps(list(keys)), "since": recent_since(moment)})
    return {str(key): str(op) for key, op in found}


_LAST = Statement(
    sa.select(sa.column("seq")).select_from(sa.table("sqlite_sequence")).where(sa.column("name") == OUTBOX.name)
)
_TAKEN_OVER = Statement(
    sa.select(LEDGER.c.seq)
    .where(LEDGER.c.seq < sa.bindparam("s"), LEDGER.c.by_seq == sa.bindparam("s"))
    .order_by(LEDGER.c.seq.desc())
)


def last_seq(tx: Transaction) -> int:
    """The last number that was given out."""
    found = tx.one(_LAST)
    return int(found[0]) if found else 0


def original_seq(tx: Transaction, seq: int, until: int) -> int | None:
    """The number, not above ``until``, under which what ``seq`` stands for was written; None when it stands for nothing."""
    found: int | None = seq
    while found is not None and found > until:
        row = tx.one(_TAKEN_OVER, {"s": found})
        found = None if row is None else int(row[0])
    return found


_AT_ONCE = 5_000  # a writer waits for one transaction, not for all of it
_a, _e, _c, _r = ATTEMPT.c, EVENT.c, CONFLICT.c, SYNC_RUN.c
_before: sa.BindParameter[str] = sa.bindparam("before")
_after: sa.BindParameter[int] = sa.bindparam("after")
_waits = OUTBOX.c.seq
_IDS = sa.select(sa.func.json_each(sa.bindparam("ids")).table_valued("value").c.value)
_later_run = SYNC_RUN.alias("later")
_DOOR = Statement(
    sa.select(_l.seq, _l.outcome)
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
            sa.exists().where(_later_run.c.remote == _r.remote, _later_run.c.kind == _r.kind, _later_run.c.id > _r.id),
        ),
    ),
}
_FIND = {
    name: Statement(sa.select(table.c.id).where(table.c.id > _after, old).order_by(table.c.id).limit(_AT_ONCE))
    for name, (table, old) in _OLD.items()
}
_REMOVE = {name: Statement(table.delete().where(table.c.id.in_(_IDS))) for name, (table, _) in _OLD.items()}
_LEAVE = Statement(LEDGER.delete().where(_l.seq.in_(_IDS)))
_COUNT = Statement(PRUNED.insert().values(outcome=sa.bindparam("d"), changes=0, highest=0).prefix_with("OR IGNORE"))
_ADD = Statement(
    PRUNED.update()
    .where(PRUNED.c.outcome == sa.bindparam("d"))
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
    """Numbers of old lines behind ``after``, and the outcomes of those that are changes."""
    rows = tx.all(_DOOR if name == "changes" else _FIND[name], {"before": before, "after": after})
    return [(int(row[0]), str(row[-1])) for row in rows]


def _removed(tx: Transaction, name: str, found: list[tuple[int, str]]) -> None:
    if not found:
        return
    listed = {"ids": json.dumps([number for number, _ in found])}
    if name != "changes":
        tx.run(_REMOVE[name], listed)
        return
    for outcome, n in Counter(outcome for _, outcome in found).items():
        tx.run(_COUNT, {"d": outcome})
        tx.run(_ADD, {"d": outcome, "n": n, "h": max(number for number, passed in found if passed == outcome)})
    keep_created(tx, listed["ids"])
    tx.run(_LEAVE, listed)
