"""Data sets: files of items made from a data source.

Source: docs/remotes/plexus.md#data
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from syncer import clock
from syncer.errors import InvalidInput
from syncer.plexus.record import BaseModel, Record

if TYPE_CHECKING:
    from syncer.plexus.client import _BaseAPIClient
    from syncer.plexus.models.data_source import DataSource

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
    def from_dict(cls, data: dict[str, Any], client: _BaseAPIClient | None) -> Self:
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
    def _loaded(cls, record: Record, client: _BaseAPIClient | None) -> Self:
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
