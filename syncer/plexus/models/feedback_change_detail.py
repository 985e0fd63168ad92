"""Feedback change details: what exactly was changed in a feedback item, and by whom.

Today's deployments may lack these records: then they stay in the local file.

Source: docs/remotes/plexus.md#feedbackchangedetail
Source: docs/remotes/plexus.md#deployments-that-differ
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from syncer.plexus import pages
from syncer.plexus.feedback import delete_all, keys_of
from syncer.plexus.filters import parsed
from syncer.plexus.pages import Order
from syncer.plexus.record import BaseModel
from syncer.plexus.related import asked_for, by_id, nested
from syncer.plexus.spec import MODELS

if TYPE_CHECKING:
    from syncer.plexus.client import PlexusDashboardClient, _BaseAPIClient
    from syncer.plexus.models.feedback_item import FeedbackItem

_SOME = 1000


@dataclass
class FeedbackChangeDetail(BaseModel):
    """A change of a feedback item. ``changeType`` is ``Response``, ``Score`` or ``Calibration``.

    ``feedbackItem`` is the item itself where it was asked for.
    """

    GRAPHQL_BASE_FIELDS: ClassVar[builtins.list[str]] = [
        "id", "feedbackItemId", "changeType", "externalId", "changedAt", "changedBy", "initialAnswerValue",
        "finalAnswerValue", "initialCommentValue", "finalCommentValue", "editCommentValue", "createdAt", "updatedAt",
    ]  # fmt: skip

    id: str | None = None  # type: ignore[assignment]
    feedbackItemId: str | None = None
    changeType: Literal["Response", "Score", "Calibration"] | None = None
    externalId: str | None = None
    changedAt: datetime | None = None
    changedBy: str | None = None
    initialAnswerValue: str | None = None
    finalAnswerValue: str | None = None
    initialCommentValue: str | None = None
    finalCommentValue: str | None = None
    editCommentValue: str | None = None
    createdAt: datetime | None = None
    updatedAt: datetime | None = None
    feedbackItem: FeedbackItem | None = field(default=None, repr=False, compare=False)
    _client: PlexusDashboardClient | None = field(default=None, repr=False, compare=False)
    _raw_data: dict[str, Any] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self, client: _BaseAPIClient | None = None) -> None:  # noqa: RUF033 - as in the base
        """The client is a parameter of its own here."""

    @classmethod
    def fields(cls) -> str:
        """The names of the record's own fields, as a GraphQL selection lists them."""
        return " ".join(cls.GRAPHQL_BASE_FIELDS)

    @classmethod
    def from_dict(cls, data: dict[str, Any], client: _BaseAPIClient | None = None) -> FeedbackChangeDetail:
        """A change of a record as GraphQL answers it, or as ``ws.plexus`` does; what it lacks is None.

        A ``feedbackItem`` nested in it becomes an instance. ``data`` is left as it is.
        """
        from syncer.plexus.models.feedback_item import FeedbackItem

        made = super().from_dict({**data, "feedbackItem": nested(FeedbackItem, data.get("feedbackItem"), client)}, client)
        made._raw_data = dict(data)
        return made

    @classmethod
    def get(
        cls, id: str, client: PlexusDashboardClient, fields: builtins.list[str] | None = None
    ) -> FeedbackChangeDetail | None:
        """The change with this id, None when the local file has none.

        ``fields``: all are read whatever is named, and ``feedbackItem`` too when it is among them.
        """
        found = cls._get(client, id)
        if found is not None:
            _with_items(client, [found], fields)
        return found

    @classmethod
    def list(
        cls,
        client: PlexusDashboardClient,
        feedback_item_id: str | None = None,
        limit: int | None = 100,
        next_token: str | None = None,
        fields: builtins.list[str] | None = None,
    ) -> tuple[builtins.list[FeedbackChangeDetail], str | None]:
        """Up to ``limit`` changes (None: all), of this feedback item if given, by id; and the token of the next page.

        ``fields`` as for :meth:`get`. Raises: InvalidInput (a ValueError) for a token of another list.
        """
        where = {} if feedback_item_id is None else {"feedbackItemId": {"eq": feedback_item_id}}
        model = cls.model()
        found, token = pages.page(client, model, parsed(model, where), Order(), limit, next_token, {"filter": where})
        made = [cls._loaded(record, client) for record in found]
        _with_items(client, made, fields)
        return made, token

    @classmethod
    def create(cls, client: PlexusDashboardClient, data: dict[str, Any]) -> FeedbackChangeDetail | None:
        """A new change, stored when this returns; always an instance. ``data``: its fields by name, left as it is.

        Raises: InvalidInput (a ValueError), RecordExists.
        """
        return cls._created(client, data)

    @classmethod
    def count_by_account_id(cls, account_id: str, client: PlexusDashboardClient) -> int:
        """How many changes the local file has of the account's feedback items."""
        items = keys_of(client, MODELS["FeedbackItem"], {"accountId": {"eq": account_id}})
        parts = (items[start : start + _SOME] for start in range(0, len(items), _SOME))
        return sum(pages.count(client, cls.model(), {"feedbackItemId": part}) for part in parts)

    @classmethod
    def delete_all_by_account_id(
        cls, account_id: str, client: PlexusDashboardClient, progress: Any = None, task_id: Any = None
    ) -> int:
        """Remove every change known here of the account's feedback items; how many there were.

        They are found through their feedback items: remove those afterwards, not before. ``progress`` and ``task_id`` as
        for :meth:`FeedbackItem.delete_all_by_account_id`.
        """
        items = keys_of(client, MODELS["FeedbackItem"], {"accountId": {"eq": account_id}})
        keys: builtins.list[str] = []
        for start in range(0, len(items), _SOME):
            found = client.records.find(cls.model().name, {"feedbackItemId": items[start : start + _SOME]})
            keys += [record["id"] for record in found]
        return delete_all(client, cls.model(), keys, "Deleting FeedbackChangeDetail records", progress, task_id)


def _with_items(client: PlexusDashboardClient, made: list[FeedbackChangeDetail], fields: list[str] | None) -> None:
    if "feedbackItem" in asked_for(fields):
        from syncer.plexus.models.feedback_item import FeedbackItem

        items = by_id(client, FeedbackItem, (each.feedbackItemId for each in made))
        for each in made:
            each.feedbackItem = items.get(each.feedbackItemId or "")
