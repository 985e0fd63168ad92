"""Bringing home what others wrote: model by model, parents first, page by page.

A page, its checkpoint and its token are one transaction, so a pull that is killed goes on where it was. Rows with waiting
edits keep them: the record becomes their base, and a field both sides changed becomes a conflict with both values.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

from syncer import clock
from syncer.engine import schema_drift
from syncer.engine.lease import Lease
from syncer.engine.pull import checkpoint as checkpoints
from syncer.engine.pull.checkpoint import OVERLAP_S, minus, rewound
from syncer.engine.pull.partitions import Partitions
from syncer.engine.pull.selection import EVERYTHING, Selection, parent_of
from syncer.engine.pull.sweep import Sweep
from syncer.engine.pull.walk import LimitReached, PageWalker
from syncer.engine.reconcile import apply as reconcile_apply
from syncer.engine.reconcile.diverged import ASK
from syncer.engine.report import Pulled, RemoteReport, Watch
from syncer.engine.retry import RetryingConnection
from syncer.errors import RemoteRefused
from syncer.merge.rules import MergeRules
from syncer.records import rows
from syncer.remote import PageRequest, Remote, Row
from syncer.schema.model import Model
from syncer.schema.pull import BySetting, FullList, Incremental, PerParent
from syncer.store.database import Database, Transaction

_KEYS_A_READ = 500


class Pull:
    """One pull of one remote under a lease.

    ``full``: from the start, as if nothing had been pulled before. ``only``: these models, whatever ``selection`` says of
    models. ``many_may_go``: rows whose records are gone are removed however many they are.
    """

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
        rules: MergeRules = ASK,
        selection: Selection = EVERYTHING,
        many_may_go: bool = False,
    ) -> None:
        self._rules = rules
        self._wait_s = wait_s
        self._limit = limit
        self._random = random or Random()
        self._database = database
        self._remote = remote
        self._lease = lease
        self._report = report
        self._watch = watch
        self._full = full
        self._only = only
        self._selection = selection
        self._many_may_go = many_may_go

    def run(self) -> None:
        """Pull every model that is asked for. Raises: RemoteError when the remote cannot be used, UsageError."""
        connection = RetryingConnection(self._remote.connect(), self._random, patience_s=self._wait_s)
        partitions = Partitions(self._database, self._remote, self._selection)
        sweep = Sweep(
            self._database,
            self._lease,
            self._remote.models,
            self._report,
            self._rules,
            self._many_may_go,
            clock.stored_now(),
            self._database.read(partitions.walked_before),
        )
        walker = PageWalker(
            self._database,
            self._remote,
            self._lease,
            self._report,
            connection,
            partitions,
            sweep,
            self._rules,
            self._watch,
            self._full,
            self._limit,
        )
        try:
            for model in self._remote.models.values():
                if self._wanted(model):
                    self._model(walker, model)
        except LimitReached:
            self._report.notes.append("the limit was reached: the next pull goes on from there")
        finally:
            connection.close()

    def _wanted(self, model: Model) -> bool:
        if model.pull is None:
            return False
        if self._only is not None:
            return model.name in self._only
        if not self._selection.wants(model):
            return False
        return not model.legacy or self._database.read(lambda tx: self._served(tx, model))

    def _served(self, tx: Transaction, model: Model) -> bool:
        """True for a legacy model that is in use here, and that the deployment is not known to lack."""
        lacked = schema_drift.known_unsupported(tx, self._remote.name, self._remote.models)
        return bool(rows.some_keys(tx, model, "", 1)) and model.name not in lacked

    def _model(self, walker: PageWalker, model: Model) -> None:
        counts = self._report.pulled.setdefault(model.name, Pulled())
        if self._full:
            with self._database.transaction() as tx:
                self._lease.renew(tx)
                for scope in self._scopes(walker.partitions, model):
                    checkpoints.forget(tx, model, scope)
        try:
            self._by_plan(walker, model, counts)
        except RemoteRefused as exc:
            now = self._remote.models[model.name]
            if now is not model and now.pull is not None:  # the remote has learned what this deployment lacks of it
                self._model(walker, now)
            elif now is model:
                # One model that is closed to us, or absent from the deployment, must not keep the others away.
                self._report.notes.append(exc.sentence)

    def _scopes(self, partitions: Partitions, model: Model) -> Iterable[str]:
        plan = partitions.plan(model)
        if isinstance(plan, FullList):
            return [partition.scope for partition in partitions.full_lists(model, plan)]
        if isinstance(plan, PerParent) and not plan.changed:
            return [partitions.each_scope(plan)]
        return [partition.scope for partition in partitions.of(model)]

    def _by_plan(self, walker: PageWalker, model: Model, counts: Pulled) -> None:
        plan = walker.partitions.plan(model)
        if isinstance(plan, PerParent) and not plan.changed:
            self._each(walker, model, plan, counts)
            return
        asked = 0
        if isinstance(plan, FullList):
            for partition in walker.partitions.full_lists(model, plan):
                asked += 1
                self._settle(walker, model, walker.full_list(partition, plan, counts), counts)
            self._nothing_to_ask(model, asked, plan.needs)
        else:
            for partition in walker.partitions.of(model):
                asked += 1
                self._settle(walker, model, walker.partition(partition, counts), counts)
                if isinstance(plan, BySetting):
                    self._said_if_absent(model, plan.field, partition.value or "")
            self._nothing_to_ask(model, asked, plan.needs if isinstance(plan, BySetting) else "")
        unfinished = plan.unfinished if isinstance(plan, Incremental | FullList) else None
        if unfinished:
            self._again(walker, model, unfinished, counts)

    def _said_if_absent(self, model: Model, field: str, value: str) -> None:
        if not self._database.read(lambda tx: rows.keys_where(tx, model, field, value)):
            self._report.notes.append(f"{self._remote.name} has no {model.name} whose {field} is {value!r}")

    def _settle(self, walker: PageWalker, model: Model, seen: int | None, counts: Pulled) -> None:
        if seen is not None:
            walker.sweep.remove_gone(walker.connection, model, seen, counts)

    def _nothing_to_ask(self, model: Model, asked: int, needs: str) -> None:
        """Say why a model brought nothing, where a person can do something about it."""
        parent = parent_of(model)
        if asked or self._database.read(lambda tx: rows.some_keys(tx, model, "", 1)):
            return
        if needs:
            self._report.notes.append(f"no {model.name} to pull from: set {needs}")
        elif parent is not None and self._only is not None and parent not in self._only:
            self._report.notes.append(f"no {parent} is known here to pull {model.name} from: pull {parent} too")

    def _each(self, walker: PageWalker, model: Model, plan: PerParent, counts: Pulled) -> None:
        """Ask for the children of every parent that may have news; the checkpoint remembers the parent it came to."""
        scope = walker.partitions.each_scope(plan)
        checkpoint = progress = rewound(walker.load_checkpoint(model, scope), walker.ahead_s)
        since = minus(checkpoint.cursor, OVERLAP_S)
        whole = walker.sweep.applies_to(model) and (plan.cursor is None or self._full)
        walker.sweep.start()
        seen = asked = 0
        for parent in self._due_parents(walker.partitions, model, plan, checkpoint.token or "", since):
            asked += 1
            cursor, row = self._start(model, plan, parent)
            partition = walker.partitions.children(model, plan, parent)
            request = PageRequest(partition.asked, parent, cursor, None, self._remote.limits.page, row)
            progress, found = walker.children(partition, progress, parent, request, counts, whole=whole)
            seen += found
        done = replace(progress.restarted(), cursor=progress.started_at or checkpoint.cursor, complete_at=clock.stored_now())
        with self._database.transaction() as tx:
            self._lease.renew(tx)
            checkpoints.put(tx, model, done)
        self._settle(walker, model, seen if whole else None, counts)
        self._nothing_to_ask(model, asked, "")

    def _start(self, model: Model, plan: PerParent, parent: str) -> tuple[str | None, Row | None]:
        """Where to start among the children of ``parent``, and its row."""

        def look(tx: Transaction) -> tuple[str | None, Row | None]:
            row = rows.get(tx, self._remote.models[plan.parent], parent)
            if plan.cursor is None or self._full:
                return None, row
            return rows.latest(tx, model, plan.cursor, plan.index[0], parent), row

        return self._database.read(look)

    def _due_parents(
        self, partitions: Partitions, model: Model, plan: PerParent, after: str, since: str | None
    ) -> Iterable[str]:
        """Keys of the parents to ask for; behind ``after``, where an earlier walk has come to."""
        if plan.live is None or since is None:
            return (key for key in partitions.parents(plan.parent) if key > after)
        parent = self._remote.models[plan.parent]
        name, final = plan.live
        live = self._database.read(lambda tx: rows.live_keys(tx, parent, name, final, since, after))
        unread = self._database.read(lambda tx: checkpoints.pending_backfill(tx, model, partitions.each_scope(plan)))
        known = self._database.read(lambda tx: rows.known(tx, parent, unread)) if unread else set()
        return partitions.kept(parent, sorted({*live, *known}))

    def _again(self, walker: PageWalker, model: Model, unfinished: tuple[str, tuple[str, ...]], counts: Pulled) -> None:
        """Read rows by key whose later edits no cursor shows."""
        name, final = unfinished
        keys = walker.partitions.kept(
            model, self._database.read(lambda tx: rows.live_keys(tx, model, name, final, None, ""))
        )
        lost: list[str] = []
        for start in range(0, len(keys), _KEYS_A_READ):
            part = keys[start : start + _KEYS_A_READ]
            known = self._database.read(lambda tx, part=part: rows.get_many(tx, model, part))  # type: ignore[misc]
            found = walker.connection.fetch(model, known)
            as_tuple = rows.sql(model).as_tuple
            with self._database.transaction() as tx:
                self._lease.renew(tx)
                stored = reconcile_apply.apply(
                    tx, model, [as_tuple(row) for row in found.values() if row is not None], self._rules
                )
            counts.changed += stored.changed
            counts.local_edits_kept += stored.held
            lost += [key for key in known if found.get(key) is None]
        if lost and walker.sweep.applies_to(model):
            walker.sweep.suspect(model, lost)
            there = counts.added + counts.changed + counts.unchanged + len(keys) - len(lost)
            walker.sweep.remove_gone(walker.connection, model, there, counts)
