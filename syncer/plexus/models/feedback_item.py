"""Feedback items: what people answered instead of a score's own answer.

Source: docs/remotes/plexus.md#feedbackitem
Source: docs/remotes/plexus.md#fields-that-travel-together
"""

from __future__ import annotations

import builtins
import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from syncer.describe import Index
from syncer.errors import InvalidInput
from syncer.plexus import pages
from syncer.plexus.feedback import delete_all, in_range, keys_of
from syncer.plexus.filters import parsed
from syncer.plexus.pages import Order
from syncer.plexus.record import BaseModel
from syncer.plexus.related import POINTERS, class_of, nested, relate
from syncer.plexus.upserts import Outcome, told, upsert_feedback

if TYPE_CHECKING:
    from syncer.plexus.client import PlexusDashboardClient, _BaseAPIClient
    from syncer.plexus.models.account import Account
    from syncer.plexus.models.feedback_change_detail import FeedbackChangeDetail
    from syncer.plexus.models.item import Item
    from syncer.plexus.models.score import Score
    from syncer.plexus.models.scorecard import Scorecard

_log = logging.getLogger(__name__)


@dataclass
class FeedbackItem(BaseModel):
    """Feedback on one score of one item. ``cacheKey`` is what the system it came from knows it by.

    ``account``, ``scorecard``, ``score``, ``item`` are instances and ``scoreResults`` a list of them, where they were asked
    for; ``changeDetails`` is filled by :meth:`load_change_details`.
    """

    GRAPHQL_BASE_FIELDS: ClassVar[builtins.list[str]] = [
        "id", "accountId", "scorecardId", "cacheKey", "scoreId", "itemId", "initialAnswerValue", "finalAnswerValue",
        "initialCommentValue", "finalCommentValue", "editCommentValue", "editedAt", "editorName", "isAgreement",
        "createdAt", "updatedAt",
    ]  # fmt: skip
    GRAPHQL_RELATIONSHIP_FIELDS: ClassVar[dict[str, Any]] = {}

    id: str | None = None  # type: ignore[assignment]
    accountId: str | None = None
    scorecardId: str | None = None
    cacheKey: str | None = None
    scoreId: str | None = None
    itemId: str | None = None
    initialAnswerValue: str | None = None
    finalAnswerValue: str | None = None
    initialCommentValue: str | None = None
    finalCommentValue: str | None = None
    editCommentValue: str | None = None
    editedAt: datetime | None = None
    editorName: str | None = None
    isAgreement: bool | None = None
    createdAt: datetime | None = None
    updatedAt: datetime | None = None
    account: Account | None = field(default=None, repr=False, compare=False)
    scorecard: Scorecard | None = field(default=None, repr=False, compare=False)
    score: Score | None = field(default=None, repr=False, compare=False)
    item: Item | None = field(default=None, repr=False, compare=False)
    scoreResults: Any | None = field(default=None, repr=False, compare=False)
    _client: PlexusDashboardClient | None = field(default=None, repr=False, compare=False)
    _raw_data: dict[str, Any] | None = field(default=None, repr=False, compare=False)
    changeDetails: builtins.list[FeedbackChangeDetail] | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self, client: _BaseAPIClient | None = None) -> None:  # noqa: RUF033 - as in the base
        """The client is a parameter of its own here."""

    @classmethod
    def fields(cls) -> str:
        """The names of the record's own fields, as a GraphQL selection lists them."""
        return " ".join(cls.GRAPHQL_BASE_FIELDS)

    @classmethod
    def from_dict(cls, data: dict[str, Any], client: _BaseAPIClient | None = None) -> FeedbackItem:
        """A feedback item of a record as GraphQL answers it, or as ``ws.plexus`` does; what it lacks is None.

        An account, scorecard, score or item nested in it becomes an instance, ``scoreResults`` stay what they are. ``data``
        is left as it is.
        """
        related = {name: nested(class_of(name), data[name], client) for name in POINTERS if data.get(name) is not None}
        made = super().from_dict({**data, **related}, client)
        made._raw_data = dict(data)
        return made

    @classmethod
    def get(
        cls,
        id: str,
        client: PlexusDashboardClient,
        fields: builtins.list[str] | None = None,
        relationship_fields: dict[str, builtins.list[str]] | None = None,
    ) -> FeedbackItem | None:
        """The feedback item with this id, None when the local file has none.

        ``fields``: all are read whatever is named. ``relationship_fields``: the related records to show, by name: account,
        scorecard, score, item, scoreResults, changeDetails; all their fields are read. Raises: InvalidInput (a ValueError)
        for another name.
        """
        found = cls._get(client, id)
        if found is not None:
            relate(client, [found], fields, relationship_fields)
        return found

    @classmethod
    def list(
        cls,
        client: PlexusDashboardClient,
        account_id: str | None = None,
        scorecard_id: str | None = None,
        score_id: str | None = None,
        cache_key: str | None = None,
        limit: int | None = 100,
        next_token: str | None = None,
        fields: builtins.list[str] | None = None,
        relationship_fields: dict[str, builtins.list[str]] | None = None,
        filter: dict[str, Any] | None = None,
        index_name: str | None = None,
        sort_condition: dict[str, Any] | None = None,
    ) -> tuple[builtins.list[FeedbackItem], str | None]:
        """Up to ``limit`` feedback items (None: all) that match all that is given; and the token of the next page.

        Those of an account come in the order of ``updatedAt``, others by id. ``index_name``:
        ``byAccountScorecardScoreUpdatedAt`` or ``byAccountScorecardScoreEditedAt``, which orders by that time and needs
        ``account_id``; another name is logged and has no effect. ``sort_condition`` bounds the time that orders them
        (``{"between": [since, until]}``), or is a filter or the remote's own composite form. ``filter``: AppSync's form.
        ``fields`` and ``relationship_fields`` as for :meth:`get`.

        A token answers the same question only. Raises: InvalidInput (a ValueError).
        """
        named = {"accountId": account_id, "scorecardId": scorecard_id, "scoreId": score_id, "cacheKey": cache_key}
        given = {name: {"eq": value} for name, value in named.items() if value}
        index = cls._index(index_name, account_id)
        ranged = in_range(cls.model(), index, sort_condition)
        model, plain = cls.model(), parsed(cls.model(), given, filter)
        wanted = pages.both(plain, ranged)
        order = Order(index.sort[-1]) if account_id or sort_condition else Order()
        question = {"filter": [given, filter], "range": sort_condition}
        found, token = pages.page(client, model, wanted, order, limit, next_token, question)
        made = [cls._loaded(record, client) for record in found]
        relate(client, made, fields, relationship_fields)
        return made, token

    @classmethod
    def _index(cls, name: str | None, account_id: str | None) -> Index:
        named = {index.name: index for index in cls.model().indexes if len(index.sort) > 1}
        if name in named and not account_id:
            raise InvalidInput(f"account_id is required with index_name {name}")
        if name is not None and name not in named:
            _log.warning("FeedbackItem has no index %r here: it has no effect (%s)", name, " or ".join(named))
        return named.get(name or "", cls.model().index_on("accountId", "updatedAt"))

    @classmethod
    def create(cls, client: PlexusDashboardClient, data: dict[str, Any]) -> FeedbackItem | None:
        """A new feedback item, stored when this returns; always an instance. ``data``: its fields by name, left as it is.

        accountId, scorecardId, scoreId, cacheKey and itemId are needed; ``editedAt`` is now unless given. Raises:
        InvalidInput (a ValueError), RecordExists.
        """
        return cls._created(client, data)

    @classmethod
    def count_by_account_id(cls, account_id: str, client: PlexusDashboardClient) -> int:
        """How many feedback items of the account the local file has."""
        return pages.count(client, cls.model(), {"accountId": account_id})

    @classmethod
    def delete_all_by_account_id(
        cls, account_id: str, client: PlexusDashboardClient, progress: Any = None, task_id: Any = None
    ) -> int:
        """Remove every feedback item of the account known here; how many there were.

        Each delete waits like any other write; records of the remote that were never pulled are not touched. ``progress``
        and ``task_id``: a bar of rich's, or anything with its ``update``, and which of its tasks this is; without both a
        bar is drawn on a terminal. Several transactions: when it is interrupted, what was removed stays removed.
        """
        keys = keys_of(client, cls.model(), {"accountId": {"eq": account_id}})
        return delete_all(client, cls.model(), keys, "Deleting FeedbackItem records", progress, task_id)

    @classmethod
    def get_by_composite_key(
        cls, client: PlexusDashboardClient, account_id: str, scorecard_id: str, score_id: str, cache_key: str
    ) -> FeedbackItem | None:
        """The feedback item with this account, scorecard, score and cache key, None when the local file has none.

        Of several the one that changed last; that there are several is logged.
        """
        where = {"accountId": account_id, "scorecardId": scorecard_id, "scoreId": score_id, "cacheKey": cache_key}
        found = cls._all(client, where, "-updatedAt", limit=2)
        if len(found) > 1:
            _log.warning("several FeedbackItems have the cache key of %s: it is the latest", found[0].id)
        return next(iter(found), None)

    @classmethod
    def generate_cache_key(cls, score_id: str, form_id: str) -> str:
        """The usual cache key: ``score_id:form_id``."""
        return f"{score_id}:{form_id}"

    @classmethod
    def upsert_by_cache_key(
        cls,
        client: PlexusDashboardClient,
        account_id: str,
        scorecard_id: str,
        score_id: str,
        cache_key: str,
        initial_answer_value: str | None = None,
        final_answer_value: str | None = None,
        initial_comment_value: str | None = None,
        final_comment_value: str | None = None,
        edit_comment_value: str | None = None,
        is_agreement: bool | None = None,
        edited_at: str | datetime | None = None,
        editor_name: str | None = None,
        item_id: str | None = None,
        debug: bool = False,
    ) -> Outcome:
        """The account's feedback item with this cache key, updated; a new one where there is none.

        Returns (id, whether it was created, None), or (None, False, error): then nothing was stored. It raises for nothing
        that was asked for.

        Scorecard, score, and every option that is not None are set in either case. A new one needs ``item_id``;
        ``edited_at`` (a datetime or ISO 8601 text, with an offset) is then now unless given. One transaction: however many
        threads and processes upsert the same, one is made. Before a new one is first sent the remote is asked who has it
        already. ``debug``: log it.
        """
        given = {
            "scorecardId": scorecard_id,
            "scoreId": score_id,
            "itemId": item_id,
            "initialAnswerValue": initial_answer_value,
            "finalAnswerValue": final_answer_value,
            "initialCommentValue": initial_comment_value,
            "finalCommentValue": final_comment_value,
            "editCommentValue": edit_comment_value,
            "isAgreement": is_agreement,
            "editedAt": edited_at,
            "editorName": editor_name,
        }
        outcome = told(lambda: upsert_feedback(client.records, account_id, cache_key, given))
        if debug:
            _log.debug("FeedbackItem upserted: id %s, created %s, error %s", *outcome)
        return outcome

    def load_change_details(self, force_reload: bool = False) -> None:
        """Fill ``changeDetails`` with the changes of this feedback item the local file has, oldest first.

        Once filled it stays, unless ``force_reload``. Raises: InvalidInput (a ValueError) without a client or an id.
        """
        if self.changeDetails is None or force_reload:
            from syncer.plexus.models.feedback_change_detail import FeedbackChangeDetail

            if self.id is None:
                raise InvalidInput("this FeedbackItem has no id", hint="load or create it first")
            order = ("changedAt", "createdAt")
            self.changeDetails = FeedbackChangeDetail._all(self._own_client, {"feedbackItemId": self.id}, order)
