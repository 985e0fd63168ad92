"""A bad network: a real HTTP proxy between syncer and its upstream, with faults on demand and by a seeded schedule."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from random import Random
from types import TracebackType
from typing import Any, Self

from syncer import clock
from tests.rigs.faults import (
    EVERY,
    READS_ONLY,
    REFUSED,
    WRITES_ONLY,
    Answer,
    Fault,
    Request,
    listed,
    refusal,
    shuffled,
    spoiled,
)
from tests.rigs.listener import HOST, PATIENCE_S, Listener

_STALE_S = 20.0
_TICK = timedelta(milliseconds=3)
_OURS = {"connection", "content-length", "transfer-encoding", "keep-alive", "host"}

Look = Callable[[Request], None]
Rule = Callable[[Request], "Answer | None"]


class Proxy:
    """``with Proxy(sandbox.port) as proxy:`` and the addresses of ``proxy.through(sandbox.settings)``.

    ``rate``: how often a request meets a fault of ``kinds``; ``next`` queues faults for the requests to come (None: none).
    ``look`` is called with every request before anything is done with it; what it raises is kept in ``problems``.
    ``rule`` may answer in the upstream's place. ``virtual``: a clock that moves a little with every request.
    """

    def __init__(
        self, port: int, *, seed: int = 0, virtual: clock.Virtual | None = None, look: Look = lambda _: None
    ) -> None:
        self.upstream = port
        self.random = Random(seed)
        self.virtual = virtual
        self.look = look
        self.rule: Rule = lambda _: None
        self.rate = 0.0
        self.kinds: Sequence[Fault] = EVERY
        self.next: deque[Fault | None] = deque()
        self.requests: list[Request] = []
        self.dealt: Counter[Fault] = Counter()
        self.problems: list[str] = []
        self.went_elsewhere: list[Request] = []
        self.held = threading.Event()
        self.release = threading.Event()
        self.hold: Callable[[Request], bool] = lambda _: False
        self._lock = threading.Lock()
        self._late: list[Request] = []
        self._seen: dict[tuple[str, str, bytes], list[tuple[str, Answer]]] = {}
        self._last_page: list[Any] = []
        self._server = Listener(self)
        self._elsewhere = Listener(self, elsewhere=True)

    def __enter__(self) -> Self:
        self._server.start()
        self._elsewhere.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.release.set()
        self._server.stop()
        self._elsewhere.stop()

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{HOST}:{self._server.port}"

    @property
    def elsewhere(self) -> str:
        """The other host that redirects name."""
        return f"http://localhost:{self._elsewhere.port}/caught"

    def through(self, settings: dict[str, str]) -> dict[str, str]:
        """``settings`` of the upstream with the addresses led through here."""
        return {name: value.replace(f"http://{HOST}:{self.upstream}", self.origin) for name, value in settings.items()}

    def calm(self) -> None:
        """No more faults; what was on its way arrives."""
        self.rate = 0.0
        self.next.clear()
        self.rule = lambda _: None
        with self._lock:
            late, self._late = self._late, []
        for request in late:
            self._forward(request)

    def writes(self, since: int = 0) -> list[Request]:
        """The requests from number ``since`` on that may have had an effect."""
        return [request for request in self.requests[since:] if request.writes]

    def count(self) -> int:
        """How many requests came in."""
        return len(self.requests)

    def incoming(self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> Request:
        """Note a request."""
        with self._lock:
            request = Request(len(self.requests), method, target, {k.lower(): v for k, v in headers}, body)
            self.requests.append(request)
            if self.virtual is not None:
                self.virtual.moment += _TICK
        try:
            self.look(request)
        except Exception as exc:  # noqa: BLE001 - a thread of the server has nobody to tell
            self.problems.append(f"request {request.number}: {type(exc).__name__}: {exc}")
        return request

    def fate(self, request: Request) -> Fault | None:
        """The fault that a request meets, None for none."""
        with self._lock:
            if self.next:
                fault = self.next.popleft()
            elif self.random.random() < self.rate:
                unfit = READS_ONLY if request.writes else WRITES_ONLY
                fault = self.random.choice([kind for kind in self.kinds if kind not in unfit])
            else:
                fault = None
            if fault is not None:
                self.dealt[fault] += 1
            return fault

    def answer(self, request: Request, fault: Fault | None) -> Answer | None:
        """What the upstream, or the network in its place, answers; None when no answer comes."""
        instead = self.rule(request)
        if instead is not None:
            return instead
        if fault in REFUSED and fault is not None:
            return refusal(fault, self.random, self.elsewhere)
        if fault is Fault.LATE:
            with self._lock:
                self._late.append(request)
            return None
        with self._lock:
            late, self._late = self._late, []
        answer = self._stale(request) if fault is Fault.STALE else self._forward(request)
        for earlier in late:
            self._forward(earlier)
        return self._after(request, fault, answer)

    def _after(self, request: Request, fault: Fault | None, answer: Answer) -> Answer:
        if fault is Fault.TWICE:
            return self._forward(request)
        if fault is Fault.GATEWAY:
            return Answer(self.random.choice((502, 504)), b"bad gateway", {"Content-Type": "text/plain"})
        if fault is Fault.PARTIAL:
            return spoiled(answer, self.random)
        if fault is Fault.SHUFFLED:
            return shuffled(answer, self._last_page, self.random)
        return answer

    def _stale(self, request: Request) -> Answer:
        oldest = clock.after(-_STALE_S)
        with self._lock:
            known = [
                found for at, found in self._seen.get((request.method, request.target, request.body), ()) if at >= oldest
            ]
        return self.random.choice(known) if known else self._forward(request)

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(HOST, self.upstream, timeout=PATIENCE_S)
        try:
            headers = {name: value for name, value in request.headers.items() if name not in _OURS}
            connection.request(request.method, request.target, request.body or None, headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in _OURS}
        answer = Answer(response.status, body, kept)
        if not request.writes and answer.status == 200:
            self._remember(request, answer)
        return answer

    def _remember(self, request: Request, answer: Answer) -> None:
        with self._lock:
            self._seen.setdefault((request.method, request.target, request.body), []).append((clock.stored_now(), answer))
            with contextlib.suppress(ValueError):
                self._last_page = listed(json.loads(answer.body)) or []
