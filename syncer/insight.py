"""Looking ahead and back: what a sync would do, why something has not left, what has happened to a record.

Nothing here writes to the user's file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncer import registry
from syncer.cache.preferences import Preferences
from syncer.config import Settings
from syncer.describe import Model
from syncer.engine.plan import Plan, RemotePlan
from syncer.engine.report import Watch, unwatched
from syncer.engine.selection import Selection
from syncer.outbox import explain, history, naming
from syncer.redact import redacted
from syncer.store.reader import Reader

Remotes = str | Sequence[str] | None

_ANYTHING = "SELECT 1 FROM outbox LIMIT 1"


class Insight:
    """What a workspace can tell besides what is in it."""

    path: Path
    settings: Settings
    _models: Mapping[str, Mapping[str, Model]]

    if TYPE_CHECKING:

        @property
        def rules(self) -> Mapping[str, Preferences]:
            """By remote, who wins where both sides changed the same."""

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
            return Plan({name: RemotePlan(name, tuple(registry.missing(name, self.settings))) for name in chosen})
        from syncer.engine.planning import Planning
        from syncer.store.copies import copied

        selections = self._narrowed(remotes, since=since, accounts=accounts, scorecards=scorecards)
        with copied(self.path) as database:
            work = Planning(database, self._models, self.rules, selections, watch, limit, full, allow_mass_delete)
            return work.run([registry.remote(name, self.settings) for name in chosen], push=push, pull=pull, only=only)

    def explain(self, *record: str | int) -> dict[str, Any]:
        """Why a record stands as it does: ``explain("plexus", "Item", key)``, or the number of a change of it.

        ``{"remote", "model", "key", "aliases", "exists", "waiting", "change", "last_pushed_at", "last_pulled_at",
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
            found = history.of(reader, naming.located(reader, self._models, remote, model, key), limit)
        seen: list[dict[str, Any]] = _hidden(found, registry.secrets(self.settings))
        return seen

    def _missing(self, remote: str) -> list[str]:
        return registry.missing(remote, self.settings)


def _hidden(value: Any, secrets: tuple[str, ...]) -> Any:
    """``value`` with credentials hidden in every text of it: a remote may repeat what it was sent."""
    if isinstance(value, str):
        return redacted(value, secrets)
    if isinstance(value, dict):
        return {name: _hidden(inner, secrets) for name, inner in value.items()}
    return [_hidden(inner, secrets) for inner in value] if isinstance(value, list) else value
