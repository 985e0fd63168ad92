"""Rows whose records are gone: found by complete scans, asked for by key, and only then removed.

The remotes leave no tombstones. A row that a complete scan did not show is a suspect; only when the
remote, asked for its key, has none does the row go. An empty list and a mass of deletions remove
nothing unless that was allowed: both are what a wrong address or a half restored backup looks like.

What a scan did see is kept in temporary tables, however much it is. They belong to the one
connection that writes, and never reach the file: a scan that ends early leaves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from syncer import failpoints
from syncer.engine.lease import Lease
from syncer.engine.pull.checkpoint import Partition
from syncer.engine.reconcile import apply as reconcile_apply
from syncer.engine.reconcile import diverged
from syncer.engine.report import Pulled, RemoteReport
from syncer.engine.retry import RetryingConnection
from syncer.merge.rules import MergeRules
from syncer.outbox import ledger, queue
from syncer.records import bases, events, rows
from syncer.remote import Op, Page, Row, State
from syncer.schema.model import Model, snake
from syncer.schema.pull import Incremental, PerParent
from syncer.store.database import Database, Statement, Transaction
from syncer.store.schema import OUTBOX

_KEYS_A_CHECK = 200
_FEW = 20
_PART = 5


@dataclass
class Sweep:
    """The search for deletions of one pull. ``allowed``: also when they are many. ``began``: when the pull did.

    ``known_endpoint``: an earlier pull has come to an end at this address. What is here may be of another one otherwise.
    """

    database: Database
    lease: Lease
    models: Mapping[str, Model]
    report: RemoteReport
    rules: MergeRules
    allowed: bool
    began: str
    known_endpoint: bool
    begun: bool = False
    """Whether the scan that is under way has shown anything yet."""

    def applies_to(self, model: Model) -> bool:
        """Whether rows of the model that a scan does not show are suspect: where the remote can delete, and is known."""
        return self.known_endpoint and Op.DELETE in model.ops

    def start(self) -> None:
        """A scan begins: what an earlier one saw counts for nothing."""
        self.begun = False

    def seen(self, tx: Transaction, partition: Partition, page: Page) -> None:
        """The scan showed these records."""
        if not self.begun:
            clear_seen(tx)
            self.begun = True
        add_seen(tx, partition.model, page.rows)

    def partition_done(self, tx: Transaction, partition: Partition) -> int:
        """A partition was walked whole: note what was not in it. How many records were."""
        where = {} if partition.field is None or partition.value is None else {partition.field: partition.value}
        within = {name: sorted(values) for name, values in partition.only.items()}
        bound = (partition.cursor, partition.since) if partition.cursor is not None and partition.since is not None else None
        plan = partition.asked.pull
        listed_by = plan.index[1:] if isinstance(plan, PerParent | Incremental) else ()
        return partition_ended(tx, partition.model, where, within, bound, listed_by)

    def suspect(self, model: Model, keys: Sequence[str]) -> None:
        """Rows that were asked for by key in vain are as good as unseen."""
        self.start()
        with self.database.transaction() as tx:
            self.lease.renew(tx)
            clear_seen(tx)
            self.begun = True
            waiting = queue.waiting_ops(tx, model, keys)
            sent = [key for key in keys if Op.CREATE not in waiting.get(key, ())]
            suspect(tx, model, sent, set(waiting))

    def remove_gone(self, connection: RetryingConnection, model: Model, seen: int, counts: Pulled) -> None:
        """Ask for the suspects of a scan that showed ``seen`` records, and remove what is gone. Raises: RemoteError."""
        if not self.begun:
            return
        with self.database.transaction() as tx:
            suspects, waiting = suspected(tx)
        if not suspects:
            return
        if not seen and suspects > waiting and not self.allowed:
            self.report.notes.append(
                f"{model.name}: {model.remote} lists none, and {suspects - waiting:,} are here: nothing was removed"
                f" (if they are gone: {self._command(model)})"
            )
            return
        most = None if self.allowed else max(_FEW, (seen + suspects) // _PART)
        if self._confirmed(connection, model, most, counts):
            failpoints.reached("sweep-checked")
            self._remove(connection, model, counts)
            return
        self.report.deletions_not_checked += 1
        self.report.notes.append(
            f"{model.name}: more than {most:,} of {seen + suspects:,} rows here are gone from {model.remote}: none was"
            f" removed; if that is right: {self._command(model)}"
        )

    def _command(self, model: Model) -> str:
        return f"syncer pull {model.remote} --model {model.name} --full --allow-mass-delete"

    def _confirmed(self, connection: RetryingConnection, model: Model, most: int | None, counts: Pulled) -> bool:
        """Ask for every suspect by key; what is there is suspect no more. False when more than ``most`` are gone."""
        gone, after = 0, None
        while True:
            with self.database.transaction() as tx:
                self.lease.renew(tx)
                keys = some(tx, model, after, _KEYS_A_CHECK)
                known = self._known(tx, model, keys)
            if not keys:
                return True
            found = connection.fetch(model, known) if known else {}
            there = {key: row for key, row in found.items() if row is not None}
            with self.database.transaction() as tx:
                self.lease.renew(tx)
                self._still_there(tx, model, there, counts)
                missing = [key for key in known if key not in there]
                cleared(tx, model, [key for key in keys if key not in missing])
                gone += len(missing) - len(queue.waiting_keys(tx, model, missing))
            if most is not None and gone > most:
                return False
            after = keys[-1]

    def _known(self, tx: Transaction, model: Model, keys: Sequence[str]) -> dict[str, Row]:
        """The rows of ``keys``, without those whose changes have only just left."""
        fresh = ledger.recently_acked(tx, model, keys, self.began) if keys else {}
        return {key: row for key, row in rows.get_many(tx, model, keys).items() if key not in fresh}

    def _still_there(self, tx: Transaction, model: Model, there: Mapping[str, Row], counts: Pulled) -> None:
        as_tuple = rows.sql(model).as_tuple
        stored = reconcile_apply.apply(tx, model, [as_tuple(row) for row in there.values()], self.rules)
        counts.changed += stored.changed
        counts.local_edits_kept += stored.held

    def _remove(self, connection: RetryingConnection, model: Model, counts: Pulled) -> None:
        """Remove what is left of the suspects, and after them what was under them."""
        after = None
        while True:
            with self.database.transaction() as tx:
                self.lease.renew(tx)
                keys = some(tx, model, after, _KEYS_A_CHECK)
                removed = self._gone(tx, model, keys, counts)
            if not keys:
                return
            self._children(connection, model, removed)
            after = keys[-1]

    def _gone(self, tx: Transaction, model: Model, keys: Sequence[str], counts: Pulled) -> list[str]:
        """Remove rows the remote has no records of, but for those with edits: their owner is asked."""
        waiting = queue.waiting_keys(tx, model, list(keys)) if keys else set()
        removed = [key for key in keys if key not in waiting]
        remove(tx, model, removed)
        counts.removed += len(removed)
        for key in sorted(waiting):
            counts.local_edits_kept += 1
            changes = queue.of_record(tx, model, key)
            # What may be applied already, or waits for a person, is left to its own way.
            if all(c.edits and c.state is State.PENDING for c in changes) and bases.get(tx, model, key) is not None:
                diverged.remotely_deleted(tx, changes, self.rules)
        return removed

    def _children(self, connection: RetryingConnection, model: Model, removed: Iterable[str]) -> None:
        """What was listed under records that are gone is listed no more: ask for it by key."""
        for child in self.models.values():
            plan = child.pull
            if not isinstance(plan, PerParent) or plan.parent != model.name or not self.applies_to(child):
                continue
            counts = self.report.pulled.setdefault(child.name, Pulled())
            for parent in removed:
                keys = self.database.read(lambda tx, c=child, f=plan.index[0], p=parent: rows.keys_where(tx, c, f, p))  # type: ignore[misc]
                for start in range(0, len(keys), _KEYS_A_CHECK):
                    self._orphans(connection, child, keys[start : start + _KEYS_A_CHECK], counts)

    def _orphans(self, connection: RetryingConnection, model: Model, keys: Sequence[str], counts: Pulled) -> None:
        known = self.database.read(lambda tx: self._known(tx, model, keys))
        found = connection.fetch(model, known) if known else {}
        with self.database.transaction() as tx:
            self.lease.renew(tx)
            removed = self._gone(tx, model, [key for key in known if found.get(key) is None], counts)
        self._children(connection, model, removed)


_MAKE = (
    "CREATE TEMP TABLE IF NOT EXISTS seen (one TEXT, two TEXT, PRIMARY KEY (one, two)) WITHOUT ROWID",
    "CREATE TEMP TABLE IF NOT EXISTS unseen (one TEXT, two TEXT, waits INTEGER, PRIMARY KEY (one, two)) WITHOUT ROWID",
)
_CLEAR = ("DELETE FROM temp.seen", "DELETE FROM temp.unseen")
_temporary = sa.MetaData(schema="temp")
_SEEN = sa.Table("seen", _temporary, *(sa.Column(name, sa.Text) for name in ("one", "two")))
_UNSEEN = sa.Table(
    "unseen", _temporary, *(sa.Column(name, sa.Text) for name in ("one", "two")), sa.Column("waits", sa.Integer)
)
_SAW = Statement(_SEEN.insert().prefix_with("OR IGNORE").values(one=sa.bindparam("one"), two=sa.bindparam("two")))
_SUSPECT = Statement(
    _UNSEEN.insert()
    .prefix_with("OR IGNORE")
    .values(one=sa.bindparam("one"), two=sa.bindparam("two"), waits=sa.bindparam("waits"))
)
_HOW_MANY_SEEN = Statement(sa.select(sa.func.count()).select_from(_SEEN))
_HOW_MANY = Statement(sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(_UNSEEN.c.waits), 0)).select_from(_UNSEEN))
_SOME = Statement(
    sa.select(_UNSEEN.c.one, _UNSEEN.c.two)
    .where(sa.tuple_(_UNSEEN.c.one, _UNSEEN.c.two) > sa.tuple_(sa.bindparam("one"), sa.bindparam("two")))
    .order_by(_UNSEEN.c.one, _UNSEEN.c.two)
    .limit(sa.bindparam("most"))
)
_THERE = Statement(_UNSEEN.delete().where(_UNSEEN.c.one == sa.bindparam("k1"), _UNSEEN.c.two == sa.bindparam("k2")))
_WHY = "the remote has it no more"


def clear_seen(tx: Transaction) -> None:
    """Nothing is seen, nothing suspected."""
    for statement in (*_MAKE, *_CLEAR):
        tx.script(statement)


def add_seen(tx: Transaction, model: Model, page: Sequence[Sequence[Any]]) -> None:
    """The remote has these records (stored tuples)."""
    at = [rows.sql(model).names.index(name) for name in model.key]
    tx.many(_SAW, [_pair([values[n] for n in at]) for values in page])


def partition_ended(
    tx: Transaction,
    model: Model,
    where: Mapping[str, str],
    within: Mapping[str, Sequence[str]],
    since: tuple[str, str] | None = None,
    listed_by: tuple[str, ...] = (),
) -> int:
    """Every record of a partition was seen: suspect the rows that were not, and count those that were.

    ``where`` and ``within``: the values of fields that rows of the partition have. ``since``: (field, earliest time).
    ``listed_by``: fields without which a record is in no list, so that its row is not suspect.
    """
    found = tx.one(_HOW_MANY_SEEN)
    named: dict[str, Any] = {f"w_{name}": value for name, value in where.items()}
    named |= {f"i_{name}": json.dumps(list(values)) for name, values in within.items()}
    statement = _unseen(model, tuple(where), tuple(within), since[0] if since else None, listed_by)
    tx.run(statement, {**named, "since": since[1] if since else None})
    tx.script(_CLEAR[0])
    return int(found[0]) if found else 0


@cache
def _unseen(
    model: Model, where: tuple[str, ...], within: tuple[str, ...], since: str | None, listed_by: tuple[str, ...]
) -> Statement:
    table = rows.sql(model).table
    column = {f.name: table.c[snake(f.name)] for f in model.fields}
    one = column[model.key[0]]
    two: sa.ColumnElement[Any] = column[model.key[1]] if len(model.key) > 1 else sa.literal_column("''")
    text = sa.func.json_array(one, two) if len(model.key) > 1 else one
    waiting = sa.exists().where(OUTBOX.c.model == model.name, OUTBOX.c.key == text)
    made_here = sa.exists().where(OUTBOX.c.model == model.name, OUTBOX.c.key == text, OUTBOX.c.op == "create")
    wanted: list[sa.ColumnElement[bool]] = [column[name] == sa.bindparam(f"w_{name}") for name in where]
    for name in within:
        values = sa.func.json_each(sa.bindparam(f"i_{name}")).table_valued("value").c.value
        wanted.append(column[name].in_(sa.select(values)))
    if since is not None:
        wanted.append(column[since] >= sa.bindparam("since"))
    wanted += [column[name].is_not(None) for name in listed_by]
    seen = sa.exists().where(_SEEN.c.one == one, _SEEN.c.two == two)
    chosen = sa.select(one, two, waiting).where(*wanted, ~seen, ~made_here)
    return Statement(_UNSEEN.insert().prefix_with("OR IGNORE").from_select(["one", "two", "waits"], chosen))


def suspect(tx: Transaction, model: Model, keys: Sequence[str], waiting: set[str]) -> None:
    """Rows by key that were looked for in vain. ``waiting``: those with edits."""
    tx.many(_SUSPECT, [(*_pair(_values(model, key)), int(key in waiting)) for key in keys])


def suspected(tx: Transaction) -> tuple[int, int]:
    """How many rows are suspect, and how many of them have something waiting."""
    found = tx.one(_HOW_MANY)
    return (int(found[0]), int(found[1])) if found else (0, 0)


def some(tx: Transaction, model: Model, after: str | None, most: int) -> list[str]:
    """Up to ``most`` suspect rows behind ``after``, by key."""
    one, two = ("", "") if after is None else _pair(_values(model, after))
    found = tx.all(_SOME, {"one": one, "two": two, "most": most})
    return [model.key_text(dict(zip(model.key, pair, strict=False))) for pair in found]


def cleared(tx: Transaction, model: Model, keys: Sequence[str]) -> None:
    """These are suspect no more."""
    tx.many(_THERE, [_pair(_values(model, key)) for key in keys])


def remove(tx: Transaction, model: Model, keys: Sequence[str]) -> None:
    """Remove rows whose records are gone, and say so in their history."""
    for key in keys:
        rows.remove(tx, model, key)
    events.note(tx, model, "swept", [(key, None, _WHY) for key in keys])


def _values(model: Model, key: str) -> list[str]:
    return list(model.key_fields(key).values())


def _pair(values: Sequence[str]) -> tuple[str, str]:
    return (values[0], values[1] if len(values) > 1 else "")
