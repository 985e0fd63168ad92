"""Mending what verify found: the remote's records come in as a pull brings them, so that waiting edits stay.

Nothing is sent. What the remote has no more is removed here only when nothing waits for it, when the remote was asked for it
by key, and when it is not a mass of rows. What it lost although it had acknowledged it is queued again only on demand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncer import clock
from syncer.engine.lease import Lease
from syncer.engine.reconcile import apply as reconcile_apply
from syncer.engine.reconcile.diverged import ASK
from syncer.engine.reconcile.rebase import rebase_row
from syncer.engine.verify.diff import DifferenceKind, LocalState, RecordDifference, compare_record, inconsistent
from syncer.engine.verify.report import ModelComparison, RemoteVerification
from syncer.engine.verify.spool import SeenSet
from syncer.merge import conflicts
from syncer.merge.rules import MergeRules
from syncer.merge.three_way import listed
from syncer.outbox import queue
from syncer.records import bases, events, rows
from syncer.remote import Op, Row, State
from syncer.schema.model import Model
from syncer.store.database import Database, Transaction

_BLOCK = 500
_FEW = 20
_PART = 5


@dataclass(frozen=True)
class Repair:
    """``resend``: queue again what the remote has lost. ``many_may_go``: remove rows also when they are many."""

    rules: MergeRules = ASK
    resend: bool = False
    many_may_go: bool = False

    def repair(
        self, tx: Transaction, model: Model, difference: RecordDifference, local: LocalState, record: Row | None
    ) -> bool:
        """Mend one difference in the caller's transaction and say so in it.

        True when a person is now asked about the record.
        """
        if difference.kind is DifferenceKind.LOST_THERE:
            if self.resend:
                queue.enqueue(tx, model, difference.key, Op.CREATE, clock.stored_now())
                self._tell(tx, model, difference, "will be sent again")
            return False
        if difference.kind is DifferenceKind.INCONSISTENT:
            self._rebase(tx, model, difference, local)
        elif record is not None:
            return self._take(tx, model, difference, local, record)
        return False

    def _rebase(self, tx: Transaction, model: Model, difference: RecordDifference, local: LocalState) -> None:
        if local.base is None or not difference.fields:
            return  # the values of its edits are gone with the row: nothing here can bring them back
        rebase_row(tx, model, difference.key, local.base)
        if inconsistent(model, difference.key, local_states(tx, model, [difference.key])[difference.key]) is None:
            self._tell(tx, model, difference, "the row is its base again, with the pending edits on top")

    def _take(self, tx: Transaction, model: Model, difference: RecordDifference, local: LocalState, record: Row) -> bool:
        if local.changes and local.base is None:
            bases.put(tx, model, difference.key, record)
            rebase_row(tx, model, difference.key, record)
        else:
            reconcile_apply.apply(tx, model, [rows.sql(model).as_tuple(record)], self.rules, current=True)
        after = local_states(tx, model, [difference.key])[difference.key]
        if compare_record(model, difference.key, after, record) is not None:
            return False
        asked = _asked(after) and not _asked(local)
        what = "merged, its edits still wait" if after.changes else "taken from the remote"
        self._tell(
            tx, model, difference, f"both sides changed it: syncer conflicts show {difference.key}" if asked else what
        )
        return asked

    def _tell(self, tx: Transaction, model: Model, difference: RecordDifference, what: str) -> None:
        difference.repaired = what
        events.note(tx, model, "repaired", [(difference.key, listed(difference.fields), f"{difference.kind}: {what}")])

    def remove(
        self,
        database: Database,
        lease: Lease,
        model: Model,
        seen_set: SeenSet,
        compared: ModelComparison,
        report: RemoteVerification,
    ) -> None:
        """Remove the rows of what the remote has no more, unless that looks like something else than deletions."""
        going = seen_set.how_many_gone()
        if not going:
            return
        command = f"syncer verify {model.remote} --model {model.name} --repair --allow-mass-delete"
        if not self.many_may_go and not compared.there:
            why = f"{model.name}: {model.remote} shows none, and {going:,} are here: none was removed"
            report.notes.append(f"{why} (if they are gone: {command})")
            return
        most = max(_FEW, compared.here // _PART)
        if not self.many_may_go and going > most:
            why = f"{model.name}: {going:,} of {compared.here:,} rows here are gone from {model.remote}: none was removed"
            report.notes.append(f"{why}; if that is right: {command}")
            return
        by_key = {
            difference.key: difference
            for difference in compared.differences
            if difference.kind is DifferenceKind.MISSING_THERE
        }
        after = ""
        while keys := seen_set.gone(after, _BLOCK):
            after = keys[-1]
            with database.transaction() as tx:
                lease.renew(tx)
                waiting = queue.waiting_keys(tx, model, keys)
                removed = [key for key in keys if key not in waiting]
                for key in removed:
                    rows.remove(tx, model, key)
                events.note(tx, model, "repaired", [(key, None, "missing there: removed here") for key in removed])
            compared.repaired += len(removed)
            for key in removed:
                if key in by_key:
                    by_key[key].repaired = "removed here"


def local_states(tx: Transaction, model: Model, keys: Sequence[str]) -> dict[str, LocalState]:
    """What is here of these records, by key."""
    here = rows.get_many(tx, model, keys)
    waiting = queue.waiting_keys(tx, model, list(keys)) if keys else set()
    return {key: _local(tx, model, key, here) if key in waiting else LocalState(here.get(key)) for key in keys}


def _local(tx: Transaction, model: Model, key: str, here: Mapping[str, Any]) -> LocalState:
    return LocalState(
        here.get(key),
        queue.of_record(tx, model, key),
        bases.get(tx, model, key),
        conflicts.open_of(tx, model, key),
    )


def _asked(local: LocalState) -> bool:
    return any(change.state is State.CONFLICT for change in local.changes)
