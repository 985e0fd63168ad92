"""Before an upsert goes out as a create, the remote is asked who has its natural key already.

If another record has it, ours takes its id, with everything that refers to it, and the create becomes an update of what the
caller gave; all in one commit. Nothing is stored before that: a crash between question and commit asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from syncer import clock, failpoints
from syncer.cache.preferences import Preferences
from syncer.describe import Model
from syncer.engine import owning, pages, renaming
from syncer.engine.asking import Asking
from syncer.engine.backoff import next_delay_s
from syncer.engine.meeting import ASK
from syncer.engine.owners import Owner, Wish, owners, wishes
from syncer.errors import RemoteError, RemoteRefused, Unreachable
from syncer.outbox import queue, upserts
from syncer.outbox.lease import Lease
from syncer.port import Change, Line, Op, Remote, Seeker, State
from syncer.store.database import Database, Transaction

_TOGETHER = 25
PATIENCE_S = 3.0
ILL = 3
_LATER = 4
_SEVERAL = "{count} {model} records answer to what {key} is known by: {owner}, the oldest of them, is taken"
_UNTOLD = "the remote would not tell whether it has the record already: "


@dataclass(slots=True)
class Resolved:
    """What asking did: upserts that are done, that gave way to an update; what was parked; notes for people.

    ``taken``: deletes that were added, of records that go with one that is deleted.
    """

    done: int = 0
    updates: int = 0
    parked: int = 0
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
        waiting = self._database.read(lambda tx: upserts.unsent(tx, model, now))
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
                pages.merge(tx, model, key, owner.record, self._rules)
            renaming.rename(tx, self._remote.models, model, change.key, key)
        return owning.take_over(tx, replace(change, key=key), owner.record)


def put_off(tx: Transaction, change: Change, error: RemoteError, untold: str, random: Random, total: Resolved) -> None:
    """Park a change about which the remote refused to answer; let one it could not answer about wait for a while.

    ``untold``: what it did not tell, in words, before the reason of ``error``.
    """
    reason = untold + error.sentence
    if isinstance(error, RemoteRefused):
        total.parked += 1
        queue.settle(tx, change.seq, State.PARKED, code="unresolved", reason=reason)
    else:
        due_at = clock.after(next_delay_s(_LATER, None, random))
        queue.settle(tx, change.seq, State.PENDING, due_at=due_at, code="unresolved", reason=reason)
