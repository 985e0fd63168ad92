"""Bugs of SQLite itself that cost data in the way this program uses it, by the version that runs here.

A version says only so much: a distribution may have put a fix into an older number. Left out are bugs that need what
nobody does here: two ON CONFLICT clauses for one constraint (3.35.0 to 3.45.1), a page cache of the program's own (before
3.39.4), ALTER TABLE DROP COLUMN (3.35.0 to 3.35.4; migrations copy the table).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_Version = tuple[int, int, int]


@dataclass(frozen=True)
class Bug:
    """One of them. ``fixed``: from this version on; ``backports``: and from these on in their own release lines."""

    name: str
    effect: str
    since: _Version
    fixed: _Version
    source: str
    backports: tuple[_Version, ...] = ()

    def hits(self, version: _Version) -> bool:
        """Whether SQLite of this version has it."""
        if not self.since <= version < self.fixed:
            return False
        return not any(version[:2] == each[:2] and version >= each for each in self.backports)

    @property
    def cured_by(self) -> str:
        """The versions without it: ``3.44.6, 3.50.7, or 3.51.3 and later``."""
        *earlier, last = (".".join(map(str, each)) for each in (*self.backports, self.fixed))
        return f"{', '.join(earlier)}, or {last} and later" if earlier else f"{last} and later"


BUGS = (
    Bug(
        name="wal-reset",
        effect=(
            "committed writes vanish when a process checkpoints without the writer's lock "
            "while another one writes a finished log over from its beginning"
        ),
        since=(3, 7, 0),
        fixed=(3, 51, 3),
        backports=((3, 44, 6), (3, 50, 7)),
        source="https://www.sqlite.org/wal.html#walresetbug",
    ),
    Bug(
        name="wal-savepoint-spill",
        effect=(
            "a transaction larger than the page cache in which a savepoint was undone can leave frames without checksums "
            "in the log: a crash before the next checkpoint then loses what was committed from there on"
        ),
        since=(3, 11, 0),
        fixed=(3, 50, 2),
        source="https://www.sqlite.org/releaselog/3_50_2.html",
    ),
    Bug(
        name="savepoint-in-memory",
        effect="a savepoint that is undone can damage the file where PRAGMA temp_store is MEMORY",
        since=(3, 35, 0),
        fixed=(3, 37, 2),
        source="https://www.sqlite.org/releaselog/3_37_2.html",
    ),
    Bug(
        name="close-deadlock",
        effect="threads that open and close files in write-ahead mode can wait for each other for ever",
        since=(3, 51, 0),
        fixed=(3, 51, 2),
        source="https://www.sqlite.org/releaselog/3_51_2.html",
    ),
)


def known_bugs(version: str) -> list[Bug]:
    """What is known against SQLite ``version`` (``sqlite3.sqlite_version``), worst first.

    Raises: ValueError for what is no version.
    """
    numbers = re.fullmatch(r"(\d+)\.(\d+)(?:\.(\d+))?(?:\.\d+)?", version)
    if numbers is None:
        raise ValueError(f"{version!r} is no version of SQLite")
    major, minor, patch = (int(each or 0) for each in numbers.groups())
    return [bug for bug in BUGS if bug.hits((major, minor, patch))]
