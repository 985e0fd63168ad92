"""A quick look after a sync: do this file's books close, and does the remote have what it has just acknowledged?

It costs one request, and only after something was pushed. What it finds is told and fails nothing: right after a push a
record that differs may be somebody else's edit, or a remote that lags behind its own writes.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncer.engine.push.sample import AckedSample
from syncer.engine.report import RemoteReport
from syncer.engine.verify import scan
from syncer.engine.verify.diff import compare_record, inconsistent
from syncer.engine.verify.repair import local_states
from syncer.errors import RemoteError
from syncer.outbox import stats
from syncer.records import rows
from syncer.remote import Remote, Row
from syncer.schema.model import Model
from syncer.store.database import Database, Transaction

_MOST_WAITING = 1_000
_LAST_CHANGES = 10_000
_NAMED = 3


def spot_check(database: Database, remote: Remote, sample: AckedSample, report: RemoteReport) -> None:
    """Check this file's books, then some of what was ``sample`` (not nothing), and say in ``report`` what came of it."""
    wrong = database.read(lambda tx: _books(tx, remote))
    if wrong:
        report.notes.append(f"{'; '.join(wrong)}   -> syncer verify {remote.name}")
    name, picked = sample.some()
    model, keys = remote.models[name], picked[: remote.limits.fetch]
    known = database.read(lambda tx: rows.get_many(tx, model, keys))
    if not known:
        return  # deleted here since
    connection = remote.connect()
    try:
        answer = connection.fetch(model, known)
    except RemoteError as exc:
        if exc.sentence not in report.notes:  # a pull has said it already
            report.notes.append(f"what was sent could not be looked at again: {exc.sentence}")
        return
    finally:
        connection.close()
    different, looked = database.read(lambda tx: _different(tx, model, answer))
    if not looked:
        return
    what = "equal" if not different else f"{len(different)} differ" if len(different) > 1 else "1 differs"
    report.checked = f"checked {looked:,} of {sample.total:,} pushed records: {what}"
    if different:
        named = f"{', '.join(different[:_NAMED])}{' ...' if len(different) > _NAMED else ''}"
        why = f"somebody may have edited it since, or {remote.name} shows it late"
        report.notes.append(f"{model.name} {named} not as sent: {why}; to be sure: syncer verify {remote.name}")


def _different(tx: Transaction, model: Model, answer: Mapping[str, Row | None]) -> tuple[list[str], int]:
    """Keys of the records that are not what is here, and how many were looked at."""
    here = local_states(tx, model, list(answer))
    found = [key for key, record in answer.items() if compare_record(model, key, here[key], record) is not None]
    return found, len(answer)


def _books(tx: Transaction, remote: Remote) -> list[str]:
    """What is wrong with the bookkeeping of this file, as far as a moment allows to see."""
    wrong = []
    if not stats.is_consistent(tx, _LAST_CHANGES):
        wrong.append("changes are missing from the ledger")
    stuck = stats.count_sending(tx, remote.name)
    if stuck:
        wrong.append(f"{stuck:,} changes are left in the middle of being sent")
    left, odd = _MOST_WAITING, 0
    for model in remote.models.values():
        keys = scan.waiting(tx, model, "", left)
        left -= len(keys)
        odd += sum(bool(one.changes and inconsistent(model, key, one)) for key, one in local_states(tx, model, keys).items())
        if left <= 0:
            break
    if odd:
        wrong.append(f"{odd:,} records with pending changes are not consistent with their rows")
    return wrong
