"""A quick look after a sync: do this file's books close, and does the remote have what it has just acknowledged?

It costs one request, and only after something was pushed. What it finds is told and fails nothing: right after a push a
record that differs may be somebody else's edit, or a remote that lags behind its own writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random

from syncer.cache import blocks, rows
from syncer.describe import Model
from syncer.engine.drift import judged, unsound
from syncer.engine.repair import local_of
from syncer.engine.report import RemoteReport
from syncer.errors import RemoteError
from syncer.outbox import counts
from syncer.port import Remote, Row
from syncer.store.database import Database, Transaction

_MOST = 20
_MOST_WAITING = 1_000
_LAST_CHANGES = 10_000
_NAMED = 3


class Sent:
    """Some of the records that were pushed, each as likely as any other of its model; all are counted."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._counts: dict[str, int] = {}
        self._picked: dict[str, list[str]] = {}

    def add(self, records: Iterable[tuple[Model, str]]) -> None:
        """These were acknowledged, and are there."""
        for model, key in records:
            count = self._counts[model.name] = self._counts.get(model.name, 0) + 1
            picked = self._picked.setdefault(model.name, [])
            if count <= _MOST:
                picked.append(key)
            elif (at := self._random.randrange(count)) < _MOST:
                picked[at] = key

    @property
    def total(self) -> int:
        """How many records were pushed, one as often as it was."""
        return sum(self._counts.values())

    def some(self) -> tuple[str, list[str]]:
        """Keys of the model of which the most were pushed, and its name. Raises: ValueError when nothing was."""
        name = max(self._counts, key=lambda one: self._counts[one])
        return name, list(dict.fromkeys(self._picked[name]))


def recheck(database: Database, remote: Remote, sent: Sent, report: RemoteReport) -> None:
    """Check this file's books, then some of what was ``sent`` (not nothing), and say in ``report`` what came of it."""
    wrong = database.read(lambda tx: _books(tx, remote))
    if wrong:
        report.notes.append(f"{'; '.join(wrong)}   -> syncer verify {remote.name}")
    name, picked = sent.some()
    model, keys = remote.models[name], picked[: remote.limits.fetch]
    known = database.read(lambda tx: rows.get_many(tx, model, keys))
    if not known:
        return  # deleted here since
    line = remote.line()
    try:
        answer = line.fetch(model, known)
    except RemoteError as exc:
        if exc.sentence not in report.notes:  # a pull has said it already
            report.notes.append(f"what was sent could not be looked at again: {exc.sentence}")
        return
    finally:
        line.close()
    different, looked = database.read(lambda tx: _different(tx, model, answer))
    if not looked:
        return
    what = "equal" if not different else f"{len(different)} differ" if len(different) > 1 else "1 differs"
    report.checked = f"checked {looked:,} of {sent.total:,} pushed records: {what}"
    if different:
        named = f"{', '.join(different[:_NAMED])}{' ...' if len(different) > _NAMED else ''}"
        why = f"somebody may have edited it since, or {remote.name} shows it late"
        report.notes.append(f"{model.name} {named} not as sent: {why}; to be sure: syncer verify {remote.name}")


def _different(tx: Transaction, model: Model, answer: Mapping[str, Row | None]) -> tuple[list[str], int]:
    """Keys of the records that are not what is here, and how many were looked at."""
    here = local_of(tx, model, list(answer))
    found = [key for key, record in answer.items() if judged(model, key, here[key], record) is not None]
    return found, len(answer)


def _books(tx: Transaction, remote: Remote) -> list[str]:
    """What is wrong with the bookkeeping of this file, as far as a moment allows to see."""
    wrong = []
    if not counts.closes(tx, _LAST_CHANGES):
        wrong.append("changes are missing from the ledger")
    stuck = counts.count_sending(tx, remote.name)
    if stuck:
        wrong.append(f"{stuck:,} changes are left in the middle of being sent")
    left, odd = _MOST_WAITING, 0
    for model in remote.models.values():
        keys = blocks.waiting(tx, model, "", left)
        left -= len(keys)
        odd += sum(bool(one.changes and unsound(model, key, one)) for key, one in local_of(tx, model, keys).items())
        if left <= 0:
            break
    if odd:
        wrong.append(f"{odd:,} records with changes waiting do not add up with their rows")
    return wrong
