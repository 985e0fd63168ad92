"""What a client offers by the names of classes: ``client.ScoreResult``, ``client.Scorecard``, ``client.Account``.

Source: docs/remotes/plexus.md#client
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncer.plexus.client import _BaseAPIClient
    from syncer.plexus.models.account import Account
    from syncer.plexus.models.score_result import ScoreResult
    from syncer.plexus.models.scorecard import Scorecard


class ScoreResultNamespace:
    """Score results of the client's account, scorecard and score."""

    def __init__(self, client: _BaseAPIClient) -> None:
        self._client = client

    def create(
        self,
        value: float,
        item_id: str,
        *,
        immediate: bool = False,
        batch_size: int | None = 10,
        batch_timeout: float | None = 1.0,
        **kwargs: Any,
    ) -> ScoreResult:
        """The new result, durable when this returns. ``kwargs``: any field of :class:`ScoreResult`.

        ``accountId``, ``scorecardId`` and ``scoreId`` come from the client's context where they are left out. ``immediate``,
        ``batch_size`` and ``batch_timeout`` are as in :meth:`PlexusDashboardClient.log_score`. Raises: InvalidInput,
        RecordNotFound (both ValueErrors); then nothing was stored.
        """
        return self._client._scored(value, item_id, kwargs, None, None, (immediate, batch_size, batch_timeout))

    def batch_create(self, items: list[dict[str, Any]]) -> list[ScoreResult]:
        """New results of ``items``, dicts of fields by Plexus's names, stored together or not at all.

        The client's context fills in as in :meth:`create`. Raises: InvalidInput, RecordNotFound (both ValueErrors).
        """
        from syncer.plexus.models.score_result import ScoreResult

        given: list[Any] = list(items)
        filled = self._client._resolution.filled
        return ScoreResult.batch_create(
            self._client, [filled(item, None, None) if isinstance(item, Mapping) else item for item in given]
        )


class ScorecardNamespace:
    """Scorecards of the local file."""

    def __init__(self, client: _BaseAPIClient) -> None:
        self._client = client

    def get_by_key(self, key: str) -> Scorecard:
        """The scorecard with this key. Raises: RecordNotFound (a ValueError)."""
        from syncer.plexus.models.scorecard import Scorecard

        return Scorecard.get_by_key(key, self._client)

    def get_by_id(self, id: str) -> Scorecard:
        """The scorecard with this id. Raises: RecordNotFound (a ValueError)."""
        from syncer.plexus.models.scorecard import Scorecard

        return Scorecard.get_by_id(id, self._client)


class AccountNamespace:
    """Accounts of the local file."""

    def __init__(self, client: _BaseAPIClient) -> None:
        self._client = client

    def get_by_key(self, key: str) -> Account | None:
        """The account with this key, None when the local file has none."""
        from syncer.plexus.models.account import Account

        return Account.get_by_key(key, self._client)

    def get_by_id(self, id: str) -> Account:
        """The account with this id. Raises: RecordNotFound (a ValueError)."""
        from syncer.plexus.models.account import Account

        return Account.get_by_id(id, self._client)
