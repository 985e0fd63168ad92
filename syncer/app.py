"""The composition root: one local file, its remotes, and what can be done with them."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from syncer import config, registry
from syncer.config import Settings
from syncer.engine import acts
from syncer.engine.acts import Dropped
from syncer.engine.report import Report, Watch, unwatched
from syncer.engine.sync import PATIENCE_S, Sync
from syncer.engine.write import Records
from syncer.errors import UsageError
from syncer.outbox import status
from syncer.outbox.status import Status
from syncer.port import Remote
from syncer.store import migrate
from syncer.store.database import Database
from syncer.store.location import path_of
from syncer.store.reader import Reader, Rows

Remotes = str | Sequence[str] | None


class Workspace:
    """A local file with everything in it: records, waiting changes, marks. Safe from many threads and processes.

    ``ws.plexus.create("ScoreResult", {...})`` and its siblings write and read records; ``sync()`` exchanges them with the
    remotes; ``query()`` runs SQL on the file.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.path = path_of(settings.db)
        migrate.initialise(self.path, durability=settings.durability)
        self.database = Database(self.path, durability=settings.durability)
        self._models = {name: registry.models(name) for name in registry.names()}
        self._records = {name: Records(self.database, models, name) for name, models in self._models.items()}

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
        return cls(_load(db, config, profile))

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

    def push(
        self,
        remotes: Remotes = None,
        *,
        models: Sequence[str] | None = None,
        limit: int | None = None,
        wait_s: float = PATIENCE_S,
        watch: Watch = unwatched,
    ) -> Report:
        """Send what waits, at most ``limit`` changes, of ``models`` only if given.

        Returns what happened; never raises for what a remote or network does.

        ``wait_s``: how long to wait, without progress, for changes that become due; 0 sends only what is due now. Raises:
        SyncRunning while another sync of the same remote is at work.
        """
        return Sync(self.database, watch=watch, wait_s=wait_s, limit=limit).run(
            self._remotes(remotes), pull=False, only=self._known(models)
        )

    def pull(
        self,
        remotes: Remotes = None,
        *,
        models: Sequence[str] | None = None,
        limit: int | None = None,
        full: bool = False,
        wait_s: float = PATIENCE_S,
        watch: Watch = unwatched,
    ) -> Report:
        """Bring home what others wrote, of ``models`` only if given. Like :meth:`push`.

        ``full``: from the beginning. ``limit``: stop in the middle of a list after about so many records; the next pull goes
        on there.
        """
        work = Sync(self.database, watch=watch, wait_s=wait_s, limit=limit)
        return work.run(self._remotes(remotes), push=False, full=full, only=self._known(models))

    def sync(
        self,
        remotes: Remotes = None,
        *,
        models: Sequence[str] | None = None,
        limit: int | None = None,
        full: bool = False,
        wait_s: float = PATIENCE_S,
        watch: Watch = unwatched,
    ) -> Report:
        """Push, then pull, ``models`` only if given. Like :meth:`push`."""
        work = Sync(self.database, watch=watch, wait_s=wait_s, limit=limit)
        return work.run(self._remotes(remotes), full=full, only=self._known(models))

    def retry(self, *seqs: int) -> list[int]:
        """Make waiting changes due now, whatever state they are in. Returns the numbers they wait under now.

        A parked change is sent anew from the row as it is now; one in conflict is sent over the remote's values.
        """
        return acts.retry(self.database, self._models, seqs)

    def drop(self, seq: int) -> Dropped:
        """Discard a waiting change and every later one of its record; the row goes back to what the remote has."""
        return acts.drop(self.database, self._models, seq)

    def status(self) -> Status:
        """What waits, what needs a person, when each remote was last reached, whether the ledger closes."""
        with Reader(self.path) as reader:
            return status.read(reader, registry.names())

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
        """Close the file. Nothing is lost by not closing it."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Workspace {self.path}>"

    def remote(self, name: str, settings: Settings | None = None) -> Remote:
        """A remote as configured here, or as ``settings`` say, to look at it outside of any sync. Raises: SettingError."""
        return registry.remote(name, settings or self.settings)

    def _remotes(self, wanted: Remotes) -> list[Any]:
        return [registry.remote(name, self.settings) for name in registry.chosen(wanted)]  # type: ignore[arg-type]

    def _known(self, models: Sequence[str] | None) -> Sequence[str] | None:
        known = {name for remote in registry.names() for name in registry.models(remote)}
        for name in models or ():
            if name not in known:
                from syncer.spelling import near

                raise UsageError(f"there is no model {name!r}", hint=near(name, known))
        return models


_shared: dict[str, Workspace] = {}
_shared_lock = threading.Lock()


def shared() -> Workspace:
    """The workspace that environment and ``syncer.toml`` name, for clients that are given none.

    Opened once in a process; nobody closes it. Raises: as :meth:`Workspace.open`.
    """
    settings = _load(None, None, None)
    with _shared_lock:
        if settings.db not in _shared:
            _shared[settings.db] = Workspace(settings)
        return _shared[settings.db]


def _load(db: str | os.PathLike[str] | None, path: str | os.PathLike[str] | None, profile: str | None) -> Settings:
    return config.load(db, config=path, profile=profile)
