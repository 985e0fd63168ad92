"""Idempotency keys that callers bring: the same request again is answered with what it made, another one is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from syncer.errors import KeyReused
from syncer.schema.model import Model
from syncer.schema.values import dumps
from syncer.store.database import Statement, Transaction
from syncer.store.schema import IDEMPOTENCY_KEY

_k = IDEMPOTENCY_KEY.c
_GET = Statement(
    sa.select(_k.model, _k.key, _k.fingerprint).where(_k.remote == sa.bindparam("r"), _k.idem_key == sa.bindparam("i"))
)
_ADD = Statement(
    IDEMPOTENCY_KEY.insert().values({n: sa.bindparam(n) for n in ("remote", "idem_key", "model", "key", "fingerprint")})
)
_REKEY = Statement(
    IDEMPOTENCY_KEY.update()
    .where(_k.remote == sa.bindparam("r"), _k.model == sa.bindparam("m"), _k.key == sa.bindparam("old"))
    .values(key=sa.bindparam("new"))
)


def fingerprint(op: str, model: Model, asked: Mapping[str, Any]) -> str:
    """What makes two requests the same."""
    return hashlib.sha256(dumps([op, model.name, dict(sorted(asked.items()))]).encode()).hexdigest()


def made(tx: Transaction, model: Model, idem_key: str, print_: str) -> str | None:
    """The key text of the record that an earlier request under ``idem_key`` was about, None for a fresh key.

    Raises: KeyReused when that request was another one.
    """
    found = tx.one(_GET, (model.remote, idem_key))
    if found is None:
        return None
    if found[0] != model.name or found[2] != print_:
        raise KeyReused(
            f"the idempotency key {idem_key!r} was used for another request",
            record=f"{model.remote} {found[0]} {found[1]}",
            hint="use a new key for a new request",
        )
    return str(found[1])


def remember(tx: Transaction, model: Model, idem_key: str, key: str, print_: str) -> None:
    """Keep what ``idem_key`` was used for."""
    tx.run(_ADD, (model.remote, idem_key, model.name, key, print_))


def rekey(tx: Transaction, model: Model, local: str, remote: str) -> None:
    """The record has its remote id now."""
    tx.run(_REKEY, {"r": model.remote, "m": model.name, "old": local, "new": remote})
