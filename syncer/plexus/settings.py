"""The settings of Plexus, apart from its wire so that ``status`` can tell what is missing without loading the network."""

from __future__ import annotations

from collections.abc import Mapping

from syncer.config import Setting

SETTINGS = (
    Setting("api_url", "PLEXUS_API_URL"),
    Setting("api_key", "PLEXUS_API_KEY", secret=True),
    Setting("account_key", "PLEXUS_ACCOUNT_KEY", optional=True),
)


def missing(found: Mapping[str, str]) -> list[str]:
    """Environment names of the settings still needed, ``found`` being those that have a value."""
    return [s.env for s in SETTINGS if not s.optional and s.name not in found]
