"""A batch that is refused as a whole, and what becomes of its halves when the remote goes away in between."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import pytest

from syncer import Workspace, clock
from syncer.adapters import registry
from syncer.engine import lease
from syncer.engine.push.claim import claim
from syncer.engine.push.send import send_batch
from syncer.engine.push.settle import Settler
from syncer.remote import Change, Page, PageRequest, PushResult, Receipt, ReceiptKind, Row, StopReason
from syncer.schema.model import Model
from tests.factory import account
from tests.files import rows


class GoingAway:
    """A remote that refuses every request of several changes, acknowledges one, and then is not to be used any more."""

    def __init__(self, halt: StopReason, code: str, served: int) -> None:
        self.halt, self.code, self.served = halt, code, served
        self.sent: list[list[int]] = []

    def push(self, changes: Sequence[Change]) -> PushResult:
        """The next answer."""
        self.sent.append([c.seq for c in changes])
        if self.served == 0:
            gone = tuple(Receipt(c.seq, ReceiptKind.LATER, code=self.code, reason="gone") for c in changes)
            return PushResult(gone, halt=self.halt, reason="gone")
        self.served -= 1
        if len(changes) > 1:
            return PushResult(tuple(Receipt(c.seq, ReceiptKind.REFUSED, code="malformed") for c in changes), divisible=True)
        return PushResult((Receipt(changes[0].seq, ReceiptKind.ACKED, {}),))

    def page(self, request: PageRequest) -> Page:
        """Nothing."""
        return Page(())

    def fetch(self, model: Model, known: Mapping[str, Row]) -> dict[str, Row | None]:
        """Nobody."""
        return dict.fromkeys(known)

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(
    ("halt", "code"),
    [(StopReason.UNREACHABLE, "unreachable"), (StopReason.ACCESS, "access-refused"), (StopReason.THROTTLED, "throttled")],
)
@pytest.mark.parametrize("served", [1, 2, 3, 4])
def test_halves_keep_the_body_that_left_with_the_whole(
    synced: Workspace, path: Path, halt: StopReason, code: str, served: int
) -> None:
    """Refused a hearing or never sent: no half is forgotten, none gets another body under its key [I4 I8]."""
    for n in range(4):
        account(synced, key=str(n))
    held = lease.acquire(synced.database, "plexus")
    plexus = registry.remote("plexus", synced.settings)
    claimed = claim(synced.database, plexus, held, after=0, now=clock.stored_now(), most=10).changes
    delivery = send_batch(GoingAway(halt, code, served), claimed)
    assert [change.seq for change, _ in delivery.pairs] == [change.seq for change in claimed]
    with synced.database.transaction() as tx:
        outcome = Settler(tx, plexus, Random(1), halt=delivery.halt).settle(delivery.pairs)
    waiting = rows(path, "SELECT seq, state, body, idem_key FROM outbox ORDER BY seq")
    left = {change.seq: (change.body, change.idem_key) for change in claimed}
    assert (len(waiting), {state for _, state, _, _ in waiting}) == (4 - outcome.acked, {"pending"})
    assert {seq: (body, key) for seq, _, body, key in waiting} == {seq: left[seq] for seq, *_ in waiting}
    assert all(json.loads(body) for _, _, body, _ in waiting)
    assert rows(path, "SELECT seq FROM _attempt ORDER BY seq") == [(seq,) for seq, *_ in waiting]
