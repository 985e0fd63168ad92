"""Both sides side by side: every record the remote shows, every row here, whatever the marks say.

Records come page by page and are compared at once; only keys, and the records that differ, are put
aside (on disk). Every suspect is asked for by key before it counts, so that a page that came late,
an edit in the middle of the walk, or a list that lags behind its records is no drift. Nothing here
or there is changed, but for what ``repair`` mends.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from syncer import clock
from syncer.engine import schema_drift
from syncer.engine.lease import Lease
from syncer.engine.pull import backfill
from syncer.engine.pull.partitions import Parts
from syncer.engine.pull.selection import EVERYTHING, Selection, parent_of
from syncer.engine.reconcile.diverged import can_make
from syncer.engine.report import Progress, Watch
from syncer.engine.retry import Asking
from syncer.engine.verify import scan
from syncer.engine.verify.diff import Drift, Kind, judged, unsound
from syncer.engine.verify.repair import Repair, local_of
from syncer.engine.verify.report import Compared, RemoteVerification
from syncer.engine.verify.scan import shown
from syncer.engine.verify.spool import Spool
from syncer.errors import RemoteRefused
from syncer.outbox import ledger
from syncer.records import rows
from syncer.remote import Page, Remote, Row
from syncer.schema.model import Model
from syncer.store.database import Database, Transaction

_BLOCK = 1_000


class Verify:
    """One comparison of one remote under a lease. ``only``: these models. ``sample``: so many rows of each, by key.

    ``repair``: mend what is found. ``wait_s``: patience with a remote that stumbles.
    """

    def __init__(
        self,
        database: Database,
        remote: Remote,
        lease: Lease,
        report: RemoteVerification,
        *,
        watch: Watch,
        only: Sequence[str] | None = None,
        selection: Selection = EVERYTHING,
        sample: int | None = None,
        repair: Repair | None = None,
        wait_s: float = 30.0,
        random: Random | None = None,
    ) -> None:
        self._database = database
        self._remote = remote
        self._lease = lease
        self._report = report
        self._watch = watch
        self._only = only
        self._selection = selection
        self._sample = sample
        self._repair = repair
        self._wait_s = wait_s
        self._random = random or Random()
        self._confirming = Confirming(database, remote, lease, report, repair, picked=sample is not None)

    def run(self) -> None:
        """Compare every model that is asked for. Raises: RemoteError when the remote cannot be used, UsageError."""
        line = Asking(self._remote.line(), self._random, patience_s=self._wait_s)
        parts = Parts(self._database, self._remote, self._selection)
        try:
            with Spool() as spool:
                for name in list(self._remote.models):
                    if self._only is None or name in self._only:
                        self._model(line, parts, spool, self._remote.models[name])
        finally:
            line.close()

    def _model(self, line: Asking, parts: Parts, spool: Spool, model: Model) -> None:
        compared = self._report.models[model.name] = Compared(model.name)
        compared.not_compared = self._database.read(lambda tx: self._left_out(tx, model))
        if compared.not_compared is not None:
            return
        spool.clear()
        self._confirming.pulled_at = self._database.read(lambda tx: scan.pulled_at(tx, model))
        try:
            if self._sample is None:
                self._sound(model, compared)
                self._walk(shown(line, self._database, self._remote, parts, model), spool, model, compared)
                self._unseen(spool, model, compared)
            else:
                self._pick(spool, model, compared, self._sample)
            self._confirming.run(line, spool, model, compared)
        except RemoteRefused as exc:
            now = self._remote.models[model.name]
            if now is not model:  # the remote has learned what this deployment lacks of it
                self._model(line, parts, spool, now)
            elif model.legacy:
                compared.not_compared = exc.sentence
            else:  # one model that is closed to us must not keep the others away
                compared.failed = exc.sentence
            return
        self._under(model, compared)
        if self._repair is not None:
            self._repair.remove(self._database, self._lease, model, spool, compared, self._report)

    def _under(self, model: Model, compared: Compared) -> None:
        """Say what could not be asked for because the records it hangs on are not here."""
        missing = compared.kinds[Kind.MISSING_HERE]
        under = [one.name for one in self._remote.models.values() if parent_of(one) == model.name]
        if missing and under and self._repair is None:
            what = f"{missing:,} {model.name} {'is' if missing == 1 else 'are'} missing here"
            self._report.notes.append(f"{what}: what they hold ({', '.join(under)}) was not looked at")

    def _left_out(self, tx: Transaction, model: Model) -> str | None:
        """Why a model cannot be compared; None when it can."""
        if model.closed:
            return "these credentials may not read it"
        if model.pull is None:
            return "the remote, or this deployment of it, has no list of it"
        if self._only is not None:
            return None
        if not self._selection.wants(model):
            return "not selected for pulls"
        if model.legacy and not rows.some_keys(tx, model, "", 1):
            return "of older deployments, and none is here"
        if model.legacy and model.name in schema_drift.known_unsupported(tx, self._remote.name, self._remote.models):
            return "this deployment lacks it"
        return None

    def _sound(self, model: Model, compared: Compared) -> None:
        """Whether base and waiting changes make up the row, for every row with something waiting."""
        for keys in self._in_blocks(model, scan.waiting):
            self._confirming.block(lambda tx, keys=keys: self._unsound(tx, model, keys, compared))  # type: ignore[misc]

    def _unsound(self, tx: Transaction, model: Model, keys: Sequence[str], compared: Compared) -> None:
        for key, local in local_of(tx, model, keys).items():
            drift = unsound(model, key, local) if local.changes else None
            if drift is not None:
                if self._repair is not None:
                    self._repair.mend(tx, model, drift, local, None)
                compared.add(drift)

    def _walk(self, found: Iterator[Page], spool: Spool, model: Model, compared: Compared) -> None:
        """Compare what the remote shows."""
        for page in found:
            with self._database.transaction() as tx:
                self._lease.renew(tx)
            if page.server_time is not None:
                self._confirming.ahead_s = (clock.parsed(page.server_time) - clock.now()).total_seconds()
            self._report.notes += [note for note in page.notes if note not in self._report.notes]
            self._page(page, spool, model, compared)
            compared.there = spool.how_many()
            self._watch(Progress(self._remote.name, "verify", model.name, compared.there))

    def _page(self, page: Page, spool: Spool, model: Model, compared: Compared) -> None:
        by_key = {rows.sql(model).key_of(values): values for values in page.rows}
        known = spool.seen(list(by_key))
        fresh = {key: values for key, values in by_key.items() if key not in known}
        suspects = self._database.read(lambda tx: self._compare(tx, model, fresh, page, compared))
        spool.saw(fresh)
        spool.suspect((key, fresh[key]) for key in suspects)

    def _compare(
        self, tx: Transaction, model: Model, found: dict[str, tuple[Any, ...]], page: Page, compared: Compared
    ) -> list[str]:
        """Keys of the records that are not what is here."""
        suspects = []
        made = {key: mark for key, mark in page.made.items() if key in found}
        ours = ledger.waiting(tx, model, made.values()) if made else {}
        as_row = rows.sql(model).as_row
        for key, local in local_of(tx, model, list(found)).items():
            if not local.changes and local.row is not None and tuple(local.row.values()) == found[key]:
                compared.equal += 1
            elif local.row is None and made.get(key) in ours:
                compared.pending += 1  # the record of a create that still waits to be told its id
            elif judged(model, key, local, as_row(found[key])) is not None:
                suspects.append(key)
            elif local.changes:
                compared.pending += 1
            else:
                compared.equal += 1
        return suspects

    def _unseen(self, spool: Spool, model: Model, compared: Compared) -> None:
        """Rows the remote did not show."""
        for keys in self._in_blocks(model, scan.keys):
            compared.here += len(keys)
            shown_ones = spool.seen(keys)
            rest = [key for key in keys if key not in shown_ones]
            here = self._database.read(lambda tx, rest=rest: local_of(tx, model, rest))  # type: ignore[misc]
            absent = [key for key, local in here.items() if judged(model, key, local, None) is not None]
            compared.pending += len(rest) - len(absent)
            spool.suspect((key, None) for key in absent)

    def _pick(self, spool: Spool, model: Model, compared: Compared, number: int) -> None:
        """Take some rows by the hash of their keys: other ones every day, the same ones all day."""
        day = clock.stored_now()[:10]
        every = (key for keys in self._in_blocks(model, scan.keys) for key in keys)
        picked = heapq.nsmallest(number, every, key=lambda key: hashlib.sha256(f"{day} {key}".encode()).digest())
        compared.here = len(picked)
        spool.suspect((key, None) for key in picked)

    def _in_blocks(self, model: Model, some: Callable[[Transaction, Model, str, int], list[str]]) -> Iterator[list[str]]:
        """All keys that ``some`` gives, in order, a block at a time."""
        after = ""
        while keys := self._database.read(lambda tx, after=after: some(tx, model, after, _BLOCK)):  # type: ignore[misc]
            yield keys
            after = keys[-1]


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
                compared.pending += bool(local.changes)
                compared.equal += not local.changes and local.row is not None
                continue
            if drift.kind is Kind.MISSING_THERE and not local.changes:
                if ours is None:
                    ours = ledger.here(tx, model, list(keys))
                if self._explained(model, drift, ours.get(key), asked):
                    gone.append(key)
            elif record is not None and self._is_news(model, drift, record):
                drift.note = "; ".join(filter(None, (drift.note, _NEWS)))
                compared.news += 1
            if self.repair is not None:
                if record is not None:
                    backfill.note(tx, self.remote, model, [rows.sql(model).as_tuple(record)])
                self.report.conflicts += self.repair.mend(tx, model, drift, local, record)
            compared.add(drift)
        return gone

    def _explained(self, model: Model, drift: Drift, made_at: str | None, asked: bool) -> bool:
        """Say what is known about a record that is not there. True when its row may go."""
        if made_at is not None and made_at > ledger.since():
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
