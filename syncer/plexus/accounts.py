"""The account a client works for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus import settings

if TYPE_CHECKING:
    from syncer.plexus.client import _BaseAPIClient


def key_of(client: _BaseAPIClient) -> str | None:
    """The key of the client's account: of its context, else of the settings; None when neither names one."""
    configured = client.workspace.settings.remote("plexus", settings.SETTINGS)
    return client.context.account_key or configured.get("account_key")


def id_of(client: _BaseAPIClient) -> str:
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
