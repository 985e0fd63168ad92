"""Both sides side by side: every record the remote shows, every row here, whatever the checkpoints say.

Records come page by page and are compared at once; only keys, and the records that differ, are put
aside (on disk). Every suspect is asked for by key before it counts, so that a page that came late,
an edit in the middle of the walk, or a list that lags behind its records is no difference. Nothing here
or there is changed, but for what ``repair`` repairs.
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
from syncer.engine.pull.partitions import Partitions
from syncer.engine.pull.selection import EVERYTHING, Selection, parent_of
from syncer.engine.reconcile.diverged import can_create
from syncer.engine.report import Progress, Watch
from syncer.engine.retry import RetryingConnection
from syncer.engine.verify import scan
from syncer.engine.verify.diff import DifferenceKind, RecordDifference, compare_record, inconsistent
from syncer.engine.verify.repair import Repair, local_states
from syncer.engine.verify.report import ModelComparison, RemoteVerification
from syncer.engine.verify.scan import shown
from syncer.engine.verify.spool import SeenSet
from syncer.errors import RemoteRefused
from syncer.outbox import ledger
from syncer.records import rows
from syncer.remote import Page, Remote, Row
from syncer.schema.model import Model
from syncer.store.database import Database, Transaction

_BLOCK = 1_000


class Verify:
    """One comparison of one remote under a lease. ``only``: these models. ``sample``: so many rows of each, by key.

    ``repair``: repair what is found. ``wait_s``: patience with a remote that stumbles.
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
        self._confirmation = ConfirmationPass(database, remote, lease, report, repair, picked=sample is not None)

    def run(self) -> None:
        """Compare every model that is asked for. Raises: RemoteError when the remote cannot be used, UsageError."""
        connection = RetryingConnection(self._remote.connect(), self._random, patience_s=self._wait_s)
        partitions = Partitions(self._database, self._remote, self._selection)
        try:
            with SeenSet() as seen_set:
                for name in list(self._remote.models):
                    if self._only is None or name in self._only:
                        self._model(connection, partitions, seen_set, self._remote.models[name])
        finally:
            connection.close()

    def _model(self, connection: RetryingConnection, partitions: Partitions, seen_set: SeenSet, model: Model) -> None:
        compared = self._report.models[model.name] = ModelComparison(model.name)
        compared.not_compared = self._database.read(lambda tx: self._left_out(tx, model))
        if compared.not_compared is not None:
            return
        seen_set.clear()
        self._confirmation.pulled_at = self._database.read(lambda tx: scan.pulled_at(tx, model))
        try:
            if self._sample is None:
                self._sound(model, compared)
                self._walk(shown(connection, self._database, self._remote, partitions, model), seen_set, model, compared)
                self._unseen(seen_set, model, compared)
            else:
                self._pick(seen_set, model, compared, self._sample)
            self._confirmation.run(connection, seen_set, model, compared)
        except RemoteRefused as exc:
            now = self._remote.models[model.name]
            if now is not model:  # the remote has learned what this deployment lacks of it
                self._model(connection, partitions, seen_set, now)
            elif model.legacy:
                compared.not_compared = exc.sentence
            else:  # one model that is closed to us must not keep the others away
                compared.failed = exc.sentence
            return
        self._under(model, compared)
        if self._repair is not None:
            self._repair.remove(self._database, self._lease, model, seen_set, compared, self._report)

    def _under(self, model: Model, compared: ModelComparison) -> None:
        """Say what could not be asked for because the records it hangs on are not here."""
        missing = compared.kinds[DifferenceKind.MISSING_HERE]
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

    def _sound(self, model: Model, compared: ModelComparison) -> None:
        """Whether base and waiting changes make up the row, for every row with something waiting."""
        for keys in self._in_blocks(model, scan.waiting):
            self._confirmation.block(lambda tx, keys=keys: self._inconsistent(tx, model, keys, compared))  # type: ignore[misc]

    def _inconsistent(self, tx: Transaction, model: Model, keys: Sequence[str], compared: ModelComparison) -> None:
        for key, local in local_states(tx, model, keys).items():
            difference = inconsistent(model, key, local) if local.changes else None
            if difference is not None:
                if self._repair is not None:
                    self._repair.repair(tx, model, difference, local, None)
                compared.add(difference)

    def _walk(self, found: Iterator[Page], seen_set: SeenSet, model: Model, compared: ModelComparison) -> None:
        """Compare what the remote shows."""
        for page in found:
            with self._database.transaction() as tx:
                self._lease.renew(tx)
            if page.server_time is not None:
                self._confirmation.ahead_s = (clock.parsed(page.server_time) - clock.now()).total_seconds()
            self._report.notes += [note for note in page.notes if note not in self._report.notes]
            self._page(page, seen_set, model, compared)
            compared.there = seen_set.how_many()
            self._watch(Progress(self._remote.name, "verify", model.name, compared.there))

    def _page(self, page: Page, seen_set: SeenSet, model: Model, compared: ModelComparison) -> None:
        by_key = {rows.sql(model).key_of(values): values for values in page.rows}
        known = seen_set.seen(list(by_key))
        fresh = {key: values for key, values in by_key.items() if key not in known}
        suspects = self._database.read(lambda tx: self._compare(tx, model, fresh, page, compared))
        seen_set.saw(fresh)
        seen_set.suspect((key, fresh[key]) for key in suspects)

    def _compare(
        self, tx: Transaction, model: Model, found: dict[str, tuple[Any, ...]], page: Page, compared: ModelComparison
    ) -> list[str]:
        """Keys of the records that are not what is here."""
        suspects = []
        made = {key: idem_key for key, idem_key in page.created_by_key.items() if key in found}
        ours = ledger.pending_by_idempotency_key(tx, model, made.values()) if made else {}
        as_row = rows.sql(model).as_row
        for key, local in local_states(tx, model, list(found)).items():
            if not local.changes and local.row is not None and tuple(local.row.values()) == found[key]:
                compared.equal += 1
            elif local.row is None and made.get(key) in ours:
                compared.pending += 1  # the record of a create that still waits to be told its id
            elif compare_record(model, key, local, as_row(found[key])) is not None:
                suspects.append(key)
            elif local.changes:
                compared.pending += 1
            else:
                compared.equal += 1
        return suspects

    def _unseen(self, seen_set: SeenSet, model: Model, compared: ModelComparison) -> None:
        """Rows the remote did not show."""
        for keys in self._in_blocks(model, scan.keys):
            compared.here += len(keys)
            shown_ones = seen_set.seen(keys)
            rest = [key for key in keys if key not in shown_ones]
            here = self._database.read(lambda tx, rest=rest: local_states(tx, model, rest))  # type: ignore[misc]
            absent = [key for key, local in here.items() if compare_record(model, key, local, None) is not None]
            compared.pending += len(rest) - len(absent)
            seen_set.suspect((key, None) for key in absent)

    def _pick(self, seen_set: SeenSet, model: Model, compared: ModelComparison, number: int) -> None:
        """Take some rows by the hash of their keys: other ones every day, the same ones all day."""
        day = clock.stored_now()[:10]
        every = (key for keys in self._in_blocks(model, scan.keys) for key in keys)
        picked = heapq.nsmallest(number, every, key=lambda key: hashlib.sha256(f"{day} {key}".encode()).digest())
        compared.here = len(picked)
        seen_set.suspect((key, None) for key in picked)

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
class ConfirmationPass:
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

    def run(self, connection: RetryingConnection, seen_set: SeenSet, model: Model, compared: ModelComparison) -> None:
        """Ask for every suspect, and judge it by the answer. Raises: RemoteError."""
        while suspects := seen_set.take(_ASKED_AT_ONCE):
            as_row = rows.sql(model).as_row
            shown_ones: dict[str, Row] = {key: as_row(record) for key, record in suspects.items() if record is not None}
            here = self.database.read(lambda tx, keys=list(suspects): rows.get_many(tx, model, keys))  # type: ignore[misc]
            answer = connection.fetch(model, {**here, **shown_ones})
            gone = self.block(
                lambda tx, keys=list(suspects), shown_ones=shown_ones, answer=answer: self._judge(  # type: ignore[misc]
                    tx, model, keys, shown_ones, answer, compared
                )
            )
            seen_set.go(gone)

    def _judge(
        self,
        tx: Transaction,
        model: Model,
        keys: Sequence[str],
        shown_ones: Mapping[str, Row],
        answer: Mapping[str, Row | None],
        compared: ModelComparison,
    ) -> list[str]:
        """Count and repair what differs; keys of the rows that may be removed."""
        gone = []
        ours: dict[str, str] | None = None
        for key, local in local_states(tx, model, keys).items():
            asked = key in answer
            record = answer[key] if asked else shown_ones.get(key)
            if not asked and record is None and self.picked:
                compared.here -= 1  # it cannot be asked for by key
                continue
            compared.there += (record is not None) - (key in shown_ones)
            difference = compare_record(model, key, local, record)
            if difference is None:
                compared.pending += bool(local.changes)
                compared.equal += not local.changes and local.row is not None
                continue
            if difference.kind is DifferenceKind.MISSING_THERE and not local.changes:
                if ours is None:
                    ours = ledger.created_here(tx, model, list(keys))
                if self._explained(model, difference, ours.get(key), asked):
                    gone.append(key)
            elif record is not None and self._is_news(model, difference, record):
                difference.note = "; ".join(filter(None, (difference.note, _NEWS)))
                compared.news += 1
            if self.repair is not None:
                if record is not None:
                    backfill.remember(tx, self.remote, model, [rows.sql(model).as_tuple(record)])
                self.report.conflicts += self.repair.repair(tx, model, difference, local, record)
            compared.add(difference)
        return gone

    def _explained(self, model: Model, difference: RecordDifference, made_at: str | None, asked: bool) -> bool:
        """Say what is known about a record that is not there. True when its row may go."""
        if made_at is not None and made_at > ledger.recent_since():
            difference.note = "its create was acknowledged only just now, it may not show yet"
            return False
        if made_at is not None and can_create(model):
            difference.kind = DifferenceKind.LOST_THERE
            difference.note = f"its create was acknowledged at {made_at}"
            return False
        if not asked:
            difference.note = f"{model.remote} does not list it, and cannot be asked for it: kept here"
        return asked

    def _is_news(self, model: Model, difference: RecordDifference, record: Row) -> bool:
        """Whether a record was written after the last pull of its model came to its end, so that the next one brings it."""
        changed_at = record.get(model.changed_at)
        if difference.kind is DifferenceKind.DIFFERENT and model.changed_at not in difference.fields:
            return False  # the version is the one that was seen here
        if self.pulled_at is None or not isinstance(changed_at, str):
            return self.pulled_at is None
        return changed_at > clock.after(self.ahead_s + _CLOCK_NOISE_S, clock.parsed(self.pulled_at))

    def block(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` on the file: as one transaction under the lease when it may repair, else only reading."""
        if self.repair is None:
            return self.database.read(work)
        with self.database.transaction() as tx:
            self.lease.renew(tx)
            return work(tx)
