"""What the remote's receipts do to outbox, rows and bases: one transaction for a whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from syncer import clock, ids, values
from syncer.cache import bases, conflicts, rows
from syncer.cache.merge import Clash, differing, merged
from syncer.describe import Model
from syncer.engine import pages, renaming
from syncer.engine.backoff import CAP_S, next_delay_s
from syncer.outbox import queue
from syncer.port import Change, Halt, Op, Outcome, Receipt, Remote, Row, State
from syncer.store.database import Transaction

_NEVER_LEFT = ("unreachable", "not-sent")


@dataclass(slots=True)
class Tally:
    """How a batch ended."""

    acked: int = 0
    parked: int = 0
    conflicts: int = 0
    later: int = 0
    merged: int = 0


class Settler:
    """Applies receipts inside the caller's transaction."""

    def __init__(
        self,
        tx: Transaction,
        remote: Remote,
        random: Random,
        *,
        halt: Halt | None = None,
        retry_after_s: float | None = None,
        cap_s: float = CAP_S,
    ) -> None:
        self._cap_s = cap_s
        self._tx = tx
        self._remote = remote
        self._random = random
        self._halt = halt
        self._retry_after_s = retry_after_s
        self._acked: list[tuple[Change, Row]] = []
        self._edited_since: list[tuple[Change, Row]] = []
        self._due: dict[int, str] = {}
        self._why: dict[int, str] = {}
        self.tally = Tally()

    def settle(self, pairs: Sequence[tuple[Change, Receipt]]) -> Tally:
        """Apply the receipt of every change."""
        for change, receipt in pairs:
            if receipt.outcome is Outcome.ACKED:
                named = self._renamed(change, receipt)
                if receipt.reason:
                    self._why[change.seq] = receipt.reason
                self._acked.append((named, receipt.stored or {}))
            elif receipt.outcome is Outcome.DIFFERS:
                self._differs(change, receipt)
            elif receipt.outcome is Outcome.REFUSED:
                self._park(change, receipt)
            else:
                self._postpone(change, receipt)
        self._ack()
        for change, record in self._edited_since:
            self._take_edits(change, record)
        for _, receipt in pairs:
            for model, key, fields in receipt.others:
                rows.set_fields(self._tx, model, key, fields)
        return self.tally

    def _renamed(self, change: Change, receipt: Receipt) -> Change:
        """The change under the key the remote gave its record, which becomes the key everywhere here."""
        if receipt.key is None or receipt.key == change.key:
            return change
        renaming.rename(self._tx, self._remote.models, change.model, change.key, receipt.key)
        return replace(change, key=receipt.key)

    def _ack(self) -> None:
        if not self._acked:
            return
        self.tally.acked += len(self._acked)
        queue.leave(self._tx, [c.seq for c, _ in self._acked if c.seq not in self._why], "acked")
        for seq, why in self._why.items():
            queue.leave(self._tx, [seq], "acked", why=why)
        by_model: dict[Model, list[tuple[Change, Row]]] = {}
        for change, stored in self._acked:
            by_model.setdefault(change.model, []).append((change, stored))
        for model, pairs in by_model.items():
            self._ack_rows(model, pairs)

    def _ack_rows(self, model: Model, pairs: Sequence[tuple[Change, Row]]) -> None:
        """Rows with nothing else waiting take the remote's values; the others get them into their base."""
        waiting = queue.waiting_keys(self._tx, model, [change.key for change, _ in pairs])
        stamps: dict[tuple[str, ...], list[tuple[tuple[Any, ...], str]]] = {}
        for change, stored in pairs:
            if change.key in waiting:
                self._move_base(change, stored)
                continue
            if change.op != Op.CREATE:
                bases.drop(self._tx, model, change.key)
            if change.op != Op.DELETE and stored:
                stamps.setdefault(tuple(stored), []).append((tuple(stored.values()), change.key))
        for names, updates in stamps.items():
            rows.set_fields_of_many(self._tx, model, names, updates)

    def _move_base(self, change: Change, stored: Row) -> None:
        if change.op == Op.DELETE:
            bases.drop(self._tx, change.model, change.key)
            return
        base = bases.get(self._tx, change.model, change.key) or rows.get(self._tx, change.model, change.key) or {}
        bases.put(self._tx, change.model, change.key, {**base, **self._remote.sent(change), **stored})

    def _park(self, change: Change, receipt: Receipt) -> None:
        self.tally.parked += 1
        queue.settle(self._tx, change.seq, State.PARKED, code=receipt.code, reason=receipt.reason)

    def _postpone(self, change: Change, receipt: Receipt) -> None:
        self.tally.later += 1
        # Once a change may have been applied, only an answer about it can end that, not a later failure to ask.
        maybe = receipt.outcome is Outcome.AMBIGUOUS or change.state is State.AMBIGUOUS
        state = State.AMBIGUOUS if maybe else State.PENDING
        if self._halt in (Halt.ACCESS, Halt.UNREACHABLE) and receipt.outcome is Outcome.LATER:
            queue.settle(self._tx, change.seq, state, code=receipt.code, reason=receipt.reason, spent=False)
            if not maybe and receipt.code in _NEVER_LEFT:
                send_anew(self._tx, change, change.idem_key)
            return
        # What failed together is due together: scattered due times would send a batch of 100 again one by one.
        due_at = self._due.get(change.attempts) if receipt.due_s is None else clock.after(receipt.due_s)
        if due_at is None:
            due_at = clock.after(next_delay_s(change.attempts, self._retry_after_s, self._random, cap_s=self._cap_s))
            self._due[change.attempts] = due_at
        sent = receipt.code != "not-sent"
        queue.settle(self._tx, change.seq, state, due_at=due_at, code=receipt.code, reason=receipt.reason, spent=sent)

    def _differs(self, change: Change, receipt: Receipt) -> None:
        """A precondition failed. Ours already there is an ack; otherwise merge, or ask a person."""
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
            conflicts.add_whole(self._tx, change.model, change.key, change.seq, None, record)
            bases.put(self._tx, change.model, change.key, record)
            self._conflict(change, "the record was changed on the remote after it was last seen here")

    def _create_differs(self, change: Change, receipt: Receipt, record: Row | None) -> None:
        if record is None:  # reads may lag behind writes
            self._postpone(change, receipt)
            return
        sent = self._remote.sent(change)
        names = differing(change.model, sent, record, sent)
        if not names or (change.state is State.AMBIGUOUS and _made_here(change, sent, record)):
            self._already_there(change, record)
            return
        clashes = tuple(Clash(name, None, sent[name], record.get(name)) for name in names)
        conflicts.add(self._tx, change.model, change.key, change.seq, clashes)
        bases.put(self._tx, change.model, change.key, record)
        self._conflict(change, f"the id is taken on the remote by a record that differs in {', '.join(names)}")

    def _already_there(self, change: Change, record: Row) -> None:
        """The change had arrived and its answer was lost; what others edited since comes with the record."""
        self._acked.append((change, {}))
        self._edited_since.append((change, record))

    def _take_edits(self, change: Change, record: Row) -> None:
        if queue.waiting_keys(self._tx, change.model, [change.key]):
            pages.merge(self._tx, change.model, change.key, record)
        elif rows.known(self._tx, change.model, [change.key]):
            rows.put(self._tx, change.model, [rows.sql(change.model).as_tuple(record)])

    def _update_differs(self, change: Change, receipt: Receipt, record: Row | None) -> None:
        model, key = change.model, change.key
        if record is None:
            conflicts.add_whole(self._tx, model, key, change.seq, self._remote.sent(change), None)
            self._conflict(change, "the record no longer exists on the remote")
            return
        sent = self._remote.sent(change)
        if not differing(model, sent, record, change.fields):
            self._already_there(change, record)
            return
        base = bases.get(self._tx, model, key) or {}
        if _version(model, base) == _version(model, record):  # nothing moved: the answer was not about our condition
            self._postpone(change, receipt)
            return
        found = merged(model, base, sent, record, change.fields)
        bases.put(self._tx, model, key, record)
        rebase_row(self._tx, model, key, record)
        if found.clashes:
            conflicts.add(self._tx, model, key, change.seq, found.clashes)
            self._conflict(change, f"both sides changed {', '.join(c.field for c in found.clashes)}")
        else:
            send_anew(self._tx, change)
            self.tally.merged += 1

    def _conflict(self, change: Change, reason: str) -> None:
        self.tally.conflicts += 1
        queue.settle(self._tx, change.seq, State.CONFLICT, code="conflict", reason=reason)


def _made_here(change: Change, sent: Row, record: Row) -> bool:
    """True when ``record`` can only be what our own create made: same time of creation, or an id nobody else can mint."""
    if "createdAt" in sent:
        return bool(sent["createdAt"] == record.get("createdAt"))
    return ids.is_minted(change.key)


def send_anew(tx: Transaction, change: Change, idem_key: str | None = None) -> None:
    """Let a change that is surely not applied be made anew from its row; a delete that waits behind it takes over.

    ``idem_key``: its key, where that never left this machine.
    """
    last = queue.last(tx, change.model, change.key)
    if last is not None and last.op == Op.DELETE and last.seq != change.seq:
        queue.leave(tx, [change.seq], "superseded", by=last.seq)
    else:
        queue.thaw(tx, change.seq, idem_key)


def rebase_row(tx: Transaction, model: Model, key: str, record: Row) -> None:
    """Let the row be ``record`` with every waiting edit on top."""
    row = rows.get(tx, model, key)
    if row is None:
        return
    edited = {name for change in queue.of_record(tx, model, key) for name in change.fields}
    kept = {name: row[name] for name in edited}
    rows.put(tx, model, [rows.sql(model).as_tuple({**record, **kept})])


def _version(model: Model, row: Row) -> str | None:
    return values.verbatim(row, model.changed_at)
