"""Identifiers: the names and numbers by which people know an item.

Source: docs/remotes/plexus.md#identifier
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncer.errors import InvalidInput, RecordNotFound
from syncer.plexus.convert import inputs
from syncer.plexus.models.base_model import BaseModel

if TYPE_CHECKING:
    from syncer.plexus.session import Session

_FIXED = ("createdAt", "itemId", "name", "accountId")
_OLDEST = ("createdAt",)


@dataclass
class Identifier(BaseModel):
    """A name and value of an item: an item has one value for a name.

    ``position`` orders those of an item, from 1; ``url`` leads to where the value comes from. ``id`` is ``itemId#name``,
    made here: the remote knows an identifier by those two fields.
    """

    itemId: str
    name: str
    value: str
    accountId: str
    createdAt: datetime
    updatedAt: datetime
    url: str | None = None
    position: int | None = None
    client: InitVar[Session | None] = None

    def __post_init__(self, client: Session | None = None) -> None:  # noqa: RUF033 - as in the base
        super().__post_init__(client)
        self.id = f"{self.itemId}#{self.name}"

    @property
    def _key(self) -> dict[str, str]:
        return {"itemId": self.itemId, "name": self.name}

    @classmethod
    def get_by_id(cls, id: str, client: Session) -> Identifier:
        """The identifier whose ``id`` (``itemId#name``) this is.

        Raises: RecordNotFound (a ValueError).
        """
        for at in (n for n, letter in enumerate(id) if letter == "#"):  # either part may hold one, too
            found = cls._get(client, {"itemId": id[:at], "name": id[at + 1 :]})
            if found is not None:
                return found
        raise cls._absent("id", id)

    @classmethod
    def create(
        cls,
        client: Session,
        itemId: str,
        name: str,
        value: str,
        accountId: str,
        url: str | None = None,
        position: int | None = None,
    ) -> Identifier:
        """A new identifier, stored when this returns; without ``position`` it comes behind the others of its item.

        Raises: RecordExists when the item has an identifier of this name, InvalidInput (a ValueError).
        """
        fields = {"itemId": itemId, "name": name, "value": value, "accountId": accountId}
        return cls._created(client, {**fields, "url": url, "position": position})

    @classmethod
    def batch_create_for_item(
        cls, client: Session, item_id: str, account_id: str, identifiers_data: list[dict[str, Any]]
    ) -> list[Identifier]:
        """New identifiers of one item, all of them or none, in the order given.

        ``identifiers_data``: dicts of ``name`` and ``value``, and ``url`` and ``position`` where there are any; without a
        position they come behind one another. Raises: InvalidInput (a ValueError) naming the place in the list,
        RecordExists when the item has an identifier of such a name.
        """
        model = cls.model()
        given = [_checked(number, each) for number, each in enumerate(identifiers_data)]
        fields = [{**inputs(model, each), "itemId": item_id, "accountId": account_id} for each in given]
        return [cls.from_dict(record, client) for record in client.records.create_many(model.name, fields)]

    @classmethod
    def find_by_value(cls, value: str, account_id: str, client: Session) -> Identifier | None:
        """The account's identifier with this value, whatever its name; of several the oldest, None when there is none."""
        return cls._first(client, {"accountId": account_id, "value": value}, _OLDEST)

    @classmethod
    def find_by_name_and_value(cls, name: str, value: str, account_id: str, client: Session) -> Identifier | None:
        """The account's identifier with this name and value; of several the oldest, None when there is none."""
        return cls._first(client, {"accountId": account_id, "name": name, "value": value}, _OLDEST)

    @classmethod
    def list_by_item_id(cls, item_id: str, client: Session) -> list[Identifier]:
        """All identifiers of an item, by position."""
        return cls._all(client, {"itemId": item_id}, "position")

    @classmethod
    def batch_find_by_values(cls, values: list[str], account_id: str, client: Session) -> dict[str, Identifier]:
        """The account's identifiers with these values, by value, the oldest of several; a value nobody has is absent."""
        wanted = _texts(values)
        found: dict[str, Identifier] = {}
        for each in cls._all(client, {"accountId": account_id, "value": wanted}, _OLDEST) if wanted else ():
            found.setdefault(each.value, each)
        return found

    def update(self, **kwargs: Any) -> Identifier:
        """A new instance with these fields changed (``value``, ``url``, ``position``); this one stays as it is.

        Raises: InvalidInput (a ValueError) for ``createdAt``, ``itemId``, ``name`` and ``accountId``, which stay what they
        are (another name is another identifier: delete this one and create it), RecordNotFound.
        """
        for name in _FIXED:
            if name in kwargs:
                raise InvalidInput(f"Identifier.{name} cannot be changed", hint="delete it and create another")
        return type(self)._loaded(self._changed(kwargs), self._client)

    def delete(self) -> bool:
        """Remove the identifier here now, on the remote at the next push. False when it is not in the local file."""
        try:
            self._own_client.records.delete(self.model().name, self._key)
        except RecordNotFound:
            return False
        return True


def _checked(number: int, given: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in ("name", "value"):
        if given.get(name) is None:
            raise InvalidInput(f"identifiers_data[{number}] has no {name}")
    return given


def _texts(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))
