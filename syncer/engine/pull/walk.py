"""Walking a part of a model page by page: a page and its mark are one transaction, so that a walk can be left anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from syncer import clock, failpoints
from syncer.engine.lease import Lease
from syncer.engine.pull import backfill, checkpoint
from syncer.engine.pull.checkpoint import Mark, Part
from syncer.engine.pull.partitions import Parts
from syncer.engine.pull.sweep import Sweep
from syncer.engine.reconcile import apply as reconcile_apply
from syncer.engine.report import Progress, Pulled, RemoteReport, Watch
from syncer.engine.retry import Asking
from syncer.errors import RemoteRefused
from syncer.merge.rules import Preferences
from syncer.remote import Ask, Page, Remote
from syncer.schema.model import Model
from syncer.schema.pull import Listing
from syncer.store.database import Database

_FAR_OFF_S = 300.0


class Enough(Exception):
    """As many records were read as asked for; the mark remembers where."""


@dataclass
class Walk:
    """The pages of one pull. ``left``: how many records may still be read, None for all. ``full``: nothing is known yet."""

    database: Database
    remote: Remote
    lease: Lease
    report: RemoteReport
    line: Asking
    parts: Parts
    sweep: Sweep
    rules: Preferences
    watch: Watch
    full: bool
    left: int | None
    ahead_s: float | None = None
    """By how much the remote's clock is ahead of ours, once it is known."""

    def part(self, part: Part, counts: Pulled) -> int | None:
        """Walk a part to its end, from its mark. How many records were seen if that was all of them, else None."""
        mark = self.mark(part.model, part.scope)
        fresh, refused = mark.token is None, False
        timed = part.cursor is not None or part.changed
        may_be_whole = self.sweep.covers(part.model) and (self.full or not timed)
        self.sweep.begin()
        while True:
            start = part.start(mark)
            ask = Ask(part.asked, part.value, start, mark.token, self.remote.limits.page)
            try:
                page = self.line.page(ask)
            except RemoteRefused:
                # A token ends with the list it is of, and by itself after a time: the part is walked again from its mark.
                if mark.token is None or refused:
                    raise
                refused = fresh = True
                mark = mark.restarted()
                self.sweep.begin()
                continue
            self.compare_clocks(page.server_time)
            told = checkpoint.set_back(mark, self.ahead_s)
            if told is not mark:
                mark, fresh = told, True
                self.sweep.begin()
                continue
            whole = fresh and start == part.since and may_be_whole
            mark, seen = self.store(
                part, page, checkpoint.moved(part, mark, page), counts, swept=whole, ends=page.token is None
            )
            if mark.token is None:
                return seen if whole else None

    def listing(self, part: Part, plan: Listing, counts: Pulled) -> int | None:
        """Walk the list of one value; a walk that was interrupted is ended first, then the news on top are read.

        How many records were seen if that was all of them, else None.
        """
        model = part.model
        mark = self.mark(model, part.scope)
        interrupted, known_until, began = mark.token is not None, mark.cursor, mark.started_at
        refused, whole, seen = False, not interrupted and self.sweep.covers(model), 0
        self.sweep.begin()
        while True:
            try:
                page = self.line.page(Ask(model, part.value, None, mark.token, self.remote.limits.page))
            except RemoteRefused:
                if mark.token is None or refused:
                    raise
                refused, interrupted, mark, began = True, False, mark.restarted(), None
                continue
            began = began or page.server_time or clock.stored_now()
            before = counts.added + counts.changed
            mark, seen = self.store(
                part, page, checkpoint.moved(part, mark, page), counts, swept=whole, ends=page.token is None
            )
            known = not self.full and not interrupted and counts.added + counts.changed == before
            if mark.token is not None and not self._left_at(part, page, plan, known_until if known else None):
                continue
            whole = whole and mark.token is None
            if not interrupted:
                break
            interrupted, mark, known_until, began = False, mark.restarted(), began, None
        with self.database.transaction() as tx:
            self.lease.renew(tx)
            checkpoint.put(tx, model, replace(mark.restarted(), cursor=began, complete_at=clock.stored_now()))
        return seen if whole else None

    def _left_at(self, part: Part, page: Page, plan: Listing, known_until: str | None) -> bool:
        """True when what is below this page need not be read."""
        known = checkpoint.nothing_below(part.model, page, plan, known_until)
        return known or checkpoint.all_below_older(part.model, page, plan, part.since)

    def children(self, part: Part, mark: Mark, parent: str, ask: Ask, counts: Pulled, *, whole: bool) -> tuple[Mark, int]:
        """Walk what is under one parent; the mark of all parents, moved on, and how many records there were."""
        token: str | None = None
        refused = False
        while True:
            try:
                page = self.line.page(replace(ask, token=token))
            except RemoteRefused:
                if token is None or refused:
                    raise
                token, refused = None, True
                continue
            token = page.token
            # In the middle of a parent the mark names the one before, so that it is asked again from its start.
            started = mark.started_at or page.server_time or clock.stored_now()
            mark = replace(mark, started_at=started, token=mark.token if token else max(parent, mark.token or ""))
            mark, seen = self.store(part, page, mark, counts, swept=whole, ends=token is None, parent=parent)
            if token is None:
                return mark, seen

    def mark(self, model: Model, scope: str) -> Mark:
        """Where the last walk of this scope came to."""
        return self.database.read(lambda tx: checkpoint.get(tx, model, scope))

    def store(
        self, part: Part, page: Page, mark: Mark, counts: Pulled, *, swept: bool, ends: bool, parent: str | None = None
    ) -> tuple[Mark, int]:
        """Store a page and its mark in one transaction; the mark, and at the end of a part the number of records in it."""
        model, seen = part.model, 0
        wanted = _wanted(part, page)
        failpoints.reached("page-read")
        with self.database.transaction() as tx:
            self.lease.renew(tx)
            twice = reconcile_apply.adopt(tx, self.remote.models, model, page.made) if page.made else []
            backfill.note(tx, self.remote, model, wanted)
            stored = reconcile_apply.apply(tx, model, wanted, self.rules)
            checkpoint.put(tx, model, mark)
            if swept:
                self.sweep.saw(tx, part, page)
                seen = self.sweep.ended(tx, part) if ends else 0
            if parent is not None and ends:
                checkpoint.read(tx, model, part.scope, parent)
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
            if self.left <= 0 and mark.token is not None:
                raise Enough
        done = counts.added + counts.changed + counts.unchanged + counts.local_edits_kept
        self.watch(Progress(self.remote.name, "pull", model.name, done))
        return mark, seen

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


def _wanted(part: Part, page: Page) -> Sequence[tuple[Any, ...]]:
    """The records of a page that belong to what is chosen."""
    if not part.only:
        return page.rows
    names = [f.name for f in part.model.fields]
    tests = [(names.index(name), values) for name, values in part.only.items()]
    return [values for values in page.rows if all(values[at] in chosen for at, chosen in tests)]
