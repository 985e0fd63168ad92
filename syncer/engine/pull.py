"""Bringing home what others wrote: model by model, parents first, page by page.

A page, its mark and its token are one transaction, so a pull that is killed goes on where it was. Rows with waiting edits
keep them: the record becomes their base, and a field both sides changed becomes a conflict with both values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from syncer import clock
from syncer.cache import marks, rows
from syncer.cache.marks import Mark
from syncer.describe import Model
from syncer.engine import adopting, pages
from syncer.engine.asking import Asking
from syncer.engine.position import earlier, moved, nothing_below
from syncer.engine.report import Progress, Pulled, RemoteReport, Watch
from syncer.errors import RemoteRefused
from syncer.outbox.lease import Lease
from syncer.plans import ByKey, Each, Listing, Scan, Since
from syncer.port import Ask, Page, Remote, Row
from syncer.store.database import Database, Transaction

_KEYS_A_READ = 500
_FAR_OFF_S = 300.0


class _Enough(Exception):
    """As many records were read as asked for; the mark remembers where."""


class Pull:
    """One pull of one remote under a lease. ``full``: from the start, as if nothing had been pulled before."""

    def __init__(
        self,
        database: Database,
        remote: Remote,
        lease: Lease,
        report: RemoteReport,
        *,
        watch: Watch,
        full: bool = False,
        only: Sequence[str] | None = None,
        limit: int | None = None,
        wait_s: float = 30.0,
        random: Random | None = None,
    ) -> None:
        self._wait_s = wait_s
        self._left = limit
        self._compared = False
        self._random = random or Random()
        self._database = database
        self._remote = remote
        self._lease = lease
        self._report = report
        self._watch = watch
        self._full = full
        self._only = only

    def run(self) -> None:
        """Pull every model that is asked for. Raises: RemoteError when the remote cannot be used."""
        line = Asking(self._remote.line(), self._random, patience_s=self._wait_s)
        try:
            for model in self._remote.models.values():
                if self._wanted(model):
                    self._model(line, model)
        except _Enough:
            self._report.notes.append("the limit was reached: the next pull goes on from there")
        finally:
            line.close()

    def _wanted(self, model: Model) -> bool:
        if model.pull is None:
            return False
        if self._only is not None:
            return model.name in self._only
        return not model.legacy or bool(self._database.read(lambda tx: rows.some_keys(tx, model, "", 1)))

    def _model(self, line: Asking, model: Model) -> None:
        counts = self._report.pulled.setdefault(model.name, Pulled())
        if self._full:
            with self._database.transaction() as tx:
                self._lease.renew(tx)
                marks.forget(tx, model)
        try:
            self._by_plan(line, model, counts)
        except RemoteRefused as exc:
            # One model that is closed to us, or absent from the deployment, must not keep the others away.
            self._report.notes.append(exc.sentence)

    def _by_plan(self, line: Asking, model: Model, counts: Pulled) -> None:
        plan = model.pull
        if isinstance(plan, Each):
            self._each(line, model, plan, counts)
        elif isinstance(plan, Since):
            for parent in self._parents(plan.parent):
                self._partition(line, model, f"{plan.index[0]}={parent}", parent, plan.cursor, plan.overlap_s, counts)
            if plan.unfinished:
                self._again(line, model, plan.unfinished, counts)
        elif isinstance(plan, ByKey):
            self._by_key(line, model, plan, counts)
        elif isinstance(plan, Scan):
            self._partition(line, model, "all", None, None, 0.0, counts)
        elif isinstance(plan, Listing):
            for value in self._values(model, plan):
                self._listing(line, model, plan, value, counts)
            self._again(line, model, plan.unfinished, counts)

    def _by_key(self, line: Asking, model: Model, plan: ByKey, counts: Pulled) -> None:
        values = self._remote.partitions().get(plan.setting, ())
        for value in values:
            self._partition(line, model, f"{plan.field}={value}", value, None, 0.0, counts)
        self._nothing_to_ask(model, values, "PLEXUS_ACCOUNT_KEY")

    def _nothing_to_ask(self, model: Model, values: Sequence[str], needs: str) -> None:
        if needs and not values and not self._database.read(lambda tx: rows.some_keys(tx, model, "", 1)):
            self._report.notes.append(f"no {model.name} to pull from: set {needs}")

    def _values(self, model: Model, plan: Listing) -> Sequence[str]:
        if plan.setting is not None:
            values = self._remote.partitions().get(plan.setting, ())
            self._nothing_to_ask(model, values, plan.needs)
            return values
        return self._database.read(lambda tx: rows.distinct(tx, model, plan.field or ""))

    def _listing(self, line: Asking, model: Model, plan: Listing, value: str, counts: Pulled) -> None:
        """Walk the list of one value; a walk that was interrupted is ended first, then the news on top are read."""
        mark = self._database.read(lambda tx: marks.get(tx, model, f"list {value}"))
        interrupted, known_until, began = mark.token is not None, mark.position, mark.started_at
        while True:
            page = line.page(Ask(model, value, None, mark.token, self._remote.limits.page))
            began = began or page.server_time or clock.stored_now()
            before = counts.added + counts.changed
            mark = self._store(model, page, moved(model, mark, page, None), counts)
            seen = not self._full and not interrupted and counts.added + counts.changed == before
            if mark.token is not None and not (seen and nothing_below(model, page, plan, known_until)):
                continue
            if not interrupted:
                break
            interrupted, mark, known_until, began = False, mark.restarted(), began, None
        with self._database.transaction() as tx:
            self._lease.renew(tx)
            marks.put(tx, model, replace(mark.restarted(), position=began, complete_at=clock.stored_now()))

    def _parents(self, name: str) -> Iterator[str]:
        """Keys of the parent model's rows, in order, a few at a time."""
        model = self._remote.models[name]
        last = ""
        while True:
            keys = self._database.read(lambda tx, after=last: rows.some_keys(tx, model, after, _KEYS_A_READ))  # type: ignore[misc]
            yield from keys
            if len(keys) < _KEYS_A_READ:
                return
            last = keys[-1]

    def _partition(
        self,
        line: Asking,
        model: Model,
        scope: str,
        partition: str | None,
        cursor: str | None,
        overlap_s: float,
        counts: Pulled,
    ) -> None:
        """Walk one partition to its end, from its mark."""
        mark = self._database.read(lambda tx: marks.get(tx, model, scope))
        start = earlier(mark.position, overlap_s) if cursor else mark.position
        while True:
            ask = Ask(model, partition, start, mark.token, self._remote.limits.page)
            page = line.page(ask)
            mark = self._store(model, page, moved(model, mark, page, cursor), counts)
            if mark.token is None:
                return

    def _store(self, model: Model, page: Page, mark: Mark, counts: Pulled) -> Mark:
        with self._database.transaction() as tx:
            self._lease.renew(tx)
            twice = adopting.adopt(tx, self._remote.models, model, page.made) if page.made else []
            stored = pages.apply(tx, model, page.rows)
            marks.put(tx, model, mark)
        self._report.notes += [*page.notes, *twice]
        self._compare_clocks(page.server_time)
        counts.added += stored.added
        counts.changed += stored.changed
        counts.unchanged += stored.unchanged
        counts.held += stored.held
        if page.skipped:
            self._report.notes.append(f"{model.name}: {page.skipped} records came without content and were left out")
        done = counts.added + counts.changed + counts.unchanged + counts.held
        if self._left is not None:
            self._left -= len(page.rows)
            if self._left <= 0 and mark.token is not None:
                raise _Enough
        self._watch(Progress(self._remote.name, "pull", model.name, done))
        return mark

    def _compare_clocks(self, server_time: str | None) -> None:
        """Say once when this machine's clock is far off: times of local writes are taken from it."""
        if server_time is None or self._compared:
            return
        self._compared = True
        ahead_s = (clock.now() - clock.parsed(server_time)).total_seconds()
        if abs(ahead_s) > _FAR_OFF_S:
            side = "ahead of" if ahead_s > 0 else "behind"
            self._report.notes.append(
                f"this machine's clock is {round(abs(ahead_s) / 60)} minutes {side} {self._remote.name}'s: set it, the times"
                " of what is written here come from it"
            )

    def _each(self, line: Asking, model: Model, plan: Each, counts: Pulled) -> None:
        """Ask for the children of every parent that may have news; the mark remembers the parent it came to."""
        scope = f"each {plan.parent}"
        mark = self._database.read(lambda tx: marks.get(tx, model, scope))
        since = earlier(mark.position, 300.0)
        progress = mark
        for parent in self._due_parents(plan, mark.token or "", since):
            token: str | None = None
            cursor, row = self._start(model, plan, parent, since)
            while True:
                page = line.page(Ask(model, parent, cursor, token, self._remote.limits.page, row))
                token = page.token
                # In the middle of a parent the mark names the one before, so that it is asked again from its start.
                started = progress.started_at or page.server_time or clock.stored_now()
                progress = replace(progress, started_at=started, token=progress.token if token else parent)
                self._store(model, page, progress, counts)
                if token is None:
                    break
        done = replace(progress.restarted(), position=progress.started_at or mark.position, complete_at=clock.stored_now())
        with self._database.transaction() as tx:
            self._lease.renew(tx)
            marks.put(tx, model, done)

    def _start(self, model: Model, plan: Each, parent: str, since: str | None) -> tuple[str | None, Row | None]:
        """Where to start among the children of ``parent``, and its row."""

        def look(tx: Transaction) -> tuple[str | None, Row | None]:
            row = rows.get(tx, self._remote.models[plan.parent], parent)
            if plan.cursor is not None:
                return rows.latest(tx, model, plan.cursor, plan.index[0], parent), row
            return (since if plan.changed else None), row

        return self._database.read(look)

    def _due_parents(self, plan: Each, after: str, since: str | None) -> Iterator[str]:
        parent = self._remote.models[plan.parent]
        if plan.live is None or since is None:
            yield from (key for key in self._parents(plan.parent) if key > after)
            return
        name, final = plan.live
        keys = self._database.read(lambda tx: rows.live_keys(tx, parent, name, final, since, after))
        yield from keys

    def _again(self, line: Asking, model: Model, unfinished: tuple[str, tuple[str, ...]], counts: Pulled) -> None:
        """Read rows by key whose later edits no cursor shows."""
        name, final = unfinished
        keys = self._database.read(lambda tx: rows.live_keys(tx, model, name, final, None, ""))
        for start in range(0, len(keys), _KEYS_A_READ):
            part = keys[start : start + _KEYS_A_READ]
            found = line.fetch(model, self._database.read(lambda tx, part=part: rows.get_many(tx, model, part)))  # type: ignore[misc]
            as_tuple = rows.sql(model).as_tuple
            with self._database.transaction() as tx:
                self._lease.renew(tx)
                stored = pages.apply(tx, model, [as_tuple(row) for row in found.values() if row is not None])
            counts.changed += stored.changed
            counts.held += stored.held
