"""The diary of syncs: one line per push or pull of a remote."""

from __future__ import annotations

import json
from collections.abc import Mapping

import sqlalchemy as sa

from syncer import clock
from syncer.store.core import SYNC_RUN
from syncer.store.database import Statement, Transaction

_r = SYNC_RUN.c
_NAMES = ("remote", "kind", "started_at", "ended_at", "outcome", "counts", "reason")
_ADD = Statement(SYNC_RUN.insert().values({n: sa.bindparam(n) for n in _NAMES}))


def note(
    tx: Transaction,
    remote: str,
    kind: str,
    started_at: str,
    outcome: str,
    counts: Mapping[str, object],
    reason: str | None = None,
) -> None:
    """Write down a finished push or pull."""
    tx.run(_ADD, (remote, kind, started_at, clock.stored_now(), outcome, json.dumps(counts), reason))
