"""How anything reaches the screen: results to standard output, the rest to standard error, colour on a terminal only."""

from __future__ import annotations

import os
import sys
from typing import Any

from syncer.cli.context import on_terminal
from syncer.cli.output.escape import escape_control, escape_control_json

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_STYLES = {"bold": "1", "dim": "2", "red": "31", "yellow": "33", "green": "32", "cyan": "36"}


OUTCOMES = {"acked": "sent", "superseded": "merged into a later change", "discarded": "discarded"}
"""How a change left the outbox -> the words beside it."""

SIDES = {"base": "original", "ours": "local", "theirs": "remote"}
"""A side of a conflict, as tables, JSON and merge rules call it -> as people read it."""


def say(text: str = "") -> None:
    """A line of result. ``text`` must be harmless already."""
    sys.stdout.write(f"{text}\n")


def note(text: str) -> None:
    """A line that is not result."""
    sys.stderr.write(f"{escape_control(text)}\n")


def say_json(value: Any) -> None:
    """A result as JSON: over several lines on a terminal, else on one."""
    import json

    say(escape_control_json(json.dumps(value, ensure_ascii=False, indent=2 if on_terminal() else None)))


def styled(text: str, style: str, *, stream: Any = None) -> str:
    """``text`` in a style, where there is a terminal that has any and ``NO_COLOR`` does not forbid it."""
    shown = (stream or sys.stdout).isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if shown else text


def counted(number: int, thing: str) -> str:
    """``1 change``, ``1,200 changes``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def listed(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def export(settings: list[str]) -> str:
    """The command that sets ``settings``."""
    return f"export {' '.join(f'{setting}=...' for setting in settings)}"


def span(seconds: float) -> str:
    """A length of time in its largest unit: ``12 s``, ``5 min``, ``3 h``, ``2 d``."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def moment(stored: str | None) -> str:
    """A stored time as people think of it: ``3 min ago``, ``in 12 s``, ``just now``, ``never``."""
    from syncer import clock

    if stored is None:
        return "never"
    seconds = (clock.parsed(stored) - clock.now()).total_seconds()
    if seconds > 0:
        return f"in {span(seconds + 1)}"
    return f"{span(-seconds)} ago" if seconds <= -1 else "just now"


def fields(pairs: list[tuple[str, str]], *, indent: str = "  ") -> None:
    """``name  value`` lines, values aligned; pairs without a value are left out."""
    shown = [(name, value) for name, value in pairs if value]
    widest = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        say(f"{indent}{name.ljust(widest)}  {escape_control(value)}")
