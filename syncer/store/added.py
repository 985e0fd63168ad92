"""The tables of remotes that other packages bring: made from their descriptions at first use, and only added to.

Built-in remotes have migrations. Of the others the table ``_remote`` has a row each: what is described now, a number that
rises with every other description, and who brought it. So a file whose package is gone can still be read by people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from syncer import clock
from syncer.errors import DatabaseError
from syncer.remote import Adapter
from syncer.schema import description
from syncer.schema.model import Model
from syncer.store.database import Database, Statement, Transaction
from syncer.store.mirror import table_of
from syncer.store.schema import NAMING

_DIALECT = SQLiteDialect_pysqlite()
REMOTE = sa.Table(
    "_remote",
    sa.MetaData(naming_convention=NAMING),  # its own: the file has this table only where such a remote is used
    sa.Column("remote", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),  # rises with every other description
    sa.Column("models", sa.Text, nullable=False),  # JSON: the description
    sa.Column("settings", sa.Text, nullable=False),  # JSON: names of its settings, never values
    sa.Column("package", sa.Text, nullable=False),  # the distribution that brought it
    sa.Column("module", sa.Text, nullable=False),
    sa.Column("described_at", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
_r = REMOTE.c
_ROW = Statement(
    sa.select(_r.version, _r.models, _r.settings, _r.package, _r.module).where(_r.remote == sa.bindparam("name"))
)
_OTHERS = Statement(sa.select(_r.remote, _r.models).where(_r.remote != sa.bindparam("name")))
_PUT = Statement(
    REMOTE.insert().prefix_with("OR REPLACE").values({column.name: sa.bindparam(column.name) for column in REMOTE.columns})
)


def prepare(database: Database, name: str, adapter: Adapter, package: str, module: str) -> None:
    """Make sure that the file has what a remote describes. Writes only where that is new. Raises: DatabaseError."""
    told = _told(adapter, package, module)
    if database.read(lambda tx: _known(tx, name)) != told:
        with database.transaction() as tx:
            _prepare(tx, name, adapter.models, told)


def restore(tx: Transaction, text: str) -> None:
    """Make the tables of one remote from its remembered description. Raises: ValueError for one that cannot be read."""
    tx.script(_sql(sa.schema.CreateTable(REMOTE, if_not_exists=True)))
    for model in description.from_text(text).values():
        _make(tx, model)


def _told(adapter: Adapter, package: str, module: str) -> tuple[str, ...]:
    settings = [{"name": s.name, "env": s.env, "secret": s.secret, "optional": s.optional} for s in adapter.settings]
    return description.to_text(adapter.models), json.dumps(settings), package, module


def _known(tx: Transaction, name: str) -> tuple[str, ...] | None:
    if not _columns(tx, REMOTE.name):
        return None
    row = tx.one(_ROW, (name,))
    return None if row is None else row[1:]


def _prepare(tx: Transaction, name: str, models: Mapping[str, Model], told: tuple[str, ...]) -> None:
    tx.script(_sql(sa.schema.CreateTable(REMOTE, if_not_exists=True)))
    row = tx.one(_ROW, (name,))
    for other, text in tx.all(_OTHERS, (name,)):
        taken = {model["name"] for model in json.loads(text)} & models.keys()
        if taken:  # changes are found by model and key
            raise DatabaseError(f"{name} cannot be used with this file: {other} has a model {min(taken)} in it already")
    if row is None:
        strange = [model.table for model in models.values() if _columns(tx, model.table)]
        if strange:
            raise DatabaseError(f"{name} cannot be used with this file: it has a table {strange[0]} already")
    for model in models.values():
        _make(tx, model)
    tx.run_exactly(_PUT, (name, 1 if row is None else row[0] + 1, *told, clock.stored_now()))


def _make(tx: Transaction, model: Model) -> None:
    """The table of a model, or what its table lacks: columns and indexes are added, never taken away."""
    table = table_of(model, sa.MetaData(naming_convention=NAMING))
    there = _columns(tx, table.name)
    if not there:
        tx.script(_sql(sa.schema.CreateTable(table)))
    elif [column for column, in_key in there.items() if in_key] != [c.name for c in table.primary_key]:
        raise DatabaseError(f"{model.remote} describes another key of {model.name} than this file has")
    for column in table.columns if there else ():
        if column.name not in there:
            kind = column.type.compile(dialect=_DIALECT)
            tx.script(f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {kind}')
    for index in sorted(table.indexes, key=lambda one: str(one.name)):
        tx.script(_sql(sa.schema.CreateIndex(index, if_not_exists=True)))


def _columns(tx: Transaction, table: str) -> dict[str, int]:
    """Columns of a table with their place in its key; none when there is no such table."""
    rows: list[tuple[Any, ...]] = tx.rows("SELECT name, pk FROM pragma_table_info(?)", (table,))
    return dict(sorted(rows, key=lambda row: row[1]))


def _sql(construct: sa.sql.ClauseElement) -> str:
    return str(construct.compile(dialect=_DIALECT))
