"""The verdict: what was checked, what speaks against it, and one plain word at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

_MOST_SHOWN = 20


class Check(NamedTuple):
    """One thing that must hold, in words; and what speaks against it."""

    passed: bool
    words: str
    against: Sequence[object] = ()


def judged(checks: Sequence[Check], echo: Callable[[str], None]) -> bool:
    """Tell every check and the verdict; True when all passed."""
    for passed, words, against in checks:
        echo(f"  {'yes' if passed else 'NO '}  {words}")
        for line in [] if passed else against[:_MOST_SHOWN]:
            echo(f"         {line}")
        if not passed and len(against) > _MOST_SHOWN:
            echo(f"         and {len(against) - _MOST_SHOWN} more")
    good = all(check.passed for check in checks)
    echo("")
    echo("Verdict: EQUAL. Both sides hold the same; nothing was lost or doubled." if good else "Verdict: NOT EQUAL.")
    return good
