"""Local ids and what the remote calls the same records."""

from __future__ import annotations

import sqlalchemy as sa

from syncer.describe import Model
from syncer.store.core import BASE, CONFLICT, ID_MAP, OUTBOX
from syncer.store.database import Statement, Transaction

_i = ID_MAP.c
_ADD = Statement(
    ID_MAP.insert().values({n: sa.bindparam(n) for n in ("remote", "model", "local_id", "remote_id", "mapped_at")})
)
_GET = Statement(
    sa.select(_i.remote_id).where(
        _i.remote == sa.bindparam("r"), _i.model == sa.bindparam("m"), _i.local_id == sa.bindparam("k")
    )
)
_REKEY = tuple(
    Statement(
        table.update()
        .where(table.c.remote == sa.bindparam("r"), table.c.model == sa.bindparam("m"), table.c.key == sa.bindparam("old"))
        .values(key=sa.bindparam("new"))
    )
    for table in (OUTBOX, BASE, CONFLICT)
)


def add(tx: Transaction, model: Model, local: str, remote: str, mapped_at: str) -> None:
    """Remember the pair for ever."""
    tx.run(_ADD, (model.remote, model.name, local, remote, mapped_at))


def remote_id(tx: Transaction, model: Model, local: str) -> str | None:
    """What the remote calls the record that was ``local`` here; None when that is no alias."""
    found = tx.one(_GET, (model.remote, model.name, local))
    return None if found is None else str(found[0])


def rekey(tx: Transaction, model: Model, local: str, remote: str) -> None:
    """Let waiting changes, base and conflicts of the record go by its remote id."""
    for statement in _REKEY:
        tx.run(statement, {"r": model.remote, "m": model.name, "old": local, "new": remote})
