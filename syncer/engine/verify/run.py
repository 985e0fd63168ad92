"""A whole verification: the ledger, then one remote after the other, each under its lease."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncer.engine import lease as leases
from syncer.engine.pull.selection import EVERYTHING, Selection
from syncer.engine.reconcile.diverged import ASK
from syncer.engine.report import Watch
from syncer.engine.schema_drift import SchemaDrift
from syncer.engine.verify.compare import Verify
from syncer.engine.verify.repair import Repair
from syncer.engine.verify.report import RemoteVerification, Verification
from syncer.errors import RemoteError, SyncRunning
from syncer.merge.rules import MergeRules
from syncer.outbox import stats
from syncer.remote import Remote
from syncer.store.database import Database


@dataclass(frozen=True)
class Verifier:
    """What every verification of a file has in common. ``rules`` and ``selections`` go by remote, as for a sync."""

    database: Database
    watch: Watch
    wait_s: float
    rules: Mapping[str, MergeRules]
    selections: Mapping[str, Selection]

    def run(
        self,
        remotes: Sequence[Remote],
        *,
        only: Sequence[str] | None = None,
        sample: int | None = None,
        repair: bool = False,
        resend: bool = False,
        many_may_go: bool = False,
    ) -> Verification:
        """Compare both sides of each remote; with ``repair`` repair what differs, as :class:`Repair` says.

        Raises: SyncRunning while a sync of the same remote is at work, UsageError, DatabaseError.
        """
        verification = Verification()
        inconsistent = not self.database.read(stats.is_consistent)
        for remote in remotes:
            part = verification.remotes[remote.name] = RemoteVerification(remote.name, sample, inconsistent=inconsistent)
            missing = remote.missing_settings()
            if missing:
                part.skipped = True
                part.notes.append(f"not configured: set {' and '.join(missing)}")
                continue
            rules = self.rules.get(remote.name, ASK)
            self._one(remote, part, only, sample, Repair(rules, resend, many_may_go) if repair else None)
        return verification

    def _one(
        self,
        remote: Remote,
        part: RemoteVerification,
        only: Sequence[str] | None,
        sample: int | None,
        repair: Repair | None,
    ) -> None:
        lease = leases.acquire(self.database, remote.name)
        drift = SchemaDrift(self.database, remote)
        try:
            drift.load()
            Verify(
                self.database,
                remote,
                lease,
                part,
                watch=self.watch,
                only=only,
                selection=self.selections.get(remote.name, EVERYTHING),
                sample=sample,
                repair=repair,
                wait_s=self.wait_s,
            ).run()
        except SyncRunning:
            raise
        except RemoteError as exc:
            part.stopped, part.reason, part.hint = exc.code, exc.sentence, exc.hint
        finally:
            drift.save()
            with self.database.transaction() as tx:
                lease.release(tx)
