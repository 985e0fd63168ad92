"""How far pulls came: one mark per model and partition, moved in the transaction that stores the page."""

from __future__ import annotations

import hashlib
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
_FORGET = Statement(MARK.delete().where(_m.remote == sa.bindparam("r"), _m.model == sa.bindparam("m")))


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


def get(tx: Transaction, model: Model, partition: str) -> Mark:
    """The mark of ``partition``, a fresh one if there is none."""
    fresh = Mark(partition)
    found = tx.one(_GET, (model.remote, model.name, fresh.scope))
    return fresh if found is None else Mark(*found)


def put(tx: Transaction, model: Model, mark: Mark) -> None:
    """Keep a mark."""
    tx.run(
        _PUT,
        (
            model.remote, model.name, mark.scope, mark.partition, mark.position, mark.token, mark.highest,
            mark.started_at, mark.complete_at,
        ),
    )  # fmt: skip


def forget(tx: Transaction, model: Model) -> int:
    """Pull this model from the start next time; how many marks there were."""
    return tx.run(_FORGET, (model.remote, model.name))
