"""Walking a partition of a model page by page.

A page and its checkpoint are one transaction, so that a walk can be left anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from syncer import clock, failpoints
from syncer.engine.lease import Lease
from syncer.engine.pull import backfill
from syncer.engine.pull import checkpoint as checkpoints
from syncer.engine.pull.checkpoint import Checkpoint, Partition
from syncer.engine.pull.partitions import Partitions
from syncer.engine.pull.sweep import Sweep
from syncer.engine.reconcile import apply as reconcile_apply
from syncer.engine.report import Progress, Pulled, RemoteReport, Watch
from syncer.engine.retry import RetryingConnection
from syncer.errors import RemoteRefused
from syncer.merge.rules import MergeRules
from syncer.remote import Page, PageRequest, Remote
from syncer.schema.model import Model
from syncer.schema.pull import FullList
from syncer.store.database import Database

_FAR_OFF_S = 300.0


class LimitReached(Exception):
    """As many records were read as asked for; the checkpoint remembers where."""


@dataclass
class PageWalker:
    """The pages of one pull. ``left``: how many records may still be read, None for all. ``full``: nothing is known yet."""

    database: Database
    remote: Remote
    lease: Lease
    report: RemoteReport
    connection: RetryingConnection
    partitions: Partitions
    sweep: Sweep
    rules: MergeRules
    watch: Watch
    full: bool
    left: int | None
    ahead_s: float | None = None
    """By how much the remote's clock is ahead of ours, once it is known."""

    def partition(self, partition: Partition, counts: Pulled) -> int | None:
        """Walk a partition to its end, from its checkpoint.

        How many records were seen if that was all of them, else None.
        """
        checkpoint = self.load_checkpoint(partition.model, partition.scope)
        fresh, refused = checkpoint.token is None, False
        timed = partition.cursor is not None or partition.changed
        may_be_whole = self.sweep.applies_to(partition.model) and (self.full or not timed)
        self.sweep.start()
        while True:
            start = partition.start(checkpoint)
            request = PageRequest(partition.asked, partition.value, start, checkpoint.token, self.remote.limits.page)
            try:
                page = self.connection.page(request)
            except RemoteRefused:
                # A token ends with the list it is of, and by itself after a time.
                # The partition is walked again from its checkpoint.
                if checkpoint.token is None or refused:
                    raise
                refused = fresh = True
                checkpoint = checkpoint.restarted()
                self.sweep.start()
                continue
            self.compare_clocks(page.server_time)
            told = checkpoints.rewound(checkpoint, self.ahead_s)
            if told is not checkpoint:
                checkpoint, fresh = told, True
                self.sweep.start()
                continue
            whole = fresh and start == partition.since and may_be_whole
            checkpoint, seen = self.store(
                partition,
                page,
                checkpoints.advanced(partition, checkpoint, page),
                counts,
                swept=whole,
                ends=page.token is None,
            )
            if checkpoint.token is None:
                return seen if whole else None

    def full_list(self, partition: Partition, plan: FullList, counts: Pulled) -> int | None:
        """Walk the list of one value; a walk that was interrupted is ended first, then the news on top are read.

        How many records were seen if that was all of them, else None.
        """
        model = partition.model
        checkpoint = self.load_checkpoint(model, partition.scope)
        interrupted, known_until, began = checkpoint.token is not None, checkpoint.cursor, checkpoint.started_at
        refused, whole, seen = False, not interrupted and self.sweep.applies_to(model), 0
        self.sweep.start()
        while True:
            try:
                page = self.connection.page(
                    PageRequest(model, partition.value, None, checkpoint.token, self.remote.limits.page)
                )
            except RemoteRefused:
                if checkpoint.token is None or refused:
                    raise
                refused, interrupted, checkpoint, began = True, False, checkpoint.restarted(), None
                continue
            began = began or page.server_time or clock.stored_now()
            before = counts.added + counts.changed
            checkpoint, seen = self.store(
                partition,
                page,
                checkpoints.advanced(partition, checkpoint, page),
                counts,
                swept=whole,
                ends=page.token is None,
            )
            known = not self.full and not interrupted and counts.added + counts.changed == before
            if checkpoint.token is not None and not self._left_at(partition, page, plan, known_until if known else None):
                continue
            whole = whole and checkpoint.token is None
            if not interrupted:
                break
            interrupted, checkpoint, known_until, began = False, checkpoint.restarted(), began, None
        with self.database.transaction() as tx:
            self.lease.renew(tx)
            checkpoints.put(tx, model, replace(checkpoint.restarted(), cursor=began, complete_at=clock.stored_now()))
        return seen if whole else None

    def _left_at(self, partition: Partition, page: Page, plan: FullList, known_until: str | None) -> bool:
        """True when what is below this page need not be read."""
        known = checkpoints.nothing_below(partition.model, page, plan, known_until)
        return known or checkpoints.all_below_older(partition.model, page, plan, partition.since)

    def children(
        self, partition: Partition, checkpoint: Checkpoint, parent: str, request: PageRequest, counts: Pulled, *, whole: bool
    ) -> tuple[Checkpoint, int]:
        """Walk what is under one parent; the checkpoint of all parents, moved on, and how many records there were."""
        token: str | None = None
        refused = False
        while True:
            try:
                page = self.connection.page(replace(request, token=token))
            except RemoteRefused:
                if token is None or refused:
                    raise
                token, refused = None, True
                continue
            token = page.token
            # In the middle of a parent the checkpoint names the one before, so that it is asked again from its start.
            started = checkpoint.started_at or page.server_time or clock.stored_now()
            checkpoint = replace(
                checkpoint, started_at=started, token=checkpoint.token if token else max(parent, checkpoint.token or "")
            )
            checkpoint, seen = self.store(
                partition, page, checkpoint, counts, swept=whole, ends=token is None, parent=parent
            )
            if token is None:
                return checkpoint, seen

    def load_checkpoint(self, model: Model, scope: str) -> Checkpoint:
        """Where the last walk of this scope came to."""
        return self.database.read(lambda tx: checkpoints.get(tx, model, scope))

    def store(
        self,
        partition: Partition,
        page: Page,
        checkpoint: Checkpoint,
        counts: Pulled,
        *,
        swept: bool,
        ends: bool,
        parent: str | None = None,
    ) -> tuple[Checkpoint, int]:
        """Store a page and its checkpoint in one transaction.

        The checkpoint, and at the end of a partition the number of records in it.
        """
        model, seen = partition.model, 0
        wanted = _wanted(partition, page)
        failpoints.reached("page-read")
        with self.database.transaction() as tx:
            self.lease.renew(tx)
            twice = (
                reconcile_apply.correlate(tx, self.remote.models, model, page.created_by_key) if page.created_by_key else []
            )
            backfill.remember(tx, self.remote, model, wanted)
            stored = reconcile_apply.apply(tx, model, wanted, self.rules)
            checkpoints.put(tx, model, checkpoint)
            if swept:
                self.sweep.seen(tx, partition, page)
                seen = self.sweep.partition_done(tx, partition) if ends else 0
            if parent is not None and ends:
                checkpoints.backfill_done(tx, model, partition.scope, parent)
            failpoints.reached("page-stored")
        self.report.notes += [*page.notes, *twice]
        self.compare_clocks(page.server_time)
        counts.added += stored.added
        counts.changed += stored.changed
        counts.unchanged += stored.unchanged
        counts.local_edits_kept += stored.held
        if page.skipped:
            self.report.notes.append(f"{model.name}: {page.skipped} records came without content and were left out")
        if self.left is not None:
            self.left -= len(page.rows)
            if self.left <= 0 and checkpoint.token is not None:
                raise LimitReached
        done = counts.added + counts.changed + counts.unchanged + counts.local_edits_kept
        self.watch(Progress(self.remote.name, "pull", model.name, done))
        return checkpoint, seen

    def compare_clocks(self, server_time: str | None) -> None:
        """Say once when this machine's clock is far off: times of local writes are taken from it."""
        if server_time is None or self.ahead_s is not None:
            return
        self.ahead_s = (clock.parsed(server_time) - clock.now()).total_seconds()
        if abs(self.ahead_s) > _FAR_OFF_S:
            side = "behind" if self.ahead_s > 0 else "ahead of"
            self.report.notes.append(
                f"this machine's clock is {round(abs(self.ahead_s) / 60)} minutes {side} {self.remote.name}'s: set it, the"
                " times of what is written here come from it"
            )


def _wanted(partition: Partition, page: Page) -> Sequence[tuple[Any, ...]]:
    """The records of a page that belong to what is chosen."""
    if not partition.only:
        return page.rows
    names = [f.name for f in partition.model.fields]
    tests = [(names.index(name), values) for name, values in partition.only.items()]
    return [values for values in page.rows if all(values[at] in chosen for at, chosen in tests)]
