"""``PlexusDashboardClient``: the entry to the Plexus classes over the local file.

It needs neither credentials nor a network: those are asked for when a sync runs, or by :meth:`execute`.

Source: spec/plexus.md 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from syncer.plexus.context import ClientContext

if TYPE_CHECKING:
    from syncer.app import Workspace
    from syncer.engine.write import Records


class _BaseAPIClient:
    """What a client of the dashboard's API knows: its address, its context, and the local file it stands on.

    ``workspace``: that file and its settings; by default the environment's.
    """

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        context: ClientContext | None = None,
        *,
        workspace: Workspace | None = None,
    ) -> None:
        self.api_url = api_url
        self.api_key = api_key
        self.context = context or ClientContext()
        if workspace is None:
            from syncer.app import shared

            workspace = shared()
        self.workspace = workspace

    @property
    def records(self) -> Records:
        """The Plexus records of the local file, by model and field names."""
        return self.workspace.plexus


class PlexusDashboardClient(_BaseAPIClient):
    """Plexus's dashboard client: scores are stored here at once and sent by ``syncer sync``."""

    @classmethod
    def for_account(cls, account_key: str) -> Self:
        """A client for one account; nothing is looked up yet."""
        return cls(context=ClientContext(account_key=account_key))

    @classmethod
    def for_scorecard(cls, account_key: str, scorecard_key: str, score_name: str | None = None) -> Self:
        """A client for one scorecard, or one score of it; nothing is looked up yet."""
        return cls(context=ClientContext(account_key=account_key, scorecard_key=scorecard_key, score_name=score_name))
