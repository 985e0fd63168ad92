"""The settings of Prefactor, apart from its wire so that ``status`` need not load the network."""

from __future__ import annotations

from collections.abc import Mapping

from syncer.config import Setting

SETTINGS = (
    Setting("api_url", "PREFACTOR_API_URL"),
    Setting("api_token", "PREFACTOR_API_TOKEN", secret=True),
)


def missing(found: Mapping[str, str]) -> list[str]:
    """Environment names of the settings still needed, ``found`` being those that have a value."""
    return [s.env for s in SETTINGS if not s.optional and s.name not in found]
