"""What the tests of ABEJA share: where runs go, and what the platform and the outbox hold of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from syncer.abeja import APIClient
from syncer.sandbox import Sandbox
from tests.files import rows

ORGANIZATION = "1234567890123"
DEPLOYMENT = "1111111111111"
VERSION = "ver-1111111111111111"
PLACE = (ORGANIZATION, DEPLOYMENT)
MARKER = "SYNCER_OP_ID"
STALE = b'{"entries": [], "next_page_token": null}'
"""A listing that does not show new runs yet."""


def settings_of(sandbox: Sandbox) -> dict[str, str]:
    """Environment names to values, for ABEJA alone."""
    return {name: value for name, value in sandbox.settings.items() if name.startswith(("ABEJA_", "PLATFORM_"))}


def create(client: APIClient, **more: Any) -> str:
    """The local id of a new run."""
    return str(client.create_run(*PLACE, VERSION, **more)["run_id"])


def outbox(path: Path) -> list[Any]:
    """State and code of what waits."""
    return rows(path, "SELECT state, code FROM outbox ORDER BY seq")


def made(sandbox: Sandbox) -> Counter[str]:
    """How many runs the platform has of each create."""
    return sandbox.abeja.effects_by(MARKER)
