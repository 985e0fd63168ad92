"""What to leave alone because the remote's deployment lacks its model: such changes stay in the local file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncer import clock
from syncer.describe import Model
from syncer.engine.report import RemoteReport
from syncer.outbox import lacking
from syncer.port import NOT_DEPLOYED, Change, Receipt, Remote
from syncer.store.database import Database, Transaction


def known(tx: Transaction, name: str, models: Mapping[str, Model]) -> set[str]:
    """The models of a remote that its deployment was found to lack lately, and those that make no sense without them."""
    legacy = [model.name for model in models.values() if model.legacy]
    return _with_children(models, lacking.told(tx, name, legacy, clock.stored_now())) if legacy else set()


def _with_children(models: Mapping[str, Model], lacked: set[str]) -> set[str]:
    found = set(lacked)
    for model in models.values():  # parents first
        if model.legacy and any(field.required and field.ref in found for field in model.references):
            found.add(model.name)
    return found


class Lacking:
    """The models one push leaves alone. ``only``: the models it was asked for by name; of these it asks the remote anew."""

    def __init__(self, database: Database, remote: Remote, only: Sequence[str] | None) -> None:
        self._database = database
        self._remote = remote
        self._only = only
        self._models: set[str] = set()
        if only is None:
            self._models = database.read(lambda tx: known(tx, remote.name, remote.models))

    def learn(self, pairs: Sequence[tuple[Change, Receipt]]) -> None:
        """Take note of what the remote said about the models of these changes."""
        said = {change.model.name for change, receipt in pairs if receipt.code == NOT_DEPLOYED}
        if said:
            self._models = _with_children(self._remote.models, self._models | said)

    def others(self) -> Sequence[str] | None:
        """The models whose changes may be sent; None for all."""
        if not self._models:
            return self._only
        return [name for name in self._only or self._remote.models if name not in self._models]

    def tell(self, report: RemoteReport) -> None:
        """Say in ``report`` what stays here, in one note."""
        found = self._database.read(lambda tx: lacking.counted(tx, self._remote.name, self._models)) if self._models else {}
        report.kept = sum(found.values())
        if found:
            many = ", ".join(f"{model} ({n:,})" for model, n in found.items())
            report.notes.append(f"this deployment of {self._remote.name} lacks models whose changes stay here: {many}")
