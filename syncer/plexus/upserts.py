"""Upserts: one transaction that looks for a record by what people know it by, and updates it or makes it.

Transactions of one file never run at the same time, so threads and processes that upsert the same
thing make one row. What was not found here may be on the remote: such a create is asked for there
before it is first sent. People know an item by its identifiers: they lead from the names callers
use to the item.

Source: docs/remotes/plexus.md#idempotency
Source: docs/remotes/plexus.md#item
Source: docs/remotes/plexus.md#identifier
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from syncer.adapters.plexus.spec import MODELS
from syncer.errors import InvalidInput, SyncerError
from syncer.plexus.convert import inputs
from syncer.records.api import Records, UnitOfWork
from syncer.schema.values import checked

_log = logging.getLogger(__name__)

Outcome: TypeAlias = tuple[str | None, bool, str | None]
"""Id, whether it was created, error: an error never comes with an id."""

NO_EVALUATION = "prediction-default"
"""What stands in ``evaluationId`` of an item that belongs to no evaluation."""


def made_by(is_evaluation: bool, evaluation_id: str) -> str:
    """``createdByType`` of an item whose maker did not say."""
    return "evaluation" if is_evaluation or evaluation_id != NO_EVALUATION else "prediction"


def told(upsert: Callable[[], tuple[str, bool]]) -> Outcome:
    """What ``upsert`` answers, or its refusal in words; then nothing was stored."""
    try:
        key, created = upsert()
    except SyncerError as exc:
        _log.debug("an upsert was refused: %s", exc)
        return None, False, exc.sentence
    return key, created, None


def upsert_item(
    records: Records,
    account_id: str,
    identifiers: Mapping[str, Any] | None,
    given: Mapping[str, Any],
    first: Mapping[str, Any],
) -> tuple[str, bool]:
    """The item known by an identifier, else by its external id; its id, and whether it was made.

    ``given``: what to set in either case, falsy values left out; ``first``: what only a new item gets. Raises: SyncerError.
    """
    if not account_id:
        raise InvalidInput("an account_id is needed to find an item by its identifiers")
    known = known_by(account_id, identifiers)
    fields = inputs(MODELS["Item"], {name: value for name, value in given.items() if value})
    external_id = fields.get("externalId")
    with records.transaction() as unit:
        found = _known_item(unit, account_id, known, external_id)
        if found is not None:
            item_id = str(found["id"])
            if _taken(unit, account_id, external_id, item_id):
                del fields["externalId"]
            if fields:
                unit.update("Item", item_id, fields)
        else:
            rest = {**first, "accountId": account_id}
            own_id = _free_id(unit, account_id, external_id)
            upsert = list(fields) if known or external_id else None
            item_id = str(unit.create("Item", {**rest, **fields, "id": own_id}, upsert=upsert)["id"])
        name_item(unit, account_id, item_id, known)
        return item_id, found is None


def _known_item(unit: UnitOfWork, account_id: str, known: list[Known], external_id: Any) -> dict[str, Any] | None:
    for each in known:
        found = owner(unit, account_id, [each.name], each.value)
        if found is not None:
            return found
    if not external_id:
        return None
    where = {"accountId": account_id, "externalId": external_id}
    found = next(iter(unit.find("Item", where, order_by="createdAt", limit=1)), None)
    if found is None:
        found = unit.get("Item", _item_id(account_id, external_id))
    return found if found is not None and found["accountId"] == account_id else None


def _taken(unit: UnitOfWork, account_id: str, external_id: Any, item_id: str) -> bool:
    """True when another item has the external id: it keeps it, as an identifier stays with the item that holds it."""
    if not external_id:
        return False
    where = {"accountId": account_id, "externalId": external_id}
    holders = [row["id"] for row in unit.find("Item", where)]
    if not holders or item_id in holders:
        return False
    _log.info("external id stays with Item %s and is not given to %s", holders[0], item_id)
    return True


def _item_id(account_id: str, external_id: str) -> str:
    return f"{account_id}--{external_id}"


def _free_id(unit: UnitOfWork, account_id: str, external_id: Any) -> str | None:
    """The id that everybody who upserts this external id gives it; None (a new one) where another account's has it."""
    if not external_id:
        return None
    named = _item_id(account_id, external_id)
    return named if unit.get("Item", named) is None else None


def upsert_feedback(records: Records, account_id: str, cache_key: str, given: Mapping[str, Any]) -> tuple[str, bool]:
    """The feedback item of this account with this cache key; its id, and whether it was made.

    ``given``: what to set in either case, None left out. Raises: SyncerError.
    """
    fields = {name: value for name, value in given.items() if value is not None}
    key = {"accountId": account_id, "cacheKey": cache_key}
    for name, value in key.items():
        if not value:
            raise InvalidInput(f"a feedback item cannot be found by its cache key without {name}")
    with records.transaction() as unit:
        found = next(iter(unit.find("FeedbackItem", key, order_by="createdAt", limit=1)), None)
        if found is None:
            return str(unit.create("FeedbackItem", {**key, **fields}, upsert=list(fields))["id"]), True
        if found["editedAt"] is None and "editedAt" not in fields:
            fields["editedAt"] = found["createdAt"]  # no update leaves without it
        unit.update("FeedbackItem", found["id"], fields)
        return str(found["id"]), False


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


def name_item(unit: UnitOfWork, account_id: str, item_id: str, known: Sequence[Known]) -> None:
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
