"""The second look at what verify suspects: each is asked for by key, judged by the answer, mended where that is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from syncer import clock
from syncer.cache import rows
from syncer.cache.spool import Spool
from syncer.describe import Model
from syncer.engine import latecomers
from syncer.engine.asking import Asking
from syncer.engine.drift import Drift, Kind, judged
from syncer.engine.meeting import can_make
from syncer.engine.repair import Repair, local_of
from syncer.engine.verification import Compared, RemoteVerification
from syncer.outbox import lately, made
from syncer.outbox.lease import Lease
from syncer.port import Remote, Row
from syncer.store.database import Database, Transaction

T = TypeVar("T")

_ASKED_AT_ONCE = 200
_CLOCK_NOISE_S = 2.0  # the remote's clock is known to the second
_NEWS = "written there after the last pull"


@dataclass
class Confirming:
    """Of one verification. ``picked``: the suspects are a sample, of which nothing is known yet.

    ``pulled_at``: when the last pull of the model ended, by our clock; the remote's is ``ahead_s`` ahead of it.
    """

    database: Database
    remote: Remote
    lease: Lease
    report: RemoteVerification
    repair: Repair | None
    picked: bool
    pulled_at: str | None = None
    ahead_s: float = 0.0

    def run(self, line: Asking, spool: Spool, model: Model, compared: Compared) -> None:
        """Ask for every suspect, and judge it by the answer. Raises: RemoteError."""
        while suspects := spool.take(_ASKED_AT_ONCE):
            as_row = rows.sql(model).as_row
            shown_ones: dict[str, Row] = {key: as_row(record) for key, record in suspects.items() if record is not None}
            here = self.database.read(lambda tx, keys=list(suspects): rows.get_many(tx, model, keys))  # type: ignore[misc]
            answer = line.fetch(model, {**here, **shown_ones})
            gone = self.block(
                lambda tx, keys=list(suspects), shown_ones=shown_ones, answer=answer: self._judge(  # type: ignore[misc]
                    tx, model, keys, shown_ones, answer, compared
                )
            )
            spool.go(gone)

    def _judge(
        self,
        tx: Transaction,
        model: Model,
        keys: Sequence[str],
        shown_ones: Mapping[str, Row],
        answer: Mapping[str, Row | None],
        compared: Compared,
    ) -> list[str]:
        """Count and mend what differs; keys of the rows that may be removed."""
        gone = []
        ours: dict[str, str] | None = None
        for key, local in local_of(tx, model, keys).items():
            asked = key in answer
            record = answer[key] if asked else shown_ones.get(key)
            if not asked and record is None and self.picked:
                compared.here -= 1  # it cannot be asked for by key
                continue
            compared.there += (record is not None) - (key in shown_ones)
            drift = judged(model, key, local, record)
            if drift is None:
                compared.waiting += bool(local.changes)
                compared.equal += not local.changes and local.row is not None
                continue
            if drift.kind is Kind.MISSING_THERE and not local.changes:
                if ours is None:
                    ours = made.here(tx, model, list(keys))
                if self._explained(model, drift, ours.get(key), asked):
                    gone.append(key)
            elif record is not None and self._is_news(model, drift, record):
                drift.note = "; ".join(filter(None, (drift.note, _NEWS)))
                compared.news += 1
            if self.repair is not None:
                if record is not None:
                    latecomers.note(tx, self.remote, model, [rows.sql(model).as_tuple(record)])
                self.report.conflicts += self.repair.mend(tx, model, drift, local, record)
            compared.add(drift)
        return gone

    def _explained(self, model: Model, drift: Drift, made_at: str | None, asked: bool) -> bool:
        """Say what is known about a record that is not there. True when its row may go."""
        if made_at is not None and made_at > lately.since():
            drift.note = "its create was acknowledged only just now, it may not show yet"
            return False
        if made_at is not None and can_make(model):
            drift.kind = Kind.LOST_THERE
            drift.note = f"its create was acknowledged at {made_at}"
            return False
        if not asked:
            drift.note = f"{model.remote} does not list it, and cannot be asked for it: kept here"
        return asked

    def _is_news(self, model: Model, drift: Drift, record: Row) -> bool:
        """Whether a record was written after the last pull of its model came to its end, so that the next one brings it."""
        changed_at = record.get(model.changed_at)
        if drift.kind is Kind.DIFFERENT and model.changed_at not in drift.fields:
            return False  # the version is the one that was seen here
        if self.pulled_at is None or not isinstance(changed_at, str):
            return self.pulled_at is None
        return changed_at > clock.after(self.ahead_s + _CLOCK_NOISE_S, clock.parsed(self.pulled_at))

    def block(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on the file: as one transaction under the lease when it may mend, else only reading."""
        if self.repair is None:
            return self.database.read(work)
        with self.database.transaction() as tx:
            self.lease.renew(tx)
            return work(tx)
