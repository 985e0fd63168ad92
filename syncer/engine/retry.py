"""Trying again: how long to wait before another attempt, and reads from a remote that stumbles.

A question may always be asked again; a change goes out again by what is stored of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeVar

from syncer import clock
from syncer.errors import RemoteRefused, Unreachable
from syncer.remote import Connection, Page, PageRequest, Row, SupportsLookup
from syncer.schema.model import Model

T = TypeVar("T")

TRIES = 8


class RetryingConnection:
    """A line whose questions are repeated while the remote is there but gives no usable answer."""

    def __init__(self, connection: Connection, random: Random, *, patience_s: float) -> None:
        self._connection = connection
        self._random = random
        self._patience_s = patience_s
        self._list: tuple[object, ...] = ()
        self._led: dict[int, int] = {}
        """Of the list being walked: by the hash of a page's token, that of the page that named it."""

    def page(self, request: PageRequest) -> Page:
        """One page. Raises: RemoteError, also for a list whose pages lead in a circle: it would never end."""
        page = self._repeated(lambda: self._connection.page(request))
        if request.token is None or self._list != (request.model.name, request.partition, request.cursor):
            self._list, self._led = (request.model.name, request.partition, request.cursor), {}
        if page.token is not None:
            came_from = self._led.setdefault(hash(page.token), hash(request.token))
            if came_from != hash(request.token) or page.token == request.token:
                raise RemoteRefused(f"the list of {request.model.name} leads back to a page that was read already")
        return page

    def fetch(self, model: Model, known: Mapping[str, Row]) -> dict[str, Row | None]:
        """Records by key text, ``known`` being our rows of them. Raises: RemoteError."""
        return self._repeated(lambda: self._connection.fetch(model, known))

    def lookup(self, model: Model, wanted: Sequence[Mapping[str, str]]) -> list[list[Row]]:
        """Records by what they hold; none from a connection that cannot look them up. Raises: RemoteError."""
        connection = self._connection
        return (
            self._repeated(lambda: connection.lookup(model, wanted))
            if isinstance(connection, SupportsLookup)
            else [[] for _ in wanted]
        )

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

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


FIRST_S = 0.5
CAP_S = 300.0
ALIVE_CAP_S = 4.0
_ALIVE_FAILURES = 2


def longest_s(failures: int) -> float:
    """The longest wait after ``failures`` requests in a row without an answer.

    Short while the remote answers others, so that one unlucky change is not left for minutes; doubling once it does not.
    """
    return min(CAP_S, ALIVE_CAP_S * 2.0 ** min(max(0, failures - _ALIVE_FAILURES), 20))


def next_delay_s(attempts: int, retry_after_s: float | None, random: Random, *, cap_s: float = CAP_S) -> float:
    """Full jitter over a doubling span, and never less than the remote asked for."""
    span = min(cap_s, FIRST_S * 2.0 ** min(max(attempts - 1, 0), 20))
    return max(random.uniform(0.0, span), retry_after_s or 0.0)
