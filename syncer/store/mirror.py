"""From a model's description to its SQL table: columns, key, and the indexes that mirror the remote's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from syncer.schema.model import Field, Kind, Model, Origin, snake

_TYPES: dict[Kind, type[sa.types.TypeEngine[Any]]] = {
    Kind.INTEGER: sa.Integer,
    Kind.NUMBER: sa.Float,
    Kind.BOOLEAN: sa.Boolean,
}


def table_of(model: Model, metadata: sa.MetaData) -> sa.Table:
    """The table of ``model`` in ``metadata``, made once."""
    if model.table in metadata.tables:
        return metadata.tables[model.table]
    columns = [
        sa.Column(f.column, _type(f), primary_key=f.name in model.key, nullable=f.name not in model.key)
        for f in model.fields
    ]
    table = sa.Table(model.table, metadata, *columns, sa.Column("extra", sa.Text))
    for names in mirrored(model):
        optional = [table.c[snake(n)] for n in _optional(model, names)]
        # As on the remote, a row that lacks a key of an index is absent from it.
        where = sa.and_(*(column.is_not(None) for column in optional)) if optional else None
        columns_of = [table.c[snake(n)] for n in names]
        sa.Index(f"ix_{model.table}_{'_'.join(snake(n) for n in names)}", *columns_of, sqlite_where=where)
    return table


def mirrored(model: Model) -> list[tuple[str, ...]]:
    """Field tuples to index: the remote's indexes and relations, without those that another full one starts with."""
    wanted: list[tuple[str, ...]] = [index.fields for index in model.indexes]
    wanted += [(f.name,) for f in model.fields if f.keyed]
    kept: list[tuple[str, ...]] = []
    for names in sorted(set(wanted), key=lambda n: (-len(n), wanted.index(n))):
        full = [model.key, *(other for other in kept if not _optional(model, other[len(names) :]))]
        if not any(other[: len(names)] == names for other in full):
            kept.append(names)
    return sorted(kept, key=wanted.index)


def build(models: Iterable[Model], metadata: sa.MetaData) -> None:
    """Add the tables of all ``models``."""
    for model in models:
        table_of(model, metadata)


def _optional(model: Model, names: tuple[str, ...]) -> list[str]:
    """Those of ``names`` that a record may lack."""
    by_name = model.by_name
    return [
        name
        for name in names
        if not (by_name[name].required or by_name[name].origin is not Origin.CALLER or name in model.create_companions)
        and by_name[name].fill_in is None
    ]


def _type(field: Field) -> sa.types.TypeEngine[Any]:
    if field.many:
        return sa.Text()
    return _TYPES.get(field.kind, sa.Text)()
