"""What the remote's receipts do to outbox, rows and bases: one transaction for a whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from syncer import clock, ids
from syncer.engine import id_remap
from syncer.engine.reconcile import apply as reconcile_apply
from syncer.engine.reconcile import diverged
from syncer.engine.reconcile.rebase import requeue
from syncer.engine.retry import CAP_S, next_delay_s
from syncer.merge.rules import MergeRules
from syncer.merge.three_way import differing
from syncer.outbox import attempts, queue
from syncer.records import bases, rows
from syncer.remote import DESCRIBED_ANEW, NOT_DEPLOYED, Change, Op, Receipt, ReceiptKind, Remote, Row, State, StopReason
from syncer.schema import values
from syncer.schema.model import Model, Origin
from syncer.store.database import Transaction

_NEVER_LEFT = ("unreachable", "not-sent")


@dataclass(slots=True)
class BatchOutcome:
    """How a batch ended."""

    acked: int = 0
    rejected: int = 0
    conflicts: int = 0
    later: int = 0
    merged: int = 0
    records: list[tuple[Model, str]] = field(default_factory=list)
    """Those that were acknowledged and are there."""


class Settler:
    """Applies receipts inside the caller's transaction."""

    def __init__(
        self,
        tx: Transaction,
        remote: Remote,
        random: Random,
        *,
        halt: StopReason | None = None,
        retry_after_s: float | None = None,
        cap_s: float = CAP_S,
        rules: MergeRules = diverged.ASK,
    ) -> None:
        self._cap_s = cap_s
        self._rules = rules
        self._tx = tx
        self._remote = remote
        self._random = random
        self._halt = halt
        self._retry_after_s = retry_after_s
        self._acked: list[tuple[Change, Row]] = []
        self._edited_since: list[tuple[Change, Row]] = []
        self._due: dict[int, str] = {}
        self._why: dict[int, str] = {}
        self.outcome = BatchOutcome()

    def settle(self, pairs: Sequence[tuple[Change, Receipt]]) -> BatchOutcome:
        """Apply the receipt of every change."""
        failed = {c.seq: (c, r) for c, r in pairs if r.kind is not ReceiptKind.ACKED}
        attempts.note(self._tx, failed.values())
        for change, receipt in pairs:
            if receipt.kind is ReceiptKind.ACKED:
                named = self._renamed(change, receipt)
                if receipt.reason:
                    self._why[change.seq] = receipt.reason
                self._acked.append((named, receipt.stored or {}))
            elif receipt.kind is ReceiptKind.DIFFERS:
                self._differs(change, receipt)
            elif receipt.kind is ReceiptKind.REFUSED:
                self._reject(change, receipt)
            elif receipt.most is not None and (n := attempts.ended(self._tx, change.seq, receipt.code)) >= receipt.most:
                self._reject(change, replace(receipt, reason=f"{receipt.reason}; so it ended {n} times"))
            else:
                self._postpone(change, receipt)
        attempts.forget_last(self._tx, [c.seq for c, _ in self._acked if c.seq in failed])
        self._ack()
        for change, record in self._edited_since:
            self._take_edits(change, record)
        for _, receipt in pairs:
            for model, key, fields in receipt.others:
                rows.set_fields(self._tx, model, key, fields)
        return self.outcome

    def _renamed(self, change: Change, receipt: Receipt) -> Change:
        """The change under the key the remote gave its record, which becomes the key everywhere here."""
        if receipt.key is None or receipt.key == change.key:
            return change
        id_remap.rename(self._tx, self._remote.models, change.model, change.key, receipt.key)
        return replace(change, key=receipt.key)

    def _ack(self) -> None:
        if not self._acked:
            return
        self.outcome.acked += len(self._acked)
        self.outcome.records += [(c.model, c.key) for c, _ in self._acked if c.op != Op.DELETE]
        queue.move_to_ledger(self._tx, [c.seq for c, _ in self._acked if c.seq not in self._why], "acked")
        for seq, why in self._why.items():
            queue.move_to_ledger(self._tx, [seq], "acked", why=why)
        by_model: dict[Model, list[tuple[Change, Row]]] = {}
        for change, stored in self._acked:
            by_model.setdefault(change.model, []).append((change, stored))
        for model, pairs in by_model.items():
            self._ack_rows(model, pairs)

    def _ack_rows(self, model: Model, pairs: Sequence[tuple[Change, Row]]) -> None:
        """Rows take the remote's values: whole, or where no edit waits, and then their base does too."""
        waiting = queue.waiting_keys(self._tx, model, [change.key for change, _ in pairs])
        stamps: dict[tuple[str, ...], list[tuple[tuple[Any, ...], str]]] = {}
        for change, stored in pairs:
            if "extra" in stored:
                stored = {**stored, "extra": self._extra(change, stored)}
            if change.key in waiting:
                self._move_base(change, stored)
                continue
            if change.op != Op.CREATE:
                bases.drop(self._tx, model, change.key)
            if change.op != Op.DELETE and stored:
                stamps.setdefault(tuple(stored), []).append((tuple(stored.values()), change.key))
        for names, updates in stamps.items():
            rows.set_fields_of_many(self._tx, model, names, updates)

    def _extra(self, change: Change, stored: Row) -> str | None:
        """Unknown fields of which the answer to a change may tell only some."""
        row = rows.get(self._tx, change.model, change.key) or {}
        return values.both_extras(row.get("extra"), stored["extra"])

    def _move_base(self, change: Change, stored: Row) -> None:
        if change.op == Op.DELETE:
            bases.drop(self._tx, change.model, change.key)
            return
        base = bases.get(self._tx, change.model, change.key) or rows.get(self._tx, change.model, change.key) or {}
        bases.put(self._tx, change.model, change.key, {**base, **self._remote.written_fields(change), **stored})
        # A row is always its base with what waits on top: what the remote filled in shows at once.
        edited = {name for later in queue.of_record(self._tx, change.model, change.key) for name in later.fields}
        stays = edited | {change.model.changed_at}
        rows.set_fields(self._tx, change.model, change.key, {n: v for n, v in stored.items() if n not in stays})

    def _reject(self, change: Change, receipt: Receipt) -> None:
        self.outcome.rejected += 1
        queue.set_state(self._tx, change.seq, State.REJECTED, code=receipt.code, reason=receipt.reason)

    def _postpone(self, change: Change, receipt: Receipt) -> None:
        self.outcome.later += 1
        # Once a change may have been applied, only an answer about it can end that, not a later failure to ask.
        maybe = receipt.kind is ReceiptKind.AMBIGUOUS or change.state is State.AMBIGUOUS
        state = State.AMBIGUOUS if maybe else State.PENDING
        if receipt.code == NOT_DEPLOYED:
            self._keep(change, receipt, state)
            return
        if receipt.code == DESCRIBED_ANEW:
            self._make_anew(change, receipt, state)
            return
        if self._halt in (StopReason.ACCESS, StopReason.UNREACHABLE) and receipt.kind is ReceiptKind.LATER:
            queue.set_state(self._tx, change.seq, state, code=receipt.code, reason=receipt.reason, spent=False)
            # An earlier attempt may have left and been refused: its body and its key stay together.
            if not maybe and receipt.code in _NEVER_LEFT and change.attempted_at is None:
                requeue(self._tx, change, change.idem_key)
            return
        # What failed together is due together: scattered due times would send a batch of 100 again one by one.
        next_attempt_at = self._due.get(change.attempts) if receipt.due_s is None else clock.after(receipt.due_s)
        if next_attempt_at is None:
            next_attempt_at = clock.after(
                next_delay_s(change.attempts, self._retry_after_s, self._random, cap_s=self._cap_s)
            )
            self._due[change.attempts] = next_attempt_at
        sent = receipt.code not in ("not-sent", "not-sent-alone")
        queue.set_state(
            self._tx,
            change.seq,
            state,
            next_attempt_at=next_attempt_at,
            code=receipt.code,
            reason=receipt.reason,
            spent=sent,
        )

    def _keep(self, change: Change, receipt: Receipt, state: State) -> None:
        """A change the deployment has no place for waits as if it had never been tried."""
        next_attempt_at = clock.after(receipt.due_s or 0.0)
        if state is State.PENDING:
            requeue(self._tx, change)
        queue.set_state(
            self._tx,
            change.seq,
            state,
            next_attempt_at=next_attempt_at,
            code=receipt.code,
            reason=receipt.reason,
            spent=False,
        )

    def _make_anew(self, change: Change, receipt: Receipt, state: State) -> None:
        """What named something the deployment lacks did not run this time; its next body leaves that out."""
        self.outcome.merged += 1
        if requeue(self._tx, change) == change.seq:
            queue.set_state(self._tx, change.seq, state, code=receipt.code, reason=receipt.reason, spent=False)

    def _differs(self, change: Change, receipt: Receipt) -> None:
        """A precondition failed. Ours already there is an ack; otherwise merge by the rules, or ask a person."""
        record = receipt.stored
        if change.op == Op.DELETE:
            self._delete_differs(change, receipt, record)
        elif change.op == Op.CREATE:
            self._create_differs(change, receipt, record)
        else:
            self._update_differs(change, receipt, record)

    def _delete_differs(self, change: Change, receipt: Receipt, record: Row | None) -> None:
        base = bases.get(self._tx, change.model, change.key)
        if record is None:
            self._acked.append((change, {}))
        elif base is not None and _version(change.model, record) == _version(change.model, base):
            self._postpone(change, receipt)
        else:
            self._met(diverged.locally_deleted(self._tx, change, record, self._rules))

    def _create_differs(self, change: Change, receipt: Receipt, record: Row | None) -> None:
        if record is None:  # reads may lag behind writes
            self._postpone(change, receipt)
            return
        sent = self._remote.written_fields(change)
        names = differing(change.model, sent, record, sent)
        if not names or (change.state is State.AMBIGUOUS and _made_here(change, sent, record)):
            self._already_there(change, record)
            return
        self._met(diverged.id_taken(self._tx, self._all(change), record, self._rules, sent))

    def _already_there(self, change: Change, record: Row) -> None:
        """The change had arrived and its answer was lost; what others edited since comes with the record."""
        self._acked.append((change, {}))
        self._edited_since.append((change, record))

    def _take_edits(self, change: Change, record: Row) -> None:
        waiting = queue.of_record(self._tx, change.model, change.key)
        if [c.op for c in waiting] == [Op.DELETE] and self._as_left(change, record):
            bases.put(self._tx, change.model, change.key, record)  # else our own write would look like somebody's edit
        elif waiting:
            reconcile_apply.apply_to_pending(self._tx, change.model, change.key, record, self._rules, current=True)
        elif rows.known(self._tx, change.model, [change.key]):
            reconcile_apply.apply(
                self._tx, change.model, [rows.sql(change.model).as_tuple(record)], self._rules, current=True
            )

    def _as_left(self, change: Change, record: Row) -> bool:
        """True when nobody has edited the record since our change made it what it is."""
        base = bases.get(self._tx, change.model, change.key) or {}
        names = [f.name for f in change.model.remote_fields if f.origin is Origin.CALLER]
        return not differing(change.model, base, record, names)

    def _update_differs(self, change: Change, receipt: Receipt, record: Row | None) -> None:
        sent = self._remote.written_fields(change)
        if record is None:
            self._met(diverged.remotely_deleted(self._tx, self._all(change), self._rules, sent))
            return
        if not differing(change.model, sent, record, change.fields):
            self._already_there(change, record)
            return
        base = bases.get(self._tx, change.model, change.key) or {}
        if _version(change.model, base) == _version(change.model, record):
            self._postpone(change, receipt)  # nothing moved: the answer was not about our condition
            return
        self._met(diverged.remote_edited(self._tx, self._all(change), record, self._rules, sent))

    def _all(self, change: Change) -> list[Change]:
        """All that waits for the record of ``change``, which was claimed as the first of them."""
        return queue.of_record(self._tx, change.model, change.key)

    def _met(self, asked: bool) -> None:
        if asked:
            self.outcome.conflicts += 1
        else:
            self.outcome.merged += 1


def _made_here(change: Change, sent: Row, record: Row) -> bool:
    """True when ``record`` can only be what our own create made: same time of creation, or an id nobody else can mint."""
    if "createdAt" in sent:
        return bool(sent["createdAt"] == record.get("createdAt"))
    return ids.is_minted(change.key)


def _version(model: Model, row: Row) -> str | None:
    return values.verbatim(row, model.changed_at)
