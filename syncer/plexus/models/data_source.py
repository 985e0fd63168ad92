"""Data sources, and data sets made from them: where items come from. Read only: the original writes none either.

Source: docs/remotes/plexus.md#data
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from syncer import clock
from syncer.errors import InvalidInput
from syncer.plexus import resolution
from syncer.plexus.listing import filters, pages
from syncer.plexus.models.base_model import BaseModel, Record

if TYPE_CHECKING:
    from syncer.plexus.session import Session

_GIVEN = ("name", "status", "source", "errorMessage", "createdAt", "updatedAt")


class DataSet(BaseModel):
    """A data set. ``filePath`` is what the remote calls ``file`` today; times are ISO 8601 text.

    ``status``, ``source`` and ``errorMessage`` are of older deployments: None where the remote has them no more.
    ``dataSource`` is the source its version belongs to, when the local file has both.
    """

    name: str | None = None
    status: str | None = None
    source: str | None = None
    filePath: str | None = None
    errorMessage: str | None = None
    dataSourceId: str | None = None
    dataSource: DataSource | None = None
    createdAt: str | None = None
    updatedAt: str | None = None

    @classmethod
    def fields(cls) -> str:
        """The names of the attributes, as a GraphQL selection lists them."""
        return "id name status source filePath errorMessage dataSourceId createdAt updatedAt"

    @classmethod
    def from_dict(cls, data: dict[str, Any], client: Session | None) -> Self:
        """A data set of a record as GraphQL answers it, or as ``ws.plexus`` does. Raises: InvalidInput without ``id``."""
        if "id" not in data:
            raise InvalidInput("this is no DataSet: it has no id")
        made = cls(data["id"], client)
        for name in _GIVEN:
            setattr(made, name, data.get(name))
        made.createdAt, made.updatedAt = usual(made.createdAt), usual(made.updatedAt)
        made.filePath = data.get("filePath") or data.get("file")
        made.dataSourceId = data.get("dataSourceId")
        return made

    @classmethod
    def _loaded(cls, record: Record, client: Session | None) -> Self:
        made = super()._loaded(record, client)
        version = record.get("dataSourceVersionId")
        found = client.records.get("DataSourceVersion", version) if client is not None and version else None
        if found is not None and client is not None:
            from syncer.plexus.models.data_source import DataSource

            made.dataSourceId = found["dataSourceId"]
            source = client.records.get("DataSource", found["dataSourceId"])
            made.dataSource = None if source is None else DataSource.from_dict(source, client)
        return made


def usual(text: Any) -> Any:
    """A time as text the way the remote spells it: milliseconds, unless it is finer."""
    return clock.usual_text(text) if isinstance(text, str) else text


Texts: TypeAlias = list[str]
Sets: TypeAlias = list[DataSet]
Sources: TypeAlias = "list[DataSource]"


@dataclass(eq=False)
class DataSource(BaseModel):
    """A data source. ``owner`` is the account's id, times are ISO 8601 text.

    ``dataSets``: those of its versions that the local file has, the newest first. Every lookup reads the local file in a
    thread of its own, so that the event loop goes on.
    """

    id: str
    name: str
    key: str | None = None
    description: str | None = None
    yamlConfiguration: str | None = None
    attachedFiles: Texts | None = None
    createdAt: str | None = None
    updatedAt: str | None = None
    owner: str | None = None
    accountId: str | None = None
    currentVersionId: str | None = None
    scoreId: str | None = None
    scorecardId: str | None = None
    dataSets: Sets | None = None
    client: InitVar[Session | None] = None

    @classmethod
    def from_dict(cls, data: dict[str, Any], client: Session | None) -> DataSource:
        """A data source of a record as GraphQL answers it, or as ``ws.plexus`` does.

        Raises: InvalidInput (a ValueError) when ``id`` or ``name`` is not in ``data``.
        """
        made = super().from_dict(data, client)
        made.owner = data.get("owner") or made.accountId
        made.createdAt, made.updatedAt = usual(data.get("createdAt")), usual(data.get("updatedAt"))
        made.dataSets = _sets(data.get("dataSets"), client)
        return made

    @classmethod
    async def get(cls, client: Session, id: str) -> DataSource | None:
        """The data source with this id, None when the local file has none."""
        return await asyncio.to_thread(cls._one, client, id)

    @classmethod
    async def get_by_name(cls, name: str, client: Session) -> DataSource | None:
        """The data source with this name that changed last, None when there is none: of the client's account if one is named
        (context, ``PLEXUS_ACCOUNT_KEY``), else of any account in the local file. Raises: RecordNotFound for a named account
        that the file does not have.
        """
        found = await asyncio.to_thread(cls._of_account, client, {"name": name}, False)
        return found[0] if found else None

    @classmethod
    async def list(cls, client: Session, filter: dict[str, Any] | None = None) -> Sources:
        """Every data source of the local file that ``filter`` lets through, the one that changed last first.

        ``filter``: as AppSync takes it, ``{"name": {"beginsWith": "calls"}, "or": [...]}``. Raises: InvalidInput for one it
        would not take.
        """
        return await asyncio.to_thread(cls._filtered, client, filter)

    @classmethod
    async def list_by_key(cls, client: Session, key: str) -> Sources:
        """The data sources of the client's account with this key, the one that changed last first.

        Raises: InvalidInput when no account is named, RecordNotFound when the local file does not have it; both are
        ValueErrors.
        """
        return await asyncio.to_thread(cls._of_account, client, {"key": key}, True)

    @classmethod
    async def list_by_name(cls, client: Session, name: str) -> Sources:
        """The data sources of the client's account with this name; as :meth:`list_by_key`."""
        return await asyncio.to_thread(cls._of_account, client, {"name": name}, True)

    @classmethod
    def _one(cls, client: Session, id: str) -> DataSource | None:
        found = cls._get(client, id)
        return None if found is None else cls._with_sets(client, [found])[0]

    @classmethod
    def _of_account(cls, client: Session, where: Mapping[str, Any], needed: bool) -> Sources:
        if needed or client.context.account_id or resolution.key_of(client):
            where = {"accountId": resolution.id_of(client), **where}
        return cls._with_sets(client, cls._all(client, where, "-updatedAt"))

    @classmethod
    def _filtered(cls, client: Session, filter: Mapping[str, Any] | None) -> Sources:
        order = pages.Order("updatedAt", descending=True)
        found = pages.matching(client, cls.model(), filters.parsed(cls.model(), filter), order)
        return cls._with_sets(client, [cls._loaded(record, client) for record in found])

    @classmethod
    def _with_sets(cls, client: Session, sources: Sources) -> Sources:
        """``sources`` with their data sets, read together whatever their number."""
        find = client.records.find
        versions = find("DataSourceVersion", {"dataSourceId": [source.id for source in sources]})
        by_id = {source.id: source for source in sources}
        of = {version["id"]: by_id[version["dataSourceId"]] for version in versions}
        sets: dict[str, Sets] = {source.id: [] for source in sources}
        for record in find("DataSet", {"dataSourceVersionId": [*of]}, order_by="-createdAt"):
            made = DataSet.from_dict(record, client)
            made.dataSource = source = of[record["dataSourceVersionId"]]
            made.dataSourceId = source.id
            sets[source.id].append(made)
        for source in sources:
            source.dataSets = sets[source.id]
        return sources


def _sets(given: Any, client: Session | None) -> Sets | None:
    """The data sets nested in a record, as a list or as a GraphQL connection."""
    listed = given.get("items") if isinstance(given, Mapping) else given
    if listed is None:
        return None
    return [each if isinstance(each, DataSet) else DataSet.from_dict(each, client) for each in listed if each is not None]
