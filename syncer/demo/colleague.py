"""Somebody else, who writes straight to Plexus while we are away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from syncer import ids
from syncer.demo import cases
from syncer.demo.session import Session
from syncer.demo.upstream import Upstream
from syncer.schema.model import Kind, Model
from syncer.schema.values import dumps

_SEED = 11


@dataclass(frozen=True, slots=True)
class Written:
    """What the colleague left."""

    item_id: str
    results: int


def write(upstream: Upstream, models: Mapping[str, Model], session: Session) -> Written:
    """A new description of the scorecard, and a call of their own with a result of every score."""
    random = Random(_SEED)
    card = {"id": session.scorecard["id"], "description": "How well we treat people who call, write or chat."}
    upstream.update(models["Scorecard"], card)
    account_id, item_id = session.account["id"], ids.new_id()
    heard = cases.call(session.account["name"], 9_000, random)
    _create(upstream, models["Item"], {"id": item_id, **heard.item(account_id)})
    for identifier in heard.identifiers(account_id, item_id):
        _create(upstream, models["Identifier"], identifier)
    for criterion, score in zip(cases.CRITERIA, session.scores, strict=True):
        result = {
            "id": ids.new_id(),
            **cases.verdict(criterion, heard, random),
            "itemId": item_id,
            "accountId": account_id,
            "scorecardId": session.scorecard["id"],
            "scoreId": score["id"],
            "type": "prediction",
            "status": "COMPLETED",
        }
        _create(upstream, models["ScoreResult"], result)
    return Written(item_id, len(session.scores))


def _create(upstream: Upstream, model: Model, fields: Mapping[str, Any]) -> None:
    as_json = {each.name for each in model.fields if each.kind is Kind.JSON}
    upstream.create(model, {name: dumps(value) if name in as_json else value for name, value in fields.items()})
