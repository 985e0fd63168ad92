"""Trying again, within one call, where that may help.

Only calls that go to the network while the caller waits come here (reads and the raw ``request``); recorded writes wait in
the outbox, which has a back-off of its own. Decided here: a wait that the API asks for is honoured, and what ran out of time
is tried again.

Source: docs/remotes/prefactor.md#time-outs-and-retries
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from syncer.errors import Unreachable
from syncer.http.errors import NotSent, ReplyLost
from syncer.prefactor.config import HttpClientConfig
from syncer.prefactor.errors import PrefactorApiError, PrefactorRetryExhaustedError

LONGEST_ASKED_S = 600.0
"""A longer wait than this, asked for by the API, ends the call instead of holding the caller."""

_JITTER = (0.75, 1.25)


class RetryHandler:
    """Up to ``max_retries`` further attempts, with growing, jittered waits between them.

    ``what`` begins the text of the error when all failed. ``sleep`` is how it waits.
    """

    def __init__(
        self,
        config: HttpClientConfig,
        *,
        what: str = "Operation",
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.config = config
        self._what = what
        self._sleep = sleep

    async def execute(
        self, operation: Callable[..., Any], is_retryable: Callable[[Exception], bool], *args: Any, **kwargs: Any
    ) -> Any:
        """What ``operation(*args, **kwargs)`` gives, at the first attempt that succeeds.

        Raises: PrefactorRetryExhaustedError after the last attempt; the error itself when it is not retryable, or when there
        was one attempt only.
        """
        attempt = 0
        while True:
            try:
                return await operation(*args, **kwargs)
            except Exception as error:
                if not is_retryable(error):
                    raise
                delay = self._delay_s(attempt, error)
                attempt += 1
                if delay is None or attempt > self.config.max_retries:
                    if attempt == 1:
                        raise
                    text = f"{self._what} failed after {attempt} attempts"
                    raise PrefactorRetryExhaustedError(text, error) from error
            await self._sleep(delay)

    def _calculate_delay(self, attempt: int) -> float:
        """Seconds before retry ``attempt`` (0 for the first). The jitter comes before the cap."""
        jitter = random.uniform(*_JITTER)
        try:
            grown = self.config.initial_retry_delay * self.config.retry_multiplier**attempt
        except OverflowError:
            return self.config.max_retry_delay
        return min(grown * jitter, self.config.max_retry_delay)

    def _delay_s(self, attempt: int, error: Exception) -> float | None:
        """Never less than the API asks for; None when it asks for too much."""
        asked = getattr(error, "retry_after_s", None) or 0.0
        return None if asked > LONGEST_ASKED_S else max(self._calculate_delay(attempt), asked)


def worth_repeating(error: Exception, config: HttpClientConfig) -> bool:
    """True for a status in ``retry_on_status_codes``, and where no whole answer came back. The usual ``is_retryable``."""
    if isinstance(error, PrefactorApiError):
        return error.status_code in config.retry_on_status_codes
    return isinstance(error, NotSent | ReplyLost | Unreachable | ConnectionError | TimeoutError)
