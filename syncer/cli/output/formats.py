"""Rows of a query in every format. All but ``table``, ``md`` and ``json`` are written row by row."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from syncer.cli.context import on_terminal
from syncer.cli.output.escape import escape_control, escape_control_json
from syncer.cli.output.text import say

Rows = Iterable[tuple[Any, ...]]

FORMATS = ("table", "json", "jsonl", "csv", "tsv", "md")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def write(form: str, columns: Sequence[str], rows: Rows, *, raw: bool = False) -> None:
    """Write ``rows`` to standard output. ``raw``: formulas in csv and tsv are left as they are."""
    if form in ("csv", "tsv"):
        _separated(columns, rows, "," if form == "csv" else "\t", raw=raw)
    else:
        _WRITERS[form](columns, rows)


def _table(columns: Sequence[str], rows: Rows) -> None:
    from syncer.cli.output.table import print_table

    print_table(columns, list(rows))


def _json(columns: Sequence[str], rows: Rows) -> None:
    # Collected first: a query that fails half way must not leave half a document.
    lines = [_object(columns, row) for row in rows]
    say("[" + ",\n ".join(lines) + "]")


def _jsonl(columns: Sequence[str], rows: Rows) -> None:
    for row in rows:
        say(_object(columns, row))


def _object(columns: Sequence[str], row: tuple[Any, ...]) -> str:
    import json

    values = dict(zip(columns, map(_json_value, row), strict=True))
    return escape_control_json(json.dumps(values, ensure_ascii=False, allow_nan=False))


def _json_value(value: Any) -> Any:
    if isinstance(value, bytes):  # the form sqlite-utils and Datasette read
        from base64 import b64encode

        return {"$base64": True, "encoded": b64encode(value).decode()}
    if isinstance(value, float) and abs(value) == float("inf"):
        return str(value)
    return value


def _separated(columns: Sequence[str], rows: Rows, separator: str, *, raw: bool) -> None:
    import csv

    writer = csv.writer(_Lines(), delimiter=separator, lineterminator="\r\n")
    shown: Callable[[Any], Any] = _same if raw else defused
    if on_terminal():
        writer.writerow([escape_control(shown(name)) for name in columns])
        writer.writerows([_on_terminal(shown(_text(value))) for value in row] for row in rows)
    else:
        writer.writerow([shown(name) for name in columns])
        writer.writerows([shown(_text(value)) for value in row] for row in rows)


class _Lines:
    """Rows with a plain line end, as Unix tools expect; told of ``\\r\\n``, csv quotes a lone return, as it must."""

    def write(self, row: str) -> int:
        return sys.stdout.write(row.removesuffix("\r\n") + "\n")


def _text(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _on_terminal(value: Any) -> Any:
    return escape_control(value) if isinstance(value, str) else value


def _same(value: Any) -> Any:
    return value


def defused(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula with an apostrophe in front; numbers, and text that is one, as is."""
    if isinstance(value, str) and value.startswith(_FORMULA) and not _PLAIN_NUMBER.fullmatch(value):
        return "'" + value
    return value


def _markdown(columns: Sequence[str], rows: Rows) -> None:
    from syncer.cli.output.table import cell

    lines = [[_markdown_cell(cell(value)) for value in row] for row in rows]
    say(_markdown_line([_markdown_cell(cell(name)) for name in columns]))
    say(_markdown_line(["---"] * len(columns)))
    for line in lines:
        say(_markdown_line(line))


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown_cell(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


_WRITERS: dict[str, Callable[[Sequence[str], Rows], None]] = {
    "table": _table,
    "json": _json,
    "jsonl": _jsonl,
    "md": _markdown,
}
