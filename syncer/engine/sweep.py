"""Rows whose records are gone: found by complete scans, asked for by key, and only then removed.

The remotes leave no tombstones. A row that a complete scan did not show is a suspect; only when the remote, asked for its
key, has none does the row go. An empty list and a mass of deletions remove nothing unless that was allowed: both are what a
wrong address or a half restored backup looks like.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncer import failpoints
from syncer.cache import bases, rows, scans
from syncer.cache.preferences import Preferences
from syncer.describe import Model
from syncer.engine import meeting, pages
from syncer.engine.asking import Asking
from syncer.engine.position import Part
from syncer.engine.report import Pulled, RemoteReport
from syncer.outbox import lately, queue
from syncer.outbox.lease import Lease
from syncer.plans import Each, Since
from syncer.port import Op, Page, Row, State
from syncer.store.database import Database, Transaction

_KEYS_A_CHECK = 200
_FEW = 20
_PART = 5


@dataclass
class Sweep:
    """The search for deletions of one pull. ``allowed``: also when they are many. ``began``: when the pull did.

    ``known_place``: an earlier pull has come to an end at this address. What is here may be of another one otherwise.
    """

    database: Database
    lease: Lease
    models: Mapping[str, Model]
    report: RemoteReport
    rules: Preferences
    allowed: bool
    began: str
    known_place: bool
    begun: bool = False
    """Whether the scan that is under way has shown anything yet."""

    def covers(self, model: Model) -> bool:
        """Whether rows of the model that a scan does not show are suspect: where the remote can delete, and is known."""
        return self.known_place and Op.DELETE in model.ops

    def begin(self) -> None:
        """A scan begins: what an earlier one saw counts for nothing."""
        self.begun = False

    def saw(self, tx: Transaction, part: Part, page: Page) -> None:
        """The scan showed these records."""
        if not self.begun:
            scans.begin(tx)
            self.begun = True
        scans.saw(tx, part.model, page.rows)

    def ended(self, tx: Transaction, part: Part) -> int:
        """A part was walked whole: note what was not in it. How many records were."""
        where = {} if part.field is None or part.value is None else {part.field: part.value}
        within = {name: sorted(values) for name, values in part.only.items()}
        bound = (part.cursor, part.since) if part.cursor is not None and part.since is not None else None
        plan = part.asked.pull
        listed_by = plan.index[1:] if isinstance(plan, Each | Since) else ()
        return scans.part_ended(tx, part.model, where, within, bound, listed_by)

    def suspect(self, model: Model, keys: Sequence[str]) -> None:
        """Rows that were asked for by key in vain are as good as unseen."""
        self.begin()
        with self.database.transaction() as tx:
            self.lease.renew(tx)
            scans.begin(tx)
            self.begun = True
            waiting = queue.waiting_ops(tx, model, keys)
            sent = [key for key in keys if Op.CREATE not in waiting.get(key, ())]
            scans.suspect(tx, model, sent, set(waiting))

    def settle(self, line: Asking, model: Model, seen: int, counts: Pulled) -> None:
        """Ask for the suspects of a scan that showed ``seen`` records, and remove what is gone. Raises: RemoteError."""
        if not self.begun:
            return
        with self.database.transaction() as tx:
            suspects, waiting = scans.suspected(tx)
        if not suspects:
            return
        if not seen and suspects > waiting and not self.allowed:
            self.report.notes.append(
                f"{model.name}: {model.remote} lists none, and {suspects - waiting:,} are here: nothing was removed"
                f" (if they are gone: {self._command(model)})"
            )
            return
        most = None if self.allowed else max(_FEW, (seen + suspects) // _PART)
        if self._confirmed(line, model, most, counts):
            failpoints.reached("sweep-checked")
            self._remove(line, model, counts)
            return
        self.report.unswept += 1
        self.report.notes.append(
            f"{model.name}: more than {most:,} of {seen + suspects:,} rows here are gone from {model.remote}: none was"
            f" removed; if that is right: {self._command(model)}"
        )

    def _command(self, model: Model) -> str:
        return f"syncer pull {model.remote} --model {model.name} --full --allow-mass-delete"

    def _confirmed(self, line: Asking, model: Model, most: int | None, counts: Pulled) -> bool:
        """Ask for every suspect by key; what is there is suspect no more. False when more than ``most`` are gone."""
        gone, after = 0, None
        while True:
            with self.database.transaction() as tx:
                self.lease.renew(tx)
                keys = scans.some(tx, model, after, _KEYS_A_CHECK)
                known = self._known(tx, model, keys)
            if not keys:
                return True
            found = line.fetch(model, known) if known else {}
            there = {key: row for key, row in found.items() if row is not None}
            with self.database.transaction() as tx:
                self.lease.renew(tx)
                self._still_there(tx, model, there, counts)
                missing = [key for key in known if key not in there]
                scans.cleared(tx, model, [key for key in keys if key not in missing])
                gone += len(missing) - len(queue.waiting_keys(tx, model, missing))
            if most is not None and gone > most:
                return False
            after = keys[-1]

    def _known(self, tx: Transaction, model: Model, keys: Sequence[str]) -> dict[str, Row]:
        """The rows of ``keys``, without those whose changes have only just left."""
        fresh = lately.acked(tx, model, keys, self.began) if keys else {}
        return {key: row for key, row in rows.get_many(tx, model, keys).items() if key not in fresh}

    def _still_there(self, tx: Transaction, model: Model, there: Mapping[str, Row], counts: Pulled) -> None:
        as_tuple = rows.sql(model).as_tuple
        stored = pages.apply(tx, model, [as_tuple(row) for row in there.values()], self.rules)
        counts.changed += stored.changed
        counts.held += stored.held

    def _remove(self, line: Asking, model: Model, counts: Pulled) -> None:
        """Remove what is left of the suspects, and after them what was under them."""
        after = None
        while True:
            with self.database.transaction() as tx:
                self.lease.renew(tx)
                keys = scans.some(tx, model, after, _KEYS_A_CHECK)
                removed = self._gone(tx, model, keys, counts)
            if not keys:
                return
            self._children(line, model, removed)
            after = keys[-1]

    def _gone(self, tx: Transaction, model: Model, keys: Sequence[str], counts: Pulled) -> list[str]:
        """Remove rows the remote has no records of, but for those with edits: their owner is asked."""
        waiting = queue.waiting_keys(tx, model, list(keys)) if keys else set()
        removed = [key for key in keys if key not in waiting]
        scans.remove(tx, model, removed)
        counts.removed += len(removed)
        for key in sorted(waiting):
            counts.held += 1
            changes = queue.of_record(tx, model, key)
            # What may be applied already, or waits for a person, is left to its own way.
            if all(c.edits and c.state is State.PENDING for c in changes) and bases.get(tx, model, key) is not None:
                meeting.gone_there(tx, changes, self.rules)
        return removed

    def _children(self, line: Asking, model: Model, removed: Iterable[str]) -> None:
        """What was listed under records that are gone is listed no more: ask for it by key."""
        for child in self.models.values():
            plan = child.pull
            if not isinstance(plan, Each) or plan.parent != model.name or not self.covers(child):
                continue
            counts = self.report.pulled.setdefault(child.name, Pulled())
            for parent in removed:
                keys = self.database.read(lambda tx, c=child, f=plan.index[0], p=parent: rows.keys_where(tx, c, f, p))  # type: ignore[misc]
                for start in range(0, len(keys), _KEYS_A_CHECK):
                    self._orphans(line, child, keys[start : start + _KEYS_A_CHECK], counts)

    def _orphans(self, line: Asking, model: Model, keys: Sequence[str], counts: Pulled) -> None:
        known = self.database.read(lambda tx: self._known(tx, model, keys))
        found = line.fetch(model, known) if known else {}
        with self.database.transaction() as tx:
            self.lease.renew(tx)
            removed = self._gone(tx, model, [key for key in known if found.get(key) is None], counts)
        self._children(line, model, removed)
