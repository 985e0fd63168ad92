"""Report configurations: what a report is made of, as text.

Source: docs/remotes/plexus.md#reports
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncer.plexus.listing import filters, pages
from syncer.plexus.models.base_model import BaseModel

if TYPE_CHECKING:
    from syncer.plexus.session import Session


@dataclass
class ReportConfiguration(BaseModel):
    """A report configuration of an account. ``configuration`` is its text, as it was written."""

    id: str
    name: str
    accountId: str
    configuration: str
    description: str | None = None
    createdAt: datetime | None = None
    updatedAt: datetime | None = None
    client: InitVar[Session | None] = None

    @classmethod
    def create(
        cls, client: Session, name: str, accountId: str, configuration: str, description: str | None = None
    ) -> ReportConfiguration:
        """A new report configuration, stored when this returns. Raises: InvalidInput (a ValueError)."""
        fields = {"name": name, "accountId": accountId, "configuration": configuration, "description": description}
        return cls._created(client, fields)

    @classmethod
    def get_by_name(cls, name: str, account_id: str, client: Session) -> ReportConfiguration | None:
        """The configuration of this account with this name that changed last, None when the local file has none."""
        return cls._first(client, {"accountId": account_id, "name": name}, "-updatedAt")

    @classmethod
    def list_by_account_id(
        cls, account_id: str, client: Session, limit: int = 50, next_token: str | None = None
    ) -> dict[str, Any]:
        """A page of an account's configurations, the one that changed last first.

        ``{"items": [ReportConfiguration, ...], "nextToken": str | None}``: up to ``limit`` of them, and what to give as
        ``next_token`` for more. Raises: InvalidInput (a ValueError) for a token that is not of this list.
        """
        return cls._page(client, {"accountId": account_id}, limit, next_token)

    @classmethod
    def list_by_account_and_name(
        cls, account_id: str, name: str, client: Session, limit: int = 50, next_token: str | None = None
    ) -> dict[str, Any]:
        """A page of an account's configurations with this name; as :meth:`list_by_account_id`."""
        return cls._page(client, {"accountId": account_id, "name": name}, limit, next_token)

    def update(
        self, client: Session, name: str, accountId: str, configuration: str, description: str | None = None
    ) -> ReportConfiguration:
        """A new instance with all of this replaced, no ``description`` removing the one there is; this one stays as it is.

        Only what differs is sent. Raises: InvalidInput (a ValueError), RecordNotFound.
        """
        fields = {"name": name, "accountId": accountId, "configuration": configuration, "description": description}
        return self._loaded(client.records.update("ReportConfiguration", self.id, fields), client)

    @classmethod
    def _page(cls, client: Session, where: Mapping[str, Any], limit: int, next_token: str | None) -> dict[str, Any]:
        model = cls.model()
        wanted = filters.parsed(model, {name: {"eq": value} for name, value in where.items()})
        order = pages.Order("updatedAt", descending=True)
        found, more = pages.page(client, model, wanted, order, limit, next_token, where)
        return {"items": [cls._loaded(record, client) for record in found], "nextToken": more}
