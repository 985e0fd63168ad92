"""The SQLite that this process uses: its bugs, other copies beside it, and how it waits for the disk."""

from __future__ import annotations

import sqlite3
import sys

from syncer.diagnostics.file import OK, WARN, Finding
from syncer.store.file import other_sqlite
from syncer.store.file.barriers import barriers
from syncer.store.file.sqlite_bugs import known_bugs

_AFTER_A_POWER_CUT = {
    "full": "what was accepted is there after a power cut",
    "normal": "a power cut may cost the last writes, never the file",
}


def library_findings(durability: str) -> list[Finding]:
    """Every check of the library."""
    return [_version(sqlite3.sqlite_version), _others(other_sqlite.found()), _durability(durability, sys.platform)]


def _version(version: str) -> Finding:
    bugs = known_bugs(version)
    if not bugs:
        return Finding("program", "SQLite", OK, f"{version}: no bug that costs data is known of it")
    told = "; ".join(f"{bug.name}: {bug.effect} (fixed in {bug.cured_by}; {bug.source})" for bug in bugs)
    text = f"{version} has known bugs, which syncer works around; other programs that write the file may meet them. {told}"
    return Finding("program", "SQLite", OK, text, "a fix that your distribution has patched in is not seen in the version")


def _others(found: list[str]) -> Finding:
    if not found:
        return Finding("program", "other SQLite", OK, "no other copy of SQLite is seen in this process")
    text = f"other copies of SQLite in this process: {', '.join(found)}; one that opens the file here drops our locks on it"
    hint = "use the sqlite3 module, another process, or a copy made by: syncer db backup"
    return Finding("program", "other SQLite", WARN, text, hint)


def _durability(durability: str, system: str) -> Finding:
    pragmas = ", ".join(f"{name}={value}" for name, value in barriers(durability, system).items())
    return Finding("program", "durability", OK, f"{durability} ({pragmas}): {_AFTER_A_POWER_CUT[durability]}")
