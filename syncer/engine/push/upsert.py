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
from syncer.engine.retry import Asking, next_delay_s
from syncer.errors import RemoteError, RemoteRefused, Unreachable
from syncer.merge.rules import Preferences
from syncer.outbox import queue
from syncer.records import rows
from syncer.remote import Change, Line, Op, Remote, Row, Seeker, State
from syncer.schema.model import Model
from syncer.schema.pull import Natural
from syncer.store.database import Database, Transaction

_TOGETHER = 25
PATIENCE_S = 3.0
ILL = 3
_LATER = 4
_SEVERAL = "{count} {model} records answer to what {key} is known by: {owner}, the oldest of them, is taken"
_UNTOLD = "the remote would not tell whether it has the record already: "


@dataclass(slots=True)
class Resolved:
    """What asking did: upserts that are done, that gave way to an update; what was rejected; notes for people.

    ``taken``: deletes that were added, of records that go with one that is deleted.
    """

    done: int = 0
    updates: int = 0
    rejected: int = 0
    taken: int = 0
    requests: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Answer:
    """No owner and no error: nobody has it."""

    wish: Wish
    owner: Owner | None = None
    error: RemoteError | None = None


class Resolver:
    """Asks for the owners of upserts, for the length of one push.

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
        rules: Preferences = ASK,
    ) -> None:
        self._rules = rules
        self._database = database
        self._remote = remote
        self._lease = lease
        self._random = random
        self._models = [m for m in remote.models.values() if m.natural and (only is None or m.name in only)]
        self._ill = 0
        self.resolved: set[int] | None = set() if self._models else None

    def run(self, line: Callable[[], Line], now: str, total: Resolved, *, wait_s: float, most: int | None = None) -> None:
        """Ask for up to ``most`` of a model's upserts that are due at ``now``, parents before children.

        ``total`` is told what came of it. Raises: RemoteError when the remote cannot be used; what was learned is stored.
        """
        for model in self._models:
            seqs = self._unresolved(model, now)[:most]
            if seqs and not isinstance(line(), Seeker):
                self.resolved = None
                break
            for start in range(0, len(seqs), _TOGETHER):
                self._resolve(line(), model, seqs[start : start + _TOGETHER], min(wait_s, PATIENCE_S), total)

    def _unresolved(self, model: Model, now: str) -> list[int]:
        waiting = self._database.read(lambda tx: queue.unsent_upserts(tx, model, now))
        return [seq for seq in waiting if seq not in (self.resolved or ())]

    def _resolve(self, line: Line, model: Model, seqs: Sequence[int], patience_s: float, total: Resolved) -> None:
        wanted = self._database.read(lambda tx: wishes(tx, self._remote.models, model, seqs))
        if not wanted:
            return
        self._ill = 0
        answers = self._asked(line, model, wanted, patience_s, total)
        failpoints.reached("resolved")
        with self._database.transaction() as tx:
            self._lease.renew(tx)
            for answer in answers:
                self._store(tx, model, answer, total)

    def _asked(self, line: Line, model: Model, wanted: Sequence[Wish], patience_s: float, total: Resolved) -> list[_Answer]:
        """An answer for each; where a question fails, halves of it, down to the culprit."""
        total.requests += any(any(wish.by) for wish in wanted)
        try:
            found = owners(Asking(line, self._random, patience_s=patience_s), self._remote.models, model, wanted)
        except (RemoteRefused, Unreachable) as exc:
            self._raise_for_all(exc, len(wanted))
            if len(wanted) == 1:
                return [_Answer(wanted[0], error=exc)]
            middle = len(wanted) // 2
            first = self._asked(line, model, wanted[:middle], 0.0, total)
            return first + self._asked(line, model, wanted[middle:], 0.0, total)
        return [_Answer(wish, found.get(wish.change.seq)) for wish in wanted]

    def _raise_for_all(self, exc: RemoteError, count: int) -> None:
        """Raise what is not about one question: nobody there, told to wait, or failing whatever is asked."""
        if isinstance(exc, Unreachable):
            self._ill += count == 1
            if not exc.connected or exc.retry_after_s is not None or self._ill >= ILL:
                raise exc

    def _store(self, tx: Transaction, model: Model, answer: _Answer, total: Resolved) -> None:
        asked, owner = answer.wish.change, answer.owner
        change = queue.by_seq(tx, asked.seq, {self._remote.name: self._remote.models})
        if change is None or change.state is not State.PENDING or change.body is not None or change.key != asked.key:
            return  # somebody wrote or dropped it meanwhile
        if answer.error is not None:
            put_off(tx, change, answer.error, _UNTOLD, self._random, total)
        elif owner is None or self._goes_away(tx, change, model.key_text(owner.record)):
            if self.resolved is not None:
                self.resolved.add(change.seq)
        else:
            if owner.others:
                named = {"count": owner.others + 1, "model": model.name, "key": change.key}
                total.notes.append(_SEVERAL.format(**named, owner=model.key_text(owner.record)))
            sends = self._adopt(tx, change, owner)
            total.updates += sends
            total.done += not sends

    def _goes_away(self, tx: Transaction, change: Change, key: str) -> bool:
        """True when a delete of the owner waits here: the upsert was meant to come after it."""
        return key != change.key and Op.DELETE in queue.waiting_ops(tx, change.model, [key]).get(key, ())

    def _adopt(self, tx: Transaction, change: Change, owner: Owner) -> bool:
        """Let the change be about the owner's record; True when an update is to be sent for it."""
        model, key = change.model, change.model.key_text(owner.record)
        if key != change.key:
            if queue.waiting_keys(tx, model, [key]):
                apply.merge(tx, model, key, owner.record, self._rules)
            id_remap.rename(tx, self._remote.models, model, change.key, key)
        return id_remap.take_over(tx, replace(change, key=key), owner.record)


def put_off(tx: Transaction, change: Change, error: RemoteError, untold: str, random: Random, total: Resolved) -> None:
    """Park a change about which the remote refused to answer; let one it could not answer about wait for a while.

    ``untold``: what it did not tell, in words, before the reason of ``error``.
    """
    reason = untold + error.sentence
    if isinstance(error, RemoteRefused):
        total.rejected += 1
        queue.settle(tx, change.seq, State.REJECTED, code="unresolved", reason=reason)
    else:
        next_attempt_at = clock.after(next_delay_s(_LATER, None, random))
        queue.settle(tx, change.seq, State.PENDING, next_attempt_at=next_attempt_at, code="unresolved", reason=reason)


Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Wish:
    """An upsert, and the values it is looked for by: for each natural key of its model none, one or several."""

    change: Change
    by: tuple[tuple[Values, ...], ...]


@dataclass(frozen=True, slots=True)
class Owner:
    """The remote's record that a wish is about, and how many others answer to it too."""

    record: Row
    others: int = 0


def wishes(tx: Transaction, models: Mapping[str, Model], model: Model, seqs: Sequence[int]) -> list[Wish]:
    """What to ask for the upserts ``seqs``; those whose parents are not there yet have to wait for them."""
    all_models = {model.remote: models}
    changes = [c for c in (queue.by_seq(tx, seq, all_models) for seq in seqs) if c is not None]
    found = rows.get_many(tx, model, [c.key for c in changes])
    unsent = _unsent_parents(tx, models, model, found.values())
    return [
        Wish(change, tuple(_values(tx, models, natural, change.key, found.get(change.key, {})) for natural in model.natural))
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


def _values(tx: Transaction, models: Mapping[str, Model], natural: Natural, key: str, row: Row) -> tuple[Values, ...]:
    if not natural.child:
        told: Sequence[Row] = [row]
    else:
        child = models[natural.child]
        under = rows.get_many(tx, child, rows.keys_where(tx, child, natural.pointer, key))
        told = sorted(under.values(), key=lambda r: (r.get(natural.order) or 0, child.key_text(r)))
    return tuple({n: r[n] for n in natural.fields} for r in told if all(r.get(n) for n in natural.fields))


def owners(line: Asking, models: Mapping[str, Model], model: Model, wanted: Sequence[Wish]) -> dict[int, Owner]:
    """The owners of those ``wanted`` that have one, by number: the best way of finding one first. Raises: RemoteError."""
    found: dict[int, Owner] = {}
    for n, natural in enumerate(model.natural):
        asking = [wish for wish in wanted if wish.by[n] and wish.change.seq not in found]
        answers = _answers(line, models, model, natural, [values for wish in asking for values in wish.by[n]])
        start = 0
        for wish in asking:
            count = len(wish.by[n])
            owner = _first(model, answers[start : start + count])
            start += count
            if owner is not None:
                found[wish.change.seq] = owner
    return found


def _answers(
    line: Asking, models: Mapping[str, Model], model: Model, natural: Natural, wanted: Sequence[Values]
) -> list[list[Row]]:
    """The records of ``model`` that answer to each of ``wanted``."""
    if not wanted:
        return []
    if not natural.child:
        return line.seek(model, wanted)
    found = line.seek(models[natural.child], wanted)
    keys = {str(row[natural.pointer]) for several in found for row in several}
    there = line.fetch(model, {key: {} for key in sorted(keys)}) if keys else {}
    pointed = [dict.fromkeys(str(row[natural.pointer]) for row in several) for several in found]
    return [[record for key in several if (record := there.get(key)) is not None] for several in pointed]


def _first(model: Model, answers: Sequence[Sequence[Row]]) -> Owner | None:
    """The oldest record of the first answer that has any: the same one wherever and whenever it is asked for."""
    everyone = {model.key_text(record) for several in answers for record in several}
    for several in answers:
        if several:
            record = min(several, key=lambda r: (r.get("createdAt") or "~", model.key_text(r)))
            return Owner(record, len(everyone) - 1)
    return None
