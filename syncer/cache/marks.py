"""How far pulls came: one mark per model and scope, moved in the transaction that stores the page.

A scope is a partition together with everything that decides what it shows: the filter, and the place it was asked at. With
another filter or at another address it is another scope, which starts from its own mark.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from syncer.describe import Model
from syncer.store.core import MARK
from syncer.store.database import Statement, Transaction

_m = MARK.c
_KEY = ("remote", "model", "scope")
_REST = ("partition", "position", "token", "highest", "started_at", "complete_at")
_OF = (_m.remote == sa.bindparam("r"), _m.model == sa.bindparam("m"), _m.scope == sa.bindparam("s"))
_GET = Statement(sa.select(*(_m[n] for n in _REST)).where(*_OF))
_insert = sqlite_insert(MARK).values({n: sa.bindparam(n) for n in (*_KEY, *_REST)})
_PUT = Statement(_insert.on_conflict_do_update(index_elements=list(_KEY), set_={n: _insert.excluded[n] for n in _REST}))
_OF_MODEL = (_m.remote == sa.bindparam("r"), _m.model == sa.bindparam("m"))
_FORGET = Statement(MARK.delete().where(*_OF))
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
            sa.func.instr(_m.partition, _AT) == 0,  # of before places were told apart
        ),
    )
)


@dataclass(frozen=True, slots=True)
class Mark:
    """``position``: the cursor the next pull starts from. ``token``, ``highest``, ``started_at``: in the middle of one."""

    partition: str
    position: str | None = None
    token: str | None = None
    highest: str | None = None
    started_at: str | None = None
    complete_at: str | None = None

    @property
    def scope(self) -> str:
        """The identity of filter and partition: another filter is another mark."""
        return hashlib.sha256(self.partition.encode()).hexdigest()[:16]

    def restarted(self) -> Mark:
        """The same mark with nothing in the middle."""
        return replace(self, token=None, highest=None, started_at=None)


def scope_named(partition: str, place: str | None, *filters: str) -> str:
    """What a mark is kept under: the partition, what narrows it, and the address it was asked at."""
    return " ".join((partition, *filter(None, filters))) + (f"{_AT}{place}" if place else "")


def get(tx: Transaction, model: Model, partition: str) -> Mark:
    """The mark of the scope ``partition``, a fresh one if there is none.

    Marks from before places were told apart are taken to be of this one.
    """
    fresh = Mark(partition)
    for known in (fresh, Mark(partition.rpartition(_AT)[0] or partition)):
        found = tx.one(_GET, (model.remote, model.name, known.scope))
        if found is not None:
            return replace(Mark(*found), partition=partition)
    return fresh


def put(tx: Transaction, model: Model, mark: Mark) -> None:
    """Keep a mark; one of the same scope from before places were told apart gives way to it."""
    tx.run(_FORGET, (model.remote, model.name, Mark(mark.partition.rpartition(_AT)[0]).scope))
    tx.run(
        _PUT,
        (
            model.remote, model.name, mark.scope, mark.partition, mark.position, mark.token, mark.highest,
            mark.started_at, mark.complete_at,
        ),
    )  # fmt: skip


def forget(tx: Transaction, model: Model, partition: str) -> None:
    """Pull this scope from the start next time."""
    for known in (partition, partition.rpartition(_AT)[0]):
        tx.run(_FORGET, (model.remote, model.name, Mark(known).scope))


def begun(tx: Transaction, model: Model, partition: str, place: str | None) -> list[tuple[str, Mark]]:
    """The marks of ``partition`` at ``place``, whatever narrows it, each with the name of its scope."""
    end = f"{_AT}{place}" if place else ""
    found: dict[str, Mark] = {}
    for row in tx.all(_STARTING, {"r": model.remote, "m": model.name, "start": partition}):
        name = str(row[0])
        scope = name if _AT in name else f"{name}{end}"  # of before places were told apart
        if scope.endswith(end) and scope[len(partition) :][:1] in ("", " "):
            found[scope] = Mark(*row)
    return list(found.items())


def completed(tx: Transaction, remote: str, place: str | None) -> bool:
    """Whether anything of the remote was ever pulled to its end at this address."""
    return tx.one(_COMPLETED, {"r": remote, "end": f"{_AT}{place}"}) is not None


_UNREAD_START = "unread "


def add_unread(tx: Transaction, model: Model, scope: str, parents: Iterable[str]) -> None:
    """Remember ``parents`` under whom records of ``model`` were never asked for, though the mark of ``scope`` moved on."""
    for parent in parents:
        put(tx, model, Mark(f"{_UNREAD_START}{scope}: {parent}"))


def unread(tx: Transaction, model: Model, scope: str) -> list[str]:
    """The parents that :func:`add_unread` was told of, in order."""
    start = f"{_UNREAD_START}{scope}: "
    return [row[0][len(start) :] for row in tx.all(_STARTING, {"r": model.remote, "m": model.name, "start": start})]


def read(tx: Transaction, model: Model, scope: str, parent: str) -> None:
    """The children of ``parent`` have been asked for."""
    tx.run(_FORGET, (model.remote, model.name, Mark(f"{_UNREAD_START}{scope}: {parent}").scope))
