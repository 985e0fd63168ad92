"""Reading from a remote that stumbles: a question may always be asked again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeVar

from syncer import clock
from syncer.describe import Model
from syncer.engine.backoff import ALIVE_CAP_S, next_delay_s
from syncer.errors import RemoteRefused, Unreachable
from syncer.port import Ask, Line, Page, Row, Seeker

T = TypeVar("T")

TRIES = 8


class Asking:
    """A line whose questions are repeated while the remote is there but gives no usable answer."""

    def __init__(self, line: Line, random: Random, *, patience_s: float) -> None:
        self._line = line
        self._random = random
        self._patience_s = patience_s
        self._list: tuple[object, ...] = ()
        self._led: dict[int, int] = {}
        """Of the list being walked: by the hash of a page's token, that of the page that named it."""

    def page(self, ask: Ask) -> Page:
        """One page. Raises: RemoteError, also for a list whose pages lead in a circle: it would never end."""
        page = self._repeated(lambda: self._line.page(ask))
        if ask.token is None or self._list != (ask.model.name, ask.partition, ask.cursor):
            self._list, self._led = (ask.model.name, ask.partition, ask.cursor), {}
        if page.token is not None:
            came_from = self._led.setdefault(hash(page.token), hash(ask.token))
            if came_from != hash(ask.token) or page.token == ask.token:
                raise RemoteRefused(f"the list of {ask.model.name} leads back to a page that was read already")
        return page

    def fetch(self, model: Model, known: Mapping[str, Row]) -> dict[str, Row | None]:
        """Records by key text, ``known`` being our rows of them. Raises: RemoteError."""
        return self._repeated(lambda: self._line.fetch(model, known))

    def seek(self, model: Model, wanted: Sequence[Mapping[str, str]]) -> list[list[Row]]:
        """Records by what they hold; none from a line that cannot seek. Raises: RemoteError."""
        line = self._line
        return self._repeated(lambda: line.seek(model, wanted)) if isinstance(line, Seeker) else [[] for _ in wanted]

    def close(self) -> None:
        """Let the connection go."""
        self._line.close()

    def _repeated(self, question: Callable[[], T]) -> T:
        waited_s = 0.0
        for attempt in range(1, TRIES + 1):
            try:
                return question()
            except Unreachable as exc:
                delay_s = next_delay_s(attempt, exc.retry_after_s, self._random, cap_s=ALIVE_CAP_S)
                waited_s += delay_s
                if not exc.connected or attempt == TRIES or waited_s > self._patience_s:
                    raise
                clock.sleep(delay_s)
        raise AssertionError("the last try returns or raises")
