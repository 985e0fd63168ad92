"""How a client gets to Plexus: its own GraphQL, and early pushes, with its own address and key where it was given some."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncer.errors import SettingError
from syncer.plexus import policies, pushing, settings
from syncer.plexus.policies import GraphQLRetryPolicy
from syncer.plexus.pushing import Hint, Pusher

if TYPE_CHECKING:
    from syncer.config import Settings
    from syncer.plexus.client import _BaseAPIClient
    from syncer.plexus.online import Online

_Target = tuple[str | None, str | None]


class Reach:
    """The network side of one client. Address and key are those of the client now, also when they were set later."""

    def __init__(self, client: _BaseAPIClient) -> None:
        self._client = client
        self._in_background = settings.background(self._found())
        self._online: tuple[_Target, Online] | None = None
        self._pusher: tuple[_Target, Pusher] | None = None

    def soon(self, hint: Hint) -> None:
        """Ask for a push in the background, where those are on. Returns at once."""
        if self._in_background:
            background = self._client.workspace.background
            background.soon(self._target(), self._early, size=hint.size, delay_s=hint.delay_s)

    def flush(self) -> None:
        """Push now: in the background where that is on, waiting for it a little; else here. Never raises for a network."""
        if self._in_background:
            self._client.workspace.background.now(self._target(), self._early, pushing.PATIENCE_S)
        else:
            pushing.at_once(self._early())

    def execute(
        self, query: str, variables: Mapping[str, Any] | None, policy: str | GraphQLRetryPolicy | None
    ) -> dict[str, Any]:
        """As :meth:`PlexusDashboardClient.execute`."""
        chosen = policies.chosen(policy)
        return self._line().execute(query, variables, chosen)

    def close(self) -> None:
        """Let the connections of :meth:`execute` go."""
        if self._online is not None:
            self._online[1].close()

    def _found(self) -> dict[str, str]:
        return self._client.workspace.settings.remote("plexus", settings.SETTINGS)

    def _target(self) -> _Target:
        return self._client.api_url, self._client.api_key

    def _settings(self) -> Settings:
        """The workspace's settings, with the client's own address and key in the place of theirs; written nowhere."""
        own = self._client.workspace.settings
        names = dict(zip(("PLEXUS_API_URL", "PLEXUS_API_KEY"), self._target(), strict=True))
        return replace(own, environ={**own.environ, **{name: value for name, value in names.items() if value}})

    def _early(self) -> Pusher:
        if self._pusher is None or self._pusher[0] != self._target():
            made = Pusher(self._client.workspace.push, self._settings(), expected=self._in_background)
            self._pusher = (self._target(), made)
        return self._pusher[1]

    def _line(self) -> Online:
        settings.require_api_key_mode(self._client.auth_mode)
        target = url, api_key = self._target()
        if not url or not api_key:
            lacking = [name for name, value in (("PLEXUS_API_URL", url), ("PLEXUS_API_KEY", api_key)) if not value]
            raise SettingError(
                "GraphQL query failed: Plexus is not configured",
                why=f"{' and '.join(lacking)} not set",
                hint="set them, or give api_url and api_key to the client",
            )
        if self._online is None or self._online[0] != target:
            from syncer.http.session import READ_TIMEOUT_S, checked_url
            from syncer.plexus.online import Online

            read_s = settings.read_timeout_s(self._found(), READ_TIMEOUT_S)
            self._online = (target, Online(checked_url("PLEXUS_API_URL", url), api_key, read_s))
        return self._online[1]
