"""What is known of a remote's deployment: recalled before a run, looked at anew once a day, remembered after it."""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping, Sequence

from syncer import clock
from syncer.cache import deployed
from syncer.engine.report import RemoteReport
from syncer.errors import RemoteError
from syncer.install import upgrade_hint
from syncer.outbox import lacking
from syncer.port import Difference, Remote, Varying
from syncer.store.database import Database, Transaction

_FRESH_S = 86_400.0
_LOG = logging.getLogger(__name__)


class Deployment:
    """The deployment that a run talks to. Does nothing for remotes that are the same everywhere."""

    def __init__(self, database: Database, remote: Remote) -> None:
        self._database = database
        self._remote = remote
        self._place = next(iter(remote.partitions().get("place", ())), "") if isinstance(remote, Varying) else ""
        self._before: dict[str, Difference] = {}
        self._seen_at: str | None = None
        self._learned: set[str] = set()

    def recall(self) -> None:
        """Let the remote know what was found before."""
        remote = self._remote
        if not isinstance(remote, Varying):
            return
        self._before, self._seen_at = self._database.read(lambda tx: deployed.known(tx, remote.name, self._place))
        remote.adapt(self._before)
        if self._database.read(lambda tx: _fitting(tx, remote)):  # it was another deployment that had no place for them
            self._database.write(lambda tx: lacking.ask_again(tx, remote.name, _fitting(tx, remote)))

    def refresh(self) -> None:
        """Look anew at what was found long ago, if that can be done now."""
        if self._seen_at is not None and self._seen_at < clock.after(-_FRESH_S):
            try:
                self.look(list(self._before))
            except RemoteError as exc:
                _LOG.info("%s: %s", self._remote.name, exc.sentence)

    def look(self, models: Sequence[str]) -> str | None:
        """Compare ``models`` with the deployment now, and remember it; the server's time. Raises: RemoteError."""
        remote = self._remote
        if not isinstance(remote, Varying):
            return None
        server_time = remote.probe(models)
        self._seen_at = None
        self.remember()
        return server_time

    def remember(self) -> None:
        """Keep what the remote has learned. What waited for a field or model that is there now is due at once."""
        remote = self._remote
        if not isinstance(remote, Varying) or (self._seen_at is not None and dict(remote.differences) == self._before):
            return
        found = dict(remote.differences)
        if not found and not self._before:
            return
        changed = {name for name in {*found, *self._before} if found.get(name) != self._before.get(name)}
        self._learned |= changed

        there_now = {name for name, was in self._before.items() if was.nowhere and not found.get(name, Difference()).nowhere}

        def keep(tx: Transaction) -> None:
            deployed.remember(tx, remote.name, self._place, found, clock.stored_now())
            lacking.ask_again(tx, remote.name, there_now | _fitting(tx, remote))

        self._database.write(keep)
        self._before, self._seen_at = found, clock.stored_now()

    def tell(self, report: RemoteReport) -> None:
        """Say in ``report``, once, which fields stay here, and what this run found out."""
        remote = self._remote
        if not isinstance(remote, Varying) or not (remote.differences or self._learned):
            return
        kept = self._database.read(lambda tx: lacking.kept_fields(tx, remote.name))
        report.kept += sum(n for n, _ in kept.values())
        fields = {f"{model}.{field}": n for model, (_, by_field) in kept.items() for field, n in by_field.items()}
        if fields:
            many = ", ".join(f"{name} ({n:,})" for name, n in fields.items())
            report.notes.append(f"this deployment of {remote.name} has no {many}: kept here, not sent")
        learned = {name: found for name, found in remote.differences.items() if name in self._learned}
        report.notes += [text for text, _ in sentences(remote.name, learned, without=fields)]


def _fitting(tx: Transaction, remote: Remote) -> set[str]:
    """The models of which updates wait for fields that the deployment is not known to lack."""
    kept = lacking.kept_fields(tx, remote.name)
    return {name for name, (_, fields) in kept.items() if not remote.models[name].absent.issuperset(fields)}


def sentences(
    remote: str, differences: Mapping[str, Difference], without: Container[str] = ()
) -> list[tuple[str, str | None]]:
    """What the differences of a deployment mean for people, and what to do about it; fields ``without`` are left out."""
    named = {
        kind: [f"{model}.{field}" for model, found in differences.items() for field in getattr(found, kind)]
        for kind in ("absent", "unknown", "demanded")
    }
    nowhere = [model for model, found in differences.items() if found.nowhere]
    absent = [name for name in named["absent"] if name not in without]
    said: list[tuple[str, str | None]] = []
    if nowhere:
        said.append((f"this deployment of {remote} has no {', '.join(nowhere)}: kept here, not sent", None))
    if absent:
        said.append((f"this deployment of {remote} has no {', '.join(absent)}: kept here, not sent", None))
    if named["unknown"]:
        many = ", ".join(named["unknown"])
        said.append((f"this deployment of {remote} has {many}, unknown to this version: kept in the column extra", None))
    if named["demanded"]:
        many = ", ".join(named["demanded"])
        what = f"this deployment of {remote} wants {many} in every create, which this version cannot give"
        said.append((what, upgrade_hint()))
    return said
