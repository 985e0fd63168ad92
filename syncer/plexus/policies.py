"""How often a caller's own GraphQL is tried, and how long is waited in between.

Source: docs/remotes/plexus.md#retries
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from syncer.errors import InvalidInput
from syncer.spelling import near


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
