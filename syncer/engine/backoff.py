"""How long to wait before another attempt. Pure."""

from __future__ import annotations

from random import Random

FIRST_S = 0.5
CAP_S = 300.0


def next_delay_s(attempts: int, retry_after_s: float | None, random: Random) -> float:
    """Full jitter over a doubling span, and never less than the remote asked for."""
    span = min(CAP_S, FIRST_S * 2.0 ** min(max(attempts - 1, 0), 20))
    return max(random.uniform(0.0, span), retry_after_s or 0.0)
