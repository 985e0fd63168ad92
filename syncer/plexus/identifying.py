"""What people know an item by: from the names callers use to identifiers, and from identifiers to the item.

Source: docs/remotes/plexus.md#item
Source: docs/remotes/plexus.md#identifier
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from syncer.engine.unit import Unit
from syncer.errors import InvalidInput
from syncer.plexus.spec import MODELS
from syncer.values import checked

_log = logging.getLogger(__name__)
_OLDEST = ("createdAt",)


class Reading(Protocol):
    """What a workspace's records and an open transaction have in common."""

    def get(self, model: str, key: str | Mapping[str, str]) -> dict[str, Any] | None:
        """One record."""
        ...

    def find(
        self, model: str, where: Mapping[str, Any] | None = None, *, order_by: str | Sequence[str] | None = None
    ) -> list[dict[str, Any]]:
        """Records that match."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """An identifier to be: its name as people read it, its value, its place among those given, from 1."""

    name: str
    value: str
    position: int


def display_name(key: str) -> str:
    """A caller's key as an identifier's name: ``formId`` is "Form Id", ``customer_id`` "Customer Id".

    As in the original: ``item_Id`` is "Item  Id", with two spaces.
    """
    return key.replace("_", " ").replace("Id", " ID").title().strip()


def known_by(account_id: str, identifiers: Mapping[str, Any] | None) -> list[Known]:
    """The identifiers in ``identifiers``, in order: blank values left out, the first of two that mean the same name kept.

    One that no record could hold (no name, half a character) is left out too, and logged: an item is not refused for it.
    Raises: InvalidInput when this is no dict.
    """
    if identifiers is None:
        return []
    if not isinstance(identifiers, Mapping):
        raise InvalidInput(f"identifiers are a dict of values by name, not {type(identifiers).__name__}")
    texts = {str(key): str(value).strip() for key, value in identifiers.items() if value is not None}
    found: dict[str, Known] = {}
    for position, (key, text) in enumerate(((k, t) for k, t in texts.items() if t), start=1):
        name = display_name(key)
        if name in found:
            _log.warning("two identifiers are both called %r: the first is kept", name)
        elif _storable(account_id, name, text):
            found[name] = Known(name, text, position)
    return list(found.values())


def _storable(account_id: str, name: str, value: str) -> bool:
    try:
        checked(MODELS["Identifier"], {"accountId": account_id, "name": name, "value": value}, creating=True)
    except InvalidInput as exc:
        _log.warning("an identifier is left out: %s", exc)
        return False
    return True


def owner(records: Reading, account_id: str, names: Sequence[str], value: str) -> dict[str, Any] | None:
    """The item that an identifier of one of these names and this value points at; of several, the longest known one.

    An identifier whose item is not in the local file says nothing.
    """
    where = {"accountId": account_id, "name": list(names), "value": value}
    for identifier in records.find("Identifier", where, order_by=_OLDEST):
        item = records.get("Item", identifier["itemId"])
        if item is not None:
            return item
    return None


def name_item(unit: Unit, account_id: str, item_id: str, known: Sequence[Known]) -> None:
    """Give an item these identifiers: a new one is added, a changed value updated, one that another item holds skipped."""
    for each in known:
        own = unit.get("Identifier", {"itemId": item_id, "name": each.name})
        if own is not None and own["value"] == each.value:
            continue
        holder = owner(unit, account_id, [each.name], each.value)
        if holder is not None and holder["id"] != item_id:
            _log.info("identifier %r stays with Item %s and is not given to %s", each.name, holder["id"], item_id)
        elif own is not None:
            unit.update("Identifier", {"itemId": item_id, "name": each.name}, {"value": each.value})
        else:
            fields = {"itemId": item_id, "name": each.name, "value": each.value, "position": each.position}
            unit.create("Identifier", {**fields, "accountId": account_id}, upsert=["value"])
