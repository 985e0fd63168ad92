"""Callers' own GraphQL, sent as it is: the one thing here that needs the network.

A query is tried again as its policy says; a mutation only when it surely changed nothing, because
nobody but its caller can tell what a second run of it would do.

Source: docs/remotes/plexus.md#retries
Source: docs/remotes/plexus.md#errors
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from syncer import clock
from syncer.adapters.plexus import responses
from syncer.errors import AccessRefused, GraphQLFailed, InvalidInput, RemoteError, Unreachable
from syncer.http import responses as http_responses
from syncer.http.errors import NotSent, ReplyLost
from syncer.http.graphql import ErrorKind, GraphError
from syncer.http.responses import StatusClass
from syncer.http.session import CONNECT_TIMEOUT_S, Answer, Session
from syncer.redact import redacted
from syncer.schema.values import dumps
from syncer.suggest import near

_FAILED = "GraphQL query failed"
_TOKEN = re.compile(r'#[^\r\n]*|"""(?:\\"""|.)*?"""|"(?:\\.|[^"\\\r\n])*"|[{}()\[\]]|[A-Za-z_]\w*', re.DOTALL)
_AGAIN = (StatusClass.THROTTLED, StatusClass.UNKNOWN)


@dataclass(frozen=True)
class _Failure:
    """One attempt that failed. ``again``: another may succeed; ``unapplied``: it surely changed nothing."""

    error: RemoteError
    again: bool = False
    unapplied: bool = False
    retry_after_s: float | None = None


class Online:
    """Sends GraphQL to one address, from any number of threads, over connections that are kept."""

    def __init__(self, url: str, api_key: str, timeout_s: float) -> None:
        self._url = url
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._random = Random()
        self._idle: list[Session] = []
        self._pid = os.getpid()

    def execute(self, query: str, variables: Mapping[str, Any] | None, policy: GraphQLRetryPolicy) -> dict[str, Any]:
        """The ``data`` of the answer. Raises: GraphQLFailed, Unreachable, AccessRefused, InvalidInput."""
        body = _body(query, variables)
        repeatable = only_reads(query)
        delays_s = policy.delays_s(self._random)
        left_s = policy.max_elapsed_seconds
        while True:
            started = time.perf_counter()
            got = self._attempt(body)
            if not isinstance(got, _Failure):
                return got
            left_s -= time.perf_counter() - started
            wait_s = next(delays_s, None)
            if wait_s is None or not got.again or not (repeatable or got.unapplied):
                raise got.error
            wait_s = max(wait_s, got.retry_after_s or 0.0)
            left_s -= wait_s
            if left_s < 0:
                raise got.error
            clock.sleep(wait_s)

    def close(self) -> None:
        """Let the connections go."""
        while self._idle:
            self._idle.pop().close()

    def _attempt(self, body: bytes) -> dict[str, Any] | _Failure:
        session = self._session()
        try:
            answer = session.post(body)
        except (NotSent, ReplyLost) as exc:
            session.close()
            unsent = isinstance(exc, NotSent)
            hint = "check PLEXUS_API_URL and the network"
            error = Unreachable(f"{_FAILED}: Plexus cannot be reached", why=self._clean(str(exc)), hint=hint)
            error.__cause__ = exc
            return _Failure(error.having(connected=not unsent), again=True, unapplied=unsent)
        self._idle.append(session)
        return self._read(answer)

    def _session(self) -> Session:
        if self._pid != os.getpid():  # a fork shares the sockets: what is sent on them would mix
            self._idle, self._pid = [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            timeout_s = (min(CONNECT_TIMEOUT_S, self._timeout_s), self._timeout_s)
            return Session(self._url, {"x-api-key": self._api_key}, timeout_s=timeout_s)

    def _read(self, answer: Answer) -> dict[str, Any] | _Failure:
        judged = http_responses.status_class(answer.status)
        if judged is StatusClass.ACCESS:
            refused = responses.no_access(answer.status)
            return _Failure(AccessRefused(f"{_FAILED}: {refused.what}", hint=refused.hint), unapplied=True)
        parsed = _parsed(answer.body)
        errors = [error for error in parsed.get("errors") or () if isinstance(error, dict)]
        if judged is StatusClass.ANSWERED and parsed:
            data = parsed.get("data") or {}
            return self._failed(errors, data) if errors else data
        said = "; ".join(str(error.get("message")) for error in errors)
        error = Unreachable(f"{_FAILED}: {responses.unusable_answer(answer)}", why=self._clean(said) or None)
        again = judged in _AGAIN or (judged is StatusClass.ANSWERED and not answer.is_html)
        wait_s = http_responses.retry_after_s(answer.headers)
        return _Failure(error.having(connected=again), again, judged is StatusClass.THROTTLED, wait_s)

    def _failed(self, errors: Sequence[dict[str, Any]], data: Mapping[str, Any]) -> _Failure:
        meanings = {_meaning(error) for error in errors}
        said = self._clean("; ".join(str(error.get("message")) for error in errors))
        error = GraphQLFailed(_FAILED, why=said).having(errors=tuple(errors), data=dict(data))
        again = bool(meanings & {ErrorKind.THROTTLED, ErrorKind.UNKNOWN})
        nothing = all(value is None for value in data.values())
        return _Failure(error, again, unapplied=nothing and meanings == {ErrorKind.THROTTLED})

    def _clean(self, text: str) -> str:
        return redacted(text, (self._api_key,))[:1000]


def only_reads(query: str) -> bool:
    """True when every operation of a GraphQL document is a query; whatever is doubtful is none."""
    depth, fresh = 0, True
    kinds = set()
    for token in _TOKEN.findall(query):
        if token[0] in '#"':
            continue
        if depth == 0 and fresh:
            kinds.add("query" if token == "{" else token)
            fresh = False
        if token in "{([":
            depth += 1
        elif token in "})]":
            depth -= 1
            fresh = depth == 0 and token == "}"
    return "query" in kinds and kinds <= {"query", "fragment"} and depth == 0


def _body(query: str, variables: Mapping[str, Any] | None) -> bytes:
    given: object = query
    if not isinstance(given, str) or not given.strip():
        raise InvalidInput("a query is text", hint="give the GraphQL document as a str")
    try:
        return dumps({"query": query, "variables": dict(variables or {})}).encode()
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidInput("these variables cannot be sent", why=str(exc), hint="give what JSON knows") from exc


def _parsed(body: bytes) -> dict[str, Any]:
    """An answer that is a GraphQL envelope, {} for any other."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) and ({"data", "errors"} & parsed.keys()) else {}


def _meaning(error: Mapping[str, Any]) -> ErrorKind:
    return GraphError(str(error.get("message") or ""), str(error.get("errorType") or "")).error_kind


@dataclass(frozen=True)
class GraphQLRetryPolicy:
    """When to try again and when to give up. ``jitter_ratio``: up to this part of each wait is added to it, at random."""

    name: str
    max_attempts: int
    max_elapsed_seconds: float
    initial_delay_seconds: float
    max_delay_seconds: float
    backoff_multiplier: float = 2.0
    jitter_ratio: float = 0.2

    def delays_s(self, random: Random) -> Iterator[float]:
        """Seconds to wait before the second attempt, the third, and so on to the last."""
        delay_s = self.initial_delay_seconds
        for _ in range(self.max_attempts - 1):
            yield max(0.0, min(self.max_delay_seconds, delay_s + random.uniform(0, self.jitter_ratio * delay_s)))
            delay_s = min(self.max_delay_seconds, delay_s * self.backoff_multiplier)


DEFAULT = GraphQLRetryPolicy("default_graphql", 6, 30.0, 0.5, 8.0)
LONG_RUNNING_WRITE = GraphQLRetryPolicy("long_running_write", 120, 3600.0, 1.0, 60.0)
CHAT_STREAM_WRITE = GraphQLRetryPolicy("chat_stream_write", 4, 8.0, 0.2, 2.0)
POLICIES = {policy.name: policy for policy in (DEFAULT, LONG_RUNNING_WRITE, CHAT_STREAM_WRITE)}


def chosen(policy: str | GraphQLRetryPolicy | None) -> GraphQLRetryPolicy:
    """The policy itself, or that of this name, or the default. Raises: InvalidInput (a ValueError)."""
    if policy is None:
        return DEFAULT
    if isinstance(policy, GraphQLRetryPolicy):
        return policy
    name = str(policy)
    if name in POLICIES:
        return POLICIES[name]
    hint = near(name, POLICIES) or f"policies are: {', '.join(POLICIES)}"
    raise InvalidInput(f"there is no retry policy {policy!r}", hint=hint)
