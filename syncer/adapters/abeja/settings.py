"""The settings of ABEJA, apart from its wire so that ``status`` need not load the network."""

from __future__ import annotations

from collections.abc import Mapping

from syncer.config import Setting

DEFAULT_API_URL = "https://api.abeja.io"
SETTINGS = (
    Setting("api_url", "ABEJA_API_URL", optional=True),
    Setting("auth_token", "PLATFORM_AUTH_TOKEN", secret=True, optional=True),
    Setting("user_id", "ABEJA_PLATFORM_USER_ID", optional=True),
    Setting("personal_access_token", "ABEJA_PLATFORM_PERSONAL_ACCESS_TOKEN", secret=True, optional=True),
    Setting("datasource_id", "ABEJA_PLATFORM_DATASOURCE_ID", optional=True),
    Setting("datasource_secret", "ABEJA_PLATFORM_DATASOURCE_SECRET", secret=True, optional=True),
    Setting("organization_id", "ABEJA_ORGANIZATION_ID", optional=True),
    Setting("deployment_ids", "ABEJA_DEPLOYMENT_IDS", optional=True),
    Setting("strict", "ABEJA_STRICT", optional=True),
    Setting("timeout_s", "ABEJA_SDK_CONNECTION_TIMEOUT", optional=True),
)
_CREDENTIALS = (
    ("auth_token",),
    ("user_id", "personal_access_token"),
    ("datasource_id", "datasource_secret"),
)


def missing(found: Mapping[str, str]) -> list[str]:
    """Environment names of the settings still needed: any one complete credential will do."""
    if any(all(name in found for name in names) for names in _CREDENTIALS):
        return []
    by_name = {s.name: s.env for s in SETTINGS}
    begun = next((names for names in _CREDENTIALS if any(name in found for name in names)), _CREDENTIALS[0])
    return [by_name[name] for name in begun if name not in found]
