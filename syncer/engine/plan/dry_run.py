"""A remote that nothing is sent to: the engine works with it as with the real one, and it notes what it would be sent.

What the real remote would answer is not known, so everything counts as acknowledged, but for what is certain to be refused
or kept back without asking. Questions are asked only if that is allowed; else nobody has anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from syncer.records import bases
from syncer.remote import (
    Change,
    Connection,
    Limits,
    Page,
    PageRequest,
    PushResult,
    Receipt,
    ReceiptKind,
    Remote,
    Row,
    State,
    SupportsLookup,
    SupportsPreview,
)
from syncer.schema.model import Model
from syncer.store.database import Database


@dataclass(frozen=True, slots=True)
class DryRunChange:
    """A change as it would leave. ``values``: what it would set; ``base``: the remote's record as last seen. Stored form."""

    change: Change
    values: Row
    base: Row | None

    @property
    def again(self) -> bool:
        """True for one that may be applied already."""
        return self.change.state is State.AMBIGUOUS


class DryRunRemote:
    """Stands in for ``remote`` on a copy of the file. ``asks``: whether the real one may be read from."""

    def __init__(self, remote: Remote, database: Database, *, asks: bool) -> None:
        self.name = remote.name
        # One sender: the order in which changes are claimed is the order in which they are written down.
        self.limits: Limits = replace(remote.limits, senders=1)
        self.asks = asks
        self.sent_so_far: list[DryRunChange] = []
        self.given: dict[str, str] = {}
        """What stands for ids that the remote would give, and the ids here that they stand for."""
        self.models: Mapping[str, Model] = remote.models
        self._remote = remote
        self._database = database

    def missing_settings(self) -> Sequence[str]:
        """Nothing: what a remote without settings would be sent is known all the same."""
        return ()

    def pull_sources(self) -> Mapping[str, Sequence[str]]:
        """Those of the remote."""
        return self._remote.pull_sources()

    def serialize(self, change: Change, row: Row | None, base: Row | None) -> str:
        """The wire text, as the remote makes it."""
        return self._remote.serialize(change, row, base)

    def written_fields(self, change: Change) -> Row:
        """What a serialized change writes."""
        return self._remote.written_fields(change)

    def connect(self) -> Connection:
        """A connection that answers here what would be sent."""
        return _DryRunConnection(self, self._remote.connect() if self.asks else None)

    def take(self, change: Change) -> Receipt:
        """Write down a change unless it would stay here, and say what becomes of it."""
        remote = self._remote
        receipt = remote.preview(change) if isinstance(remote, SupportsPreview) else Receipt(change.seq, ReceiptKind.ACKED)
        if receipt.kind is not ReceiptKind.ACKED:
            return receipt
        base = self._database.read(lambda tx: bases.get(tx, change.model, change.key))
        self.sent_so_far.append(DryRunChange(change, remote.written_fields(change), base))
        if receipt.key is not None:
            self.given[receipt.key] = change.key
        return receipt


class _DryRunConnection:
    def __init__(self, dry_run: DryRunRemote, real: Connection | None) -> None:
        self._dry_run = dry_run
        self._real = real

    def push(self, changes: Sequence[Change]) -> PushResult:
        return PushResult(tuple(self._dry_run.take(change) for change in changes))

    def page(self, request: PageRequest) -> Page:
        return Page(()) if self._real is None else self._real.page(request)

    def fetch(self, model: Model, known: Mapping[str, Row]) -> dict[str, Row | None]:
        return dict.fromkeys(known) if self._real is None else self._real.fetch(model, known)

    def lookup(self, model: Model, wanted: Sequence[Mapping[str, str]]) -> list[list[Row]]:
        real: object = self._real
        return real.lookup(model, wanted) if isinstance(real, SupportsLookup) else [[] for _ in wanted]

    def close(self) -> None:
        if self._real is not None:
            self._real.close()
