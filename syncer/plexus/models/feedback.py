"""Feedback: what people answered instead of a score's own answer, and each change to it, by whom.

Related records are nested in an answer, or read from the local file. Today's deployments may lack
change details: then they stay in the local file.

Source: docs/remotes/plexus.md#feedbackitem
Source: docs/remotes/plexus.md#fields-that-travel-together
Source: docs/remotes/plexus.md#feedbackchangedetail
Source: docs/remotes/plexus.md#deployments-that-differ
"""

from __future__ import annotations

import builtins
import logging
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from syncer import clock
from syncer.adapters.plexus.spec import MODELS
from syncer.errors import InvalidInput
from syncer.plexus.listing import pages
from syncer.plexus.listing.filters import Filter, Test, compared, parsed
from syncer.plexus.listing.pages import Order, matching
from syncer.plexus.models.base_model import BaseModel
from syncer.plexus.progress import advancing
from syncer.plexus.upserts import Outcome, told, upsert_feedback
from syncer.records.api import UnitOfWork
from syncer.schema.model import Index, Kind, Model
from syncer.suggest import near

if TYPE_CHECKING:
    from syncer.plexus.models.account import Account
    from syncer.plexus.models.item import Item
    from syncer.plexus.models.score import Score
    from syncer.plexus.models.score_result import ScoreResult
    from syncer.plexus.models.scorecard import Scorecard
    from syncer.plexus.session import Session

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
    _client: Session | None = field(default=None, repr=False, compare=False)
    _raw_data: dict[str, Any] | None = field(default=None, repr=False, compare=False)
    changeDetails: builtins.list[FeedbackChangeDetail] | None = field(init=False, default=None, repr=False, compare=False)

    def __post_init__(self, client: Session | None = None) -> None:  # noqa: RUF033 - as in the base
        """The client is a parameter of its own here."""

    @classmethod
    def fields(cls) -> str:
        """The names of the record's own fields, as a GraphQL selection lists them."""
        return " ".join(cls.GRAPHQL_BASE_FIELDS)

    @classmethod
    def from_dict(cls, data: dict[str, Any], client: Session | None = None) -> FeedbackItem:
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
        client: Session,
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
        client: Session,
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
    def create(cls, client: Session, data: dict[str, Any]) -> FeedbackItem | None:
        """A new feedback item, stored when this returns; always an instance. ``data``: its fields by name, left as it is.

        accountId, scorecardId, scoreId, cacheKey and itemId are needed; ``editedAt`` is now unless given. Raises:
        InvalidInput (a ValueError), RecordExists.
        """
        return cls._created(client, data)

    @classmethod
    def count_by_account_id(cls, account_id: str, client: Session) -> int:
        """How many feedback items of the account the local file has."""
        return pages.count(client, cls.model(), {"accountId": account_id})

    @classmethod
    def delete_all_by_account_id(cls, account_id: str, client: Session, progress: Any = None, task_id: Any = None) -> int:
        """Remove every feedback item of the account known here; how many there were.

        Each delete waits like any other write; records of the remote that were never pulled are not touched. ``progress``
        and ``task_id``: a bar of rich's, or anything with its ``update``, and which of its tasks this is; without both a
        bar is drawn on a terminal. Several transactions: when it is interrupted, what was removed stays removed.
        """
        keys = keys_of(client, cls.model(), {"accountId": {"eq": account_id}})
        return delete_all(client, cls.model(), keys, "Deleting FeedbackItem records", progress, task_id)

    @classmethod
    def get_by_composite_key(
        cls, client: Session, account_id: str, scorecard_id: str, score_id: str, cache_key: str
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
        client: Session,
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
            if self.id is None:
                raise InvalidInput("this FeedbackItem has no id", hint="load or create it first")
            order = ("changedAt", "createdAt")
            self.changeDetails = FeedbackChangeDetail._all(self._own_client, {"feedbackItemId": self.id}, order)


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
    _client: Session | None = field(default=None, repr=False, compare=False)
    _raw_data: dict[str, Any] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self, client: Session | None = None) -> None:  # noqa: RUF033 - as in the base
        """The client is a parameter of its own here."""

    @classmethod
    def fields(cls) -> str:
        """The names of the record's own fields, as a GraphQL selection lists them."""
        return " ".join(cls.GRAPHQL_BASE_FIELDS)

    @classmethod
    def from_dict(cls, data: dict[str, Any], client: Session | None = None) -> FeedbackChangeDetail:
        """A change of a record as GraphQL answers it, or as ``ws.plexus`` does; what it lacks is None.

        A ``feedbackItem`` nested in it becomes an instance. ``data`` is left as it is.
        """

        made = super().from_dict({**data, "feedbackItem": nested(FeedbackItem, data.get("feedbackItem"), client)}, client)
        made._raw_data = dict(data)
        return made

    @classmethod
    def get(cls, id: str, client: Session, fields: builtins.list[str] | None = None) -> FeedbackChangeDetail | None:
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
        client: Session,
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
    def create(cls, client: Session, data: dict[str, Any]) -> FeedbackChangeDetail | None:
        """A new change, stored when this returns; always an instance. ``data``: its fields by name, left as it is.

        Raises: InvalidInput (a ValueError), RecordExists.
        """
        return cls._created(client, data)

    @classmethod
    def count_by_account_id(cls, account_id: str, client: Session) -> int:
        """How many changes the local file has of the account's feedback items."""
        items = keys_of(client, MODELS["FeedbackItem"], {"accountId": {"eq": account_id}})
        parts = (items[start : start + _SOME] for start in range(0, len(items), _SOME))
        return sum(pages.count(client, cls.model(), {"feedbackItemId": part}) for part in parts)

    @classmethod
    def delete_all_by_account_id(cls, account_id: str, client: Session, progress: Any = None, task_id: Any = None) -> int:
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


def _with_items(client: Session, made: list[FeedbackChangeDetail], fields: list[str] | None) -> None:
    if "feedbackItem" in asked_for(fields):
        items = by_id(client, FeedbackItem, (each.feedbackItemId for each in made))
        for each in made:
            each.feedbackItem = items.get(each.feedbackItemId or "")


POINTERS = {"account": "accountId", "scorecard": "scorecardId", "score": "scoreId", "item": "itemId"}
"""The field that names each related record of a feedback item."""
_RELATIONS = (*POINTERS, "scoreResults", "changeDetails")


def by_id(client: Session, cls: type[BaseModel], ids: Iterable[str | None]) -> dict[str, Any]:
    """Instances of ``cls`` by id; those the local file has not are absent."""
    wanted = sorted({id for id in ids if id is not None})
    return {each.id: each for each in cls._all(client, {"id": wanted})} if wanted else {}


def nested(cls: type[BaseModel], found: Any, client: Session | None) -> Any:
    """An instance of a record nested in another's answer; what was not selected is None. Instances stay as they are."""
    if not isinstance(found, Mapping):
        return found
    return cls.from_dict({**dict.fromkeys(cls.fields().split()), **found}, client)


def asked_for(names: Iterable[str] | None) -> list[str]:
    """The names among selected fields, without what is selected below them: ``item { id }`` is ``item``."""
    return [name.split("{")[0].strip() for name in names or ()]


def relate(
    client: Session,
    made: Sequence[FeedbackItem],
    fields: Iterable[str] | None,
    relationship_fields: Iterable[str] | None,
) -> None:
    """Fill the related records that are asked for, a query for each kind. Raises: InvalidInput for what there is not."""
    wanted = asked_for(relationship_fields)
    for name in wanted:
        if name not in _RELATIONS:
            raise InvalidInput(f"FeedbackItem has no related {name!r}", hint=near(name, _RELATIONS))
    for name in dict.fromkeys([*wanted, *(name for name in asked_for(fields) if name in _RELATIONS)]):
        if name in POINTERS:
            found = by_id(client, class_of(name), (getattr(each, POINTERS[name]) for each in made))
            for each in made:
                setattr(each, name, found.get(getattr(each, POINTERS[name])))
        elif name == "scoreResults":
            _relate_results(client, made)
        else:
            for each in made:
                each.load_change_details()


def _relate_results(client: Session, made: Sequence[FeedbackItem]) -> None:
    from syncer.plexus.models.score_result import ScoreResult

    by_item: dict[str | None, list[ScoreResult]] = {each.id: [] for each in made}
    for result in ScoreResult._all(client, {"feedbackItemId": [id for id in by_item if id]}, "updatedAt"):
        by_item[result.feedbackItemId].append(result)
    for each in made:
        each.scoreResults = by_item[each.id]


def class_of(relation: str) -> type[BaseModel]:
    """The class of a related record: that of ``score`` is ``Score``."""
    from syncer.plexus import models

    found: type[BaseModel] = getattr(models, relation[0].upper() + relation[1:])
    return found


_TOGETHER = 500
"""Deletes in one transaction: others may write in between."""


def delete_all(client: Session, model: Model, keys: Sequence[str], what: str, progress: Any, task_id: Any) -> int:
    """Remove these rows, each with a delete of its own that waits; how many were still there."""
    removed = 0
    with advancing(what, len(keys), progress, task_id) as advance:
        for start in range(0, len(keys), _TOGETHER):
            part = keys[start : start + _TOGETHER]
            with client.records.transaction() as unit:
                removed += sum(_removed(unit, model, key) for key in part)
            advance(len(part))
    return removed


def _removed(unit: UnitOfWork, model: Model, key: str) -> bool:
    """False when somebody else removed it in the meantime."""
    if unit.get(model.name, key) is None:
        return False
    unit.delete(model.name, key)
    return True


def keys_of(client: Session, model: Model, filter: Mapping[str, Any]) -> list[str]:
    """The ids of all rows that pass ``filter``."""
    return [record["id"] for record in matching(client, model, parsed(model, filter), Order())]


def in_range(model: Model, index: Index, condition: Mapping[str, Any] | None) -> Filter:
    """The filter that a sort condition on ``index`` makes, in any form in use.

    ``{"ge": time}`` and its siblings bound the last sort field; with dicts of sort fields as values
    (``{"between": [{...}, {...}]}``, also under the argument's name) they bound the fields joined by ``#``, as the remote
    does; anything else is a filter. Raises: InvalidInput.
    """
    if not condition:
        return parsed(model)
    joined = index.sort[0] + "".join(name[0].upper() + name[1:] for name in index.sort[1:])
    if set(condition) == {joined} and len(index.sort) > 1:
        condition = condition[joined]
    if not isinstance(condition, Mapping):
        raise InvalidInput(f"a sort condition of {model.name} is a dict, not {condition!r}")
    if not all(sign in _COMPARED for sign in condition):
        return parsed(model, condition)
    tests, plain = [], {}
    for sign, operand in condition.items():
        ends = operand if sign == "between" and isinstance(operand, list | tuple) else [operand]
        if all(isinstance(end, Mapping) for end in ends):
            tests.append(_joined_test(model, index, sign, ends))
        else:
            plain[sign] = operand
    bounds = parsed(model, {index.sort[-1]: plain} if plain else None)
    return Filter(lambda record: bounds.test(record) and all(test(record) for test in tests), bounds.where)


def _joined_test(model: Model, index: Index, sign: str, ends: Sequence[Mapping[str, Any]]) -> Test:
    texts = [_joined(model, index, sign, end) for end in ends]
    if len(texts) != (2 if sign == "between" else 1):
        raise InvalidInput(f"between on {model.name} takes two values, not {len(texts)}")
    compare = _COMPARED[sign]

    def test(record: Mapping[str, Any]) -> bool:
        parts = [_spelled(model, name, record[name]) for name in index.sort if record[name] is not None]
        return len(parts) == len(index.sort) and compare("#".join(parts), *texts)

    return test


def _joined(model: Model, index: Index, sign: str, end: Mapping[str, Any]) -> str:
    """The values in ``end`` as one text; only the last ones may be left out. Raises: InvalidInput."""
    given = [name for name in index.sort if name in end]
    if not given or set(end) - set(given) or tuple(given) != index.sort[: len(given)]:
        raise InvalidInput(f"a value of this sort condition names {', '.join(index.sort)} in order, not {dict(end)!r}")
    if sign == "beginsWith":  # the last part may be the beginning of a time
        return "#".join(str(end[name]) for name in given)
    return "#".join(_spelled(model, name, compared(model, model.by_name[name], end[name])) for name in given)


def _spelled(model: Model, name: str, stored: Any) -> str:
    return clock.wire(stored) if model.by_name[name].kind is Kind.TIME else str(stored)


_COMPARED: dict[str, Callable[..., bool]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "between": lambda text, low, high: low <= text <= high,
    "beginsWith": str.startswith,
}
