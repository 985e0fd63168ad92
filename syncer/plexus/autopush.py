"""Early pushes: asked for by ``log_score`` and ``flush``, done in the background or at once, never longer than a moment.

Nothing depends on them: what is not sent waits in the outbox for the next sync. They go to the
address, and with the key, that the client was given, if it was given some.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from syncer import clock
from syncer.adapters.plexus import settings
from syncer.adapters.plexus import settings as known
from syncer.background import Next
from syncer.config import Settings
from syncer.engine.report import RemoteReport, Report
from syncer.engine.retry import next_delay_s
from syncer.errors import InvalidInput, RemoteError, SettingError, SyncerError, SyncRunning
from syncer.plexus import graphql
from syncer.plexus.graphql import GraphQLRetryPolicy
from syncer.redact import redacted

if TYPE_CHECKING:
    from syncer.plexus.graphql import Online
    from syncer.plexus.session import Session

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
        if ended() or part.next_attempt_at is None:
            return Next()
        due_s = (clock.parsed(part.next_attempt_at) - clock.now()).total_seconds()
        return Next(max(_SHORTEST_S, due_s))

    def _pushed(self, ended: Callable[[], bool]) -> RemoteReport:
        while True:
            report = self._push("plexus", limit=_SLICE, wait_s=0, settings=self._settings)
            part = report.remotes["plexus"]
            if ended() or part.stopped is not None or not part.acked or not part.pending:
                return part

    def _failed(self, code: str, reason: str, *, again: bool) -> Next:
        level = logging.INFO if code == _UNCONFIGURED and not self._expected else logging.WARNING
        if code != self._said and code not in _QUIET:
            self._said = code
            _log.log(
                level, "plexus: no early push, changes stay pending until the next: %s", redacted(reason, (self._secret,))
            )
        self._failures += 1
        if not again:
            return Next(hold_s=_LONGEST_S)
        delay_s = max(_SHORTEST_S, next_delay_s(self._failures, None, self._random, cap_s=_LONGEST_S))
        return Next(delay_s, delay_s)


def at_once(pusher: Pusher) -> None:
    """One push in the caller's thread that begins no new slice after a few seconds."""
    end = time.monotonic() + PATIENCE_S
    pusher(lambda: time.monotonic() >= end)


_Target = tuple[str | None, str | None]


class Reach:
    """The network side of one client. Address and key are those of the client now, also when they were set later."""

    def __init__(self, client: Session) -> None:
        self._client = client
        self._in_background = settings.background(self._found())
        self._online: tuple[_Target, Online] | None = None
        self._pusher: tuple[_Target, Pusher] | None = None

    def soon(self, hint: Hint) -> None:
        """Ask for a push in the background, where those are on. Returns at once."""
        if self._in_background:
            background = self._client.workspace.background
            background.soon(self._target(), self._early, size=hint.size, delay_s=hint.delay_s)

    def flush(self) -> None:
        """Push now: in the background where that is on, waiting for it a little; else here. Never raises for a network."""
        if self._in_background:
            self._client.workspace.background.now(self._target(), self._early, PATIENCE_S)
        else:
            at_once(self._early())

    def execute(
        self, query: str, variables: Mapping[str, Any] | None, policy: str | GraphQLRetryPolicy | None
    ) -> dict[str, Any]:
        """As :meth:`PlexusDashboardClient.execute`."""
        chosen = graphql.chosen(policy)
        return self._line().execute(query, variables, chosen)

    def close(self) -> None:
        """Let the connections of :meth:`execute` go."""
        if self._online is not None:
            self._online[1].close()

    def _found(self) -> dict[str, str]:
        return self._client.workspace.settings.remote("plexus", settings.SETTINGS)

    def _target(self) -> _Target:
        return self._client.api_url, self._client.api_key

    def _settings(self) -> Settings:
        """The workspace's settings, with the client's own address and key in the place of theirs; written nowhere."""
        own = self._client.workspace.settings
        names = dict(zip(("PLEXUS_API_URL", "PLEXUS_API_KEY"), self._target(), strict=True))
        return replace(own, environ={**own.environ, **{name: value for name, value in names.items() if value}})

    def _early(self) -> Pusher:
        if self._pusher is None or self._pusher[0] != self._target():
            made = Pusher(self._client.workspace.push, self._settings(), expected=self._in_background)
            self._pusher = (self._target(), made)
        return self._pusher[1]

    def _line(self) -> Online:
        settings.require_api_key_mode(self._client.auth_mode)
        target = url, api_key = self._target()
        if not url or not api_key:
            lacking = [name for name, value in (("PLEXUS_API_URL", url), ("PLEXUS_API_KEY", api_key)) if not value]
            raise SettingError(
                "GraphQL query failed: Plexus is not configured",
                why=f"{' and '.join(lacking)} not set",
                hint="set them, or give api_url and api_key to the client",
            )
        if self._online is None or self._online[0] != target:
            from syncer.http.session import READ_TIMEOUT_S, checked_url
            from syncer.plexus.graphql import Online

            read_s = settings.read_timeout_s(self._found(), READ_TIMEOUT_S)
            self._online = (target, Online(checked_url("PLEXUS_API_URL", url), api_key, read_s))
        return self._online[1]
