"""What waits and why, read without the writing side: for ``status`` and ``outbox list``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from syncer.store.file.wal_size import log_state
from syncer.store.reader import Reader
from syncer.views.remotes import remembered

_BY_OUTCOME = """
SELECT outcome, sum(n) FROM (
    SELECT outcome, count(*) AS n FROM ledger GROUP BY outcome UNION ALL SELECT outcome, changes FROM _pruned
) GROUP BY outcome
"""
# One look through the outbox for all remotes: with hundreds of thousands waiting, each one takes its time.
_WAITING = """
SELECT remote, state, model, count(*), min(created_at), min(next_attempt_at)
FROM outbox NOT INDEXED GROUP BY remote, state, model
"""


@dataclass(slots=True)
class RemoteStatus:
    """One remote. Times are stored-form UTC text or None."""

    remote: str
    pending: int = 0
    by_state: dict[str, int] = field(default_factory=dict)
    by_model: dict[str, int] = field(default_factory=dict)
    attention: int = 0
    conflicts: int = 0
    oldest_at: str | None = None
    next_attempt_at: str | None = None
    held_until: str | None = None
    held_because: str | None = None
    syncing: str | None = None
    last_push_at: str | None = None
    last_push: str | None = None
    last_pull_at: str | None = None
    last_pull: str | None = None
    rows: int = 0


@dataclass(slots=True)
class Status:
    """The whole file. ``ledger``: changes by outcome, pruned ones too; ``consistent``: each ever accepted is accounted for.

    ``log_bytes``: of the write-ahead log, which a long read keeps growing.
    """

    path: str
    remotes: dict[str, RemoteStatus]
    ledger: dict[str, int]
    enqueued: int
    pending: int
    consistent: bool
    log_bytes: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return asdict(self)


def read(reader: Reader, names: Iterable[str]) -> Status:
    """The status of every remote in ``names``, and of those that other packages brought into this file."""
    ledger = {str(outcome): int(n) for outcome, n in reader.all(_BY_OUTCOME)}
    pending = _number(reader, "SELECT count(*) FROM outbox")
    enqueued = _number(reader, "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
    remotes = {name: RemoteStatus(name) for name in (*names, *remembered(reader))}
    for remote, *waiting in reader.all(_WAITING) if remotes else ():
        if remote in remotes:
            _count(remotes[remote], *waiting)
    for found in remotes.values():
        _fill(reader, found)
    consistent = enqueued == pending + sum(ledger.values())
    return Status(str(reader.path), remotes, ledger, enqueued, pending, consistent, log_state(reader.path))


def waiting_for_others(reader: Reader, names: Collection[str]) -> dict[str, int]:
    """How many changes wait for each remote that is not in ``names``."""
    found = reader.all("SELECT remote, count(*) FROM outbox GROUP BY remote ORDER BY remote")
    return {name: changes for name, changes in found if name not in names}


def _count(found: RemoteStatus, state: str, model: str, n: int, oldest: str, due: str | None) -> None:
    found.by_state[state] = found.by_state.get(state, 0) + n
    found.by_model[model] = found.by_model.get(model, 0) + n
    found.pending += n
    found.oldest_at = min(filter(None, (found.oldest_at, oldest)), default=None)
    found.next_attempt_at = min(filter(None, (found.next_attempt_at, due)), default=None)


def _fill(reader: Reader, found: RemoteStatus) -> None:
    name = found.remote
    found.by_model = dict(sorted(found.by_model.items(), key=lambda pair: -pair[1]))
    found.attention = found.by_state.get("rejected", 0) + found.by_state.get("conflict", 0)
    found.conflicts = _number(
        reader, "SELECT count(DISTINCT model || key) FROM conflict WHERE remote = ? AND resolved_at IS NULL", name
    )
    state_row = reader.one("SELECT hold_until, hold_reason, lease_owner FROM _remote_state WHERE remote = ?", (name,))
    if state_row:
        found.held_until, found.held_because, found.syncing = state_row
    for kind in ("push", "pull"):
        run = reader.one(
            "SELECT ended_at, outcome FROM sync_run WHERE remote = ? AND kind = ? ORDER BY id DESC LIMIT 1", (name, kind)
        )
        if run:
            setattr(found, f"last_{kind}_at", run[0])
            setattr(found, f"last_{kind}", run[1])
    tables = reader.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ? || '\\_%' ESCAPE '\\'", (name,))
    found.rows = sum(_number(reader, f'SELECT count(*) FROM "{table}"') for (table,) in tables)


def _number(reader: Reader, sql: str, *parameters: str) -> int:
    row = reader.one(sql, parameters)
    return int(row[0]) if row and row[0] is not None else 0
