"""A whole run: lease, push, pull, diary, report; one remote after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from syncer import clock
from syncer.engine import lease as engine_lease
from syncer.engine import lease as leases
from syncer.engine.lease import Lease
from syncer.engine.pull.loop import Pull
from syncer.engine.pull.selection import EVERYTHING, Selection
from syncer.engine.push.loop import Push
from syncer.engine.push.sample import AckedSample
from syncer.engine.reconcile.diverged import ASK
from syncer.engine.report import RemoteReport, Report, Watch, unwatched
from syncer.engine.schema_drift import SchemaDrift
from syncer.engine.verify.spot_check import spot_check
from syncer.errors import RemoteError, SyncRunning, Unreachable
from syncer.merge.rules import MergeRules
from syncer.outbox import stats
from syncer.remote import Remote
from syncer.store.database import Database, Transaction

PATIENCE_S = 30.0


class Sync:
    """What ``push``, ``pull`` and ``sync`` share. ``wait_s``: patience, without progress, for changes that are due soon.

    ``limit``: the most changes to send, or, when only pulling, about how many records to read. ``rules``: by remote, who
    wins where both sides changed the same; without any a person is asked. ``selections``: by remote, what is pulled; without
    any all of it. ``many_may_go``: rows whose records are gone on the remote are removed however many they are.
    """

    def __init__(
        self,
        database: Database,
        *,
        watch: Watch = unwatched,
        wait_s: float = PATIENCE_S,
        limit: int | None = None,
        rules: Mapping[str, MergeRules] | None = None,
        selections: Mapping[str, Selection] | None = None,
        many_may_go: bool = False,
    ) -> None:
        self._rules = rules or {}
        self._selections = selections or {}
        self._many_may_go = many_may_go
        self._database = database
        self._watch = watch
        self._wait_s = wait_s
        self._limit = limit

    def run(
        self,
        remotes: Sequence[Remote],
        *,
        push: bool = True,
        pull: bool = True,
        full: bool = False,
        only: Sequence[str] | None = None,
        check: bool = True,
    ) -> Report:
        """Push, then pull, each of ``remotes``. Raises: SyncRunning when another sync has one of them, DatabaseError.

        ``check``: after both, look at some of what was pushed. A remote that another sync has delays none of the others:
        they are done before it is said.
        """
        report = Report()
        elsewhere: list[SyncRunning] = []
        for remote in remotes:
            part = report.remotes[remote.name] = RemoteReport(remote.name)
            missing = remote.missing_settings()
            if missing:
                part.skipped = True
                part.notes.append(f"not configured: set {' and '.join(missing)}")
            else:
                try:
                    self._one(remote, part, push, pull, full, only, check)
                except SyncRunning as exc:
                    elsewhere.append(exc)
            self._left(remote, part, push and not missing)
        if elsewhere:
            raise elsewhere[0]
        return report

    def _one(
        self, remote: Remote, part: RemoteReport, push: bool, pull: bool, full: bool, only: Sequence[str] | None, check: bool
    ) -> None:
        sample: list[AckedSample] = []
        drift = SchemaDrift(self._database, remote)
        lease = leases.acquire(self._database, remote.name)
        try:
            drift.load()
            drift.refresh()
            if push:
                self._noted(remote, part, lease, "push", lambda: self._push(remote, part, lease, only, sample))
            if pull and part.stopped is None and not self._held(remote, part):
                work = Pull(
                    self._database,
                    remote,
                    lease,
                    part,
                    watch=self._watch,
                    full=full,
                    only=only,
                    wait_s=self._wait_s,
                    limit=None if push else self._limit,
                    rules=self._rules.get(remote.name, ASK),
                    selection=self._selections.get(remote.name, EVERYTHING),
                    many_may_go=self._many_may_go,
                )
                self._noted(remote, part, lease, "pull", work.run)
                if check and part.stopped is None:
                    for one in sample:
                        spot_check(self._database, remote, one, part)
            drift.save()
            drift.report(part)
        finally:
            with self._database.transaction() as tx:
                lease.release(tx)

    def _held(self, remote: Remote, part: RemoteReport) -> bool:
        """Whether a remote that asked, perhaps in an earlier run, to be left alone is to be; a short time is waited."""
        until, why = self._database.read(lambda tx: leases.held_until(tx, remote.name))
        if until is None:
            return False
        delay_s = (clock.parsed(until) - clock.now()).total_seconds()
        if delay_s > self._wait_s:
            part.stop("throttled", why or "the remote asked to wait", "nothing is lost; run it again later")
            return True
        clock.sleep(delay_s)
        return False

    def _push(
        self, remote: Remote, part: RemoteReport, lease: Lease, only: Sequence[str] | None, sample: list[AckedSample]
    ) -> None:
        total = self._database.read(lambda tx: stats.count(tx, remote.name))
        push = Push(
            self._database,
            remote,
            lease,
            part,
            watch=self._watch,
            wait_s=self._wait_s,
            limit=self._limit,
            only=only,
            total=total if self._limit is None else min(total, self._limit),
            rules=self._rules.get(remote.name, ASK),
        )
        push.run()
        if push.sent.total:
            sample.append(push.sent)

    def _noted(self, remote: Remote, part: RemoteReport, lease: Lease, kind: str, work: Callable[[], None]) -> None:
        started_at = clock.stored_now()
        try:
            work()
        except SyncRunning:
            raise
        except RemoteError as exc:
            part.stop(exc.code, exc.sentence, exc.hint)
            if isinstance(exc, Unreachable) and exc.retry_after_s:
                with self._database.transaction() as tx:
                    lease.renew(tx)
                    lease.hold(tx, clock.after(exc.retry_after_s), exc.sentence)
        counts: dict[str, object] = (
            {name: getattr(part, name) for name in ("acked", "rejected", "conflicts", "blocked", "requests")}
            if kind == "push"
            else {name: asdict(pulled) for name, pulled in part.pulled.items()}
        )
        with self._database.transaction() as tx:
            engine_lease.note(tx, remote.name, kind, started_at, part.stopped or "done", counts, part.reason)

    def _left(self, remote: Remote, part: RemoteReport, pushed: bool) -> None:
        def look(tx: Transaction) -> None:
            part.pending = stats.count(tx, remote.name)
            part.attention = stats.count_attention(tx, remote.name)
            part.will_retry = stats.count_tried(tx, remote.name) if pushed else 0
            part.next_attempt_at = stats.next_due(tx, remote.name, clock.stored_now())

        self._database.read(look)
