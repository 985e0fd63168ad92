"""Who may call: the three kinds of credentials.

Source: docs/remotes/abeja.md#authentication
"""

from __future__ import annotations

import base64
from dataclasses import dataclass


@dataclass(frozen=True)
class Credentials:
    """The secrets the sandbox takes; ids without their prefixes ``user-`` and ``datasource-``."""

    token: str = "sandbox-abeja-token"
    user_id: str = "1000000000001"
    personal_access_token: str = "sandbox-abeja-pat"
    datasource_id: str = "1000000000002"
    datasource_secret: str = "sandbox-abeja-secret"

    def accept(self, authorization: str | None) -> bool:
        """True for the ``Authorization`` header of any of the three."""
        return authorization in (
            f"Bearer {self.token}",
            _basic(f"user-{self.user_id}", self.personal_access_token),
            _basic(f"datasource-{self.datasource_id}", self.datasource_secret),
        )


def _basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()
