"""Which bugs that cost data are known of a version of SQLite."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bug:
    """``what``: what it costs and when. ``fixed_in``: the versions that have it no more, backports included."""

    name: str
    what: str
    fixed_in: tuple[str, ...]
    source: str


_WAL_RESET = Bug(
    "WAL-reset",
    "when two processes checkpoint and write at the same moment, committed updates can vanish",
    ("3.51.3", "3.50.7", "3.44.6"),
    "https://www.sqlite.org/wal.html#walresetbug",
)


def known_bugs(version: str) -> list[Bug]:
    """The bugs of SQLite ``version``, such as ``3.40.1``. A fix that a distribution patched in is not seen in the number."""
    number = tuple(int(part) for part in version.split(".")[:3])
    backported = (3, 44, 6) <= number < (3, 45) or (3, 50, 7) <= number < (3, 51)
    return [_WAL_RESET] if (3, 7, 0) <= number < (3, 51, 3) and not backported else []
