"""Local ids and what the remote calls the same records."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from syncer.schema.model import Model
from syncer.store.database import Statement, Transaction
from syncer.store.schema import BASE, CONFLICT, ID_MAP, OUTBOX

_i = ID_MAP.c
_insert = sqlite_insert(ID_MAP).values(
    {n: sa.bindparam(n) for n in ("remote", "model", "local_id", "remote_id", "mapped_at")}
)
_ADD = Statement(  # an id that callers derive from the record may come a second time
    _insert.on_conflict_do_update(
        index_elements=[_i.remote, _i.model, _i.local_id], set_={n: _insert.excluded[n] for n in ("remote_id", "mapped_at")}
    )
)
_GET = Statement(
    sa.select(_i.remote_id).where(
        _i.remote == sa.bindparam("r"), _i.model == sa.bindparam("m"), _i.local_id == sa.bindparam("k")
    )
)
_HAS = Statement(sa.select(_i.local_id).where(_i.remote == sa.bindparam("r"), _i.model == sa.bindparam("m")))
_REKEY = tuple(
    Statement(
        table.update()
        .where(table.c.remote == sa.bindparam("r"), table.c.model == sa.bindparam("m"), table.c.key == sa.bindparam("old"))
        .values(key=sa.bindparam("new"))
    )
    for table in (OUTBOX, BASE, CONFLICT)
)
_c = CONFLICT.c
_POINT = Statement(
    CONFLICT.update()
    .where(
        _c.remote == sa.bindparam("r"),
        _c.model == sa.bindparam("m"),
        _c.field == sa.bindparam("f"),
        _c.ours == sa.func.json_quote(sa.bindparam("old")),
    )
    .values(ours=sa.func.json_quote(sa.bindparam("new")))
)


def add(tx: Transaction, model: Model, local: str, remote: str, mapped_at: str) -> None:
    """Remember the pair for ever."""
    tx.run(_ADD, (model.remote, model.name, local, remote, mapped_at))


def remote_id(tx: Transaction, model: Model, local: str) -> str | None:
    """What the remote calls the record that was ``local`` here; None when that is no alias."""
    found = tx.one(_GET, (model.remote, model.name, local))
    return None if found is None else str(found[0])


def has(tx: Transaction, model: Model) -> bool:
    """True when any record of the model went by another id here."""
    return tx.one(_HAS, (model.remote, model.name)) is not None


def rekey(tx: Transaction, model: Model, local: str, remote: str) -> None:
    """Let waiting changes, base and conflicts of the record go by its remote id."""
    for statement in _REKEY:
        tx.run(statement, {"r": model.remote, "m": model.name, "old": local, "new": remote})


def point(tx: Transaction, model: Model, name: str, old: str, new: str) -> None:
    """Let conflicts in which our value of the field ``name`` is ``old`` name ``new``."""
    tx.run(_POINT, {"r": model.remote, "m": model.name, "f": name, "old": old, "new": new})
