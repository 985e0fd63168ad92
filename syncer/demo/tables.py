"""Small text tables, the same on a terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_WIDEST = 44


def lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """A heading, a rule and a line a row; numbers to the right, long text cut."""
    records = list(rows)
    numeric = {name: all(isinstance(row[name], int | float) for row in records) for name in columns}
    cells = [[_cut(row[name]) for name in columns] for row in records]
    widths = [max(len(row[n]) for row in [list(columns), *cells]) for n in range(len(columns))]

    def line(texts: Sequence[str]) -> str:
        placed = zip(columns, texts, widths, strict=True)
        return "  ".join(t.rjust(w) if numeric[name] and records else t.ljust(w) for name, t, w in placed).rstrip()

    return [line(columns), "  ".join("-" * width for width in widths), *map(line, cells)]


def _cut(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."
