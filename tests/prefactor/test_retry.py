"""Trying again within one call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncer.http.errors import NotSent, ReplyLost
from syncer.prefactor.config import HttpClientConfig
from syncer.prefactor.errors import PrefactorApiError, PrefactorRetryExhaustedError
from syncer.prefactor.retry import LONGEST_ASKED_S, RetryHandler, worth_repeating

CONFIG = HttpClientConfig("https://api.example", "t")


class Calls:
    """An operation that meets the given ends one after the other, and the waits in between."""

    def __init__(self, *ends: Any) -> None:
        self.ends: Iterator[Any] = iter(ends)
        self.count = 0
        self.waits: list[float] = []

    async def operation(self, *args: Any, **kwargs: Any) -> Any:
        """The next end: raised when it is an exception."""
        self.count += 1
        end = next(self.ends)
        if isinstance(end, Exception):
            raise end
        return end, args, kwargs

    async def sleep(self, seconds: float) -> None:
        """Note the wait."""
        self.waits.append(seconds)

    def run(self, config: HttpClientConfig = CONFIG, *args: Any, **kwargs: Any) -> Any:
        """Execute it with the usual judgement."""
        handler = RetryHandler(config, what="Request to /x", sleep=self.sleep)
        return asyncio.run(handler.execute(self.operation, lambda e: worth_repeating(e, config), *args, **kwargs))


def api_error(status: int, retry_after_s: float | None = None) -> PrefactorApiError:
    """A refusal."""
    error = PrefactorApiError("m", "c", status)
    error.retry_after_s = retry_after_s
    return error


def test_success_after_failures() -> None:
    """Two failures and a success are three attempts, each with the same arguments."""
    calls = Calls(api_error(500), NotSent(), "done")
    assert calls.run(CONFIG, 1, a=2) == ("done", (1,), {"a": 2})
    assert calls.count == 3
    assert 0.75 <= calls.waits[0] <= 1.25
    assert 1.5 <= calls.waits[1] <= 2.5


def test_giving_up() -> None:
    """After the last attempt the error counts them and carries the last cause."""
    last = api_error(503)
    calls = Calls(api_error(500), TimeoutError(), ReplyLost(), last)
    with pytest.raises(PrefactorRetryExhaustedError, match="after 4 attempts") as caught:
        calls.run()
    assert str(caught.value) == "Request to /x failed after 4 attempts"
    assert caught.value.last_error is last
    assert caught.value.__cause__ is last
    assert (calls.count, len(calls.waits)) == (4, 3)


def test_without_retries_the_error_comes_as_it_is() -> None:
    """One attempt only: nothing was exhausted."""
    calls = Calls(api_error(500))
    with pytest.raises(PrefactorApiError, match="m"):
        calls.run(replace(CONFIG, max_retries=0))
    assert calls.count == 1


@pytest.mark.parametrize("end", [api_error(409), api_error(422), api_error(404), api_error(501), ValueError("bug")])
def test_what_another_attempt_cannot_mend_is_raised_at_once(end: Exception) -> None:
    """Refusals and bugs are not repeated."""
    calls = Calls(end)
    with pytest.raises(type(end)):
        calls.run()
    assert (calls.count, calls.waits) == (1, [])


def test_the_status_codes_are_the_callers() -> None:
    """``retry_on_status_codes`` decides."""
    calls = Calls(api_error(409), "done")
    assert calls.run(replace(CONFIG, retry_on_status_codes=(409,)))[0] == "done"
    with pytest.raises(PrefactorApiError):
        Calls(api_error(500)).run(replace(CONFIG, retry_on_status_codes=(409,)))


def test_an_asked_wait_is_honoured_beyond_the_cap() -> None:
    """Never sooner than the API asks, whatever ``max_retry_delay`` says; never less than the own wait."""
    calls = Calls(api_error(429, 120.0), api_error(429, 0.001), "done")
    calls.run(replace(CONFIG, max_retry_delay=1.0))
    assert calls.waits == [120.0, 1.0]


def test_too_long_a_wait_ends_the_call() -> None:
    """Asked to wait for hours, the call fails now instead of holding its caller or asking too soon."""
    calls = Calls(api_error(500), api_error(429, LONGEST_ASKED_S + 1))
    with pytest.raises(PrefactorRetryExhaustedError, match="after 2 attempts"):
        calls.run()
    with pytest.raises(PrefactorApiError):
        Calls(api_error(429, LONGEST_ASKED_S + 1)).run()


def test_cancelling_is_not_a_failure() -> None:
    """A cancelled call is not tried again."""
    calls = Calls()

    async def cancelled() -> None:
        calls.count += 1
        raise asyncio.CancelledError

    async def main() -> None:
        await RetryHandler(CONFIG, sleep=calls.sleep).execute(cancelled, lambda error: True)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert calls.count == 1


@given(attempt=st.integers(0, 5000), initial=st.floats(0.001, 100), multiplier=st.floats(1, 100), cap=st.floats(0.001, 1000))
def test_the_jitter_comes_before_the_cap(attempt: int, initial: float, multiplier: float, cap: float) -> None:
    """Every wait lies within a quarter of the grown delay, and never above the cap."""
    config = replace(CONFIG, initial_retry_delay=initial, retry_multiplier=multiplier, max_retry_delay=cap)
    delay = RetryHandler(config)._calculate_delay(attempt)
    assert 0 < delay <= cap
    if initial * 1.0 < cap and attempt == 0:
        assert min(initial * 0.75, cap) <= delay <= min(initial * 1.25, cap)
