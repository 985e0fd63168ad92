"""Work that is done in a thread of its own soon after it was asked for, without making anybody wait.

There is one thread per file, a daemon, started when there is something to do and ended when there has been nothing for a
while. A forked child starts its own when it first needs one. What is not done when the process ends is not done: whoever
asks must have it written down elsewhere, as changes are in the outbox.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from syncer.redact import redacted

_LINGER_S = 10.0
_STOP_S = 5.0
_EXIT_S = 2.0
_BROKEN_S = 60.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Next:
    """What a work wants after it was done: to be done again in ``again_s`` seconds, and nothing before ``hold_s``."""

    again_s: float | None = None
    hold_s: float = 0.0


Work = Callable[[Callable[[], bool]], Next]
"""Does something, and looks now and then whether it should end early."""


class Background:
    """The thread of one file. Works are known by names: one that was asked for twice is done once."""

    def __init__(self) -> None:
        self._start_over()
        _all.add(self)

    def _start_over(self) -> None:
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._works: dict[Hashable, Work] = {}
        self._wanted: set[Hashable] = set()
        self._count = 0
        self._due_at = math.inf
        self._held_until = -math.inf
        self._asked = self._done = 0
        self._stopping = False

    @property
    def running(self) -> bool:
        """True while there is a thread."""
        return self._thread is not None

    def soon(self, name: Hashable, work: Callable[[], Work], *, size: float, delay_s: float) -> None:
        """Ask for the work called ``name``, which ``work`` makes if it is new. Returns at once.

        It is done when somebody asked for the ``size``-th time since the last time, else within ``delay_s``.
        """
        with self._changed:
            self._want(name, work)
            self._count += 1
            due_at = -math.inf if self._count >= size else time.monotonic() + delay_s
            if due_at < self._due_at:
                self._due_at = due_at
                self._changed.notify_all()
            self._begin()

    def now(self, name: Hashable, work: Callable[[], Work], wait_s: float) -> bool:
        """Ask for a work at once, whatever it was told to wait for; whether it was done within ``wait_s``."""
        with self._changed:
            self._want(name, work)
            self._due_at = self._held_until = -math.inf
            self._asked += 1
            ticket = self._asked
            self._changed.notify_all()
            if not self._begin():
                return False
            return self._changed.wait_for(lambda: self._done >= ticket, wait_s)

    def stop(self, wait_s: float = _STOP_S) -> None:
        """Forget what was asked for, and wait for what is being done, but not for long. It may be asked again later."""
        with self._changed:
            thread = self._thread
            if thread is None or thread is threading.current_thread():
                return
            self._stopping = True
            self._changed.notify_all()
        thread.join(wait_s)

    def _want(self, name: Hashable, work: Callable[[], Work]) -> None:
        if name not in self._works:
            self._works[name] = work()
        self._wanted.add(name)

    def _begin(self) -> bool:
        """Whether there is a thread; near the end of the process there may be none any more."""
        alive = self._thread is not None and self._thread.is_alive()
        if not alive and not _exiting.is_set():
            self._thread = None
            thread = threading.Thread(target=self._run, name="syncer-background", daemon=True)
            try:
                thread.start()
            except RuntimeError as exc:
                _log.debug("no thread for work in the background: %s", exc)
            else:
                self._thread = thread
        return self._thread is not None

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            works, ticket = taken
            wishes = {name: self._outcome(name, work) for name, work in works.items()}
            self._settle(wishes, ticket)

    def _take(self) -> tuple[Mapping[Hashable, Work], int] | None:
        """The works that are due, once they are; None when the thread should end."""
        with self._changed:
            while not self._stopping:
                if not self._wanted:
                    if not self._changed.wait(_LINGER_S) and not self._wanted:
                        break
                    continue
                wait_s = max(self._due_at, self._held_until) - time.monotonic()
                # A wait that ran out ends it whatever the clock says: somebody may have stopped that.
                if wait_s > 0 and self._changed.wait(None if math.isinf(wait_s) else min(wait_s, threading.TIMEOUT_MAX)):
                    continue
                if self._stopping:
                    break
                works = {name: self._works[name] for name in self._wanted}
                self._wanted.clear()
                self._count, self._due_at = 0, math.inf
                return works, self._asked
            self._thread, self._stopping = None, False
            self._wanted.clear()
            self._count, self._due_at = 0, math.inf
            self._changed.notify_all()
            return None

    def _outcome(self, name: Hashable, work: Work) -> Next:
        try:
            return work(lambda: self._stopping)
        except Exception as exc:  # noqa: BLE001 - the thread must outlive whatever happens in it
            ending = isinstance(exc, RuntimeError) and "shutdown" in str(exc)  # no threads any more at the end of a process
            level = logging.DEBUG if ending else logging.ERROR
            _log.log(level, "work in the background failed: %s: %s", type(exc).__name__, redacted(str(exc)))
            return Next(hold_s=_BROKEN_S)

    def _settle(self, wishes: Mapping[Hashable, Next], ticket: int) -> None:
        with self._changed:
            self._done = ticket
            now = time.monotonic()
            if self._asked == ticket:  # else somebody asked for it at once meanwhile
                self._held_until = now + max(wish.hold_s for wish in wishes.values())
            for name, wish in wishes.items():
                if wish.again_s is not None:
                    self._wanted.add(name)
                    self._due_at = min(self._due_at, now + wish.again_s)
            self._changed.notify_all()


_all: weakref.WeakSet[Background] = weakref.WeakSet()
_exiting = threading.Event()


@atexit.register
def _end() -> None:
    """Let what is being done come to its next step, then go; not for long."""
    _exiting.set()
    end = time.monotonic() + _EXIT_S
    for background in list(_all):
        background.stop(max(0.0, end - time.monotonic()))


def _forked() -> None:
    """The parent's thread is not here, and its lock may have been held at the moment of the fork."""
    _exiting.clear()
    for background in list(_all):
        background._start_over()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
