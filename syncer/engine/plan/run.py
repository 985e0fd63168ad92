"""Making a plan: the engine itself, at work on a private copy of the file with a remote that nothing is sent to.

First, if wanted, the pull, which really reads; then the push, on what the pull has left. A sync pushes first, and learns by
a refusal what the pull has shown here: the outcome is the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncer.engine import lease as leases
from syncer.engine.plan import change_trace
from syncer.engine.plan.dry_run import DryRunChange, DryRunRemote
from syncer.engine.plan.report import Plan, RemotePlan, WouldChange, WouldSend, WouldStay
from syncer.engine.pull.selection import Selection
from syncer.engine.report import RemoteReport, Watch
from syncer.engine.schema_drift import SchemaDrift
from syncer.engine.sync import Sync
from syncer.merge.rules import MergeRules
from syncer.merge.three_way import differences
from syncer.outbox import ledger
from syncer.records import rows
from syncer.remote import Op, Remote, Row
from syncer.schema.model import Model
from syncer.schema.values import same, to_python
from syncer.store.database import Database, Transaction
from syncer.store.maintenance import pinned
from syncer.store.reader import Reader
from syncer.views import explain
from syncer.views import outbox as views_outbox

MOST_TOLD = 1_000
"""So many rows that would be pulled are told one by one; all are counted."""

_UPSERT = "an update instead if {remote} turns out to have the record already"
_AGAIN = "it may have arrived before: {remote} is asked, and it is never doubled"
_TAKES = "and {names} of it that are not known here"


@dataclass(frozen=True)
class Planner:
    """What all remotes of a plan share. ``database`` is the copy; the rest as for :class:`Sync`."""

    database: Database
    models: Mapping[str, Mapping[str, Model]]
    rules: Mapping[str, MergeRules]
    selections: Mapping[str, Selection]
    watch: Watch
    limit: int | None
    full: bool
    many_may_go: bool

    def run(self, remotes: Sequence[Remote], *, push: bool, pull: bool, only: Sequence[str] | None) -> Plan:
        """The plan for ``remotes``. Raises: DatabaseError, UsageError, SettingError."""
        plan = Plan()
        last = self.database.read(ledger.last_seq)
        with self.database.transaction() as tx:
            leases.forget_holders(tx)
        for remote in remotes:
            part = plan.remotes[remote.name] = RemotePlan(remote.name, tuple(remote.missing_settings()))
            self._one(remote, part, push, pull and not part.missing, only, last)
        return plan

    def _one(self, remote: Remote, part: RemotePlan, push: bool, pull: bool, only: Sequence[str] | None, last: int) -> None:
        drift = SchemaDrift(self.database, remote)
        drift.load()
        if pull:
            drift.refresh()
            dry_run = DryRunRemote(remote, self.database, asks=True)
            self._pull(dry_run, part, only, None if push else self.limit)
        if push:
            dry_run = DryRunRemote(remote, self.database, asks=pull and part.stopped is None)
            report = self._sync(self.limit).run([dry_run], pull=False, only=only, check=False).remotes[remote.name]
            self._told(part, report)
            part.sends = [self._planned(remote, dry_run, sent, last) for sent in dry_run.sent_so_far]
            part.stays = self._stays(remote, part, only, last)

    def _sync(self, limit: int | None) -> Sync:
        return Sync(
            self.database,
            watch=self.watch,
            wait_s=0.0,
            limit=limit,
            rules=self.rules,
            selections=self.selections,
            many_may_go=self.many_may_go,
        )

    def _told(self, part: RemotePlan, report: RemoteReport) -> None:
        part.notes += [note for note in report.notes if note not in part.notes]
        if report.stopped is not None and report.reason is not None:
            part.notes.append(f"{report.stopped}: {report.reason}")

    def _pull(self, dry_run: DryRunRemote, part: RemotePlan, only: Sequence[str] | None, limit: int | None) -> None:
        models = list(dry_run.models.values())
        with pinned(self.database) as before:
            with self.database.transaction() as tx:
                last_conflict = change_trace.watch(tx, models)
            work = self._sync(limit)
            report = work.run([dry_run], push=False, full=self.full, only=only, check=False).remotes[dry_run.name]
            with self.database.transaction() as tx:
                found = change_trace.unwatch(tx, models)
            self.database.read(lambda now: self._arriving(dry_run, part, found, before, now, last_conflict))
        part.notes += report.notes
        if report.stopped is not None:
            part.stopped, part.hint = report.reason or report.stopped, report.hint

    def _arriving(
        self,
        dry_run: DryRunRemote,
        part: RemotePlan,
        found: Sequence[tuple[str, str]],
        before: Transaction,
        now: Transaction,
        last_conflict: int,
    ) -> None:
        """Tell of the rows that a pull has touched, by what they were and are."""
        clashes: dict[tuple[str, str], dict[str, tuple[Any, Any]]] = {}
        for name, key, field, ours, theirs in change_trace.conflicts_since(now, last_conflict):
            if name in dry_run.models:
                pair = (_json(ours), _json(theirs))
                clashes.setdefault((name, key), {})[field or ""] = pair
        for name, key in dict.fromkeys((*found, *clashes)):
            model = dry_run.models[name]
            was, now_is = rows.get(before, model, key), rows.get(now, model, key)
            if (name, key) in clashes:
                kind, fields = "conflict", clashes[name, key]
            else:
                kind, fields = _difference(model, was, now_is)
            if not kind:
                continue
            counts = part.pulled.setdefault(name, {})
            counts[kind] = counts.get(kind, 0) + 1
            if len(part.arriving) < MOST_TOLD:
                part.arriving.append(WouldChange(name, key, kind, fields))

    def _planned(self, remote: Remote, dry_run: DryRunRemote, sent: DryRunChange, last: int) -> WouldSend:
        change = sent.change
        model = self.models[remote.name][change.model.name]
        notes = []
        if sent.again:
            notes.append(_AGAIN.format(remote=remote.name))
        elif change.op == Op.CREATE and change.fields and model.natural_keys and not dry_run.asks:
            notes.append(_UPSERT.format(remote=remote.name))
        elif change.op == Op.DELETE and model.cascades and not dry_run.asks:
            notes.append(_TAKES.format(names=" and ".join(f"{name} records" for name, _ in model.cascades)))
        key = dry_run.given.get(change.key, change.key)
        seq = self.database.read(lambda tx: ledger.original_seq(tx, change.seq, last))
        return WouldSend(seq, model.name, key, str(change.op), _fields(model, dry_run, sent), "; ".join(notes))

    def _stays(self, remote: Remote, part: RemotePlan, only: Sequence[str] | None, last: int) -> list[WouldStay]:
        with Reader(self.database.path) as reader:
            standing = explain.situation(reader, remote.name, part.missing)
            found = views_outbox.changes(reader, self.models, remote=remote.name)
            return [
                self._staying(reader, standing, change, last) for change in found if only is None or change["model"] in only
            ]

    def _staying(self, reader: Reader, standing: explain.Situation, change: dict[str, Any], last: int) -> WouldStay:
        why = explain.reasons(reader, self.models, change, standing)[0]
        because, text = why.because, why.text
        if because == "due" and self.limit is not None:
            because, text = "beyond-limit", f"the limit of {self.limit:,} is reached before"
        seq = self.database.read(lambda tx: ledger.original_seq(tx, change["seq"], last))
        return WouldStay(
            seq,
            change["model"],
            change["key"],
            change["op"],
            tuple(change["fields"] or ()),
            change["state"],
            because,
            text,
            why.until,
            change["blocked_by"],
        )


def _fields(model: Model, dry_run: DryRunRemote, sent: DryRunChange) -> dict[str, tuple[Any, Any]]:
    """What a change would set, with what the remote has as far as we have seen; of a delete, what goes away."""
    change, before = sent.change, sent.base or {}
    if change.op == Op.DELETE:
        was = to_python(model, before)
        return {name: (value, None) for name, value in was.items() if value is not None}
    values = {
        name: dry_run.given.get(value, value) if isinstance(value, str) else value for name, value in sent.values.items()
    }
    was, will = to_python(model, before), to_python(model, values)
    return {
        f.name: (was[f.name], will[f.name])
        for f in model.fields
        if f.name in values
        and (f.name in change.fields or not same(f, before.get(f.name), values[f.name]))
        and not (change.op == Op.CREATE and values[f.name] is None)
    }


def _difference(model: Model, was: Row | None, now: Row | None) -> tuple[str, dict[str, tuple[Any, Any]]]:
    """How a row has changed, and in which fields; an empty text for one that has not."""
    kind = "added" if was is None else "removed" if now is None else "changed"
    if was is None and now is None:
        return "", {}
    different = differences(model, was or {}, now or {})
    if not different:
        return "", {}
    before, after = to_python(model, was or {}), to_python(model, now or {})
    return kind, {
        name: (before.get(name, (was or {}).get(name)), after.get(name, (now or {}).get(name))) for name in different
    }


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)
