"""What a fork must not find open.

SQLite counts in memory which locks its process holds on a file. A forked child inherits the count but not the locks: what
it then opens on that file takes none, the next process to close it takes the log away under the child, and what the child
writes after that is nowhere. So everything is closed before a fork, and opened again by whoever needs it next. What could
not be closed in time the child never uses.

Each step may be broken off by Ctrl-C at any instruction: it is then done again, as every step finds out what is done
already; the interrupt comes behind the fork. Which connections are open, the child learns from the list that they are noted
in (:mod:`syncer.store.file.connections`), not from the steps.
"""

from __future__ import annotations

import _thread
import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from syncer.store.file import connections

_WAIT_S = 10.0
_BEHIND_S = 0.05


class ForkAware(Protocol):
    """What has connections open for longer than a call. Each method may be called again where it was broken off."""

    path: Path

    def leave(self, wait_s: float, *, save: bool) -> bool:
        """Close them and remove no log; False when one is in use for longer than ``wait_s``, or must stay open.

        ``save``: before, what only their log holds.
        """
        ...

    def before_fork(self, wait_s: float) -> None:
        """Close them and open none until the fork is over; waits so long for others that use them."""
        ...

    def after_fork_in_parent(self) -> None:
        """The fork is over, and this is the parent."""
        ...

    def after_fork_in_child(self) -> None:
        """The fork is over, and this is the child: nothing of the parent's may be used, or even closed."""
        ...


_kept: weakref.WeakSet[ForkAware] = weakref.WeakSet()
_interrupted = False


def keep(one: ForkAware) -> None:
    """Let ``one`` be told of every fork, for as long as it lives."""
    _kept.add(one)


def kept(path: Path) -> list[ForkAware]:
    """Those that keep connections to ``path``."""
    real = os.path.realpath(path)
    return [one for one in _every() if os.path.realpath(one.path) == real]


def _every() -> list[ForkAware]:
    while True:
        with suppress(RuntimeError):  # another thread has just opened one, or Python has forgotten one
            return list(_kept)


def acquired(lock: Any, wait_s: float) -> bool:
    """Whether this thread has ``lock``, taken at most once."""
    return bool(lock._is_owned() or lock.acquire(timeout=max(0.0, wait_s)))


def released(lock: Any) -> None:
    """Give ``lock`` back if this thread has it."""
    if lock._is_owned():
        lock.release()


def _surely(step: Callable[[], object]) -> None:
    """Do ``step`` to its end, however often it is interrupted."""
    global _interrupted
    while True:
        try:
            step()
        except KeyboardInterrupt:
            _interrupted = True
            continue
        return


def _before() -> None:
    _surely(_close_all)


def _close_all() -> None:
    until = time.monotonic() + _WAIT_S
    for one in _every():
        one.before_fork(max(0.0, until - time.monotonic()))
    _none_open(until)


def _none_open(until: float) -> None:
    """Wait for the end of what other threads have open for a moment, and let none be opened. This thread's own stays."""
    me = threading.get_ident()
    lock = connections.opening
    while True:
        with connections.listing:
            others = connections.changed.wait_for(
                lambda: all(one.thread == me for one in connections.open_now()), max(0.0, until - time.monotonic())
            )
        if not acquired(lock, until - time.monotonic()):
            return
        if not others or all(one.thread == me for one in connections.open_now()):
            return
        released(lock)


def _in_parent() -> None:
    global _interrupted
    _surely(_open_again)
    if _interrupted:
        _interrupted = False
        # Python forgets what is raised in here.
        behind = threading.Timer(_BEHIND_S, _thread.interrupt_main)
        behind.daemon = True
        behind.start()


def _open_again() -> None:
    released(connections.opening)
    for one in _every():
        one.after_fork_in_parent()


def _in_child() -> None:
    global _interrupted
    _surely(_start_anew)
    _interrupted = False


def _start_anew() -> None:
    connections.after_fork_in_child()
    for one in _every():
        one.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
