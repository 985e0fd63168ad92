"""The composition root: one local file, its remotes, and what can be done with them.

Looking ahead and back (what a sync would do, why something has not left, what has happened to a
record) writes nothing to the user's file.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from syncer.adapters import registry
from syncer.background import Background
from syncer.config import Settings, load, path_of, require_safe
from syncer.diagnostics.doctor import Diagnosis, examine
from syncer.engine import manage
from syncer.engine.manage import Dropped
from syncer.engine.plan.report import Plan, RemotePlan
from syncer.engine.pull import selection
from syncer.engine.pull.selection import Selection
from syncer.engine.reconcile.resolve import ResolvedConflict
from syncer.engine.report import RemoteReport, Report, Watch, unwatched
from syncer.engine.schema_drift import SchemaDrift
from syncer.engine.sync import PATIENCE_S, Sync
from syncer.engine.verify.report import Verification
from syncer.engine.verify.run import Verifier
from syncer.merge import rules as merge_rules
from syncer.merge.rules import MergeRules
from syncer.records.api import Records
from syncer.redact import redacted
from syncer.remote import Remote
from syncer.schema.model import Model
from syncer.store import added, migrate
from syncer.store.database import Database
from syncer.store.errors import opening
from syncer.store.file import other_sqlite
from syncer.store.reader import Reader, Rows
from syncer.views import explain, history, lookup, status
from syncer.views import remotes as views_remotes
from syncer.views.status import Status

Remotes = str | Sequence[str] | None
Select = Mapping[str, str | Sequence[str]] | None
"""Names of records by the entry that they are chosen by."""

_ANYTHING = "SELECT 1 FROM outbox LIMIT 1"


class Insight:
    """What a workspace can tell besides what is in it."""

    path: Path
    settings: Settings
    _models: Mapping[str, Mapping[str, Model]]

    if TYPE_CHECKING:

        def _rules(self, remotes: Sequence[str]) -> Mapping[str, MergeRules]: ...
        def _narrowed(self, remotes: Remotes, **given: Any) -> Mapping[str, Selection]: ...
        def _known(self, models: Sequence[str] | None) -> Sequence[str] | None: ...

    def plan(
        self,
        remotes: Remotes = None,
        *,
        models: Sequence[str] | None = None,
        pull: bool = False,
        push: bool = True,
        limit: int | None = None,
        full: bool = False,
        since: Any = None,
        select: Select = None,
        accounts: Sequence[str] | None = None,
        scorecards: Sequence[str] | None = None,
        allow_mass_delete: bool = False,
        watch: Watch = unwatched,
    ) -> Plan:
        """What ``sync`` with the same arguments would do now, found out by doing it on a private copy of the file.

        Nothing is sent, nothing is waited for, and the file stays as it is. Without ``pull`` no remote is asked anything;
        with it they are read from, and the plan tells what would change here. ``push=False`` leaves out what would be sent.
        Raises: DatabaseError, UsageError, SettingError.
        """
        chosen = registry.chosen(remotes)  # type: ignore[arg-type]
        only = self._known(models)
        with Reader(self.path) as reader:
            idle = not pull and reader.one(_ANYTHING) is None
        if idle:  # no copy is needed to see that
            return Plan({name: RemotePlan(name, tuple(registry.missing_settings(name, self.settings))) for name in chosen})
        rules = self._rules(chosen)
        from syncer.engine.plan.run import Planner
        from syncer.store.maintenance import copied

        selections = self._narrowed(remotes, since=since, select=select, accounts=accounts, scorecards=scorecards)
        with copied(self.path) as database:
            for name in chosen:
                _prepare(database, name)
            work = Planner(database, self._models, rules, selections, watch, limit, full, allow_mass_delete)
            return work.run([registry.remote(name, self.settings) for name in chosen], push=push, pull=pull, only=only)

    def explain(self, *record: str | int) -> dict[str, Any]:
        """Why a record stands as it does: ``explain("plexus", "Item", key)``, or the number of a change of it.

        ``{"remote", "model", "key", "aliases", "exists", "pending", "change", "last_pushed_at", "last_pulled_at",
        "model_pulled_at"}``; what waits comes with its values, every attempt that failed, and its ``reasons``, what decides
        first, each with the commands that help. Raises: RecordNotFound, UsageError.
        """
        with Reader(self.path) as reader:
            if len(record) == 1:
                found = explain.change(reader, self._models, self._missing, int(record[0]))
            else:
                remote, model, key = (str(part) for part in record)
                found = explain.record(reader, self._models, self._missing, remote, model, key)
        seen: dict[str, Any] = _hidden(found, registry.secrets(self.settings))
        return seen

    def history(self, remote: str, model: str, key: str, *, limit: int | None = None) -> list[dict[str, Any]]:
        """What happened to a record, newest first: ``{"at", "kind", "seq", "op", "by", "fields", "note", ...}`` each.

        Raises: RecordNotFound, UsageError.
        """
        with Reader(self.path) as reader:
            found = history.of(reader, lookup.located(reader, self._models, remote, model, key), limit)
        seen: list[dict[str, Any]] = _hidden(found, registry.secrets(self.settings))
        return seen

    def _missing(self, remote: str) -> list[str]:
        return registry.missing_settings(remote, self.settings)


def _hidden(value: Any, secrets: tuple[str, ...]) -> Any:
    """``value`` with credentials hidden in every text of it: a remote may repeat what it was sent."""
    if isinstance(value, str):
        return redacted(value, secrets)
    if isinstance(value, dict):
        return {name: _hidden(inner, secrets) for name, inner in value.items()}
    return [_hidden(inner, secrets) for inner in value] if isinstance(value, list) else value


class Workspace(Insight):
    """A local file with everything in it: records, pending changes, checkpoints. Safe from many threads and processes.

    ``ws.plexus.create("ScoreResult", {...})`` and its siblings write and read records; ``sync()`` exchanges them with the
    remotes; ``query()`` runs SQL on the file.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.path = path_of(settings.db)
        require_safe(self.path, settings.allow)
        other_sqlite.warn_once()
        with opening(self.path):
            migrate.initialise(self.path, durability=settings.durability)
        self.database = Database(self.path, durability=settings.durability)
        self.background = Background()
        self._read_rules: dict[str, MergeRules] = {}
        self._models = registry.Descriptions(self._remembered)
        self._records = {name: Records(self.database, registry.models(name), name) for name in registry.BUILT_IN}

    @classmethod
    def open(
        cls,
        db: str | os.PathLike[str] | None = None,
        *,
        config: str | os.PathLike[str] | None = None,
        profile: str | None = None,
    ) -> Self:
        """The workspace that options, environment and ``syncer.toml`` name; its file is made if it does not exist.

        Raises: SettingError; DatabaseError when the file is not ours, damaged, of another version, or cannot be written.
        """
        with opening():
            return cls(load(db, config=config, profile=profile))

    @property
    def plexus(self) -> Records:
        """Plexus records by model and field names as Plexus spells them."""
        return self._records["plexus"]

    @property
    def prefactor(self) -> Records:
        """Prefactor records: ``AgentInstance`` and ``AgentSpan``."""
        return self._records["prefactor"]

    @property
    def abeja(self) -> Records:
        """ABEJA records: ``Run`` and ``RunLogEvent``."""
        return self._records["abeja"]

    def records(self, remote: str) -> Records:
        """The records of any remote by its name; ``ws.NAME`` for short. Raises: UsageError, SettingError, DatabaseError.

        Of a remote that another package brings, the tables are made when this is first asked for.
        """
        if remote not in self._records:
            _prepare(self.database, remote)
            self._records[remote] = Records(self.database, registry.models(remote), remote)
        return self._records[remote]

    if not TYPE_CHECKING:  # a checker knows the built-in remotes only, and says so

        def __getattr__(self, name: str) -> Records:
            if not name.startswith("_") and registry.is_there(name):
                return self.records(name)
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def push(
        self,
        remotes: Remotes = None,
        *,
        models: Sequence[str] | None = None,
        limit: int | None = None,
        wait_s: float = PATIENCE_S,
        watch: Watch = unwatched,
        settings: Settings | None = None,
    ) -> Report:
        """Send what is pending, at most ``limit`` changes, of ``models`` only if given.

        Returns what happened; never raises for what a remote or network does.

        ``wait_s``: how long to wait, without progress, for changes that become due; 0 sends only what is due now. Raises:
        SyncRunning while another sync of the same remote is at work. ``settings``: used this once instead of the
        workspace's, for a caller with credentials of its own.
        """
        found = self._remotes(remotes, settings)
        rules = self._rules([remote.name for remote in found])
        work = Sync(self.database, watch=watch, wait_s=wait_s, limit=limit, rules=rules)
        return self._absent(work.run(found, pull=False, only=self._known(models)), remotes)

    def pull(
        self,
        remotes: Remotes = None,
        *,
        models: Sequence[str] | None = None,
        limit: int | None = None,
        full: bool = False,
        since: Any = None,
        select: Select = None,
        accounts: Sequence[str] | None = None,
        scorecards: Sequence[str] | None = None,
        allow_mass_delete: bool = False,
        wait_s: float = PATIENCE_S,
        watch: Watch = unwatched,
    ) -> Report:
        """Bring home what others wrote, of ``models`` only if given. Like :meth:`push`.

        ``full``: from the beginning, and rows whose records are gone are removed; many of them only with
        ``allow_mass_delete``. ``limit``: stop in the middle of a list after about so many records; the next pull goes on
        there. ``since``, ``select``: this once in the place of ``[NAME.pull]``; ``select={"scorecards": ["quality"]}`` pulls
        what belongs to these records only. ``accounts``, ``scorecards``: older names of such entries. Raises: UsageError.
        """
        chosen = self._narrowed(remotes, since=since, select=select, accounts=accounts, scorecards=scorecards)
        work = self._sync(chosen, allow_mass_delete, watch=watch, wait_s=wait_s, limit=limit)
        return self._absent(work.run(self._remotes(remotes), push=False, full=full, only=self._known(models)), remotes)

    def sync(
        self,
        remotes: Remotes = None,
        *,
        models: Sequence[str] | None = None,
        limit: int | None = None,
        full: bool = False,
        since: Any = None,
        select: Select = None,
        accounts: Sequence[str] | None = None,
        scorecards: Sequence[str] | None = None,
        allow_mass_delete: bool = False,
        check: bool = True,
        wait_s: float = PATIENCE_S,
        watch: Watch = unwatched,
    ) -> Report:
        """Push, then pull, ``models`` only if given. Like :meth:`push` and :meth:`pull`.

        ``check``: look at some of what was sent, by one request. ``report.remotes[name].checked`` tells what it found.
        """
        chosen = self._narrowed(remotes, since=since, select=select, accounts=accounts, scorecards=scorecards)
        work = self._sync(chosen, allow_mass_delete, watch=watch, wait_s=wait_s, limit=limit)
        report = work.run(self._remotes(remotes), full=full, only=self._known(models), check=check)
        return self._absent(report, remotes)

    def verify(
        self,
        remotes: Remotes = None,
        *,
        models: Sequence[str] | None = None,
        sample: int | None = None,
        repair: bool = False,
        resend: bool = False,
        allow_mass_delete: bool = False,
        wait_s: float = PATIENCE_S,
        watch: Watch = unwatched,
    ) -> Verification:
        """Compare every record of the remotes with its row, of ``models`` if given; checkpoints and pending changes stay.

        ``sample``: only so many rows of each model, asked for by key. ``repair``: repair what differs here; nothing is sent.
        ``resend``: queue again what a remote has lost since it acknowledged it. ``allow_mass_delete``: remove what is gone
        there however much it is. Raises: SyncRunning, UsageError.
        """
        chosen = self._narrowed(remotes)
        work = Verifier(self.database, watch, wait_s, self._rules(list(chosen)), chosen)
        only = self._known(models)
        return work.run(
            self._remotes(remotes), only=only, sample=sample, repair=repair, resend=resend, many_may_go=allow_mass_delete
        )

    def _sync(self, chosen: Mapping[str, Selection], many_may_go: bool, **given: Any) -> Sync:
        return Sync(self.database, rules=self._rules(list(chosen)), selections=chosen, many_may_go=many_may_go, **given)

    def _narrowed(self, remotes: Remotes, select: Select = None, **given: Any) -> Mapping[str, Selection]:
        """By remote, what is pulled: ``[plexus.pull]`` of the file, and what is ``given`` over it. Raises: UsageError."""
        given |= selection.entries_of(select or {})
        path = self.settings.config_path
        names = registry.chosen(remotes if remotes is None or isinstance(remotes, str) else list(remotes))
        configured = {
            name: selection.read(self.settings.table(name, "pull"), self._models[name], f"[{name}.pull] in {path}")
            for name in dict.fromkeys((*registry.BUILT_IN, *names))
        }
        return selection.narrowed(configured, self._models, names, **given)

    def _rules(self, remotes: Sequence[str]) -> Mapping[str, MergeRules]:
        """By remote, who wins where both sides changed the same: ``[plexus.merge]`` of the file. Raises: SettingError."""
        path = self.settings.config_path
        for name in dict.fromkeys((*registry.BUILT_IN, *remotes)):
            if name not in self._read_rules:
                section, models = self.settings.table(name, "merge"), self._models[name]
                self._read_rules[name] = merge_rules.read(section, models, f"[{name}.merge] in {path}")
        return self._read_rules

    def resolve(
        self,
        record: str | int,
        *,
        take: str | None = None,
        set: Mapping[str, Any] | None = None,
        remote: str | None = None,
        model: str | None = None,
    ) -> ResolvedConflict:
        """Settle a conflict: of the record with this key, or of the change with this number.

        ``take``: whose value stands, "theirs", "ours" or "newest" (by the times of the edits; what they do not tell stays
        open). ``set``: other values for single fields, by the remote's names. Other edits of the record are kept. Returns
        the changes that wait for it now, and the fields still open. Raises: RecordNotFound, UsageError, InvalidInput.
        """
        name = str(record)
        return manage.resolve(self.database, self._models, name, take=take, given=set, remote=remote, model=model)

    def in_conflict(self, record: str | int, *, remote: str | None = None, model: str | None = None) -> Model:
        """The description of the record in conflict that :meth:`resolve` would mean. Raises: RecordNotFound, UsageError."""
        return manage.in_conflict(self.database, self._models, str(record), remote, model)

    def retry(self, *seqs: int) -> list[int]:
        """Let the next push try changes again, whatever state they are in. Returns their numbers now.

        A rejected change is sent anew from the row as it is now; one in conflict is sent over the remote's values.
        """
        return manage.retry(self.database, self._models, seqs)

    def drop(self, seq: int) -> Dropped:
        """Discard a pending change and every later one of its record; the row goes back to what the remote has."""
        return manage.drop(self.database, self._models, seq)

    def doctor(self, *, remote: bool = False) -> Diagnosis:
        """Look for what could go wrong: file, bookkeeping, settings; the configured remotes too where ``remote``."""
        return examine(self.settings, remote=remote)

    def status(self) -> Status:
        """What is pending, what needs attention, the last push and pull, and whether every change is accounted for."""
        with Reader(self.path) as reader:
            return status.read(reader, registry.BUILT_IN)

    def query(
        self,
        sql: str,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
        timeout_s: float | None = None,
    ) -> Rows:
        """Rows of one SELECT as dicts, on a connection that cannot write. Raises: QueryError."""
        with Reader(self.path) as reader:
            return reader.query(sql, params, limit=limit, timeout_s=timeout_s)

    def close(self) -> None:
        """Close the file, once a push in the background has come to a stop. Nothing is lost by not closing it."""
        self.background.stop()
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Workspace {self.path}>"

    def remote(self, name: str, settings: Settings | None = None) -> Remote:
        """A remote as configured here, or as ``settings`` say, to look at it outside of any sync. Raises: SettingError."""
        _prepare(self.database, name)
        found = registry.remote(name, settings or self.settings)
        SchemaDrift(self.database, found).load()
        return found

    def _remotes(self, wanted: Remotes, settings: Settings | None = None) -> list[Any]:
        return [self.remote(name, settings) for name in registry.chosen(wanted)]  # type: ignore[arg-type]

    def _absent(self, report: Report, wanted: Remotes) -> Report:
        """``report`` with those remotes that changes wait for although nothing here can send to them."""
        if wanted is None:
            with Reader(self.path) as reader:
                waiting = status.waiting_for_others(reader, report.remotes)
                known = views_remotes.remembered(reader) if waiting else {}
            for name, changes in waiting.items():
                hint = f": {known[name].hint}" if name in known else ""
                note = f"{name} is not installed{hint}; its changes stay here, nothing is lost"
                report.remotes[name] = RemoteReport(name, pending=changes, notes=[note], skipped=True)
        return report

    def _remembered(self) -> Mapping[str, Mapping[str, Model]]:
        with Reader(self.path) as reader:
            return views_remotes.models(reader)

    def _known(self, models: Sequence[str] | None) -> Sequence[str] | None:
        registry.require_models(models or ())
        return models


def _prepare(database: Database, name: str) -> None:
    """Make sure that ``database`` has the tables of a remote; those of the built-in ones are there."""
    if name not in registry.BUILT_IN:
        added.prepare(database, name, registry.added(name), registry.package(name), registry.module(name))


_shared: dict[str, Workspace] = {}
_shared_lock = threading.Lock()


def shared() -> Workspace:
    """The workspace that environment and ``syncer.toml`` name, opened once in a process. Raises: as Workspace.open."""
    with opening(), _shared_lock:
        settings = load()
        if settings.db not in _shared:
            _shared[settings.db] = Workspace(settings)
        return _shared[settings.db]
