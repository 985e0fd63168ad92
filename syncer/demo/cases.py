"""What the people of the demo say and decide: calls to insurers, scored for quality. Pure; the caller brings the chance."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True)
class Criterion:
    """One score of the scorecard. ``yes``, ``no``: explanations of the two answers."""

    name: str
    key: str
    asks: str
    share: float
    yes: tuple[str, ...]
    no: tuple[str, ...]


CRITERIA = (
    Criterion(
        "Greeting",
        "greeting",
        "Does the agent say their name and the company's?",
        0.93,
        ("Name and company in the first sentence.", "Opens with “{company}, this is {agent}”."),
        ("No name given.", "Starts with a question, without a greeting."),
    ),
    Criterion(
        "Identity check",
        "identity-check",
        "Are two facts checked before anything about the contract is said?",
        0.81,
        ("Date of birth and postcode asked, both answered.", "Contract number and date of birth confirmed."),
        ("Only the name was asked.", "Contract details were given before the second question."),
    ),
    Criterion(
        "Next step",
        "next-step",
        "Does the caller know at the end what happens next, and when?",
        0.68,
        ("Promises a call back by {day}.", "Says that the letter goes out on {day}."),
        ("Ends with “we will see to it”, without a day.", "The caller asks twice what happens now and gets no answer."),
    ),
)

_AGENTS = ("Amara", "Björn", "Chen", "Daniela", "Emeka", "Fatima")
_DAYS = ("Monday", "Tuesday", "Thursday", "Friday")
_TOPICS = ("a storm damage", "a late payment", "a new address", "a cancelled contract", "a stolen bicycle", "a water leak")
_CHANNELS = ("phone", "phone", "phone", "chat", "e-mail")


@dataclass(frozen=True, slots=True)
class Call:
    """One call to be scored."""

    company: str
    number: str
    agent: str
    topic: str
    channel: str
    seconds: int

    def item(self, account_id: str) -> dict[str, Any]:
        """The item's fields."""
        return {
            "accountId": account_id,
            "externalId": self.number,
            "description": f"{self.agent} about {self.topic}",
            "text": f"Agent: {self.company}, this is {self.agent}. Caller: It is about {self.topic}. ...",
            "isEvaluation": False,
            "createdByType": "prediction",
            "metadata": {"channel": self.channel, "seconds": self.seconds, "agent": self.agent},
        }

    def identifiers(self, account_id: str, item_id: str) -> list[dict[str, Any]]:
        """The names people know the item by."""
        shared = {"accountId": account_id, "itemId": item_id}
        return [
            {**shared, "name": "call number", "value": self.number, "position": 1},
            {**shared, "name": "agent", "value": self.agent, "position": 2},
        ]


def call(company: str, number: int, random: Random) -> Call:
    """The call with this running number."""
    return Call(
        company,
        f"C-{10_000 + number}",
        random.choice(_AGENTS),
        random.choice(_TOPICS),
        random.choice(_CHANNELS),
        random.randint(40, 900),
    )


def verdict(criterion: Criterion, heard: Call, random: Random) -> dict[str, Any]:
    """What a score says of a call: value, explanation, confidence and the like, without the ids."""
    good = random.random() < criterion.share
    text = random.choice(criterion.yes if good else criterion.no)
    return {
        "value": "Yes" if good else "No",
        "explanation": text.format(company=heard.company, agent=heard.agent, day=random.choice(_DAYS)),
        "confidence": round(random.uniform(0.55, 0.99), 3),
        "metadata": {"channel": heard.channel, "words": heard.seconds * 2, "criterion": criterion.key},
        "cost": {"input_tokens": heard.seconds * 3, "output_tokens": random.randint(20, 60)},
    }


def configuration(criterion: Criterion, threshold: float) -> str:
    """The YAML of a score version."""
    return f"name: {criterion.name}\nkey: {criterion.key}\nask: {criterion.asks}\nthreshold: {threshold}\n"


def score(criterion: Criterion, order: int, scorecard_id: str, section_id: str) -> dict[str, Any]:
    """The fields of a score."""
    return {
        "name": criterion.name,
        "key": criterion.key,
        "externalId": f"S-{order}",
        "description": criterion.asks,
        "order": order,
        "type": "Boolean",
        "scorecardId": scorecard_id,
        "sectionId": section_id,
    }


def feedback(result: dict[str, Any], call_number: str, editor: str, random: Random) -> dict[str, Any]:
    """What a person thinks of a score result."""
    agrees = random.random() < 0.6
    other = {"Yes": "No", "No": "Yes"}[result["value"]]
    return {
        "accountId": result["accountId"],
        "scorecardId": result["scorecardId"],
        "scoreId": result["scoreId"],
        "itemId": result["itemId"],
        "cacheKey": f"{result['scoreId']}:{call_number}",
        "initialAnswerValue": result["value"],
        "finalAnswerValue": result["value"] if agrees else other,
        "initialCommentValue": result["explanation"],
        "editCommentValue": "Listened again: agreed." if agrees else "Listened again: the opposite is true.",
        "editorName": editor,
        "isAgreement": agrees,
    }
