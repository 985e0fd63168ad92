"""The sandbox against what Amplify's own resolvers answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent.parent / "fixtures" / "recorded" / "plexus.jsonl"

SERVER_TIME = re.compile(r"2026-11-21T01:09:\d\d\.\d{3}Z")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def seed_results(sandbox: Any) -> None:
    """The rows that the recordings took for granted from the start."""
    for number in range(2, 8):
        time = f"2024-01-01T00:00:{number:02}Z"
        sandbox.put(
            "ScoreResult",
            id=f"sr-{number}",
            value="Yes",
            itemId="item-0",
            accountId="acc-1",
            scorecardId="card-1",
            scoreId="score-1",
            type="prediction",
            status="synced",
            createdAt=time,
            updatedAt=time,
        )


def seed_parents(sandbox: Any) -> None:
    """The rows that appeared between two of the recordings."""
    sandbox.put("Item", id="item-1", accountId="acc-1", isEvaluation=False)
    sandbox.put("Identifier", itemId="item-1", name="Case", value="C-1", position=0, accountId="acc-1")
    sandbox.put("Score", id="score-1", name="S", order=1, type="t", sectionId="s", scorecardId="card-1", externalId="e")


class Replay:
    """Answers of the sandbox to the recorded requests, in order.

    Ids and times that the recorded server made are replaced by those that the sandbox made in their place.
    """

    def __init__(self, call: Any) -> None:
        self.call = call
        self.ours: dict[str, str] = {}

    def answer(self, record: dict[str, Any]) -> Any:
        """What the sandbox answers to one recorded request."""
        variables = json.loads(self.translated(json.dumps(record["variables"])))
        return self.call(record["query"], variables, key="sandbox-key" if record["x-api-key"] == "good" else "wrong")

    def translated(self, text: str) -> str:
        """``text`` with our ids and times for theirs."""
        for theirs, ours in self.ours.items():
            text = text.replace(theirs, ours)
        return text

    def learn(self, theirs: Any, ours: Any) -> None:
        """Pair the ids and times of two answers to the same request."""
        if isinstance(theirs, dict) and isinstance(ours, dict):
            for name in theirs.keys() & ours.keys():
                self.learn(theirs[name], ours[name])
        elif isinstance(theirs, str) and isinstance(ours, str) and (UUID.fullmatch(theirs) or SERVER_TIME.fullmatch(theirs)):
            self.ours[theirs] = ours


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what may differ: request ids and page tokens."""
    text = re.sub(r"Request ID: [^)]*\)", "Request ID)", json.dumps(answer))
    text = re.sub(r'"nextToken": "[^"]*"', '"nextToken": "token"', text)
    return json.loads(text)


def test_the_recorded_requests_get_the_recorded_answers(sandbox, call):
    """Each of the recorded requests, in order, gets the recorded status and body, down to texts and positions."""
    seed_results(sandbox)
    replay = Replay(call)
    for number, line in enumerate(RECORDED.read_text().splitlines(), 1):
        record = json.loads(line)
        if record["case"].startswith("composite primary key"):
            seed_parents(sandbox)
        reply = replay.answer(record)
        where = f"{number}: {record['case']}"
        assert reply.status == record["status"], where
        replay.learn(record["answer"].get("data"), reply.json.get("data"))
        expected = json.loads(replay.translated(json.dumps(record["answer"])))
        assert comparable(reply.json) == comparable(expected), where
    assert number == 127
