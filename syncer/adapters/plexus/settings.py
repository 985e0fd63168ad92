"""The settings of Plexus, apart from its wire so that ``status`` can tell what is missing without loading the network."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from syncer.config import Setting
from syncer.errors import SettingError

DEFAULT_DASHBOARD_URL = "https://app.plexus.ai"
SETTINGS = (
    Setting("api_url", "PLEXUS_API_URL"),
    Setting("api_key", "PLEXUS_API_KEY", secret=True),
    Setting("account_key", "PLEXUS_ACCOUNT_KEY", optional=True),
    Setting("auth_mode", "PLEXUS_GRAPHQL_AUTH_MODE", optional=True),
    Setting("api_region", "PLEXUS_API_REGION", optional=True),
    Setting("dashboard_url", "PLEXUS_DASHBOARD_URL", optional=True),
    Setting("timeout_s", "PLEXUS_TIMEOUT_S", optional=True, kind=float),
    Setting("background", "PLEXUS_BACKGROUND_PUSH", optional=True, kind=bool),
)
_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def missing(found: Mapping[str, str]) -> list[str]:
    """Environment names of the settings still needed, ``found`` being those that have a value."""
    return [s.env for s in SETTINGS if not s.optional and s.name not in found]


def auth_mode(found: Mapping[str, str]) -> str:
    """``api_key`` unless something else is asked for."""
    return found.get("auth_mode", "").strip().lower() or "api_key"


def region(found: Mapping[str, str], environ: Mapping[str, str], url: str | None) -> str | None:
    """The AWS region of the deployment: as set, else as its address names it."""
    named = found.get("api_region") or environ.get("NEXT_PUBLIC_PLEXUS_API_REGION")
    in_url = re.search(r"\.appsync-api\.([a-z0-9-]+)\.", url or "")
    return named or (in_url[1] if in_url else None)


def require_api_key_mode(mode: str) -> None:
    """Nothing, when ``mode`` is one that requests can be made in. Raises: SettingError."""
    if mode != "api_key":
        raise SettingError(
            f"PLEXUS_GRAPHQL_AUTH_MODE {mode!r} is not supported",
            why="requests are signed with an API key only",
            hint="unset it, and set PLEXUS_API_KEY",
        )


def background(found: Mapping[str, str]) -> bool:
    """Whether changes are to be sent in the background. Raises: SettingError."""
    text = found.get("background", "off")
    try:
        return _WORDS[text.lower()]
    except KeyError:
        raise SettingError(f"PLEXUS_BACKGROUND_PUSH cannot be {text!r}", hint="true or false") from None


def read_timeout_s(found: Mapping[str, str], default: float) -> float:
    """How many seconds to wait for an answer. Raises: SettingError."""
    text = found.get("timeout_s")
    try:
        seconds = default if text is None else float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise SettingError(f"PLEXUS_TIMEOUT_S cannot be {text!r}", hint="a number of seconds above 0")
    return seconds
