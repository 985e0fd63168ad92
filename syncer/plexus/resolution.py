"""Which account, scorecard and score a client works for: by key, external id or name, found in the local file.

What was found is kept for the life of the client, what was not is looked for again: a pull may have
brought it.

Source: docs/remotes/plexus.md#client
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from syncer.adapters.plexus import settings
from syncer.errors import InvalidInput, RecordNotFound

if TYPE_CHECKING:
    from syncer.plexus.session import Session

_IDENTIFIERS = ("key", "externalId", "name")
_log = logging.getLogger(__name__)


class Resolution:
    """Looks things up for one client. An id in its context wins over a key or a name there, a call's own words over both.

    Every method raises RecordNotFound (a ValueError) for what the local file does not have.
    """

    def __init__(self, client: Session) -> None:
        self._client = client
        self._known: dict[tuple[str | None, ...], str] = {}

    def account_id(self) -> str:
        """The id of the client's account. Raises: InvalidInput when neither context nor settings name one."""
        context = self._client.context
        if context.account_id:
            return context.account_id
        at = ("Account", context.account_key)
        found = self._known.get(at)
        if found is None:
            found = self._known[at] = id_of(self._client)
        return found

    def scorecard_id(self, identifier: str | None = None, account_id: str | None = None) -> str | None:
        """The id of the scorecard called ``identifier``, else of the context's; None without any.

        It is looked for in this account, else in the client's, and in all of them only where neither is named.
        """
        context = self._client.context
        if not identifier and context.scorecard_id:
            return context.scorecard_id
        identifier = identifier or context.scorecard_key
        if not identifier:
            return None
        return self._found("Scorecard", identifier, **self._of_account(account_id))

    def score_id(
        self, name: str | None = None, scorecard_id: str | None = None, account_id: str | None = None
    ) -> str | None:
        """The id of the score called ``name`` on this scorecard (else the context's), else of the context's score, or None.

        A score of the context is not taken for another scorecard than the context's. Raises: InvalidInput for a name without
        a scorecard.
        """
        context = self._client.context
        scorecard_id = scorecard_id or self.scorecard_id(account_id=account_id)
        if not name and context.score_id and self._at_home(scorecard_id, account_id):
            return context.score_id
        name = name or context.score_name
        if not name:
            return None
        if not scorecard_id:
            raise InvalidInput(f"score {name!r} needs a scorecard", hint="give scorecard_key, or a client with a scorecard")
        return self._found("Score", name, scorecardId=scorecard_id)

    def score_called(self, name: str, scorecard: str) -> str:
        """The id of a score that is named by its own id, key, external id or name on a scorecard named likewise."""
        records = self._client.records
        card = records.get("Scorecard", str(scorecard))
        card_id = str(card["id"]) if card else self._found("Scorecard", scorecard, **self._of_account(None))
        score = records.get("Score", str(name))
        if score is not None and score["scorecardId"] == card_id:
            return str(score["id"])
        return self._found("Score", name, scorecardId=card_id)

    def filled(self, given: Mapping[str, Any], scorecard_key: str | None, score_name: str | None) -> dict[str, Any]:
        """``given`` with the ids of account, scorecard and score where it has none; None for what nobody named."""
        account_id = given.get("accountId") or self.account_id()
        scorecard_id = given.get("scorecardId") or self.scorecard_id(scorecard_key, account_id)
        score_id = given.get("scoreId") or self.score_id(score_name, scorecard_id, account_id)
        return {**given, "accountId": account_id, "scorecardId": scorecard_id, "scoreId": score_id}

    def _at_home(self, scorecard_id: str | None, account_id: str | None) -> bool:
        return scorecard_id is None or self.scorecard_id(account_id=account_id) in (None, scorecard_id)

    def _of_account(self, account_id: str | None) -> dict[str, str]:
        if not account_id and (self._client.context.account_id or key_of(self._client)):
            account_id = self.account_id()
        return {"accountId": account_id} if account_id else {}

    def _found(self, model: str, identifier: str, **scope: str) -> str:
        at = (model, str(identifier), *scope.values())
        found = self._known.get(at)
        if found is None:
            found = self._known[at] = self._sought(model, str(identifier), scope)
        return found

    def _sought(self, model: str, identifier: str, scope: Mapping[str, str]) -> str:
        for field in _IDENTIFIERS:
            records = self._client.records.find(model, {field: identifier, **scope}, order_by="createdAt", limit=2)
            if len(records) > 1:
                _log.warning("plexus: several %s records have the %s %r; the oldest is taken", model, field, identifier)
            if records:
                return str(records[0]["id"])
        raise RecordNotFound(
            f"no {model} with key, external id or name {identifier!r} is in the local file",
            hint=f"check the name, or fetch what others wrote: syncer pull plexus --model {model}",
        )


def key_of(client: Session) -> str | None:
    """The key of the client's account: of its context, else of the settings; None when neither names one."""
    configured = client.workspace.settings.remote("plexus", settings.SETTINGS)
    return client.context.account_key or configured.get("account_key")


def id_of(client: Session) -> str:
    """The id of the client's account, found in the local file by its key unless the context brings it.

    Raises: InvalidInput when no account is named, RecordNotFound when the file has none of that key (both ValueErrors).
    """
    if client.context.account_id:
        return client.context.account_id
    key = key_of(client)
    if not key:
        raise InvalidInput("no account is named", hint="set PLEXUS_ACCOUNT_KEY, or give accountId")
    found = client.records.find("Account", {"key": key}, limit=1)
    if not found:
        raise RecordNotFound(
            f"no Account with key {key!r} is in the local file",
            hint="check PLEXUS_ACCOUNT_KEY, or fetch the account: syncer pull plexus --model Account",
        )
    return str(found[0]["id"])
