"""The outbox: append, claim, settle. Every function works inside the caller's transaction.

A change leaves with one of three outcomes, each a row of ``ledger``: *acked*, *superseded* by a later
change of the same record, *discarded* by a named act of the user. Since every change takes one
number, the ledger is consistent: numbers given out = ledger + outbox.

Creates that carry ``fields`` are upserts: the fields are what to send instead if the remote has the
record already. Deletes go children before their parents.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from syncer import clock, failpoints, ids
from syncer.outbox.coalesce import CoalesceAction, coalesce
from syncer.remote import Change, Op, State, op_named
from syncer.schema.model import Field, Model
from syncer.store.database import Statement, Transaction
from syncer.store.schema import BASE, LEDGER, OUTBOX
from syncer.store.transaction import touched

_o = OUTBOX.c
_KEYS = sa.select(sa.func.json_each(sa.bindparam("keys")).table_valued("value").c.value)
_ONLY = sa.select(sa.func.json_each(sa.bindparam("only")).table_valued("value").c.value)
_SEQS = sa.select(sa.func.json_each(sa.bindparam("seqs")).table_valued("value").c.value)

SENDABLE = sa.or_(_o.state == State.PENDING, _o.state == State.AMBIGUOUS)
_APPEND = Statement(
    OUTBOX.insert().values(
        {
            name: sa.bindparam(name)
            for name in ("remote", "model", "key", "op", "fields", "state", "attempts", "created_at", "idem_key")
        }
    )
)
_LAST = Statement(
    sa.select(_o.seq, _o.op, _o.state, _o.fields, _o.body, _o.idem_key)
    .where(_o.model == sa.bindparam("m"), _o.key == sa.bindparam("k"))
    .order_by(_o.seq.desc())
    .limit(1)
)
_CHANGE = (
    _o.seq, _o.model, _o.key, _o.op, _o.fields, _o.idem_key, _o.state, _o.attempts, _o.body, _o.created_at, _o.attempted_at,
)  # fmt: skip
_ahead = OUTBOX.alias("ahead")
_CLAIMABLE = Statement(
    sa.select(*_CHANGE)
    .where(
        _o.seq > sa.bindparam("after"),
        _o.remote == sa.bindparam("remote"),
        SENDABLE,
        sa.or_(_o.next_attempt_at.is_(None), _o.next_attempt_at <= sa.bindparam("now")),
        sa.or_(sa.bindparam("only").is_(None), _o.model.in_(_ONLY)),
        ~sa.exists().where(_ahead.c.model == _o.model, _ahead.c.key == _o.key, _ahead.c.seq < _o.seq),
    )
    .order_by(_o.seq)
    .limit(sa.bindparam("most"))
)
_WAITING_OPS = Statement(sa.select(_o.key, _o.op).where(_o.model == sa.bindparam("m"), _o.key.in_(_KEYS)))
_WAITING_KEYS = Statement(sa.select(_o.key).where(_o.model == sa.bindparam("m"), _o.key.in_(_KEYS)).distinct())
_OF_RECORD = Statement(
    sa.select(*_CHANGE).where(_o.model == sa.bindparam("m"), _o.key == sa.bindparam("k")).order_by(_o.seq)
)
_BY_SEQ = Statement(sa.select(*_CHANGE, _o.remote).where(_o.seq == sa.bindparam("s")))
_SENDING = Statement(
    OUTBOX.update()
    .where(_o.seq == sa.bindparam("s"))
    .values(
        state=State.SENDING,
        attempts=_o.attempts + 1,
        body=sa.bindparam("b"),
        body_hash=sa.bindparam("h"),
        idem_key=sa.bindparam("i"),
        attempted_at=sa.bindparam("t"),
        next_attempt_at=None,
    )
)
_SETTLED = Statement(
    OUTBOX.update()
    .where(_o.seq == sa.bindparam("s"))
    .values(
        state=sa.bindparam("st"),
        next_attempt_at=sa.bindparam("d"),
        code=sa.bindparam("c"),
        reason=sa.bindparam("r"),
        attempts=_o.attempts - sa.bindparam("back"),
    )
)
_THAWED = Statement(
    OUTBOX.update()
    .where(_o.seq == sa.bindparam("s"))
    .values(
        state=State.PENDING, body=None, body_hash=None, idem_key=sa.bindparam("i"), attempted_at=None, next_attempt_at=None
    )
)
_INTERRUPTED = Statement(
    OUTBOX.update()
    .where(_o.remote == sa.bindparam("remote_"), _o.state == State.SENDING)
    .values(state=State.AMBIGUOUS, code="interrupted", reason="the sync stopped before an answer came")
)
_LEDGER_COLUMNS = [
    "seq", "remote", "model", "key", "op", "fields", "outcome", "by_seq", "attempts", "created_at", "left_at",
    "idem_key", "body_hash", "reason",
]  # fmt: skip
_LEAVE = Statement(
    LEDGER.insert().from_select(
        _LEDGER_COLUMNS,
        sa.select(
            _o.seq, _o.remote, _o.model, _o.key, _o.op, _o.fields,
            sa.bindparam("outcome"), sa.bindparam("by"), _o.attempts, _o.created_at, sa.bindparam("now"),
            _o.idem_key, _o.body_hash, sa.bindparam("why"),
        ).where(_o.seq.in_(_SEQS)),
    )
)  # fmt: skip
_REMOVE = Statement(OUTBOX.delete().where(_o.seq.in_(_SEQS)))


@dataclass(frozen=True, slots=True)
class Tail:
    """The last waiting change of a record."""

    seq: int
    op: str
    state: State
    fields: frozenset[str]
    serialized: bool
    idem_key: str

    @property
    def accepts_edits(self) -> bool:
        """True when an edit now is folded into this change instead of queueing behind it."""
        return self.state in (State.PENDING, State.REJECTED) and self.op in (Op.CREATE, Op.UPDATE)


def tail(tx: Transaction, model: Model, key: str) -> Tail | None:
    """The last waiting change of a record, or None."""
    found = tx.one(_LAST, {"m": model.name, "k": key})
    if found is None:
        return None
    seq, op, state, fields, body, idem_key = found
    return Tail(seq, op_named(op), State(state), names(fields), body is not None, idem_key)


def names(fields: str | None) -> frozenset[str]:
    """The ``fields`` column as a set."""
    return frozenset(json.loads(fields)) if fields else frozenset()


def enqueue_new(tx: Transaction, model: Model, key: str, created_at: str, idem_key: str | None = None) -> int:
    """Queue the create of a record that cannot have anything waiting; the change's number."""
    failpoints.reached("row-stored")
    return tx.add(
        _APPEND, (model.remote, model.name, key, "create", None, "pending", 0, created_at, idem_key or ids.new_key())
    )


def enqueue(
    tx: Transaction,
    model: Model,
    key: str,
    op: str,
    created_at: str,
    fields: Iterable[str] = (),
    earlier: Tail | None = None,
    idem_key: str | None = None,
) -> int:
    """Queue a change, taking over ``earlier`` where :func:`coalesce` allows; the change's number.

    ``idem_key``: the caller's own key. What takes over a change that was never sent keeps its key.
    """
    failpoints.reached("row-stored")
    wanted = frozenset(fields)
    effect = CoalesceAction.STAYS
    if earlier is not None:
        action = model.action(op)
        coalesces = action is not None and action.coalesces
        coalesced = coalesce(earlier.op, earlier.state, earlier.fields, earlier.serialized, op, wanted, coalesces=coalesces)
        effect, op, wanted = coalesced.action, coalesced.op, coalesced.fields
        if effect is CoalesceAction.SUPERSEDED and not earlier.serialized:
            idem_key = earlier.idem_key
    listed = json.dumps(sorted(wanted)) if wanted else None
    seq = tx.add(
        _APPEND, (model.remote, model.name, key, str(op), listed, "pending", 0, created_at, idem_key or ids.new_key())
    )
    if earlier is not None and effect is not CoalesceAction.STAYS:
        move_to_ledger(tx, [earlier.seq], "superseded", by=seq)
    if effect is CoalesceAction.VANISHES:
        move_to_ledger(tx, [seq], "discarded", why="the record was deleted before it was ever sent")
    return seq


def claimable(
    tx: Transaction,
    remote: str,
    models: Mapping[str, Model],
    *,
    after: int,
    now: str,
    most: int,
    only: Sequence[str] | None = None,
) -> list[Change]:
    """Due changes in order, each the first of its record, beginning behind number ``after``, of models ``only`` if given."""
    named = None if only is None else json.dumps(list(only))
    rows = tx.all(_CLAIMABLE, {"remote": remote, "after": after, "now": now, "most": most, "only": named})
    return [_change(row, models) for row in rows]


def _change(row: Sequence[Any], models: Mapping[str, Model]) -> Change:
    seq, model, key, op, fields, idem_key, state, attempts, body, created_at, attempted_at = row[:11]
    listed = tuple(sorted(names(fields)))
    return Change(
        seq, models[model], key, op_named(op), listed, idem_key, State(state), attempts, body, created_at, attempted_at
    )


def of_record(tx: Transaction, model: Model, key: str) -> list[Change]:
    """Every waiting change of one record, in order."""
    return [_change(row, {model.name: model}) for row in tx.all(_OF_RECORD, {"m": model.name, "k": key})]


def by_seq(tx: Transaction, seq: int, models: Mapping[str, Mapping[str, Model]]) -> Change | None:
    """The waiting change with this number, ``models`` being all remotes' models; None when none waits."""
    row = tx.one(_BY_SEQ, {"s": seq})
    return None if row is None else _change(row, models[row[11]])


def waiting_ops(tx: Transaction, model: Model, keys: Iterable[str]) -> dict[str, set[str]]:
    """What waits for each of ``keys``: operations by key; keys with nothing waiting are absent."""
    found: dict[str, set[str]] = {}
    wanted = list(set(keys))
    for key, op in tx.all(_WAITING_OPS, {"m": model.name, "keys": json.dumps(wanted)}) if wanted else ():
        found.setdefault(key, set()).add(op)
    return found


def waiting_keys(tx: Transaction, model: Model, keys: Sequence[str]) -> set[str]:
    """Those of ``keys`` for which anything waits."""
    return {row[0] for row in tx.all(_WAITING_KEYS, {"m": model.name, "keys": json.dumps(keys)})}


def mark_sending(tx: Transaction, serialized: Iterable[tuple[int, str, str, str]]) -> None:
    """Record an attempt of each (seq, body, body hash, key), before its first byte leaves."""
    now = clock.stored_now()
    rows = [_SENDING.ordered({"s": s, "b": b, "h": h, "i": i, "t": now}) for s, b, h, i in serialized]
    touched(tx.many(_SENDING, rows) if rows else 0, len(rows))


def recover_interrupted(tx: Transaction, remote: str) -> int:
    """What a dead sync left as *sending* becomes *ambiguous*; how many."""
    return tx.run(_INTERRUPTED, {"remote_": remote})


def set_state(
    tx: Transaction,
    seq: int,
    state: State,
    *,
    next_attempt_at: str | None = None,
    code: str = "",
    reason: str = "",
    spent: bool = True,
) -> None:
    """Put a change that stays into ``state``. ``spent=False`` gives the attempt back."""
    tx.run(
        _SETTLED,
        {"s": seq, "st": str(state), "d": next_attempt_at, "c": code, "r": reason[:2000], "back": 0 if spent else 1},
    )


def reset_body(tx: Transaction, seq: int, idem_key: str | None = None) -> None:
    """Let a change that is surely not applied be serialized again and be due now.

    Its new body gets a new key, unless the old body never left this machine and ``idem_key`` may go on.
    """
    tx.run(_THAWED, {"s": seq, "i": idem_key or ids.new_key()})


def move_to_ledger(
    tx: Transaction, seqs: Sequence[int], outcome: str, *, by: int | None = None, why: str | None = None
) -> None:
    """Move changes to the ledger with this ``outcome``."""
    listed = json.dumps(list(seqs))
    tx.run_exactly(
        _LEAVE, {"seqs": listed, "outcome": outcome, "by": by, "now": clock.stored_now(), "why": why}, len(set(seqs))
    )
    tx.run_exactly(_REMOVE, {"seqs": listed}, len(set(seqs)))


_UNSENT_UPSERTS = Statement(
    sa.select(_o.seq)
    .where(
        _o.model == sa.bindparam("m"),
        _o.remote == sa.bindparam("r"),
        _o.op == Op.CREATE,
        _o.fields.is_not(None),
        _o.body.is_(None),
        _o.state == State.PENDING,
        sa.or_(_o.next_attempt_at.is_(None), _o.next_attempt_at <= sa.bindparam("now")),
        ~sa.exists().where(_ahead.c.model == _o.model, _ahead.c.key == _o.key, _ahead.c.seq < _o.seq),
    )
    .order_by(_o.seq)
)
_OFFER = Statement(OUTBOX.update().where(_o.seq == sa.bindparam("s")).values(fields=sa.bindparam("f")))


def unsent_upserts(tx: Transaction, model: Model, now: str) -> list[int]:
    """Numbers of the due upserts of a model that were never made ready to be sent, each the first of its record."""
    return [row[0] for row in tx.all(_UNSENT_UPSERTS, {"m": model.name, "r": model.remote, "now": now})]


def offer(tx: Transaction, seq: int, names: Iterable[str]) -> None:
    """Let a create that was never sent be an upsert that would send ``names``."""
    tx.run(_OFFER, {"s": seq, "f": json.dumps(sorted(names))})


_b = BASE.c
_l = LEDGER.c
_UNSENT_DELETES = Statement(
    sa.select(_o.seq)
    .where(
        _o.model == sa.bindparam("m"),
        _o.remote == sa.bindparam("r"),
        _o.op == Op.DELETE,
        _o.body.is_(None),
        _o.state == State.PENDING,
        sa.or_(_o.next_attempt_at.is_(None), _o.next_attempt_at <= sa.bindparam("now")),
        ~sa.exists().where(_ahead.c.model == _o.model, _ahead.c.key == _o.key, _ahead.c.seq < _o.seq),
    )
    .order_by(_o.seq)
)
_target = sa.func.json_extract(_b.record, sa.bindparam("path"))
_POINTED = Statement(
    sa.select(_target.label("target"))
    .select_from(OUTBOX.join(BASE, sa.and_(_b.remote == _o.remote, _b.model == _o.model, _b.key == _o.key)))
    .where(_o.remote == sa.bindparam("r"), _o.model == sa.bindparam("m"), _o.op == Op.DELETE, _target.in_(_KEYS))
    .distinct()
)
_GIVEN_UP = Statement(
    sa.select(_l.key)
    .where(
        _l.remote == sa.bindparam("r"),
        _l.model == sa.bindparam("m"),
        _l.op == Op.DELETE,
        _l.outcome == "discarded",
        _l.left_at >= sa.bindparam("since"),
        _l.key.in_(_KEYS),
    )
    .distinct()
)


def unsent_deletes(tx: Transaction, model: Model, now: str) -> list[int]:
    """Numbers of the due deletes of a model that were never made ready to be sent, each the first of its record."""
    return [row[0] for row in tx.all(_UNSENT_DELETES, {"m": model.name, "r": model.remote, "now": now})]


def pointed_at(tx: Transaction, model: Model, field: Field, keys: Collection[str]) -> set[str]:
    """Those of ``keys`` at which a record of ``model`` points by ``field`` whose delete waits.

    The row is gone, so its base says where it pointed; one without a base is not on the remote and points at nothing.
    """
    named = {"r": model.remote, "m": model.name, "path": f'$."{field.name}"', "keys": json.dumps(list(keys))}
    return {row[0] for row in tx.all(_POINTED, named)}


def given_up(tx: Transaction, model: Model, keys: Collection[str], since: str) -> set[str]:
    """Those of ``keys`` whose delete somebody has dropped, or settled for the remote's side, at or after ``since``."""
    named = {"r": model.remote, "m": model.name, "keys": json.dumps(list(keys)), "since": since}
    return {row[0] for row in tx.all(_GIVEN_UP, named)}


_OF = Statement(
    sa.select(_o.key, _o.state, _o.idem_key, _o.code, _o.reason)
    .where(_o.model == sa.bindparam("m"), _o.key.in_(_KEYS), _o.remote == sa.bindparam("r"))
    .order_by(_o.seq.desc())
)


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """The first waiting change of a record. ``code`` and ``reason``: of its last failure, empty without one."""

    state: State
    idem_key: str
    code: str
    reason: str


def status_of(tx: Transaction, model: Model, keys: Iterable[str]) -> dict[str, ChangeStatus]:
    """Standings by record key; records with nothing waiting are absent."""
    found = tx.all(_OF, {"m": model.name, "r": model.remote, "keys": json.dumps(list(keys))})
    return {
        key: ChangeStatus(State(state), idem_key, code or "", reason or "") for key, state, idem_key, code, reason in found
    }
