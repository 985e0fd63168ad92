"""Choosing the next batch: due, first of its record, parents acked; serialized with its key before anything is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from syncer import clock, failpoints
from syncer.engine import id_remap
from syncer.engine.lease import Lease
from syncer.outbox import queue
from syncer.outbox.delete_order import pointing_at
from syncer.records import bases, rows
from syncer.remote import FIELD_NOT_DEPLOYED, Change, Op, Remote, Row, State
from syncer.schema.model import Model
from syncer.store.database import Database, Transaction

Record: TypeAlias = tuple[str, str]
"""Model name and key text."""

_PATIENT_ATTEMPTS = 6
_LACKING_S = 86_400.0
_NO_ROW = "its row was removed from the file by another program: drop the change, or put the row back and retry"


@dataclass(frozen=True, slots=True)
class Claimed:
    """``changes`` are marked as sending. ``seen``: the number up to which the outbox was looked through, None at its end."""

    changes: tuple[Change, ...]
    seen: int | None
    blocked: int


def claim(
    database: Database,
    remote: Remote,
    lease: Lease,
    *,
    after: int,
    now: str,
    most: int,
    only: Sequence[str] | None = None,
    resolved: Container[int] | None = None,
    asked: Container[int] | None = None,
) -> Claimed:
    """Claim up to ``most`` changes behind number ``after`` in one transaction, attempt, key and body hash included.

    ``resolved``: the numbers of the upserts that may go out as creates; None where the remote cannot be asked who owns them.
    ``asked``: those of the deletes whose children are known by now; None where nobody asks for children.
    """
    with database.transaction() as tx:
        lease.renew(tx)
        due = queue.claimable(tx, remote.name, remote.models, after=after, now=now, most=most, only=only)
        if id_remap.repaired(tx, remote.models, due):  # keys may have changed with it
            due = queue.claimable(tx, remote.name, remote.models, after=after, now=now, most=most, only=only)
        if not due:
            return Claimed((), None, 0)
        due = due[: _most_together(due[0].attempts, most)]
        ready, seen = _within_bytes(
            _Serializer(tx, remote, resolved, asked).serialize(due), due[-1].seq, remote.limits.max_bytes
        )
        attempts = [(c.seq, c.body or "", _hash(c.body or ""), c.idem_key) for c in ready if c is not None]
        queue.mark_sending(tx, attempts)
    failpoints.reached("claimed")
    claimed = tuple(replace(c, attempts=c.attempts + 1) for c in ready if c is not None)
    return Claimed(claimed, seen, len(ready) - len(claimed))


def _most_together(attempts: int, most: int) -> int:
    """Changes that keep failing go out in ever smaller company, until the one that makes the remote stumble is alone."""
    return max(1, most >> max(0, attempts - _PATIENT_ATTEMPTS))


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _within_bytes(ready: list[tuple[int, Change | None]], last_seen: int, max_bytes: int) -> tuple[list[Change | None], int]:
    """As many as one request may carry, at least one; and the number up to which they were looked at."""
    size = 0
    kept: list[Change | None] = []
    seen = last_seen
    for seq, change in ready:
        size += len(change.body or "") if change else 0
        if size > max_bytes and any(kept):
            return kept, seen
        kept.append(change)
        seen = seq
    return kept, last_seen


class _Serializer:
    """Bodies for changes that have none yet; None for those that must wait for others, or for an answer about them."""

    def __init__(
        self, tx: Transaction, remote: Remote, resolved: Container[int] | None, asked: Container[int] | None = None
    ) -> None:
        self._asked = asked
        self._tx = tx
        self._remote = remote
        self._resolved = resolved

    def serialize(self, due: Sequence[Change]) -> list[tuple[int, Change | None]]:
        fresh = [c for c in due if c.body is None]
        found = self._rows(fresh)
        waiting = self._waiting_parents(fresh, found)
        pointed = self._pointed_at(due)
        ready: list[tuple[int, Change | None]] = []
        for change in due:
            row = found.get((change.model.name, change.key))
            if (change.model.name, change.key) in pointed:
                ready.append((change.seq, None))
            elif change.body is not None:
                ready.append((change.seq, change))
            elif self._unresolved(change) or self._unasked(change):
                ready.append((change.seq, None))
            elif change.op == Op.UPDATE and change.fields and change.model.absent.issuperset(change.fields):
                self._keep(change)
            elif row is None and change.op != Op.DELETE:
                queue.set_state(self._tx, change.seq, State.REJECTED, code="row-missing", reason=_NO_ROW)
            else:
                ready.append((change.seq, self._serialize(change, row, waiting)))
        return ready

    def _keep(self, change: Change) -> None:
        """Leave alone for a day what the deployment has no place for."""
        names = ", ".join(f"{change.model.name}.{name}" for name in change.fields)
        why = f"this deployment has no {names}; the value stays in the local file"
        next_attempt_at = clock.after(_LACKING_S)
        queue.set_state(
            self._tx, change.seq, change.state, next_attempt_at=next_attempt_at, code=FIELD_NOT_DEPLOYED, reason=why
        )

    def _unresolved(self, change: Change) -> bool:
        upsert = change.fields and change.op == Op.CREATE and change.model.natural_keys
        return self._resolved is not None and bool(upsert) and change.seq not in self._resolved

    def _unasked(self, change: Change) -> bool:
        takes = change.op == Op.DELETE and change.model.cascades
        return self._asked is not None and bool(takes) and change.seq not in self._asked

    def _pointed_at(self, due: Sequence[Change]) -> set[Record]:
        """The records to be deleted, surely still there, at which others point that are to be deleted first."""
        wanted: dict[str, list[str]] = {}
        for change in due:
            if change.op == Op.DELETE and change.state is State.PENDING:
                wanted.setdefault(change.model.name, []).append(change.key)
        return {
            (name, key)
            for name, keys in wanted.items()
            for child, field in pointing_at(self._remote.models, name)
            for key in queue.pointed_at(self._tx, child, field, keys)
        }

    def _rows(self, changes: Sequence[Change]) -> dict[Record, Row]:
        keys: dict[Model, list[str]] = {}
        for change in changes:
            if change.op != Op.DELETE:
                keys.setdefault(change.model, []).append(change.key)
        return {
            (model.name, key): row
            for model, wanted in keys.items()
            for key, row in rows.get_many(self._tx, model, wanted).items()
        }

    def _waiting_parents(self, changes: Sequence[Change], found: Mapping[Record, Row]) -> dict[Record, set[str]]:
        """What waits for the records that the changes point at: operations by record."""
        wanted: dict[str, set[str]] = {}
        for change in changes:
            row = found.get((change.model.name, change.key))
            for field in change.model.references:
                value = row.get(field.name) if row else None
                if value is not None and (change.op == Op.CREATE or field.name in change.fields):
                    wanted.setdefault(field.ref or "", set()).add(value)
        return {
            (name, key): ops
            for name, keys in wanted.items()
            if name in self._remote.models
            for key, ops in queue.waiting_ops(self._tx, self._remote.models[name], keys).items()
        }

    def _serialize(self, change: Change, row: Row | None, waiting: Mapping[Record, set[str]]) -> Change | None:
        """The change with its body; None when it must wait for a parent, or for children."""
        if self._children_wait(change):
            return None
        sent = dict(row) if row else None
        later: list[str] = []
        for field in change.model.references if sent else ():
            target = (field.ref or "", sent[field.name]) if sent else ("", "")
            if target == (change.model.name, change.key) or not waiting.get(target, set()).intersection(field.waits_for):
                continue
            if change.op == Op.CREATE and field.back and sent:
                later.append(field.name)
                sent[field.name] = None
            elif change.op == Op.CREATE or field.name in change.fields:
                return None
        later += self._placeless(change, sent)
        base = bases.get(self._tx, change.model, change.key) if change.op != Op.CREATE else None
        body = self._remote.serialize(change, sent, base)
        if later and sent:
            self._set_later(change, sent, later)
        return replace(change, body=body)

    def _placeless(self, change: Change, sent: Row | None) -> list[str]:
        """The fields of ``change`` that the deployment has not, taken out of what is ``sent``."""
        if not sent or not change.model.absent:
            return []
        names = change.fields if change.op == Op.UPDATE else [n for n, value in sent.items() if value is not None]
        found = sorted(change.model.absent.intersection(names))
        sent.update(dict.fromkeys(found))
        return found

    def _children_wait(self, change: Change) -> bool:
        """True while an action that ends a record has unsent changes of the records under it."""
        action = change.model.action(change.op)
        if action is None or action.after is None:
            return False
        name, field = action.after
        model = self._remote.models[name]
        return bool(queue.waiting_keys(self._tx, model, rows.keys_where(self._tx, model, field, change.key)))

    def _set_later(self, change: Change, sent: Row, fields: Sequence[str]) -> None:
        """What cannot go now travels in an update of its own, behind this change.

        That is a back pointer whose target is not there yet, and what the deployment has no field for.
        """
        earlier = queue.tail(self._tx, change.model, change.key)
        behind = earlier if earlier is not None and earlier.seq != change.seq else None
        if behind is not None and (behind.op == Op.DELETE or behind.fields.issuperset(fields)):
            return  # this change was serialized before, but never left
        if change.op == Op.CREATE:
            bases.put(self._tx, change.model, change.key, sent)
        queue.enqueue(self._tx, change.model, change.key, Op.UPDATE, clock.stored_now(), fields=fields, earlier=behind)
