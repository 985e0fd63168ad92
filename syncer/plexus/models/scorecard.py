"""Scorecards: the questions an account asks of its items.

Source: docs/remotes/plexus.md#scorecard
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, Any

from syncer.errors import InvalidInput
from syncer.plexus import resolution
from syncer.plexus.models.base_model import BaseModel

if TYPE_CHECKING:
    from syncer.plexus.session import Session

_LOG = logging.getLogger(__name__)


@dataclass
class Scorecard(BaseModel):
    """A scorecard. ``externalId`` may be None for one that was made elsewhere.

    Lookups answer from the local file, and only with the account's own when the client's context names an account. Nobody
    keeps keys, names and external ids unique: of several scorecards the oldest is given, and the log says so.
    """

    id: str
    name: str
    key: str
    externalId: str
    accountId: str
    description: str | None = None
    client: InitVar[Session | None] = None

    @classmethod
    def create(
        cls,
        client: Session,
        name: str,
        key: str,
        externalId: str,
        accountId: str,
        description: str | None = None,
    ) -> Scorecard:
        """A new scorecard, stored when this returns; its id is made here. An empty ``externalId`` or ``description`` is
        left out. The log warns when the account has one of this key or external id already.

        Raises: InvalidInput (a ValueError) for an empty name, key or account, which Plexus refuses.
        """
        empty = [n for n, value in (("name", name), ("key", key), ("accountId", accountId)) if not value]
        if empty:
            raise InvalidInput(f"Scorecard.{empty[0]} cannot be empty", why="Plexus finds scorecards by it")
        fields = {"name": name, "key": key, "accountId": accountId}
        fields |= {n: value for n, value in (("externalId", externalId), ("description", description)) if value}
        for field in ("key", "externalId"):
            if field in fields and client.records.find("Scorecard", {n: fields[n] for n in ("accountId", field)}, limit=1):
                _LOG.warning("plexus: the account has a Scorecard of this %s already; lookups find the older one", field)
        return cls._created(client, fields)

    @classmethod
    def get_by_key(cls, key: str, client: Session) -> Scorecard:
        """The scorecard with this key. Raises: RecordNotFound (a ValueError)."""
        return cls._wanted(client, "key", key)

    @classmethod
    def get_by_name(cls, name: str, client: Session) -> Scorecard:
        """The scorecard with this name. Raises: RecordNotFound (a ValueError)."""
        return cls._wanted(client, "name", name)

    @classmethod
    def get_by_external_id(cls, external_id: str, client: Session) -> Scorecard:
        """The scorecard with this external id. Raises: RecordNotFound (a ValueError)."""
        return cls._wanted(client, "externalId", external_id)

    @classmethod
    def list_by_key(cls, key: str, client: Session) -> Scorecard | None:
        """As :meth:`get_by_key`: one scorecard in spite of the name, None when the local file has none."""
        return cls._found(client, "key", key)

    @classmethod
    def list_by_name(cls, name: str, client: Session) -> Scorecard | None:
        """As :meth:`get_by_name`: one scorecard in spite of the name, None when the local file has none."""
        return cls._found(client, "name", name)

    @classmethod
    def list_by_external_id(cls, external_id: str, client: Session) -> Scorecard | None:
        """As :meth:`get_by_external_id`: one scorecard in spite of the name, None when the local file has none."""
        return cls._found(client, "externalId", external_id)

    @classmethod
    def get_by_account_and_external_id(cls, account_id: str, external_id: str, client: Session) -> Scorecard | None:
        """The scorecard of this account with this external id, None when the local file has none."""
        return cls._only(client, {"accountId": account_id, "externalId": external_id})

    @classmethod
    def _wanted(cls, client: Session, field: str, value: str) -> Scorecard:
        found = cls._found(client, field, value)
        if found is None:
            raise cls._absent(field, value)
        return found

    @classmethod
    def _found(cls, client: Session, field: str, value: str) -> Scorecard | None:
        """By one field, whose absence is no value of it: None and empty text find nothing."""
        return cls._only(client, {field: value, **_of_account(client)}) if value else None


def _of_account(client: Session) -> Mapping[str, Any]:
    """What keeps lookups in the account that the client was made for. Raises: RecordNotFound when its key is unknown."""
    context = client.context
    return {"accountId": resolution.id_of(client)} if context.account_id or context.account_key else {}
