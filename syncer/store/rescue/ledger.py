"""Whether every number that was given to a change is accounted for, by plain SQL on any connection."""

from __future__ import annotations

import sqlite3
from typing import Any, Protocol

LOST = "lost"
"""The outcome in ``_pruned`` of numbers of which nothing could be found when a file was recovered."""

_PRUNED = "coalesce((SELECT sum(changes) FROM _pruned), 0)"
GAP = (
    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)"
    f" - (SELECT count(*) FROM outbox) - (SELECT count(*) FROM ledger) - {_PRUNED}"
)
"""How many numbers were given out of which neither outbox nor ledger nor the counts of ``db prune`` know anything."""

_TABLES = frozenset(("outbox", "ledger", "sqlite_sequence"))
_HIGHEST = (
    "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0),"
    " coalesce((SELECT max(seq) FROM outbox), 0), coalesce((SELECT max(seq) FROM ledger), 0),"
    " coalesce((SELECT max(highest) FROM _pruned), 0),"
    f" (SELECT count(*) FROM outbox) + (SELECT count(*) FROM ledger) + {_PRUNED})"
)
_MISSING = (
    "WITH known AS (SELECT seq FROM outbox UNION SELECT seq FROM ledger UNION SELECT 0 UNION"
    " SELECT seq + 1 FROM sqlite_sequence WHERE name = 'outbox'),"
    " steps AS (SELECT seq, lead(seq) OVER (ORDER BY seq) AS next FROM known)"
    " SELECT seq + 1, next - 1 FROM steps WHERE next > seq + 1 ORDER BY seq DESC LIMIT ?"
)


class Rows(Protocol):
    """What can run SQL: :class:`syncer.store.database.Transaction` is one."""

    def rows(self, text: str, parameters: Any) -> list[tuple[Any, ...]]:
        """Run a statement; its rows."""
        ...


def problems(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with the file that ``connection`` has open: SQLite's own check, then the ledger. Empty: sound."""
    try:
        checked = connection.execute("PRAGMA integrity_check").fetchall()
        if checked != [("ok",)]:
            return [str(row[0]) for row in checked]
        gap = unaccounted(connection)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as exc:
        return [str(exc)]
    return [f"the ledger is not consistent: {gap:+,} changes are not accounted for"] if gap else []


def unaccounted(connection: sqlite3.Connection) -> int:
    """How many accepted changes are nowhere; 0 for an empty file. Below 0: a change is there twice."""
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables >= _TABLES:
        return 0
    pruned = next((name for name in ("_pruned", "pruned") if name in tables), None)  # its name was another before 0005
    sql = GAP.replace(_PRUNED, _PRUNED.replace("_pruned", pruned) if pruned else "0")
    (gap,) = connection.execute(sql).fetchone()
    return int(gap)


def missing(rows: Rows, most: int = 5) -> list[tuple[int, int]]:
    """Ranges of numbers that neither wait nor stand in the ledger, highest first. What was pruned is among them."""
    return [(int(first), int(last)) for first, last in rows.rows(_MISSING, (most,))]


def close(rows: Rows) -> int:
    """Account for numbers of which nothing is there, as ``lost``; how many they are.

    Only for a file that is recovered: nothing more can be found of them. A change that both waits and has left waits.
    """
    rows.rows("DELETE FROM ledger WHERE seq IN (SELECT seq FROM outbox)", ())
    ((highest,),) = rows.rows(_HIGHEST, ())
    rows.rows("UPDATE sqlite_sequence SET seq = ? WHERE name = 'outbox'", (highest,))
    if highest and rows.rows("SELECT changes()", ()) == [(0,)]:
        rows.rows("INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?)", (highest,))
    ((gap,),) = rows.rows(GAP, ())
    if gap:
        (*_, (_, last)) = [(0, highest), *missing(rows, 1)]
        rows.rows("INSERT OR IGNORE INTO _pruned (outcome, changes, highest) VALUES (?, 0, 0)", (LOST,))
        rows.rows("UPDATE _pruned SET changes = changes + ?, highest = max(highest, ?) WHERE outcome = ?", (gap, last, LOST))
    return int(gap)
