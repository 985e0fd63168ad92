"""Other copies of SQLite in this process: each takes and drops file locks without knowing of the others.

POSIX locks belong to a process, and closing any descriptor of a file drops all of them. One copy of SQLite guards against
that within itself; what another copy does to the same file undoes our locks. To have one loaded is no harm yet: it is told,
not refused.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Container
from itertools import count

MODULES = (
    "apsw", "pysqlite3", "sqlean", "adbc_driver_sqlite", "duckdb", "connectorx", "libsql", "libsql_experimental",
    "sqlcipher3", "pysqlcipher3",
)  # fmt: skip
"""Packages that bring a copy of their own, or load one when told to."""

_MAPS = "/proc/self/maps"
_LIBRARY = re.compile(r"(lib)?(sqlite3?|sqlcipher|sqlite_scanner)\b.*\.(so|dylib|dll|duckdb_extension)\b")
_OF_A_PACKAGE = re.compile(r"/(site|dist)-packages/|/\.duckdb/")
_LOG = logging.getLogger(__name__)
_turns = count()  # next() of it is one step for all threads


def found() -> list[str]:
    """What is in this process as far as can be seen: names of modules, and paths of libraries that are mapped."""
    return imported() + mapped(_maps())


def imported(modules: Container[str] | None = None) -> list[str]:
    """Those of :data:`MODULES` that are among ``modules``, this process's unless given."""
    there = sys.modules if modules is None else modules
    return [name for name in MODULES if name in there]


def mapped(maps: str) -> list[str]:
    """The SQLite libraries in ``maps`` (/proc/self/maps) that are not the one which Python itself uses.

    Those of packages are others; of the rest the first is ours. One that is part of a larger library is not seen.
    """
    paths: dict[str, None] = {}
    for line in maps.split("\n"):
        path = line.split(None, 5)[5] if len(line.split(None, 5)) > 5 else ""
        if _LIBRARY.match(path.rpartition("/")[2]):
            paths[path] = None
    packaged = [path for path in paths if _OF_A_PACKAGE.search(path)]
    return packaged + [path for path in paths if path not in packaged][1:]


def warn_once() -> None:
    """Log one warning in this process when one of :data:`MODULES` has been imported: cheap enough for every opening."""
    names = imported()
    if names and next(_turns) == 0:
        _LOG.warning(
            "%s in this process: never let it open the syncer database here, not even to read: its closing drops our locks. "
            "Use the sqlite3 module, another process, or a copy made by syncer db backup",
            ", ".join(names),
        )


def _maps() -> str:
    try:
        with open(_MAPS, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
