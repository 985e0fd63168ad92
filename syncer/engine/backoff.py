"""How long to wait before another attempt. Pure."""

from __future__ import annotations

from random import Random

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
