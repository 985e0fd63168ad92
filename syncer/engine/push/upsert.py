"""Before an upsert goes out as a create, the remote is asked who has its natural key already.

If another record has it, ours takes its id, with everything that refers to it, and the create
becomes an update of what the caller gave; all in one commit. Nothing is stored before that: a crash
between question and commit asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from syncer import clock, failpoints
from syncer.engine import id_remap
from syncer.engine.lease import Lease
from syncer.engine.reconcile import apply
from syncer.engine.reconcile.diverged import ASK
from syncer.engine.retry import RetryingConnection, next_delay_s
from syncer.errors import RemoteError, RemoteRefused, Unreachable
from syncer.merge.rules import MergeRules
from syncer.outbox import queue
from syncer.records import rows
from syncer.remote import Change, Connection, Op, Remote, Row, State, SupportsLookup
from syncer.schema.model import Model
from syncer.schema.pull import NaturalKey
from syncer.store.database import Database, Transaction

_TOGETHER = 25
PATIENCE_S = 3.0
ILL = 3
_LATER = 4
_SEVERAL = "{count} {model} records answer to what {key} is known by: {owner}, the oldest of them, is taken"
_UNTOLD = "the remote would not tell whether it has the record already: "


@dataclass(slots=True)
class Prepared:
    """What asking did: upserts that are done, that gave way to an update; what was rejected; notes for people.

    ``cascaded``: deletes that were added, of records that go with one that is deleted.
    """

    done: int = 0
    updates: int = 0
    rejected: int = 0
    cascaded: int = 0
    requests: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Answer:
    """No existing record and no error: nobody has it."""

    lookup: Lookup
    existing: ExistingRecord | None = None
    error: RemoteError | None = None


class UpsertLookup:
    """Asks for the existing records of upserts, for the length of one push.

    ``resolved``: numbers of those that nobody has, which may go out as creates; None where the remote cannot be asked.
    """

    def __init__(
        self,
        database: Database,
        remote: Remote,
        lease: Lease,
        random: Random,
        *,
        only: Sequence[str] | None = None,
        rules: MergeRules = ASK,
    ) -> None:
        self._rules = rules
        self._database = database
        self._remote = remote
        self._lease = lease
        self._random = random
        self._models = [m for m in remote.models.values() if m.natural_keys and (only is None or m.name in only)]
        self._ill = 0
        self.resolved: set[int] | None = set() if self._models else None

    def run(
        self, connect: Callable[[], Connection], now: str, total: Prepared, *, wait_s: float, most: int | None = None
    ) -> None:
        """Ask for up to ``most`` of a model's upserts that are due at ``now``, parents before children.

        ``total`` is told what came of it. Raises: RemoteError when the remote cannot be used; what was learned is stored.
        """
        for model in self._models:
            seqs = self._not_looked_up(model, now)[:most]
            if seqs and not isinstance(connect(), SupportsLookup):
                self.resolved = None
                break
            for start in range(0, len(seqs), _TOGETHER):
                self._look_up(connect(), model, seqs[start : start + _TOGETHER], min(wait_s, PATIENCE_S), total)

    def _not_looked_up(self, model: Model, now: str) -> list[int]:
        waiting = self._database.read(lambda tx: queue.unsent_upserts(tx, model, now))
        return [seq for seq in waiting if seq not in (self.resolved or ())]

    def _look_up(
        self, connection: Connection, model: Model, seqs: Sequence[int], patience_s: float, total: Prepared
    ) -> None:
        wanted = self._database.read(lambda tx: lookups(tx, self._remote.models, model, seqs))
        if not wanted:
            return
        self._ill = 0
        answers = self._asked(connection, model, wanted, patience_s, total)
        failpoints.reached("resolved")
        with self._database.transaction() as tx:
            self._lease.renew(tx)
            for answer in answers:
                self._store(tx, model, answer, total)

    def _asked(
        self, connection: Connection, model: Model, wanted: Sequence[Lookup], patience_s: float, total: Prepared
    ) -> list[_Answer]:
        """An answer for each; where a question fails, halves of it, down to the culprit."""
        total.requests += any(any(lookup.by) for lookup in wanted)
        try:
            found = existing_records(
                RetryingConnection(connection, self._random, patience_s=patience_s), self._remote.models, model, wanted
            )
        except (RemoteRefused, Unreachable) as exc:
            self._raise_for_all(exc, len(wanted))
            if len(wanted) == 1:
                return [_Answer(wanted[0], error=exc)]
            middle = len(wanted) // 2
            first = self._asked(connection, model, wanted[:middle], 0.0, total)
            return first + self._asked(connection, model, wanted[middle:], 0.0, total)
        return [_Answer(lookup, found.get(lookup.change.seq)) for lookup in wanted]

    def _raise_for_all(self, exc: RemoteError, count: int) -> None:
        """Raise what is not about one question: nobody there, told to wait, or failing whatever is asked."""
        if isinstance(exc, Unreachable):
            self._ill += count == 1
            if not exc.connected or exc.retry_after_s is not None or self._ill >= ILL:
                raise exc

    def _store(self, tx: Transaction, model: Model, answer: _Answer, total: Prepared) -> None:
        asked, existing = answer.lookup.change, answer.existing
        change = queue.by_seq(tx, asked.seq, {self._remote.name: self._remote.models})
        if change is None or change.state is not State.PENDING or change.body is not None or change.key != asked.key:
            return  # somebody wrote or dropped it meanwhile
        if answer.error is not None:
            put_off(tx, change, answer.error, _UNTOLD, self._random, total)
        elif existing is None or self._goes_away(tx, change, model.key_text(existing.record)):
            if self.resolved is not None:
                self.resolved.add(change.seq)
        else:
            if existing.others:
                named = {"count": existing.others + 1, "model": model.name, "key": change.key}
                total.notes.append(_SEVERAL.format(**named, owner=model.key_text(existing.record)))
            sends = self._adopt(tx, change, existing)
            total.updates += sends
            total.done += not sends

    def _goes_away(self, tx: Transaction, change: Change, key: str) -> bool:
        """True when a delete of the existing record waits here: the upsert was meant to come after it."""
        return key != change.key and Op.DELETE in queue.waiting_ops(tx, change.model, [key]).get(key, ())

    def _adopt(self, tx: Transaction, change: Change, existing: ExistingRecord) -> bool:
        """Let the change be about the existing record; True when an update is to be sent for it."""
        model, key = change.model, change.model.key_text(existing.record)
        if key != change.key:
            if queue.waiting_keys(tx, model, [key]):
                apply.apply_to_pending(tx, model, key, existing.record, self._rules)
            id_remap.rename(tx, self._remote.models, model, change.key, key)
        return id_remap.convert_to_update(tx, replace(change, key=key), existing.record)


def put_off(tx: Transaction, change: Change, error: RemoteError, untold: str, random: Random, total: Prepared) -> None:
    """Park a change about which the remote refused to answer; let one it could not answer about wait for a while.

    ``untold``: what it did not tell, in words, before the reason of ``error``.
    """
    reason = untold + error.sentence
    if isinstance(error, RemoteRefused):
        total.rejected += 1
        queue.set_state(tx, change.seq, State.REJECTED, code="unresolved", reason=reason)
    else:
        next_attempt_at = clock.after(next_delay_s(_LATER, None, random))
        queue.set_state(tx, change.seq, State.PENDING, next_attempt_at=next_attempt_at, code="unresolved", reason=reason)


Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lookup:
    """An upsert, and the values it is looked for by: for each natural key of its model none, one or several."""

    change: Change
    by: tuple[tuple[Values, ...], ...]


@dataclass(frozen=True, slots=True)
class ExistingRecord:
    """The remote's record that a lookup is about, and how many others answer to it too."""

    record: Row
    others: int = 0


def lookups(tx: Transaction, models: Mapping[str, Model], model: Model, seqs: Sequence[int]) -> list[Lookup]:
    """What to ask for the upserts ``seqs``; those whose parents are not there yet have to wait for them."""
    all_models = {model.remote: models}
    changes = [c for c in (queue.by_seq(tx, seq, all_models) for seq in seqs) if c is not None]
    found = rows.get_many(tx, model, [c.key for c in changes])
    unsent = _unsent_parents(tx, models, model, found.values())
    return [
        Lookup(
            change,
            tuple(
                _values(tx, models, natural_key, change.key, found.get(change.key, {})) for natural_key in model.natural_keys
            ),
        )
        for change in changes
        if not any((f.ref, found.get(change.key, {}).get(f.name)) in unsent for f in model.references)
    ]


def _unsent_parents(
    tx: Transaction, models: Mapping[str, Model], model: Model, found: Iterable[Row]
) -> set[tuple[str | None, str]]:
    """(model, key) of the records that ``found`` refer to and whose creates wait."""
    wanted: dict[str, set[str]] = {}
    for row in found:
        for f in model.references:
            if f.ref is not None and f.ref in models and row.get(f.name) is not None and not f.back:
                wanted.setdefault(f.ref, set()).add(row[f.name])
    return {
        (name, key)
        for name, keys in wanted.items()
        for key, ops in queue.waiting_ops(tx, models[name], keys).items()
        if Op.CREATE in ops
    }


def _values(tx: Transaction, models: Mapping[str, Model], natural_key: NaturalKey, key: str, row: Row) -> tuple[Values, ...]:
    if not natural_key.child:
        told: Sequence[Row] = [row]
    else:
        child = models[natural_key.child]
        under = rows.get_many(tx, child, rows.keys_where(tx, child, natural_key.pointer, key))
        told = sorted(under.values(), key=lambda r: (r.get(natural_key.order) or 0, child.key_text(r)))
    return tuple({n: r[n] for n in natural_key.fields} for r in told if all(r.get(n) for n in natural_key.fields))


def existing_records(
    connection: RetryingConnection, models: Mapping[str, Model], model: Model, wanted: Sequence[Lookup]
) -> dict[int, ExistingRecord]:
    """The existing records of those ``wanted`` that have one, by number: the best way of finding one first.

    Raises: RemoteError.
    """
    found: dict[int, ExistingRecord] = {}
    for n, natural_key in enumerate(model.natural_keys):
        asking = [lookup for lookup in wanted if lookup.by[n] and lookup.change.seq not in found]
        answers = _answers(connection, models, model, natural_key, [values for lookup in asking for values in lookup.by[n]])
        start = 0
        for lookup in asking:
            count = len(lookup.by[n])
            existing = _first(model, answers[start : start + count])
            start += count
            if existing is not None:
                found[lookup.change.seq] = existing
    return found


def _answers(
    connection: RetryingConnection,
    models: Mapping[str, Model],
    model: Model,
    natural_key: NaturalKey,
    wanted: Sequence[Values],
) -> list[list[Row]]:
    """The records of ``model`` that answer to each of ``wanted``."""
    if not wanted:
        return []
    if not natural_key.child:
        return connection.lookup(model, wanted)
    found = connection.lookup(models[natural_key.child], wanted)
    keys = {str(row[natural_key.pointer]) for several in found for row in several}
    there = connection.fetch(model, {key: {} for key in sorted(keys)}) if keys else {}
    pointed = [dict.fromkeys(str(row[natural_key.pointer]) for row in several) for several in found]
    return [[record for key in several if (record := there.get(key)) is not None] for several in pointed]


def _first(model: Model, answers: Sequence[Sequence[Row]]) -> ExistingRecord | None:
    """The oldest record of the first answer that has any: the same one wherever and whenever it is asked for."""
    everyone = {model.key_text(record) for several in answers for record in several}
    for several in answers:
        if several:
            record = min(several, key=lambda r: (r.get("createdAt") or "~", model.key_text(r)))
            return ExistingRecord(record, len(everyone) - 1)
    return None
