"""Records related to a feedback item or its change details: nested in an answer, or read from the local file.

Source: docs/remotes/plexus.md#feedbackitem
Source: docs/remotes/plexus.md#feedbackchangedetail
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from syncer.errors import InvalidInput
from syncer.plexus.record import BaseModel
from syncer.spelling import near

if TYPE_CHECKING:
    from syncer.plexus.client import _BaseAPIClient
    from syncer.plexus.models.feedback_item import FeedbackItem
    from syncer.plexus.models.score_result import ScoreResult

POINTERS = {"account": "accountId", "scorecard": "scorecardId", "score": "scoreId", "item": "itemId"}
"""The field that names each related record of a feedback item."""
_RELATIONS = (*POINTERS, "scoreResults", "changeDetails")


def by_id(client: _BaseAPIClient, cls: type[BaseModel], ids: Iterable[str | None]) -> dict[str, Any]:
    """Instances of ``cls`` by id; those the local file has not are absent."""
    wanted = sorted({id for id in ids if id is not None})
    return {each.id: each for each in cls._all(client, {"id": wanted})} if wanted else {}


def nested(cls: type[BaseModel], found: Any, client: _BaseAPIClient | None) -> Any:
    """An instance of a record nested in another's answer; what was not selected is None. Instances stay as they are."""
    if not isinstance(found, Mapping):
        return found
    return cls.from_dict({**dict.fromkeys(cls.fields().split()), **found}, client)


def asked_for(names: Iterable[str] | None) -> list[str]:
    """The names among selected fields, without what is selected below them: ``item { id }`` is ``item``."""
    return [name.split("{")[0].strip() for name in names or ()]


def relate(
    client: _BaseAPIClient,
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


def _relate_results(client: _BaseAPIClient, made: Sequence[FeedbackItem]) -> None:
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
