"""Score results: what a score said about an item.

Source: docs/remotes/plexus.md#scoreresult
Source: docs/remotes/plexus.md#fields-that-travel-together
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncer.errors import InvalidInput
from syncer.plexus.convert import inputs
from syncer.plexus.models.base_model import BaseModel, Record
from syncer.records.write import prepare_create

if TYPE_CHECKING:
    from syncer.plexus.session import Session

_JSON = ("metadata", "trace", "cost")


@dataclass
class ScoreResult(BaseModel):
    """The value a score gave an item.

    ``value`` is text, whatever was given. ``score`` is ``{"id", "name"}`` of the score when the result was read and the
    local file has that score, else None. ``metadata``, ``trace`` and ``cost`` are decoded JSON.
    """

    id: str
    value: str
    itemId: str
    accountId: str
    scorecardId: str
    scoreId: str | None = None
    scoreVersionId: str | None = None
    score: dict[str, Any] | None = None
    explanation: str | None = None
    confidence: float | None = None
    metadata: dict[str, Any] | None = None
    trace: dict[str, Any] | None = None
    correct: bool | None = None
    cost: dict[str, Any] | None = None
    attachments: list[str] | None = None
    scoringJobId: str | None = None
    evaluationId: str | None = None
    feedbackItemId: str | None = None
    code: str | None = "200"
    type: str | None = "prediction"
    status: str | None = "COMPLETED"
    createdAt: datetime | None = None
    updatedAt: datetime | None = None
    client: InitVar[Session | None] = None

    @property
    def numeric_value(self) -> float | None:
        """``value`` as a number, None when it is none."""
        try:
            return float(self.value)
        except (TypeError, ValueError):
            return None

    @property
    def scoreName(self) -> str | None:
        """The name of the score, None when the local file does not have it."""
        return self.score.get("name") if self.score else None

    @classmethod
    def from_dict(cls, data: dict[str, Any], client: Session | None) -> ScoreResult:
        """A result of a record as GraphQL answers it; ``metadata``, ``trace`` and ``cost`` that are no JSON become None.

        Absent ``code``, ``type`` and ``status`` stay None. Raises: InvalidInput (a ValueError).
        """
        made = super().from_dict(data, client)
        for name in _JSON:
            # Text that was JSON and text that is none look alike by now: only the wire's own text tells.
            if isinstance(data.get(name), str) and getattr(made, name) == data[name]:
                setattr(made, name, None)
        return made

    @classmethod
    def create(
        cls,
        client: Session,
        value: str | float,
        itemId: str,
        accountId: str,
        scorecardId: str,
        scoringJobId: str | None = None,
        evaluationId: str | None = None,
        code: str = "200",
        type: str = "prediction",
        status: str = "COMPLETED",
        **kwargs: Any,
    ) -> ScoreResult:
        """Store a new result; durable when it returns, sent at the next sync.

        ``kwargs``: any other field, ``scoreId`` among them, without which Plexus takes no result. JSON fields take dicts and
        lists, or JSON text. Raises: InvalidInput (a ValueError) naming the missing or wrong field; then nothing was stored.
        """
        fields = {
            "value": value,
            "itemId": itemId,
            "accountId": accountId,
            "scorecardId": scorecardId,
            "scoringJobId": scoringJobId,
            "evaluationId": evaluationId,
            "code": code,
            "type": type,
            "status": status,
            **kwargs,
        }
        return cls._local(client.records.create("ScoreResult", _ready(fields)), client)

    @classmethod
    def batch_create(cls, client: Session, items: Iterable[Mapping[str, Any]]) -> list[ScoreResult]:
        """Store many results in one transaction, all or none; ``items`` hold what :meth:`create` takes, by name.

        The same defaults as :meth:`create`; ``items`` stay as they are. Returns the results in the order of ``items``.
        Raises: InvalidInput (a ValueError) naming the first wrong item and field, RecordExists; then nothing was stored.
        """
        given = [_ready(_mapping(n, item)) for n, item in enumerate(items)]
        try:
            made = client.records.create_many("ScoreResult", given)
        except InvalidInput:
            _blame(given)
            raise
        return [cls._local(record, client) for record in made]

    def update(self, **kwargs: Any) -> ScoreResult:
        """A new instance with these fields changed; this one stays as it is.

        Raises: InvalidInput for a field or value Plexus does not take, RecordNotFound.
        """
        return self._loaded(self._changed(_texted(kwargs)), self._client)

    @classmethod
    def get_by_id(cls, score_result_id: str, client: Session) -> ScoreResult | None:  # type: ignore[override]
        """The result with this id, None when the local file has none."""
        return cls._get(client, score_result_id)

    @classmethod
    def find_by_cache_key(
        cls, client: Session, item_id: str, type: str, score_id: str, account_id: str | None = None
    ) -> ScoreResult | None:
        """The newest result, by ``updatedAt``, of this type that this score gave the item; None without one.

        ``account_id`` is taken and not looked at, as in the original: an item belongs to one account.
        """
        return cls._first(client, {"itemId": item_id, "type": type, "scoreId": score_id}, "-updatedAt")

    @classmethod
    def _local(cls, record: Record, client: Session | None) -> ScoreResult:
        """An instance of one of our own records, whose JSON is decoded already."""
        return super().from_dict(dict(record), client)

    @classmethod
    def _loaded(cls, record: Record, client: Session | None) -> ScoreResult:
        made = cls._local(record, client)
        if client is not None and made.scoreId is not None:
            score = client.records.get("Score", made.scoreId)
            made.score = None if score is None else {"id": score["id"], "name": score["name"]}
        return made


def _ready(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a create as ``ws.plexus`` takes them: the value as text, JSON decoded, ids that are '' left out."""
    ready = inputs(ScoreResult.model(), _texted(fields))
    for name in ("scoringJobId", "evaluationId"):
        ready[name] = ready.get(name) or None
    return ready


def _texted(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    value = fields.get("value")
    return fields if value is None or isinstance(value, str) else {**fields, "value": str(value)}


def _mapping(number: int, item: Any) -> Mapping[str, Any]:
    if not isinstance(item, Mapping):
        raise InvalidInput(f"items[{number}] is no dict but {item.__class__.__name__}")
    return item


def _blame(given: Iterable[Mapping[str, Any]]) -> None:
    """Raises: InvalidInput that names the first item no result can be made of."""
    for number, fields in enumerate(given):
        try:
            prepare_create(ScoreResult.model(), fields)
        except InvalidInput as exc:
            raise InvalidInput(f"items[{number}]: {exc.what}", why=exc.why, hint=exc.hint) from exc
