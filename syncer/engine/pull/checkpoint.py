"""How far pulls came: one checkpoint per model and scope, moved in the transaction that stores the page.

A scope is a partition together with everything that decides what it shows: the filter, and the
endpoint it was asked at. With another filter or at another address it is another scope, which starts
from its own checkpoint. Where a pull stands after a page, and where the next one starts, is decided by
pure functions.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from syncer import clock
from syncer.remote import Page
from syncer.schema.model import Model
from syncer.schema.pull import FullList
from syncer.store.database import Statement, Transaction
from syncer.store.schema import CHECKPOINT

_m = CHECKPOINT.c
_KEY = ("remote", "model", "scope")
_REST = ("partition", "cursor", "token", "highest", "started_at", "complete_at")
_OF = (_m.remote == sa.bindparam("r"), _m.model == sa.bindparam("m"), _m.scope == sa.bindparam("s"))
_GET = Statement(sa.select(*(_m[n] for n in _REST)).where(*_OF))
_insert = sqlite_insert(CHECKPOINT).values({n: sa.bindparam(n) for n in (*_KEY, *_REST)})
_PUT = Statement(_insert.on_conflict_do_update(index_elements=list(_KEY), set_={n: _insert.excluded[n] for n in _REST}))
_OF_MODEL = (_m.remote == sa.bindparam("r"), _m.model == sa.bindparam("m"))
_FORGET = Statement(CHECKPOINT.delete().where(*_OF))
_STARTING = Statement(
    sa.select(*(_m[n] for n in _REST))
    .where(*_OF_MODEL, sa.func.substr(_m.partition, 1, sa.func.length(sa.bindparam("start"))) == sa.bindparam("start"))
    .order_by(_m.partition)
)
_AT = " at "
_COMPLETED = Statement(
    sa.select(_m.partition).where(
        _m.remote == sa.bindparam("r"),
        _m.complete_at.is_not(None),
        sa.or_(
            sa.func.substr(_m.partition, -sa.func.length(sa.bindparam("end"))) == sa.bindparam("end"),
            sa.func.instr(_m.partition, _AT) == 0,  # of before endpoints were told apart
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``cursor``: the cursor the next pull starts from. ``token``, ``highest``, ``started_at``: in the middle of one."""

    partition: str
    cursor: str | None = None
    token: str | None = None
    highest: str | None = None
    started_at: str | None = None
    complete_at: str | None = None

    @property
    def scope(self) -> str:
        """The identity of filter and partition: another filter is another checkpoint."""
        return hashlib.sha256(self.partition.encode()).hexdigest()[:16]

    def restarted(self) -> Checkpoint:
        """The same checkpoint with nothing in the middle."""
        return replace(self, token=None, highest=None, started_at=None)


def scope_named(partition: str, endpoint: str | None, *filters: str) -> str:
    """What a checkpoint is kept under: the partition, what narrows it, and the address it was asked at."""
    return " ".join((partition, *filter(None, filters))) + (f"{_AT}{endpoint}" if endpoint else "")


def get(tx: Transaction, model: Model, partition: str) -> Checkpoint:
    """The checkpoint of the scope ``partition``, a fresh one if there is none.

    Checkpoints from before endpoints were told apart are taken to be of this one.
    """
    fresh = Checkpoint(partition)
    for known in (fresh, Checkpoint(partition.rpartition(_AT)[0] or partition)):
        found = tx.one(_GET, (model.remote, model.name, known.scope))
        if found is not None:
            return replace(Checkpoint(*found), partition=partition)
    return fresh


def put(tx: Transaction, model: Model, checkpoint: Checkpoint) -> None:
    """Keep a checkpoint; one of the same scope from before endpoints were told apart gives way to it."""
    tx.run(_FORGET, (model.remote, model.name, Checkpoint(checkpoint.partition.rpartition(_AT)[0]).scope))
    tx.run(
        _PUT,
        (
            model.remote, model.name, checkpoint.scope, checkpoint.partition, checkpoint.cursor, checkpoint.token,
            checkpoint.highest, checkpoint.started_at, checkpoint.complete_at,
        ),
    )  # fmt: skip


def forget(tx: Transaction, model: Model, partition: str) -> None:
    """Pull this scope from the start next time."""
    for known in (partition, partition.rpartition(_AT)[0]):
        tx.run(_FORGET, (model.remote, model.name, Checkpoint(known).scope))


def begun(tx: Transaction, model: Model, partition: str, endpoint: str | None) -> list[tuple[str, Checkpoint]]:
    """The checkpoints of ``partition`` at ``endpoint``, whatever narrows it, each with the name of its scope."""
    end = f"{_AT}{endpoint}" if endpoint else ""
    found: dict[str, Checkpoint] = {}
    for row in tx.all(_STARTING, {"r": model.remote, "m": model.name, "start": partition}):
        name = str(row[0])
        scope = name if _AT in name else f"{name}{end}"  # of before endpoints were told apart
        if scope.endswith(end) and scope[len(partition) :][:1] in ("", " "):
            found[scope] = Checkpoint(*row)
    return list(found.items())


def completed(tx: Transaction, remote: str, endpoint: str | None) -> bool:
    """Whether anything of the remote was ever pulled to its end at this address."""
    return tx.one(_COMPLETED, {"r": remote, "end": f"{_AT}{endpoint}"}) is not None


_BACKFILL_START = "unread "


def add_backfill(tx: Transaction, model: Model, scope: str, parents: Iterable[str]) -> None:
    """Remember ``parents`` whose records of ``model`` were never asked for, though the checkpoint of ``scope`` moved on."""
    for parent in parents:
        put(tx, model, Checkpoint(f"{_BACKFILL_START}{scope}: {parent}"))


def pending_backfill(tx: Transaction, model: Model, scope: str) -> list[str]:
    """The parents that :func:`add_backfill` was told of, in order."""
    start = f"{_BACKFILL_START}{scope}: "
    return [row[0][len(start) :] for row in tx.all(_STARTING, {"r": model.remote, "m": model.name, "start": start})]


def backfill_done(tx: Transaction, model: Model, scope: str, parent: str) -> None:
    """The children of ``parent`` have been asked for."""
    tx.run(_FORGET, (model.remote, model.name, Checkpoint(f"{_BACKFILL_START}{scope}: {parent}").scope))


OVERLAP_S = 300.0
_LATE_S = 600.0  # how late a record may show in a list
_NOISE_S = 60.0  # by how much two looks at the same clock may differ: its header counts seconds, and answers take time


@dataclass(frozen=True)
class Partition:
    """One partition of the records of ``model``: those whose ``field`` is ``value``, or all without a field.

    ``scope`` is what its checkpoint is kept under. ``asked`` is the model with the plan by which this partition is asked
    for. With
    ``cursor`` pages are ordered by that time; with ``changed`` the remote leaves out what is older than the checkpoint.
    ``since`` is the earliest time that is wanted at all. ``only``: of other fields, the values of the records to keep.
    """

    model: Model
    asked: Model
    scope: str
    field: str | None = None
    value: str | None = None
    cursor: str | None = None
    overlap_s: float = OVERLAP_S
    changed: bool = False
    since: str | None = None
    only: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)

    def start(self, checkpoint: Checkpoint) -> str | None:
        """The time from which on the remote is asked; None: from the beginning."""
        if self.cursor is None and not self.changed:
            return None
        return max(filter(None, (minus(checkpoint.cursor, self.overlap_s), self.since)), default=None)


def nothing_below(model: Model, page: Page, plan: FullList, known_until: str | None) -> bool:
    """True when no record of the page can change any more, and all below it were there when the list was last read whole."""
    if plan.newest_first is None or known_until is None:
        return False
    names = [f.name for f in model.fields]
    state, made, final = names.index(plan.unfinished[0]), names.index(plan.newest_first), plan.unfinished[1]
    until = minus(known_until, _LATE_S) or ""
    return all(row[state] in final for row in page.rows) and any((row[made] or until) < until for row in page.rows)


def all_below_older(model: Model, page: Page, plan: FullList, since: str | None) -> bool:
    """True when a list that is ordered newest first has come to records made before ``since``."""
    if plan.newest_first is None or since is None:
        return False
    made = [f.name for f in model.fields].index(plan.newest_first)
    return any((row[made] or since) < since for row in page.rows)


def advanced(partition: Partition, checkpoint: Checkpoint, page: Page) -> Checkpoint:
    """The checkpoint after ``page``: in the middle the token moves, at the end the cursor does."""
    started = checkpoint.started_at or page.server_time or clock.stored_now()
    highest = checkpoint.highest
    if partition.cursor is not None:
        at = [f.name for f in partition.model.fields].index(partition.cursor)
        highest = max(filter(_is_time, (highest, *(row[at] for row in page.rows))), default=None)
    if page.token is not None:
        return replace(checkpoint, token=page.token, highest=highest, started_at=started)
    reached = started if partition.changed else highest  # what has changed is shown in no order
    cursor = max(filter(None, (reached, checkpoint.cursor)), default=None)
    if cursor is not None and cursor != checkpoint.cursor:
        # A record may carry a time from a clock that runs ahead; past the server's own present nothing is known yet.
        cursor = min(cursor, started)
    return Checkpoint(checkpoint.partition, cursor, complete_at=clock.stored_now())


def rewound(checkpoint: Checkpoint, ahead_s: float | None) -> Checkpoint:
    """The checkpoint as it should be, the remote's clock being ``ahead_s`` ahead of ours now (None: not known).

    A checkpoint that lies behind the end of the pull that made it was made by a clock that has been put back since: what was
    written after that carries earlier times than the checkpoint.
    """
    if checkpoint.cursor is None or checkpoint.complete_at is None or ahead_s is None:
        return checkpoint
    ended = clock.after(ahead_s, clock.parsed(checkpoint.complete_at))
    if checkpoint.cursor <= clock.after(_NOISE_S, clock.parsed(ended)):
        return checkpoint
    return replace(checkpoint.restarted(), cursor=ended)


def minus(cursor: str | None, seconds: float) -> str | None:
    """``seconds`` before a cursor; None before the first."""
    return None if cursor is None else clock.after(-seconds, clock.parsed(cursor))


def _is_time(text: str | None) -> bool:
    """True for a time in stored form, which alone may become a cursor."""
    if not isinstance(text, str) or len(text) != len("2026-01-01T00:00:00.000000Z"):
        return False
    try:
        clock.parsed(text)
    except ValueError:
        return False
    return True
