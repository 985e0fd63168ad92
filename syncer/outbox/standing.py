"""How the waiting changes of records stand: the state, and what the last attempt was answered with."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from syncer.describe import Model
from syncer.port import State
from syncer.store.core import OUTBOX
from syncer.store.database import Statement, Transaction

_o = OUTBOX.c
_KEYS = sa.select(sa.func.json_each(sa.bindparam("keys")).table_valued("value").c.value)
_OF = Statement(
    sa.select(_o.key, _o.state, _o.idem_key, _o.code, _o.reason)
    .where(_o.model == sa.bindparam("m"), _o.key.in_(_KEYS), _o.remote == sa.bindparam("r"))
    .order_by(_o.seq.desc())
)


@dataclass(frozen=True, slots=True)
class Standing:
    """The first waiting change of a record. ``code`` and ``reason``: of its last failure, empty without one."""

    state: State
    idem_key: str
    code: str
    reason: str


def of(tx: Transaction, model: Model, keys: Iterable[str]) -> dict[str, Standing]:
    """Standings by record key; records with nothing waiting are absent."""
    found = tx.all(_OF, {"m": model.name, "r": model.remote, "keys": json.dumps(list(keys))})
    return {key: Standing(State(state), idem_key, code or "", reason or "") for key, state, idem_key, code, reason in found}
