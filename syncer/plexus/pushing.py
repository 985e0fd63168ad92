"""Early pushes: asked for by ``log_score`` and ``flush``, done in the background or at once, never longer than a moment.

Nothing depends on them: what is not sent waits in the outbox for the next sync.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import NamedTuple

from syncer import clock
from syncer.config import Settings
from syncer.engine.background import Next
from syncer.engine.backoff import next_delay_s
from syncer.engine.report import RemoteReport, Report
from syncer.errors import InvalidInput, RemoteError, SyncerError, SyncRunning
from syncer.plexus import settings as known
from syncer.redact import redacted

PATIENCE_S = 5.0
_SLICE = 500
_ANSWER_S = 10.0
_SHORTEST_S = 0.2
_LONGEST_S = 60.0
_UNCONFIGURED = "not-configured"
_QUIET = frozenset({SyncRunning.code})
_log = logging.getLogger(__name__)


class Hint(NamedTuple):
    """After how many results, or how many seconds, a push is worth it."""

    size: float
    delay_s: float


def hint(immediate: bool, batch_size: int | None, batch_timeout: float | None) -> Hint:
    """The hint in what ``log_score`` was given. Raises: InvalidInput (a ValueError)."""
    size = 10 if batch_size is None else batch_size
    delay_s = 1.0 if batch_timeout is None else batch_timeout
    given: tuple[tuple[str, object], ...] = (("batch_size", size), ("batch_timeout", delay_s))
    for name, value in given:
        if not isinstance(value, int | float) or value != value:  # NaN
            raise InvalidInput(f"{name} cannot be {value!r}", hint="give a number")
    return Hint(1, 0.0) if immediate else Hint(size, max(0.0, delay_s))


class Pusher:
    """Pushes what waits for Plexus, with these settings. Never raises for what a remote or network does.

    ``push``: that of a workspace.
    ``expected``: somebody asked for pushes by a setting, and should be told when they cannot be.
    """

    def __init__(self, push: Callable[..., Report], settings: Settings, *, expected: bool) -> None:
        self._push = push
        found = settings.remote("plexus", known.SETTINGS)
        self._auth_mode = known.auth_mode(found)
        self._secret = found.get("api_key", "")
        if "timeout_s" not in found:  # nobody should wait long for a process to end
            settings = replace(settings, environ={**settings.environ, "PLEXUS_TIMEOUT_S": f"{_ANSWER_S:g}"})
        self._settings = settings
        self._expected = expected
        self._random = Random()
        self._failures = 0
        self._said: str | None = None

    def __call__(self, ended: Callable[[], bool]) -> Next:
        """Push in slices until nothing more can go out now, or ``ended`` says so."""
        try:
            known.require_api_key_mode(self._auth_mode)
            part = self._pushed(ended)
        except SyncerError as exc:
            return self._failed(exc.code, exc.sentence, again=isinstance(exc, RemoteError))
        if part.skipped:
            return self._failed(_UNCONFIGURED, "; ".join(part.notes), again=False)
        if part.stopped is not None:
            return self._failed(part.stopped, part.reason or "", again=part.stopped != "access-refused")
        if self._said is not None:
            _log.info("plexus: early pushes work again")
        self._failures, self._said = 0, None
        if ended() or part.next_due_at is None:
            return Next()
        due_s = (clock.parsed(part.next_due_at) - clock.now()).total_seconds()
        return Next(max(_SHORTEST_S, due_s))

    def _pushed(self, ended: Callable[[], bool]) -> RemoteReport:
        while True:
            report = self._push("plexus", limit=_SLICE, wait_s=0, settings=self._settings)
            part = report.remotes["plexus"]
            if ended() or part.stopped is not None or not part.acked or not part.waiting:
                return part

    def _failed(self, code: str, reason: str, *, again: bool) -> Next:
        level = logging.INFO if code == _UNCONFIGURED and not self._expected else logging.WARNING
        if code != self._said and code not in _QUIET:
            self._said = code
            _log.log(level, "plexus: no early push, changes wait for the next: %s", redacted(reason, (self._secret,)))
        self._failures += 1
        if not again:
            return Next(hold_s=_LONGEST_S)
        delay_s = max(_SHORTEST_S, next_delay_s(self._failures, None, self._random, cap_s=_LONGEST_S))
        return Next(delay_s, delay_s)


def at_once(pusher: Pusher) -> None:
    """One push in the caller's thread that begins no new slice after a few seconds."""
    end = time.monotonic() + PATIENCE_S
    pusher(lambda: time.monotonic() >= end)
