"""Items: what is scored.

Source: docs/remotes/plexus.md#item
"""

from __future__ import annotations

import builtins
import logging
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncer import clock
from syncer.errors import InvalidInput
from syncer.plexus.listing import pages
from syncer.plexus.listing.filters import parsed
from syncer.plexus.listing.pages import Listed, Order, ordered_by
from syncer.plexus.models.base_model import BaseModel
from syncer.plexus.upserts import NO_EVALUATION, Outcome, display_name, made_by, owner, told, upsert_item

if TYPE_CHECKING:
    from syncer.plexus.session import Session

_log = logging.getLogger(__name__)


@dataclass
class Item(BaseModel):
    """An item. ``metadata`` and ``identifiers`` are dicts, ``attachedFiles`` is a list of paths.

    ``createdByType`` is ``evaluation`` or ``prediction``; an item of no evaluation has ``prediction-default`` as its
    ``evaluationId``. What people know it by are records of their own, see :class:`Identifier`.
    """

    id: str
    evaluationId: str
    createdAt: datetime
    updatedAt: datetime
    accountId: str
    isEvaluation: bool
    createdByType: str | None = None
    text: str | None = None
    metadata: dict[str, Any] | None = None
    identifiers: dict[str, Any] | None = None
    externalId: str | None = None
    description: str | None = None
    scoreId: str | None = None
    attachedFiles: builtins.list[str] | None = None
    client: InitVar[Session | None] = None

    @classmethod
    def from_dict(cls, data: dict[str, Any], client: Session | None) -> Item:
        """An item of a record as GraphQL answers it, or as ``ws.plexus`` does. ``data`` is left as it is.

        An answer that selects less has no account and no evaluation (``""``), is an evaluation's, and its times are now.
        Raises: InvalidInput (a ValueError) when ``data`` has no ``id``.
        """
        now = clock.now()
        usual = {"evaluationId": "", "accountId": "", "isEvaluation": True, "createdAt": now, "updatedAt": now}
        return super().from_dict({**usual, **data}, client)

    @classmethod
    def get_by_id(cls, item_id: str, client: Session) -> Item | None:  # type: ignore[override]
        """The item with this id, None when the local file has none."""
        return cls._get(client, item_id)

    @classmethod
    def list(
        cls,
        client: Session,
        filter: dict[str, Any] | None = None,
        sort: dict[str, str] | None = None,
        limit: int | None = None,
        next_token: str | None = None,
    ) -> Listed[Item]:
        """The items that pass ``filter``, all of them or up to ``limit``: a list that has ``next_token``, too.

        ``filter``: AppSync's form, ``{"accountId": {"eq": "a1"}, "or": [{...}, {...}]}``. ``sort``: a field and ``ASC`` or
        ``DESC``, ``{"createdAt": "DESC"}``; by id without. ``next_token``: of the page before, asked with the same filter
        and sort. Raises: InvalidInput (a ValueError).
        """
        model = cls.model()
        if sort is not None and len(sort) > 1:
            raise InvalidInput(f"items are sorted by one field, not by {' and '.join(map(str, sort))}")
        order = next((ordered_by(model, name, direction) for name, direction in (sort or {}).items()), Order())
        found, token = pages.page(client, model, parsed(model, filter), order, limit, next_token, {"filter": filter or {}})
        return Listed([cls._loaded(record, client) for record in found], token)

    @classmethod
    def create(
        cls,
        client: Session,
        evaluationId: str,
        text: str | None = None,
        metadata: dict[str, Any] | None = None,
        createdByType: str | None = None,
        deterministic_id: str | None = None,
        **kwargs: Any,
    ) -> Item:
        """A new item, stored when this returns.

        ``kwargs``: its other fields; ``accountId`` must be among them, ``isEvaluation`` is True unless given.
        ``evaluationId`` may be empty where ``isEvaluation`` is False. ``deterministic_id``: the item's id, minted if absent.
        ``metadata``: a dict or JSON text. Raises: InvalidInput (a ValueError), RecordExists.
        """
        is_evaluation = kwargs.pop("isEvaluation", True)
        if not evaluationId and is_evaluation is not False:
            raise InvalidInput("evaluationId is required for items of an evaluation", hint="or give isEvaluation=False")
        evaluation = evaluationId or NO_EVALUATION
        fields: dict[str, Any] = {
            "evaluationId": evaluation,
            "isEvaluation": is_evaluation,
            "createdByType": made_by(bool(is_evaluation), evaluation) if createdByType is None else createdByType,
            "text": text,
            "metadata": metadata,
        }
        if deterministic_id:
            fields["id"] = deterministic_id
        return cls._created(client, {**fields, **kwargs})

    @classmethod
    def find_by_identifier(
        cls, client: Session, account_id: str, identifier_key: str, identifier_value: str, debug: bool = False
    ) -> Item | None:
        """The item that has this identifier, None when the local file knows none.

        ``identifier_key``: the identifier's name (``Form Id``) or the key it was made from (``formId``). ``debug``: log it.
        """
        names = list(dict.fromkeys((identifier_key, display_name(identifier_key))))
        found = owner(client.records, account_id, names, str(identifier_value).strip())
        if debug:
            _log.debug("Item by identifier %r: %s", identifier_key, found["id"] if found else None)
        return None if found is None else cls._loaded(found, client)

    @classmethod
    def upsert_by_identifiers(
        cls,
        client: Session,
        account_id: str,
        identifiers: dict[str, Any],
        external_id: str | None = None,
        description: str | None = None,
        text: str | None = None,
        metadata: dict[str, Any] | None = None,
        evaluation_id: str | None = None,
        is_evaluation: bool = False,
        score_id: str | None = None,
        debug: bool = False,
    ) -> Outcome:
        """The item known by one of these identifiers, or by ``external_id``, updated; a new one where there is none.

        Returns (id, whether it was created, None), or (None, False, error): then nothing was stored. It raises for nothing
        that was asked for.

        ``identifiers``: values by key; ``{"formId": 7}`` is the identifier "Form Id" of value "7", blank values are left
        out. The first that is known here decides; one that another item holds stays there; a changed value is updated.
        Description, text, metadata and external id are set where they are given. Only a new item takes the evaluation
        (none: ``prediction-default``), ``is_evaluation`` and the score; with an external id its own id is
        ``{account_id}--{external_id}``. All of it is one transaction: however many threads and processes upsert the same,
        one item is made. Before a new item is first sent the remote is asked who has it already. ``debug``: log it.
        """
        evaluation = evaluation_id or NO_EVALUATION
        given = {"description": description, "text": text, "metadata": metadata, "externalId": external_id}
        first = {
            "evaluationId": evaluation,
            "isEvaluation": bool(is_evaluation),
            "createdByType": made_by(bool(is_evaluation), evaluation),
            "scoreId": score_id or None,
        }
        outcome = told(lambda: upsert_item(client.records, account_id, identifiers, given, first))
        if debug:
            _log.debug("Item upserted: id %s, created %s, error %s", *outcome)
        return outcome

    def update(self, **kwargs: Any) -> Item:
        """A new instance with these fields changed; this one stays as it is. ``metadata``: a dict or JSON text.

        Raises: InvalidInput (a ValueError) for ``createdAt`` and for what Plexus does not take, RecordNotFound.
        """
        return type(self)._loaded(self._changed(_changeable(kwargs)), self._client)


def _changeable(changes: Mapping[str, Any]) -> Mapping[str, Any]:
    if "createdAt" in changes:
        raise InvalidInput("Item.createdAt cannot be changed: it tells when the item was made")
    return changes
