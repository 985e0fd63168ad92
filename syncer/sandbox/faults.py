"""What goes wrong on purpose: rates decided by a seeded generator, and switches for exactly the next request."""

from __future__ import annotations

import random
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

JSON_TYPE = "application/json"


class Ending(StrEnum):
    """What becomes of an answer after the request was applied."""

    SEND = "send"
    LOSE = "lose"  # the connection closes without a byte
    TRUNCATE = "truncate"  # the connection closes in the middle of the body


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer given instead of applying the request. ``body`` None: ``kind`` and ``message`` in the protocol's words."""

    status: int
    headers: Mapping[str, str]
    kind: str = "Failure"
    message: str = ""
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one request. ``partial``: seed of a generator that picks the parts to refuse, or None."""

    name: str = "served"
    latency_s: float = 0.0
    refusal: Refusal | None = None
    partial: int | None = None
    stall_s: float = 0.0
    ending: Ending = Ending.SEND


THROTTLED = Refusal(429, {"Retry-After": "1", "Content-Type": JSON_TYPE}, "TooManyRequestsException", "Rate exceeded")
FAILURES = (
    Refusal(500, {"Content-Type": JSON_TYPE}, "InternalFailure", "Internal server error"),
    Refusal(503, {"Content-Type": JSON_TYPE}, "ServiceUnavailable", "Service unavailable"),
)
_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in to this network.</body></html>"


@dataclass
class Faults:
    """Rates between 0 and 1, free to change while the sandbox runs; and one-shot switches, used up in order.

    ``throttle``: 429 with ``Retry-After: 1``, nothing applied. ``fail_rate``: 500 or 503 with nothing applied, or (half
    of the time, where the protocol can say so) some parts of the request refused for lack of capacity.
    ``lose_reply_rate``: everything applied, then the connection closes without a byte. ``dealt`` counts what happened,
    by name. ``only`` names the one remote that meets faults (None: every remote); requests to the others are served and
    use up no switch.
    """

    latency_ms: float = 0
    fail_rate: float = 0.0
    lose_reply_rate: float = 0.0
    throttle: float = 0.0
    seed: int = 0
    only: str | None = None
    dealt: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._next: deque[Fate] = deque()
        self._lock = threading.Lock()

    def lose_next_reply(self, count: int = 1) -> None:
        """Apply the next ``count`` requests, then close their connections without a byte."""
        self._add(Fate("lost", ending=Ending.LOSE), count)

    def fail_next(
        self, status: int, headers: Mapping[str, str] | None = None, body: bytes | None = None, count: int = 1
    ) -> None:
        """Answer the next ``count`` requests with ``status``, nothing applied."""
        refusal = Refusal(status, headers or {"Content-Type": JSON_TYPE}, message=f"status {status}", body=body)
        self._add(Fate("failed", refusal=refusal), count)

    def stall_next(self, seconds: float) -> None:
        """Apply the next request and hold its answer back, until the client hangs up at the latest."""
        self._add(Fate("stalled", stall_s=seconds))

    def truncate_next(self) -> None:
        """Apply the next request, send half of the answer and close the connection."""
        self._add(Fate("truncated", ending=Ending.TRUNCATE))

    def html_next(self, status: int = 200) -> None:
        """Answer the next request as a captive portal does: a web page, nothing applied."""
        self._add(Fate("html", refusal=Refusal(status, {"Content-Type": "text/html"}, body=_PAGE)))

    def refuse_parts_next(self) -> None:
        """Refuse some parts of the next request for lack of capacity (GraphQL: some aliases), apply the others."""
        self._add(Fate("partial", partial=self.seed))

    def serve_next(self, count: int = 1) -> None:
        """Serve the next ``count`` requests normally: to hit a later one with another switch."""
        self._add(Fate(), count)

    def clear(self) -> None:
        """No more faults: rates to zero, switches unset."""
        self.only = None
        self.latency_ms = self.fail_rate = self.lose_reply_rate = self.throttle = 0.0
        with self._lock:
            self._next.clear()

    def fate(self, *, parts: bool, remote: str | None = None) -> Fate:
        """The fate of the request that just came in for ``remote``; ``parts``: its protocol can refuse parts of it."""
        with self._lock:
            fate = self._due(parts) if self.only in (None, remote) else Fate()
            self.dealt[fate.name] += 1
        return fate

    def _add(self, fate: Fate, count: int = 1) -> None:
        with self._lock:
            self._next.extend([fate] * count)

    def _due(self, parts: bool) -> Fate:
        return self._next.popleft() if self._next else self._drawn(parts)

    def _drawn(self, parts: bool) -> Fate:
        # Always the same number of draws, so that changing one rate does not move the others.
        throttled, failed, lost, choice = (self._random.random() for _ in range(4))
        latency_s = self.latency_ms / 1000
        if throttled < self.throttle:
            return Fate("throttled", latency_s, THROTTLED)
        if failed < self.fail_rate:
            if parts and choice < 0.5:
                return Fate("partial", latency_s, partial=int(choice * 2**32))
            return Fate("failed", latency_s, FAILURES[int(choice * 8) % 2])
        if lost < self.lose_reply_rate:
            return Fate("lost", latency_s, ending=Ending.LOSE)
        return Fate(latency_s=latency_s)


def refused_parts(seed: int, count: int) -> frozenset[int]:
    """About half of ``count`` parts, at least one."""
    draw = random.Random(seed)
    return frozenset(n for n in range(count) if draw.random() < 0.5) or frozenset({draw.randrange(count)})
