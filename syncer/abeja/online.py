"""A short look at the platform on behalf of a reader: never for long, and not again for a while where nobody answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from syncer import clock
from syncer.adapters.abeja.settings import SETTINGS
from syncer.adapters.abeja.spec import RUN
from syncer.config import Settings
from syncer.errors import Unreachable
from syncer.remote import Remote, Row

_LONGEST_S = 10.0
_PAUSE_S = 30.0
_CREDENTIALS = (
    "auth_token", "user_id", "personal_access_token", "datasource_id", "datasource_secret",
)  # fmt: skip


class Online:
    """Reads single runs. ``remote`` makes the remote from settings; ``credential`` replaces those that are configured."""

    def __init__(
        self,
        remote: Callable[[Settings], Remote],
        settings: Settings,
        credential: Mapping[str, Any] | None,
        timeout_s: float,
    ) -> None:
        self._remote = remote
        self._settings = _with(settings, credential, min(timeout_s, _LONGEST_S))
        self._not_before: str | None = None

    def run(self, known: Row) -> Row | None:
        """The run as it is now, in stored form; None when the platform has none of that id.

        ``known``: its ``run_id``, ``organization_id`` and ``deployment_id``. Raises: RemoteError; Unreachable at once
        without credentials, and for half a minute after nobody answered.
        """
        remote = self._remote(self._settings)
        missing = remote.missing_settings()
        if missing or (self._not_before is not None and clock.stored_now() < self._not_before):
            why = f"{missing[0]} is not set" if missing else "it was not reachable a moment ago"
            raise Unreachable("ABEJA is not asked", why=why)
        connection = remote.connect()
        try:
            return connection.fetch(RUN, {known["run_id"]: known})[known["run_id"]]
        except Unreachable:
            self._not_before = clock.after(_PAUSE_S)
            raise
        finally:
            connection.close()


def _with(settings: Settings, credential: Mapping[str, Any] | None, timeout_s: float) -> Settings:
    """``settings`` with this time-out, and with ``credential`` in the place of all they know; never stored anywhere."""
    env = {setting.name: setting.env for setting in SETTINGS}
    environ = {**settings.environ, env["timeout_s"]: f"{timeout_s:g}"}
    if credential is None:
        return replace(settings, environ=environ)
    environ |= {env[name]: str(credential.get(name) or "") for name in _CREDENTIALS}
    section = settings.tables.get("abeja")
    kept = {n: v for n, v in section.items() if n not in _CREDENTIALS} if isinstance(section, Mapping) else {}
    return replace(settings, environ=environ, tables={**settings.tables, "abeja": kept})
