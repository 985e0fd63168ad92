"""Sending what waits: claim a batch, send it with no transaction open, settle what came back, again.

Several connections work at once when the remote is far away. Order holds per record and parents go first, because a batch
holds only changes whose record has nothing earlier waiting and whose parents are acked.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from random import Random

from syncer import clock, failpoints
from syncer.engine import lease as leases
from syncer.engine.lease import LEASE_S, Lease
from syncer.engine.push.cascade import CascadeDeletes
from syncer.engine.push.claim import claim
from syncer.engine.push.sample import AckedSample
from syncer.engine.push.send import Delivery, send_batch, withheld
from syncer.engine.push.settle import Settler
from syncer.engine.push.upsert import Prepared, UpsertLookup
from syncer.engine.reconcile.diverged import ASK
from syncer.engine.report import Progress, RemoteReport, Watch
from syncer.engine.retry import longest_s, next_delay_s
from syncer.engine.schema_drift import UnsupportedModels
from syncer.errors import AccessRefused, DatabaseBusy, Unreachable
from syncer.merge.rules import MergeRules
from syncer.outbox import attempts, queue, stats
from syncer.remote import Change, Connection, Remote, StopReason
from syncer.store.database import Database, Transaction

_QUICK_S = 1.0
_SLOW_S = 5.0
_FAR_S = 0.015
_RENEW_S = LEASE_S / 4
_HINTS = {
    StopReason.ACCESS: "check the credentials, then run: syncer sync",
    StopReason.UNREACHABLE: "nothing is lost; run it again when the network is back",
    StopReason.THROTTLED: "nothing is lost; run it again later",
}
_CODES = {StopReason.ACCESS: "access-refused", StopReason.UNREACHABLE: "unreachable", StopReason.THROTTLED: "throttled"}


class Push:
    """One push of one remote under a lease. ``wait_s``: how long to wait, without progress, for changes due soon."""

    def __init__(
        self,
        database: Database,
        remote: Remote,
        lease: Lease,
        report: RemoteReport,
        *,
        watch: Watch,
        wait_s: float,
        limit: int | None = None,
        only: Sequence[str] | None = None,
        total: int | None = None,
        random: Random | None = None,
        rules: MergeRules = ASK,
    ) -> None:
        self._rules = rules
        self._database = database
        self._remote = remote
        self._lease = lease
        self._report = report
        self._watch = watch
        self._patience_s = self._wait_s = wait_s
        self._left = limit
        self._unsupported = UnsupportedModels(database, remote, only)
        self._total = total
        self._random = random or Random()
        self.sent = AckedSample(self._random)
        self._after: int | None = 0
        self._moved = False
        self._batch = remote.limits.first_batch
        self._senders = 2
        self._failures = 0
        self._held_because: str | None = None
        self._halt: StopReason | None = None
        self._upsert_lookup = UpsertLookup(database, remote, lease, self._random, only=only, rules=rules)
        self._cascade = CascadeDeletes(database, remote, lease, self._random, only=only)
        self._now = clock.stored_now()
        self._connections: dict[int, Connection] = {}
        self._connections_lock = threading.Lock()

    def run(self) -> None:
        """Send until nothing more can go out now."""
        with self._database.transaction() as tx:
            self._lease.renew(tx)
            attempts.interrupted(tx, self._remote.name)
            queue.recover_interrupted(tx, self._remote.name)
        flying: set[Future[Delivery]] = set()
        pool = ThreadPoolExecutor(self._remote.limits.senders, thread_name_prefix="syncer-send")
        try:
            while True:
                self._submit(pool, flying)
                if flying:
                    self._collect(flying)
                elif not self._has_more():
                    break
            self._unsupported.report(self._report)
        except KeyboardInterrupt:
            self._halt = StopReason.UNREACHABLE
            while flying:
                self._collect(flying)
            raise
        finally:
            pool.shutdown(wait=True)
            for connection in self._connections.values():
                connection.close()

    def _submit(self, pool: ThreadPoolExecutor, flying: set[Future[Delivery]]) -> None:
        if self._after == 0:
            self._prepare()
        while len(flying) < self._senders and self._halt is None and self._after is not None and self._left != 0:
            if self._on_hold():
                return
            most = self._batch if self._left is None else min(self._batch, self._left)
            claimed = claim(
                self._database,
                self._remote,
                self._lease,
                after=self._after,
                now=self._now,
                most=most,
                only=self._unsupported.sendable(),
                resolved=self._upsert_lookup.resolved,
                asked=self._cascade.asked,
            )
            self._after = claimed.seen
            self._report.blocked += claimed.blocked
            if claimed.changes:
                if self._left is not None:
                    self._left -= len(claimed.changes)
                flying.add(pool.submit(self._send, claimed.changes))

    def _prepare(self) -> None:
        """At the start of every look through the outbox: whose are the upserts never sent, what goes with the deletes?"""
        if self._left == 0 or self._on_hold():
            return
        found = Prepared()
        try:
            self._upsert_lookup.run(self._connection, self._now, found, wait_s=self._patience_s, most=self._left)
            self._cascade.run(self._connection, self._now, found, wait_s=self._patience_s, most=self._left)
        except AccessRefused as exc:
            self._stop(StopReason.ACCESS, exc.sentence)
        except Unreachable as exc:
            if exc.retry_after_s is not None:
                with self._database.transaction() as tx:
                    self._lease.renew(tx)
                    delay_s = next_delay_s(self._failures, exc.retry_after_s, self._random)
                    self._lease.hold(tx, clock.after(delay_s), exc.sentence)
            self._stop(StopReason.UNREACHABLE if exc.retry_after_s is None else StopReason.THROTTLED, exc.sentence)
        report = self._report
        report.requests += found.requests
        report.notes += found.notes
        report.acked += found.done
        report.rejected += found.rejected
        self._moved = self._moved or bool(found.done or found.updates)
        if self._left is not None:
            self._left = max(0, self._left - found.done)
        elif self._total is not None:
            self._total += found.cascaded

    def _stop(self, halt: StopReason, reason: str) -> None:
        self._halt = halt
        self._report.stop(_CODES[halt], reason, _HINTS[halt])

    def _on_hold(self) -> bool:
        until, why = self._database.read(lambda tx: leases.held_until(tx, self._remote.name))
        if until is not None and until > self._now:
            self._after = None  # _has_more() waits for it, or gives up
            self._held_because = why
            return True
        return False

    def _send(self, changes: Sequence[Change]) -> Delivery:
        if not self._database.read(self._lease.stands):  # this process slept: somebody else may be sending them by now
            return withheld(changes, "this sync stood still for longer than its lease")
        delivery = send_batch(self._connection(), changes)
        failpoints.reached("answered")
        return delivery

    def _connection(self) -> Connection:
        """The connection of the running thread."""
        name = threading.get_ident()
        with self._connections_lock:
            connection = self._connections.get(name)
            if connection is None:
                connection = self._connections[name] = self._remote.connect()
        return connection

    def _collect(self, flying: set[Future[Delivery]]) -> None:
        """Settle what has come back. While nothing does, the lease is prolonged: a living sync is not to be overtaken."""
        while not (done := wait(flying, _RENEW_S, FIRST_COMPLETED).done):
            with suppress(DatabaseBusy), self._database.transaction() as tx:
                self._lease.renew(tx)
        flying -= done
        for future in done:
            self._settle(future.result())

    def _settle(self, delivery: Delivery) -> None:
        report = self._report
        report.requests += delivery.requests
        report.notes += delivery.notes
        self._failures = self._failures + 1 if delivery.failed else 0
        with self._database.transaction() as tx:
            self._lease.renew(tx)
            settler = Settler(
                tx,
                self._remote,
                self._random,
                halt=delivery.halt,
                retry_after_s=delivery.retry_after_s,
                cap_s=longest_s(self._failures),
                rules=self._rules,
            )
            outcome = settler.settle(delivery.pairs)
            self._hold(tx, delivery)
            failpoints.reached("settled")
        self._unsupported.learn(delivery.pairs)
        self.sent.add(outcome.records)
        report.acked += outcome.acked
        report.rejected += outcome.rejected
        report.conflicts += outcome.conflicts
        if outcome.acked or outcome.rejected or outcome.conflicts or outcome.merged:
            self._moved = True
            self._patience_s = self._wait_s
        self._adapt_batch(delivery)
        self._watch(Progress(self._remote.name, "push", "changes", report.acked, self._total))

    def _hold(self, tx: Transaction, delivery: Delivery) -> None:
        """Leave a remote alone that asked for it, or that keeps failing."""
        if delivery.halt in (StopReason.ACCESS, StopReason.UNREACHABLE):
            self._stop(delivery.halt, delivery.reason)
        elif delivery.halt is StopReason.THROTTLED or delivery.retry_after_s:
            delay_s = next_delay_s(self._failures, delivery.retry_after_s, self._random)
            self._lease.hold(tx, clock.after(delay_s), delivery.reason)
        elif self._failures > 2:
            self._lease.hold(tx, clock.after(next_delay_s(self._failures - 2, None, self._random)), delivery.reason)

    def _adapt_batch(self, delivery: Delivery) -> None:
        """Grow batches while answers are quick, use more connections while they come from far."""
        limits = self._remote.limits
        if delivery.requests == 1 and not delivery.failed:
            if delivery.elapsed_s < _QUICK_S:
                self._batch = min(self._batch * 2, limits.max_batch)
            elif delivery.elapsed_s > _SLOW_S:
                self._batch = max(self._batch // 2, 1)
            self._senders = limits.senders if delivery.elapsed_s > _FAR_S else min(2, limits.senders)

    def _has_more(self) -> bool:
        """Whether another look through the outbox may find something to send, after waiting for it if it is due soon."""
        if self._halt is not None or self._left == 0:
            return False
        if self._moved:  # what moved may have freed others: children of acked parents, changes merged anew
            self._now = max(self._now, clock.stored_now())
        else:
            next_attempt_at, held = self._due()
            if next_attempt_at is None or not self._waited(next_attempt_at):
                if held:
                    self._report.stop(
                        "throttled", self._held_because or "the remote asked to wait", _HINTS[StopReason.THROTTLED]
                    )
                return False
        self._moved = False
        self._after = 0
        self._report.blocked = 0
        return True

    def _due(self) -> tuple[str | None, bool]:
        """When something becomes sendable without anybody's doing, and whether a hold is the reason."""

        def look(tx: Transaction) -> tuple[str | None, bool]:
            until, _ = leases.held_until(tx, self._remote.name)
            if until is not None and until > self._now:
                return until, True
            return stats.next_due(tx, self._remote.name, self._now), False

        return self._database.read(look)

    def _waited(self, next_attempt_at: str) -> bool:
        """Wait until then if patience allows; counted in seconds asked for, so that a stopped clock ends it too."""
        delay_s = max(
            0.0, (clock.parsed(next_attempt_at) - clock.parsed(max(self._now, clock.stored_now()))).total_seconds()
        )
        if delay_s > self._patience_s:
            return False
        self._patience_s -= max(delay_s, 0.01)
        clock.sleep(delay_s)
        self._now = max(next_attempt_at, clock.stored_now())
        return True
