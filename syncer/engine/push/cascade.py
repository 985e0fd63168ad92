"""Before a delete goes out, the remote is asked for the records that go with it and are not known here.

The remote deletes nothing along with a report; its blocks would stay for ever, under a report that is gone. Those known here
were queued with it; the others are found now, and each gets a delete of its own, with the record as its base: ordinary
changes, in the ledger like all others. Nothing is remembered between pushes: a crash asks again, and finds them waiting.

Source: docs/remotes/plexus.md#deletes
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random

from syncer import clock
from syncer.engine.lease import Lease
from syncer.engine.push.upsert import ILL, PATIENCE_S, Prepared, put_off
from syncer.engine.retry import RetryingConnection
from syncer.errors import RemoteError, RemoteRefused, Unreachable
from syncer.outbox import queue
from syncer.records import bases, events, rows
from syncer.remote import Change, Connection, Op, Page, PageRequest, Remote, Row, State
from syncer.schema.model import Model
from syncer.store.database import Database, Transaction

CASCADED = "cascaded"
"""Code of the deletes added here, and kind of the event that tells of each."""

_WHY = "it is part of {record}, which is deleted here"
_TOLD = "{count:,} {model} records that were not known here are deleted with {record}"
_UNTOLD = "the remote would not tell what else is to be deleted with it: "


class CascadeDeletes:
    """Asks what goes with deletes, for the length of one push.

    ``asked``: numbers of the deletes whose children are all known by now, which may go out.
    """

    def __init__(
        self, database: Database, remote: Remote, lease: Lease, random: Random, *, only: Sequence[str] | None = None
    ) -> None:
        self._database = database
        self._remote = remote
        self._lease = lease
        self._random = random
        self._models = [m for m in remote.models.values() if m.cascades and (only is None or m.name in only)]
        self._ill = 0
        self.asked: set[int] = set()

    def run(
        self, connect: Callable[[], Connection], now: str, total: Prepared, *, wait_s: float, most: int | None = None
    ) -> None:
        """Ask for up to ``most`` of a model's deletes that are due at ``now``. ``total`` is told what came of it.

        Raises: RemoteError when the remote cannot be used; what was learned is stored.
        """
        self._ill = 0
        for model in self._models:  # parents first: what is added below is asked about in its turn
            waiting = self._database.read(lambda tx, m=model: queue.unsent_deletes(tx, m, now))  # type: ignore[misc]
            for seq in [seq for seq in waiting if seq not in self.asked][:most]:
                self._ask(RetryingConnection(connect(), self._random, patience_s=min(wait_s, PATIENCE_S)), seq, total)

    def _ask(self, connection: RetryingConnection, seq: int, total: Prepared) -> None:
        change, base = self._database.read(lambda tx: self._found(tx, seq))
        if change is None:
            return
        if base is None:  # it never was on the remote, so nothing is under it there
            self.asked.add(seq)
            return
        before = total.cascaded
        try:
            complete = all(self._look(connection, change, base, *part, total) for part in change.model.cascades)
        except (RemoteRefused, Unreachable) as exc:
            self._raise_for_all(exc)
            self._put_off(change, exc, total)
            return
        finally:
            self._tell(change, total, total.cascaded - before)
        self._ill = 0
        if complete:
            self.asked.add(seq)

    def _found(self, tx: Transaction, seq: int) -> tuple[Change | None, Row | None]:
        change = queue.by_seq(tx, seq, {self._remote.name: self._remote.models})
        return change, bases.get(tx, change.model, change.key) if change else None

    def _look(
        self, connection: RetryingConnection, change: Change, base: Row, name: str, field: str, total: Prepared
    ) -> bool:
        """Whether the delete still waits when all records of one kind were looked at, a page and a transaction at a time."""
        child = self._remote.models[name]
        for page in self._pages(connection, PageRequest(child, change.key, limit=self._remote.limits.page, parent=base)):
            total.requests += 1
            total.notes += page.notes
            with self._database.transaction() as tx:
                self._lease.renew(tx)
                if not self._waits(tx, change):
                    return False
                total.cascaded += self._take(tx, change, child, field, page)
        return True

    def _pages(self, connection: RetryingConnection, request: PageRequest) -> Iterator[Page]:
        token: str | None = ""
        while token is not None:
            page = connection.page(replace(request, token=token or None))
            yield page
            token = page.token

    def _waits(self, tx: Transaction, asked: Change) -> bool:
        """False when somebody dropped the delete meanwhile."""
        change = queue.by_seq(tx, asked.seq, {self._remote.name: self._remote.models})
        return change is not None and change.state is State.PENDING and change.body is None and change.key == asked.key

    def _take(self, tx: Transaction, change: Change, child: Model, field: str, page: Page) -> int:
        """Queue the delete of every record of a page with nothing waiting; how many.

        A row that is here stays if it is under another record by now, or if somebody gave up its delete: both are meant.
        """
        of = rows.sql(child)
        # An index may show records that are no longer under this one.
        found = {of.key_of(values): row for values in page.rows if (row := of.as_row(values)).get(field) == change.key}
        waiting = queue.waiting_keys(tx, child, list(found))
        here = rows.get_many(tx, child, found)
        kept = queue.given_up(tx, child, here, change.created_at) if here else set()
        kept |= {key for key, row in here.items() if row[field] != change.key}
        why, now = _WHY.format(record=change.record), clock.stored_now()
        taken = [key for key in found if key not in waiting and key not in kept]
        for key in taken:
            bases.put(tx, child, key, found[key])
            rows.remove(tx, child, key)
            seq = queue.enqueue(tx, child, key, Op.DELETE, now)
            queue.set_state(tx, seq, State.PENDING, code=CASCADED, reason=why)
        events.note(tx, child, CASCADED, [(key, None, why) for key in taken])
        return len(taken)

    def _raise_for_all(self, exc: RemoteError) -> None:
        """Raise what is not about one question: nobody there, told to wait, or failing whatever is asked."""
        if isinstance(exc, Unreachable):
            self._ill += 1
            if not exc.connected or exc.retry_after_s is not None or self._ill >= ILL:
                raise exc

    def _put_off(self, change: Change, error: RemoteError, total: Prepared) -> None:
        with self._database.transaction() as tx:
            self._lease.renew(tx)
            if self._waits(tx, change):
                put_off(tx, change, error, _UNTOLD, self._random, total)

    def _tell(self, change: Change, total: Prepared, count: int) -> None:
        if count:
            models = " and ".join(name for name, _ in change.model.cascades)
            total.notes.append(_TOLD.format(count=count, model=models, record=change.record))
