"""One batch on the wire, down to the culprit where the remote refuses it as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from syncer import clock
from syncer.remote import DESCRIBED_ANEW, NOT_DEPLOYED, Change, Connection, Receipt, ReceiptKind, StopReason


@dataclass(slots=True)
class Delivery:
    """What became of one batch, after as many requests as its bisection took."""

    pairs: list[tuple[Change, Receipt]]
    requests: int = 1
    halt: StopReason | None = None
    retry_after_s: float | None = None
    reason: str = ""
    elapsed_s: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """True when no change of the batch got an answer of its own."""
        told = [r.kind for _, r in self.pairs if r.code not in (NOT_DEPLOYED, DESCRIBED_ANEW)]
        return bool(told) and all(kind in (ReceiptKind.AMBIGUOUS, ReceiptKind.LATER) for kind in told)


def withheld(changes: Sequence[Change], reason: str) -> Delivery:
    """The delivery of ``changes`` that were claimed and then did not leave."""
    return Delivery(
        [(c, Receipt(c.seq, ReceiptKind.LATER, code="not-sent", reason=reason)) for c in changes], 0, reason=reason
    )


def send_batch(connection: Connection, changes: Sequence[Change]) -> Delivery:
    """Send ``changes``; where the remote refuses the request as a whole, halves of it, down to the culprit."""
    result = connection.push(changes)
    if result.divisible and len(changes) > 1:
        middle = len(changes) // 2
        # All bodies have left with the whole: whatever becomes of the halves, their keys are used.
        now = clock.stored_now()
        changes = [replace(change, attempted_at=change.attempted_at or now) for change in changes]
        first = send_batch(connection, changes[:middle])
        if first.halt is not None or first.retry_after_s is not None:
            # The code of what never left would deny the attempt that was the whole.
            unsent = [
                (c, Receipt(c.seq, ReceiptKind.LATER, code="not-sent-alone", reason=first.reason)) for c in changes[middle:]
            ]
            first.pairs += unsent
            first.requests += 1
            return first
        second = send_batch(connection, changes[middle:])
        second.pairs = first.pairs + second.pairs
        second.notes = first.notes + second.notes
        second.requests += first.requests + 1
        return second
    by_seq = {receipt.seq: receipt for receipt in result.receipts}
    pairs = [(change, by_seq[change.seq]) for change in changes]
    return Delivery(pairs, 1, result.halt, result.retry_after_s, result.reason, result.elapsed_s, result.notes)
