"""Small believable records for tests."""

from __future__ import annotations

from typing import Any

from syncer import Workspace


def account(ws: Workspace, **fields: Any) -> str:
    """The id of a new account."""
    return str(ws.plexus.create("Account", {"name": "Lab", "key": "lab", **fields})["id"])


def scoring(ws: Workspace) -> dict[str, str]:
    """Ids of an account with a scorecard, a section, a score and an item: accountId, scorecardId, scoreId, itemId."""
    account_id = account(ws)
    card = ws.plexus.create("Scorecard", {"name": "Quality", "key": "quality", "accountId": account_id})["id"]
    section = ws.plexus.create("ScorecardSection", {"name": "All", "order": 1, "scorecardId": card})["id"]
    score = ws.plexus.create(
        "Score",
        {"name": "Tone", "order": 1, "type": "LLM", "sectionId": section, "scorecardId": card, "externalId": "tone"},
    )["id"]
    item = ws.plexus.create("Item", {"accountId": account_id, "externalId": "call-1"})["id"]
    return {"accountId": account_id, "scorecardId": card, "scoreId": score, "itemId": item}


def result(ids: dict[str, str], **fields: Any) -> dict[str, Any]:
    """The fields of a score result."""
    return {"value": "Yes", **ids, **fields}
