"""How a Prefactor client reaches the API, with the names, defaults and checks of prefactor-http.

Source: docs/remotes/prefactor.md#time-outs-and-retries
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class HttpClientConfig:
    """Address, token, time limits (seconds) and retries of a client.

    ``request_timeout`` is for one attempt as a whole. ``max_retries`` counts what follows the first attempt.
    ``default_idempotency_key`` is accepted and never used, as in the original. The token never shows in the repr.

    Raises: ValueError naming the field that cannot be.
    """

    api_url: str
    api_token: str = field(repr=False)
    request_timeout: float = 30.0
    connect_timeout: float = 10.0
    max_retries: int = 3
    initial_retry_delay: float = 1.0
    max_retry_delay: float = 60.0
    retry_multiplier: float = 2.0
    retry_on_status_codes: tuple[int, ...] = (429, 500, 502, 503, 504)
    default_idempotency_key: str | None = None

    def __post_init__(self) -> None:
        for name in ("api_url", "api_token"):
            if not getattr(self, name):
                raise ValueError(f"{name} is required")
        for name in ("request_timeout", "connect_timeout"):
            self._check_positive(name)
        if self.max_retries < 0:
            raise ValueError("max_retries must be non-negative")
        for name in ("initial_retry_delay", "max_retry_delay"):
            self._check_positive(name)
        if self.retry_multiplier < 1:
            raise ValueError("retry_multiplier must be >= 1")

    def _check_positive(self, name: str) -> None:
        if getattr(self, name) <= 0:
            raise ValueError(f"{name} must be positive")
