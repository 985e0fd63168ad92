"""Tables for people: aligned columns, cut to the terminal's width where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncer.cli.context import on_terminal
from syncer.cli.output.escape import escape_control
from syncer.cli.output.text import say, styled

_GAP = "  "
_NARROWEST = 8
_NULL = "NULL"
_NO_TERMINAL = 100


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, null: str = _NULL) -> None:
    """Rows below their column names; one field a line where the terminal is too narrow for a table."""
    names = [escape_control(name) for name in columns]
    cells = [[cell(value, null) for value in row] for row in rows]
    widths = [max(map(shown_width, column)) for column in zip(names, *cells, strict=True)]
    room = _terminal_width() if on_terminal() else None
    fitted = _fitted(widths, room)
    if fitted is None and room is not None:
        _print_records(names, cells, room)
        return
    right = [_is_numeric([row[n] for row in rows]) for n in range(len(names))]
    final = fitted or widths
    say(styled(_line(names, final, right), "bold"))
    say(_GAP.join("-" * width for width in final))
    for row in cells:
        say(_line(row, final, right))


def cell(value: Any, null: str = "") -> str:
    """One value as harmless text."""
    if value is None:
        return null
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    return escape_control(value if isinstance(value, str) else str(value))


def shown_width(text: str) -> int:
    """How many columns of a terminal ``text`` takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def cut(text: str, width: int) -> str:
    """``text`` in at most ``width`` columns, an ellipsis at its end when something is missing."""
    if shown_width(text) <= width:
        return text
    kept = text[: width - 1]
    while shown_width(kept) > width - 1:
        kept = kept[:-1]
    return kept + "…"


def side_by_side(columns: Sequence[Sequence[str]], styles: Sequence[str], *, longest: int | None = None) -> list[str]:
    """Texts of several lines side by side in equal columns as wide as the terminal allows, each column in its style.

    Long lines go on below; after ``longest`` lines an ellipsis stands for the rest.
    """
    room = (_terminal_width() if on_terminal() else _NO_TERMINAL) - len(_GAP)
    width = max((room - len(_GAP) * (len(columns) - 1)) // len(columns), 1)
    wrapped = [[part for line in column for part in _parts(line, width)] for column in columns]
    shown = [lines if longest is None or len(lines) <= longest else [*lines[: longest - 1], "…"] for lines in wrapped]
    rows = max(map(len, shown))
    return [
        (_GAP + _GAP.join(_cell_at(lines, n, width, style) for lines, style in zip(shown, styles, strict=True))).rstrip()
        for n in range(rows)
    ]


def _cell_at(lines: Sequence[str], number: int, width: int, style: str) -> str:
    text = lines[number] if number < len(lines) else ""
    return (styled(text, style) if text else "") + " " * (width - shown_width(text))


def _parts(line: str, width: int) -> list[str]:
    """``line`` in pieces of at most ``width`` columns, between words where there are any."""
    parts: list[str] = []
    part, taken = "", 0
    for char in line:
        size = shown_width(char)
        if taken + size > width and part:
            head, _, rest = part.rpartition(" ")
            if not head.strip() or char == " ":
                head, rest = part, ""
            parts.append(head)
            part, taken = rest, shown_width(rest)
        part, taken = (part + char, taken + size) if part or char != " " or not parts else ("", 0)
    return [*parts, part]


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    return _GAP.join(_padded(cut(c, w), w, r) for c, w, r in zip(cells, widths, right, strict=True)).rstrip()


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - shown_width(text))
    return space + text if right else text + space


def _is_numeric(values: Sequence[Any]) -> bool:
    return any(v is not None for v in values) and all(v is None or isinstance(v, int | float) for v in values)


def _fitted(widths: Sequence[int], room: int | None) -> list[int] | None:
    """``widths`` with the widest ones cut until all fit; None when that would leave too little of them."""
    if room is None:
        return list(widths)
    free = room - len(_GAP) * (len(widths) - 1)
    if sum(widths) <= free:
        return list(widths)
    for most in range(min(max(widths, default=0), free), _NARROWEST - 1, -1):
        if sum(min(width, most) for width in widths) <= free:
            return [min(width, most) for width in widths]
    return None


def _print_records(names: Sequence[str], cells: Sequence[Sequence[str]], room: int) -> None:
    widest = min(max(map(shown_width, names)), room // 2)
    for number, row in enumerate(cells, 1):
        say(styled(f"-- {number} --", "bold"))
        for name, text in zip(names, row, strict=True):
            say(f"{_padded(cut(name, widest), widest, False)}{_GAP}{cut(text, max(room - widest - len(_GAP), 1))}".rstrip())


def _terminal_width() -> int:
    from shutil import get_terminal_size

    return get_terminal_size((100, 40)).columns
