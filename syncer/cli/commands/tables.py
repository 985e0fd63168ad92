"""``syncer tables`` and ``syncer schema``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from syncer.cli.context import App, pass_app
from syncer.cli.group import Command, json_option
from syncer.cli.output.table import cell, print_table
from syncer.cli.output.text import say, say_json, styled

if TYPE_CHECKING:
    from syncer.store.reader import Reader

_NAMES = "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
_COLUMNS = 'SELECT name, type, pk, "notnull" FROM pragma_table_info(?)'
_INDEXES = """
    SELECT l.name, l."unique", l.partial, group_concat(i.name, ', '), m.sql
    FROM pragma_index_list(?) l JOIN pragma_index_info(l.name) i
    LEFT JOIN sqlite_master m ON m.type = 'index' AND m.name = l.name
    WHERE l.origin = 'c' GROUP BY l.name ORDER BY l.name
"""


@click.command(cls=Command)
@json_option()
@pass_app
def tables(app: App) -> None:
    """List tables and views with their row counts.

    The tables of each remote come first, then outbox, ledger, conflict and sync_run, then the views. Tables that only the
    program needs come last; their names begin with _.
    """
    with app.reader() as reader:
        found = [
            {"name": name, "kind": kind, "rows": (reader.one(f"SELECT count(*) FROM {_quoted(name)}") or (0,))[0]}
            for kind, name in _kinds(reader)
        ]
    if app.json:
        say_json(found)
        return
    print_table(("table", "of", "rows"), [(table["name"], table["kind"], table["rows"]) for table in found])


@click.command(cls=Command)
@click.argument("table", required=False)
@json_option()
@pass_app
def schema(app: App, table: str | None) -> None:
    """Columns and indexes of one table, or of all.

    TABLE is a name that `syncer tables` lists.
    """
    with app.reader() as reader:
        names = [name for _, name in _kinds(reader)]
        if table is not None and table not in names:
            raise _unknown(table, names)
        found = {name: _described(reader, name) for name in ([table] if table else names)}
    if app.json:
        say_json(found)
        return
    for number, (name, facts) in enumerate(found.items()):
        if number:
            say()
        _print_described(name, facts)


def _kinds(reader: Reader) -> list[tuple[str, str]]:
    """(kind, name) of tables and views: each remote's, the bookkeeping, views, what only the program needs."""
    from syncer.adapters import registry
    from syncer.views.remotes import remembered

    remotes = (*registry.BUILT_IN, *remembered(reader))

    def kind(name: str, type_: str) -> tuple[int, str]:
        for number, remote in enumerate(remotes):
            if name.startswith(f"{remote}_"):
                return number, remote
        if name.startswith("_") or name == "alembic_version":
            return 1_002, "internal"
        return (1_001, "view") if type_ == "view" else (1_000, "bookkeeping")

    found = [(name, type_) for name, type_ in reader.all(_NAMES) if type_ != "view" or _works(reader, name)]
    ordered = sorted((*kind(name, type_), name) for name, type_ in found)
    return [(word, name) for _, word, name in ordered]


def _works(reader: Reader, view: str) -> bool:
    """Whether a view can be read: one of somebody's own may be of a table that is gone."""
    from syncer.errors import CorruptDatabase, DatabaseError

    try:
        reader.one(f"SELECT 1 FROM {_quoted(view)} LIMIT 0")
    except CorruptDatabase:
        raise
    except DatabaseError:
        return False
    return True


def _described(reader: Reader, table: str) -> dict[str, list[dict[str, Any]]]:
    columns = [
        {"name": name, "type": type_, "key": bool(key), "required": bool(required or key)}
        for name, type_, key, required in reader.all(_COLUMNS, (table,))
    ]
    indexes = [
        {"name": name, "columns": columns.split(", "), "unique": bool(unique), "where": _where(sql) if partial else None}
        for name, unique, partial, columns, sql in reader.all(_INDEXES, (table,))
    ]
    return {"columns": columns, "indexes": indexes}


def _where(sql: str | None) -> str | None:
    return sql.partition(" WHERE ")[2] or None if sql else None


def _print_described(name: str, facts: dict[str, list[dict[str, Any]]]) -> None:
    say(styled(cell(name), "bold"))
    widest = max(len(column["name"]) for column in facts["columns"])
    for column in facts["columns"]:
        remark = "key" if column["key"] else "required" if column["required"] else ""
        say(f"  {cell(column['name']).ljust(widest)}  {column['type'].ljust(7)}  {remark}".rstrip())
    for index in facts["indexes"]:
        unique = "unique index" if index["unique"] else "index"
        where = f" where {index['where']}" if index["where"] else ""
        say(f"  {unique} on ({cell(', '.join(index['columns']))}){cell(where)}")


def _unknown(table: str, names: list[str]) -> Exception:
    from syncer.errors import UsageError
    from syncer.suggest import near

    return UsageError(f"there is no table {table!r}", hint=near(table, names) or "syncer tables lists what there is")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
