"""The names of what ``db restore`` sets aside, and what a restore that was cut short has left.

While a restore works, a private folder beside the database is its mark: ``.<name set aside>-<random>``. A mark without a
database means that the old file has its new name already, and the new one has not: nobody may make an empty file then.
"""

from __future__ import annotations

import os
from glob import escape
from pathlib import Path

from syncer.errors import DatabaseBusy, DatabaseError
from syncer.store import hints

SUFFIX = ".before-restore"


def free_name(path: Path, stamp: str) -> Path:
    """A name beside ``path`` for the old file, under which nothing is, nor a log."""
    number = 1
    while True:
        counted = stamp if number == 1 else f"{stamp}.{number}"
        name = path.with_name(f"{path.name}.{counted}{SUFFIX}")
        if not any(os.path.lexists(f"{name}{beside}") for beside in ("", "-journal", "-wal", "-shm")):
            return name
        number += 1


def prefix(aside: Path) -> str:
    """How the private folder of a restore that sets a file aside as ``aside`` begins."""
    return f".{aside.name}-"


def marks(path: Path) -> list[tuple[Path, Path]]:
    """Of each restore of ``path`` that runs or was cut short: its folder, and the name of the file set aside."""
    found = sorted(path.parent.glob(f".{escape(path.name)}.*{SUFFIX}-*"))
    return [(mark, path.with_name(mark.name[1:].rpartition("-")[0])) for mark in found if mark.is_dir()]


def require_finished(path: Path) -> None:
    """Raises: DatabaseError where ``path`` is not there because a restore has not come to its end."""
    try:
        path = path.resolve()
    except OSError:  # the current folder is gone
        return
    if os.path.lexists(path):
        return
    for mark, aside in marks(path):
        if os.path.lexists(aside):
            raise DatabaseError(
                "a restore of the database was interrupted; the old file is kept under another name",
                record=str(aside),
                hint=f"to go on: syncer db restore BACKUP; to take the old file back: {hints.restore(aside)}",
            )
        if _works(mark):
            raise DatabaseBusy("a restore of the database is running", record=str(path), hint="try again in a moment")


def _works(mark: Path) -> bool:
    """Whether the restore of this folder is still running."""
    from syncer.store.file import scratch  # only here: every command imports this module, and must start fast

    with scratch.held(mark) as free:
        return not free and mark.exists()
