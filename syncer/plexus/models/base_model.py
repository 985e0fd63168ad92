"""``BaseModel``: what all Plexus classes share, written once over the descriptions of their models.

An instance is a copy of one row as it was read; its attributes keep Plexus's names. Times are aware datetimes in UTC, JSON
is decoded, absent values are None. Writes go to the local file and are durable when they return; reads answer from it.

Source: docs/remotes/plexus.md#shared-behaviour
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from syncer.adapters.plexus.spec import MODELS
from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus.convert import absent, inputs, when
from syncer.schema.model import Field, Kind, Model
from syncer.schema.values import json_decoded

if TYPE_CHECKING:
    from syncer.plexus.session import Session

Record = Mapping[str, Any]

_LOG = logging.getLogger(__name__)


class BaseModel:
    """One record of a Plexus model: ``id``, and the client it was read by."""

    id: str
    _client: Session | None = None

    def __init__(self, id: str, client: Session | None = None) -> None:
        self.id = id
        self._client = client

    def __post_init__(self, client: Session | None = None) -> None:
        self._client = client

    @classmethod
    def model(cls) -> Model:
        """The description of this class's model."""
        return MODELS[cls.__name__]

    @classmethod
    def fields(cls) -> str:
        """The names of the attributes, as a GraphQL selection lists them."""
        return " ".join(name for name, _ in _shape(cls).attributes)

    @classmethod
    def from_dict(cls, data: dict[str, Any], client: Session | None) -> Self:
        """An instance of a record as GraphQL answers it, or as ``ws.plexus`` does. ``data`` is left as it is.

        Raises: InvalidInput (a ValueError) when a field that every record has is not in ``data``.
        """
        values: dict[str, Any] = {}
        for name, convert in _shape(cls).attributes:
            value = data.get(name)
            values[name] = value if convert is None or value is None else convert(value)
        missing = [name for name in _shape(cls).required if name not in data]
        if missing:
            raise InvalidInput(f"this is no {cls.__name__}: it has no {' and no '.join(missing)}")
        made = cls(**values)
        made._client = client
        return made

    @classmethod
    def get_by_id(cls, id: str, client: Session) -> Self:
        """The record with this id in the local file. Raises: RecordNotFound (a ValueError)."""
        return cls._existing(client, id)

    # What the classes are made of. ``client`` is any PlexusDashboardClient.

    @classmethod
    def _existing(cls, client: Session, id: str) -> Self:
        found = cls._get(client, id)
        if found is None:
            raise cls._absent("id", id)
        return found

    @classmethod
    def _absent(cls, field: str, value: Any) -> RecordNotFound:
        return absent(cls.model().name, field, value)

    @classmethod
    def _get(cls, client: Session, key: str | Mapping[str, str]) -> Self | None:
        record = client.records.get(cls.model().name, key)
        return None if record is None else cls._loaded(record, client)

    @classmethod
    def _loaded(cls, record: Record, client: Session | None) -> Self:
        """An instance of a record that was just read; classes that show related records add them here."""
        return cls.from_dict(dict(record), client)

    @classmethod
    def _created(cls, client: Session, fields: Mapping[str, Any]) -> Self:
        """Store a new record; None means absent."""
        model = cls.model()
        return cls.from_dict(client.records.create(model.name, inputs(model, fields)), client)

    @classmethod
    def _all(
        cls,
        client: Session,
        where: Mapping[str, Any],
        order_by: str | Sequence[str] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Self]:
        found = client.records.find(cls.model().name, where, order_by=order_by, limit=limit, offset=offset)
        return [cls._loaded(record, client) for record in found]

    @classmethod
    def _first(cls, client: Session, where: Mapping[str, Any], order_by: str | Sequence[str] | None = None) -> Self | None:
        return next(iter(cls._all(client, where, order_by, limit=1)), None)

    @classmethod
    def _only(cls, client: Session, where: Mapping[str, Any]) -> Self | None:
        """The record of these values, which should be one; of several the oldest, and the log says so."""
        model = cls.model()
        found = cls._all(client, where, "createdAt", limit=2)
        if len(found) > 1:
            _LOG.warning("plexus: several %ss have the same %s; taking %s", model.name, " and ".join(where), found[0].id)
        return found[0] if found else None

    @property
    def _own_client(self) -> Session:
        """The client this instance was read by. Raises: InvalidInput (a ValueError) when there is none."""
        if self._client is None:
            raise InvalidInput(f"this {type(self).__name__} has no client", hint="load it with a client, or give it one")
        return self._client

    @property
    def _key(self) -> str | dict[str, str]:
        return self.id

    def _changed(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Store changes of this record; the whole record after them. This instance stays as it is."""
        model = self.model()
        given = inputs(model, changes)
        return self._own_client.records.update(model.name, self._key, given)

    def _refresh(self, record: Record) -> None:
        """Let the attributes be those of ``record``."""
        for name, convert in _shape(type(self)).attributes:
            if name in record:
                value = record[name]
                setattr(self, name, value if convert is None or value is None else convert(value))


Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a class's constructor takes: each attribute with what makes its value of a field's; those that must be given."""

    attributes: tuple[tuple[str, Convert | None], ...]
    required: tuple[str, ...]


_SHAPES: dict[type[BaseModel], _Shape] = {}


def _shape(cls: type[BaseModel]) -> _Shape:
    found = _SHAPES.get(cls)
    if found is None:
        parameters = inspect.signature(cls).parameters.values()
        taken = [p for p in parameters if p.name != "client" and not p.name.startswith("_")]
        by_name = cls.model().by_name
        found = _SHAPES[cls] = _Shape(
            tuple((p.name, _conversion(by_name.get(p.name))) for p in taken),
            tuple(p.name for p in taken if p.default is p.empty),
        )
    return found


def _conversion(field: Field | None) -> Convert | None:
    if field is None or field.many:
        return None
    return {Kind.TIME: when, Kind.JSON: _plain}.get(field.kind)


def _plain(value: Any) -> Any:
    return json_decoded(value) if isinstance(value, str) else value
