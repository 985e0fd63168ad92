"""``syncer query``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from syncer.cli.context import App, on_terminal, pass_app
from syncer.cli.group import Command, json_option
from syncer.cli.output.formats import FORMATS, write
from syncer.cli.output.text import note

if TYPE_CHECKING:
    from syncer.errors import QueryError

_PARAMETER = re.compile(r"([A-Za-z_]\w*)(:?)=(.*)", re.DOTALL)
_INTEGER = re.compile(r"-?(0|[1-9]\d*)")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)\.\d+")
_LARGEST = 2**63


@click.command(cls=Command)
@click.argument("sql")
@click.option("-p", "--param", "params", metavar="NAME=VALUE", multiple=True, help="A value for :NAME; repeatable.")
@click.option("-f", "--format", "form", type=click.Choice(FORMATS), help="Default: table on a terminal, else csv.")
@click.option("--limit", type=click.IntRange(min=0), help="Print at most so many rows.")
@click.option(
    "--timeout",
    "timeout_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Stop the query after so long; 0 lets it run.",
)
@click.option("--raw", is_flag=True, help="csv and tsv: leave cells alone that a spreadsheet would run as a formula.")
@json_option("The same as --format json.")
@pass_app
def query(
    app: App, sql: str, params: tuple[str, ...], form: str | None, limit: int | None, timeout_s: float, raw: bool
) -> None:
    """Run SQL on the local file; it can only read.

    SQL is one SELECT; - reads it from standard input.

    \b
    -p name=42       an integer, -p name=4.2 a number, anything else is text
    -p name:=JSON    the type as JSON says: "42" is text, null is NULL

    In csv and tsv, text that begins with = + - @ tab or return gets an apostrophe in front, unless it is
    a plain number, because a spreadsheet would run it as a formula; --raw leaves it alone.
    """
    form = "json" if app.json else form or ("table" if on_terminal() else "csv")
    app.json = form == "json"
    text = sys.stdin.read() if sql == "-" else sql
    given = dict(map(parameter, params))
    with app.reader() as reader:
        from syncer.errors import QueryError

        try:
            with reader.reading(text, given or None, timeout_s=timeout_s or None) as (columns, rows):
                found = Counted(rows, limit)
                write(form, columns, found, raw=raw)
        except QueryError as exc:
            raise _with_hint(exc) from exc
    _remark(form, found)


class Counted:
    """At most ``limit`` of ``rows``; then ``count`` is how many, ``more`` whether there were others."""

    def __init__(self, rows: Iterator[tuple[Any, ...]], limit: int | None) -> None:
        self._rows = rows
        self._limit = limit
        self.count = 0
        self.more = False

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for row in islice(self._rows, self._limit):
            self.count += 1
            yield row
        if self._limit is not None:
            self.more = next(self._rows, None) is not None


def parameter(text: str) -> tuple[str, Any]:
    """``NAME=VALUE`` or ``NAME:=JSON`` as name and value. Raises: UsageError."""
    from syncer.errors import UsageError

    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no parameter", hint="-p NAME=VALUE, or -p NAME:=JSON")
    name, typed, value = found.groups()
    return name, _from_json(name, value) if typed else _from_text(value)


def _from_text(value: str) -> int | float | str:
    if _INTEGER.fullmatch(value) and -_LARGEST <= int(value) < _LARGEST:
        return int(value)
    return float(value) if _NUMBER.fullmatch(value) else value


def _from_json(name: str, value: str) -> Any:
    import json

    from syncer.errors import UsageError

    try:
        found = json.loads(value)
    except ValueError as exc:
        raise UsageError(
            f"the value of {name} is not JSON", why=str(exc), hint=f"""text is written -p '{name}:="..."'"""
        ) from exc
    return json.dumps(found, ensure_ascii=False) if isinstance(found, dict | list) else found


def _with_hint(exc: QueryError) -> QueryError:
    from syncer.errors import QueryError

    if exc.why and "inding" in exc.why and exc.hint is None:
        return QueryError(exc.what, why=exc.why, hint="-p NAME=VALUE gives a value for :NAME")
    return exc


def _remark(form: str, found: Counted) -> None:
    """What a reader of the rows alone would not know."""
    if found.more:
        note(f"only the first {found.count:,} rows are shown; there are more")
    elif form == "table" and not found.count:
        note("no rows")
