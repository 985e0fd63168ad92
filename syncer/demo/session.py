"""A scoring session, written through :class:`Records` as a person's own script would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from syncer.demo import cases
from syncer.records.api import Records

ACCOUNT = "Harbour Insurance"
ACCOUNT_KEY = "harbour-insurance"
EDITOR = "Grace"
PROGRESS = 5
"""How often the evaluation tells how far it is."""

Record = dict[str, Any]


@dataclass
class Session:
    """What was written so far.

    ``pause`` is called before every write. ``made_by``: what the metadata of the n-th result say of its making.
    ``heard``: calls so far; ``writes``: records and edits.
    """

    plexus: Records
    random: Random
    pause: Callable[[], None] = lambda: None
    made_by: Callable[[int], Record] = lambda _: {}
    heard: int = 0
    account: Record = field(default_factory=dict)
    scorecard: Record = field(default_factory=dict)
    evaluation: Record = field(default_factory=dict)
    scores: list[Record] = field(default_factory=list)
    versions: list[Record] = field(default_factory=list)
    calls: list[cases.Call] = field(default_factory=list)
    items: list[Record] = field(default_factory=list)
    writes: int = 0

    def set_up(self, name: str = ACCOUNT, key: str = ACCOUNT_KEY) -> None:
        """Account, scorecard, section, and scores with a version that is made their champion."""
        self.account = self._create("Account", {"name": name, "key": key})
        self.scorecard = self._create(
            "Scorecard",
            {
                "name": "Call quality",
                "key": "call-quality",
                "externalId": "CQ",
                "accountId": self.account["id"],
                "description": "How well we treat people who call.",
            },
        )
        section = self._create("ScorecardSection", {"name": "Every call", "order": 1, "scorecardId": self.scorecard["id"]})
        for order, criterion in enumerate(cases.CRITERIA, 1):
            score = self._create("Score", cases.score(criterion, order, self.scorecard["id"], section["id"]))
            version = self._create(
                "ScoreVersion",
                {"scoreId": score["id"], "configuration": cases.configuration(criterion, 0.7), "note": "first"},
            )
            self._update("Score", score, championVersionId=version["id"])
            self.scores.append(score)
            self.versions.append(version)

    def score_calls(self, results: int) -> None:
        """Calls with identifiers, ``results`` score results of them, and an evaluation that reports its progress."""
        each = len(self.scores)
        account_id, first = self.account["id"], self.heard
        self.heard += -(-results // each)
        self.calls = [cases.call(self.account["name"], number, self.random) for number in range(first, self.heard)]
        self.items = self._create_many("Item", [call.item(account_id) for call in self.calls])
        for call, item in zip(self.calls, self.items, strict=True):
            self._create_many("Identifier", call.identifiers(account_id, item["id"]))
        self.evaluation = self._create(
            "Evaluation",
            {
                "type": "accuracy",
                "status": "RUNNING",
                "accountId": account_id,
                "scorecardId": self.scorecard["id"],
                "totalItems": results,
                "processedItems": 0,
            },
        )
        written: list[Record] = []
        for step in range(PROGRESS):
            until = results * (step + 1) // PROGRESS
            written += self._create_many("ScoreResult", [self._result(n) for n in range(len(written), until)])
            self._update("Evaluation", self.evaluation, processedItems=until, elapsedSeconds=12 * (step + 1))
        self._listen_again(written)

    def finish(self) -> None:
        """The evaluation ends, and the scorecard's guidelines are written: edits of records that may be sent already."""
        self._update("Evaluation", self.evaluation, status="COMPLETED", accuracy=0.91, metrics={"agreement": 0.91})
        self._update("Scorecard", self.scorecard, guidelines="Score what was said, not what was meant.")

    def _result(self, number: int) -> Record:
        at, which = divmod(number, len(self.scores))
        said = cases.verdict(cases.CRITERIA[which], self.calls[at], self.random)
        return {
            **said,
            "metadata": {**said["metadata"], **self.made_by(number)},
            "itemId": self.items[at]["id"],
            "accountId": self.account["id"],
            "scorecardId": self.scorecard["id"],
            "scoreId": self.scores[which]["id"],
            "scoreVersionId": self.versions[which]["id"],
            "evaluationId": self.evaluation["id"],
        }

    def _listen_again(self, results: list[Record]) -> None:
        numbers = {item["id"]: item["externalId"] for item in self.items}
        for result in results[:: max(1, len(results) // 12)]:
            said = cases.feedback(result, numbers[result["itemId"]], EDITOR, self.random)
            given = self._create("FeedbackItem", said)
            self._update("ScoreResult", result, feedbackItemId=given["id"])

    def _create(self, model: str, fields: Record) -> Record:
        return self._create_many(model, [fields])[0]

    def _create_many(self, model: str, fields: list[Record]) -> list[Record]:
        self.writes += len(fields)
        self.pause()
        return self.plexus.create_many(model, fields)

    def _update(self, model: str, record: Record, **changes: Any) -> None:
        self.writes += 1
        self.pause()
        record.update(self.plexus.update(model, record["id"], changes))
