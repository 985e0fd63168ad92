"""What a fork must not find open.

SQLite counts in memory which locks its process holds on a file. A forked child inherits the count but not the locks: what
it then opens on that file takes none, the next process to close it takes the log away under the child, and what the child
writes after that is nowhere. So everything is closed before a fork, and opened again by whoever needs it next.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from pathlib import Path
from typing import Protocol

from syncer.errors import DatabaseError

_WAIT_S = 10.0


class Kept(Protocol):
    """What has connections open for longer than a call."""

    path: Path

    def part(self, wait_s: float) -> bool:
        """Close them and open none until :meth:`rejoin`; False when somebody would not let go of one in time."""
        ...

    def rejoin(self) -> None:
        """The fork is over, and this is the parent."""
        ...

    def begin_anew(self) -> None:
        """The fork is over, and this is the child: nothing of the parent's may be used, or even closed."""
        ...


_kept: weakref.WeakSet[Kept] = weakref.WeakSet()
_changed = threading.Condition()
_brief: weakref.WeakKeyDictionary[Brief, int] = weakref.WeakKeyDictionary()
_parted: list[Kept] = []
_in_use: set[str] = set()
_lost: set[str] = set()


class Brief:
    """A connection to ``path`` that is open for a moment: forks wait for its end. Raises: DatabaseError."""

    def __init__(self, path: Path) -> None:
        require_clean(path)
        self.path = path
        with _changed:
            _brief[self] = threading.get_ident()

    def close(self) -> None:
        """The connection is closed."""
        with _changed:
            _brief.pop(self, None)
            _changed.notify_all()


def keep(one: Kept) -> None:
    """Let ``one`` be told of every fork, for as long as it lives."""
    _kept.add(one)


def require_clean(path: Path) -> None:
    """Raises: DatabaseError in a child that was forked while its parent could not let go of the file."""
    if _lost and os.path.realpath(path) in _lost:
        raise DatabaseError(
            "this process was forked while its parent was using the database, and cannot use it",
            record=str(path),
            hint="fork outside of transactions and queries, or start processes by multiprocessing's spawn",
        )


def _before() -> None:
    until = time.monotonic() + _WAIT_S
    for one in list(_kept):
        _parted.append(one)
        if not one.part(max(0.0, until - time.monotonic())):
            _in_use.add(os.path.realpath(one.path))
    _changed.acquire()
    if threading.get_ident() not in _brief.values():  # else nobody would end it
        _changed.wait_for(lambda: not _brief, max(0.0, until - time.monotonic()))
    _in_use.update(os.path.realpath(brief.path) for brief in _brief)


def _in_parent() -> None:
    _in_use.clear()
    _changed.release()
    while _parted:
        _parted.pop().rejoin()


def _in_child() -> None:
    global _changed
    _changed = threading.Condition()
    _lost.update(_in_use)
    for left in (_in_use, _brief, _parted):
        left.clear()
    for one in list(_kept):
        one.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
