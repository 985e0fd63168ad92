"""``PlexusDashboardClient``: the entry to the Plexus classes over the local file.

It needs neither credentials nor a network: those are asked for when a sync runs, or by
:meth:`_BaseAPIClient.execute`.

Source: docs/remotes/plexus.md#client
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from syncer.adapters.plexus import settings
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import autopush
from syncer.plexus.autopush import Reach
from syncer.plexus.chat import ChatCalls
from syncer.plexus.graphql import GraphQLRetryPolicy as GraphQLRetryPolicy
from syncer.plexus.resolution import Resolution
from syncer.plexus.session import ClientContext as ClientContext

if TYPE_CHECKING:
    from syncer.plexus.models.account import Account
    from syncer.plexus.models.score_result import ScoreResult
    from syncer.plexus.models.score_result import ScoreResult as Result
    from syncer.plexus.models.scorecard import Scorecard
    from syncer.plexus.models.scoring import BatchJob, ScoringJob
    from syncer.records.api import Records
    from syncer.workspace import Workspace


class _BaseAPIClient:
    """What a client of the dashboard's API knows: its address, its context, and the local file it stands on.

    ``api_url`` and ``api_key``: by default those of the settings. They are used for :meth:`execute`, :meth:`flush` and early
    pushes of this client, and written nowhere; a sync uses the settings'. ``workspace``: the local file and its settings; by
    default the environment's. ``auth_mode`` other than "api_key" can be constructed with, but not sent.
    """

    api_url: str | None
    api_key: str | None
    auth_mode: str
    api_region: str | None
    context: ClientContext
    ScoreResult: ScoreResultNamespace
    Scorecard: ScorecardNamespace
    Account: AccountNamespace
    workspace: Workspace

    def __init__(
        self,
        api_url: str | None = None,
        api_key: str | None = None,
        context: ClientContext | None = None,
        *,
        workspace: Workspace | None = None,
    ) -> None:
        if workspace is None:
            from syncer.workspace import shared

            workspace = shared()
        self.workspace = workspace
        found = workspace.settings.remote("plexus", settings.SETTINGS)
        self.api_url = api_url or found.get("api_url")
        self.api_key = api_key or found.get("api_key")
        self.auth_mode = settings.auth_mode(found)
        self.api_region = settings.region(found, workspace.settings.environ, self.api_url)
        self.context = context or ClientContext()
        self.ScoreResult = ScoreResultNamespace(self)
        self.Scorecard = ScorecardNamespace(self)
        self.Account = AccountNamespace(self)
        self._resolution = Resolution(self)
        self._reach = Reach(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.workspace.path}>"

    def __enter__(self) -> Self:
        """The client itself: there is no GraphQL client underneath; :meth:`execute` is its one online call."""
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        """Lets connections of :meth:`execute` go. Nothing is flushed: what was written is in the file, and stays there."""
        self._reach.close()

    @property
    def client(self) -> Self:
        """The client itself; in the original, the GraphQL client underneath."""
        return self

    @property
    def records(self) -> Records:
        """The Plexus records of the local file, by model and field names."""
        return self.workspace.plexus

    def log_score(
        self,
        value: float,
        item_id: str,
        *,
        immediate: bool = False,
        batch_size: int | None = 10,
        batch_timeout: float | None = 1.0,
        confidence: float | None = None,
        metadata: dict[str, Any] | None = None,
        scorecard_key: str | None = None,
        score_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Store a score result; it is durable when this returns, and sent by the next sync. Never waits for a network.

        ``scorecard_key`` and ``score_name``: key, external id or name. ``kwargs``: any other field of a score result. What
        is left out of ``accountId``, ``scorecardId`` and ``scoreId`` comes from the client's context.

        Where pushes in the background are on (``background = true`` in ``[plexus]``, or PLEXUS_BACKGROUND_PUSH), one is made
        after ``batch_size`` results or ``batch_timeout`` seconds, or as soon as it can be when ``immediate``; else these
        three change nothing. A process that ends sends no more: call :meth:`flush` before, or leave it to the next sync.

        Raises: InvalidInput, RecordNotFound (both ValueErrors), DatabaseError; then nothing was stored.
        """
        given = kwargs
        if confidence is not None:
            given["confidence"] = confidence
        if metadata is not None:
            given["metadata"] = metadata
        self._scored(value, item_id, given, scorecard_key, score_name, (immediate, batch_size, batch_timeout))

    def flush(self) -> None:
        """Send what waits now, as far as that can be done in a few seconds. Never raises for what a network does.

        Nothing is lost without it, and nothing by it: what was not sent waits for the next sync. Without credentials it does
        nothing. A sync that is running already is left to do it.
        """
        self._reach.flush()

    def execute(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        retry_policy: str | GraphQLRetryPolicy | None = None,
    ) -> dict[str, Any]:
        """The ``data`` of the answer to GraphQL of your own. Asks Plexus itself, past the local file, so it needs a network.

        ``retry_policy``: a policy, or the name of one: ``default_graphql``, ``long_running_write``, ``chat_stream_write``.
        Queries are tried again as it says, mutations only when they surely changed nothing.

        Raises: GraphQLFailed for errors in the answer, Unreachable, AccessRefused, their texts beginning "GraphQL query
        failed"; SettingError without address or key; InvalidInput (a ValueError) for an unknown policy or variables that
        JSON cannot hold.
        """
        return self._reach.execute(query, variables, retry_policy)

    def batch_scoring_job(
        self,
        itemId: str,
        scorecardId: str,
        accountId: str,
        model_provider: str,
        model_name: str,
        scoreId: str | None = None,
        parameters: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        max_batch_size: int = 20,
        **kwargs: Any,
    ) -> tuple[ScoringJob, BatchJob | None]:
        """The scoring job of this item and score, and the batch it is in; both are made where there are none.

        A new job joins an open batch of the same account, scorecard, provider and model; a batch of ``max_batch_size`` jobs
        is closed. Raises: InvalidInput (a ValueError).
        """
        from syncer.plexus.models.scoring import batch_scoring_job

        return batch_scoring_job(
            self,
            itemId,
            scorecardId,
            accountId,
            model_provider,
            model_name,
            scoreId,
            parameters,
            metadata,
            max_batch_size,
            **kwargs,
        )

    def updateEvaluation(self, id: str, **kwargs: Any) -> dict[str, Any]:
        """``{"updateEvaluation": {...}}``: the evaluation after these fields were set, by Plexus's names.

        Raises: RecordNotFound, InvalidInput (both ValueErrors).
        """
        from syncer.plexus.models.scoring import update_evaluation

        return update_evaluation(self, id, **kwargs)

    def generate_deep_link(self, url_pattern: str, params: dict[str, str]) -> str:
        """The address of a page of the dashboard: ``url_pattern`` behind PLEXUS_DASHBOARD_URL, ``{name}`` replaced by the
        escaped value of that name.
        """
        found = self.workspace.settings.remote("plexus", settings.SETTINGS)
        return deep_link(found.get("dashboard_url", settings.DEFAULT_DASHBOARD_URL), url_pattern, params)

    def load_score_configuration(
        self, scorecard_identifier: str, score_name: str, use_cache: bool = False, yaml_only: bool = False
    ) -> dict[str, Any]:
        """The configuration of a score's champion version, decoded from its YAML, as the local file has it.

        Scorecard and score by id, key, external id or name. ``use_cache`` and ``yaml_only`` change nothing: the local file
        is the cache, and YAML all there is. Raises: RecordNotFound (a ValueError) naming what to pull.
        """
        from syncer.plexus.models.score import Score

        code = Score.get_by_id(self._resolution.score_called(score_name, scorecard_identifier), self).get_code()
        if code is None:
            raise RecordNotFound(
                f"score {score_name!r} has no champion configuration in the local file",
                hint="fetch what others wrote: syncer pull plexus --model Score --model ScoreVersion",
            )
        return code

    def _scored(
        self,
        value: float,
        item_id: str,
        given: Mapping[str, Any],
        scorecard_key: str | None,
        score_name: str | None,
        when: tuple[bool, int | None, float | None],
    ) -> Result:
        from syncer.plexus.models.score_result import ScoreResult

        if "value" in given or "itemId" in given:
            raise InvalidInput("value and itemId are given twice", hint="the first two arguments are value and item")
        hint = autopush.hint(*when)
        made = ScoreResult.create(self, value, item_id, **self._resolution.filled(given, scorecard_key, score_name))
        self._reach.soon(hint)
        return made


class PlexusDashboardClient(ChatCalls, _BaseAPIClient):
    """Plexus's dashboard client: scores are stored here at once and sent by ``syncer sync``."""

    @classmethod
    def for_account(cls, account_key: str, *, workspace: Workspace | None = None) -> Self:
        """A client for one account; nothing is looked up yet."""
        return cls(context=ClientContext(account_key=account_key), workspace=workspace)

    @classmethod
    def for_scorecard(
        cls, account_key: str, scorecard_key: str, score_name: str | None = None, *, workspace: Workspace | None = None
    ) -> Self:
        """A client for one scorecard, or one score of it; nothing is looked up yet."""
        context = ClientContext(account_key=account_key, scorecard_key=scorecard_key, score_name=score_name)
        return cls(context=context, workspace=workspace)


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


_PLACE = re.compile(r"\{(\w+)\}")


def deep_link(base: str, pattern: str, params: Mapping[str, object]) -> str:
    """``base`` and ``pattern`` as one address, ``{name}`` replaced by the value of that name, escaped.

    Places without a value stay as they are. Raises: InvalidInput (a ValueError) for a value that would change the path.
    """

    def value(place: re.Match[str]) -> str:
        name = place[1]
        if name not in params:
            return place[0]
        text = str(params[name])
        if text in (".", ".."):
            raise InvalidInput(f"{name} cannot be {text!r} in a link", why="browsers take it for a step in the path")
        return quote(text, safe="")

    return f"{base.rstrip('/')}/{_PLACE.sub(value, pattern).lstrip('/')}"
