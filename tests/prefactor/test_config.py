"""HttpClientConfig: what it refuses, in the original's words."""

from __future__ import annotations

import re
from typing import Any

import pytest

from syncer.prefactor import HttpClientConfig


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"api_url": ""}, "api_url is required"),
        ({"api_token": ""}, "api_token is required"),
        ({"request_timeout": 0}, "request_timeout must be positive"),
        ({"connect_timeout": -1}, "connect_timeout must be positive"),
        ({"max_retries": -1}, "max_retries must be non-negative"),
        ({"initial_retry_delay": 0}, "initial_retry_delay must be positive"),
        ({"max_retry_delay": 0}, "max_retry_delay must be positive"),
        ({"retry_multiplier": 0.9}, "retry_multiplier must be >= 1"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], text: str) -> None:
    """Each check has the original's exact text."""
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        HttpClientConfig(**{"api_url": "https://api.example", "api_token": "t"} | change)


def test_limits_are_allowed() -> None:
    """No retry, a flat delay, and positional arguments are fine."""
    config = HttpClientConfig("https://api.example", "t", 1, 1, 0, 0.1, 0.1, 1)
    config.max_retries = 2
    assert (config.retry_on_status_codes, config.default_idempotency_key) == ((429, 500, 502, 503, 504), None)


def test_the_token_does_not_show() -> None:
    """A logged configuration tells no secret."""
    assert "hidden-token" not in repr(HttpClientConfig("https://api.example", "hidden-token"))
