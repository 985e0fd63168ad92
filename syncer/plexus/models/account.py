"""Accounts: what everything else in Plexus belongs to.

Source: docs/remotes/plexus.md#account
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, Any

from syncer.plexus.models.base_model import BaseModel

if TYPE_CHECKING:
    from syncer.plexus.session import Session


@dataclass
class Account(BaseModel):
    """An account. ``settings`` is a dict."""

    id: str
    name: str
    key: str
    description: str | None = None
    settings: dict[str, Any] | None = None
    client: InitVar[Session | None] = None

    @classmethod
    def get_by_key(cls, key: str, client: Session) -> Account | None:
        """The account with this key, None when the local file has none."""
        return cls._only(client, {"key": key})

    @classmethod
    def list_by_key(cls, client: Session, key: str) -> Account | None:
        """The same as :meth:`get_by_key`, with its arguments the other way round, as in the original."""
        return cls.get_by_key(key, client)

    def update(self, **kwargs: Any) -> Account:
        """A new instance with these fields changed; this one stays as it is.

        Raises: InvalidInput for a field Plexus does not take, RecordNotFound.
        """
        return type(self)._loaded(self._changed(kwargs), self._client)
