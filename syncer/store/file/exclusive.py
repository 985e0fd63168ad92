"""Whether anybody has a file open, and keeping others out while it is exchanged.

Nothing here opens or closes a database file: when a process closes any descriptor of a file, POSIX takes all its locks on
that file away. SQLite's own descriptors are found by device and inode.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from syncer.errors import DatabaseBusy
from syncer.store.errors import translating
from syncer.store.file import connections
from syncer.store.file.descriptors import inode_at, open_on

try:
    import fcntl
except ImportError:  # Windows: a file that is open cannot be renamed there
    fcntl = None  # type: ignore[assignment]

_PROCESSES = Path("/proc")
_LOCKS_AT = 0x40000000  # SQLite's PENDING byte, then RESERVED, then 510 bytes for SHARED
_LOCKS = 512


def descriptors(path: Path) -> list[int] | None:
    """The descriptors by which this process has the file at ``path`` open; None where a system does not tell."""
    if os.name != "posix":
        return None
    inode = inode_at(os.fspath(path))
    return [] if inode is None else sorted(open_on((inode,))[inode])


def require_unused(path: Path) -> None:
    """Raises: DatabaseBusy when a process is seen to have ``path``, or what SQLite keeps beside it, open."""
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
    if any(descriptors(file) for file in files):
        raise _busy(path, "this process has it open", "close every workspace and connection of it first")
    pids = _holders({found for file in files if (found := inode_at(os.fspath(file))) is not None})
    if pids:
        listed = ", ".join(map(str, pids[:5]))
        raise _busy(path, f"open in process {listed}", "end that program, then repeat the command")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Nobody has the file at ``path`` open for the length of the block; who comes meanwhile waits. Raises: DatabaseBusy."""
    require_unused(path)
    with (
        connections.noted(path),
        translating(path),
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)) as connection,
    ):
        # The connection never reads, so SQLite neither applies a log that may belong to another file nor removes it.
        own = descriptors(path)
        if own is None:
            _require_last(connection, path)
        elif fcntl is not None:
            _lock(own, path)
        yield


def _lock(own: list[int], path: Path) -> None:
    """Take SQLite's exclusive lock on the descriptor that SQLite has opened. Raises: DatabaseBusy."""
    if len(own) != 1:  # the name leads to another file by now, or another thread has come
        raise _busy(path, "it is being opened or replaced", "try again in a moment")
    try:
        fcntl.lockf(own[0], fcntl.LOCK_EX | fcntl.LOCK_NB, _LOCKS, _LOCKS_AT)
    except (BlockingIOError, PermissionError):
        raise _busy(path, "another program has it open", "end that program, then repeat the command") from None
    except OSError:  # opened for reading only, or a file system without locks: what was seen so far must do
        return


def _require_last(connection: sqlite3.Connection, path: Path) -> None:
    """The same where descriptors cannot be listed: SQLite leaves WAL mode only as the last user of a file."""
    connection.execute("PRAGMA busy_timeout=0")
    try:
        alone = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0] == "delete"
    except sqlite3.OperationalError:
        alone = False
    except sqlite3.DatabaseError:
        return  # damaged: nobody else can use it either
    if not alone:
        raise _busy(path, "another program has it open", "end that program, then repeat the command")


def _holders(wanted: set[tuple[int, int]]) -> list[int]:
    """Other processes that have one of these files open, as far as this user may see: Linux only."""
    found = []
    for name in os.listdir(_PROCESSES) if _PROCESSES.is_dir() else ():
        if name.isdecimal() and int(name) != os.getpid():
            with suppress(OSError):
                folder = _PROCESSES / name / "fd"
                if any(inode_at(os.fspath(folder / number)) in wanted for number in os.listdir(folder)):
                    found.append(int(name))
    return sorted(found)


def _busy(path: Path, why: str, hint: str) -> DatabaseBusy:
    return DatabaseBusy("the database is in use", record=str(path), why=why, hint=hint)
