"""``ClientContext``: the account, scorecard and score a client works for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class ClientContext:
    """What a client fills in where a call leaves it out. Keys and names are looked up in the local file when needed."""

    account_key: str | None = None
    account_id: str | None = None
    scorecard_key: str | None = None
    scorecard_id: str | None = None
    score_name: str | None = None
    score_id: str | None = None
