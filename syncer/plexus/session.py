"""What the classes of Plexus need of a client: its records, its workspace, its address, and the context it works in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from syncer.records.api import Records
    from syncer.workspace import Workspace


class Session(Protocol):
    """A client as models see it. :class:`syncer.plexus.client.PlexusDashboardClient` is one."""

    api_url: str | None
    api_key: str | None
    auth_mode: str
    context: ClientContext
    workspace: Workspace

    @property
    def records(self) -> Records:
        """The Plexus records of the local file, by model and field names."""
        ...


@dataclass
class ClientContext:
    """What a client fills in where a call leaves it out. Keys and names are looked up in the local file when needed."""

    account_key: str | None = None
    account_id: str | None = None
    scorecard_key: str | None = None
    scorecard_id: str | None = None
    score_name: str | None = None
    score_id: str | None = None
