"""Create, update and delete, as Amplify's resolvers and DynamoDB do them.

Source: docs/remotes/plexus.md#creates
Source: docs/remotes/plexus.md#updates
Source: docs/remotes/plexus.md#deletes
Source: docs/remotes/plexus.md#timestamps
Source: docs/remotes/plexus.md#fields-that-travel-together
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from syncer import clock, ids
from syncer.adapters.plexus import naming
from syncer.sandbox.plexus import problems
from syncer.sandbox.plexus.filters import matches
from syncer.sandbox.plexus.tables import Record, Table, encoded
from syncer.sandbox.storage import Effect, Storage
from syncer.schema.model import Field, Index

ITEM_LIMIT = 400 * 1024
"""DynamoDB: bytes of one item, names and values."""

Input = Mapping[str, Any]


class Writer:
    """The three mutations of one model. Raises: Problem, with nothing applied."""

    def __init__(self, storage: Storage, table: Table) -> None:
        self._storage = storage
        self._table = table
        self.model = table.model

    def create(self, given: Input, condition: Input | None, request: str) -> Record:
        """The new record, or the stored one where it equals what this create would write."""
        self._check_groups("create", given.keys() | {"createdAt", "updatedAt"})
        now = clock.wire(clock.stored_now())
        record: Record = {name: now for name in ("createdAt", "updatedAt") if name in self.model.by_name}
        record.update(given)
        if self.model.key == ("id",) and record.get("id") is None:
            record["id"] = ids.new_id()
        for name in self._droppable.intersection(record):
            if record[name] is None:
                del record[name]
        self._check_keys(record, null_is_removal=False)
        key = self.model.key_text(record)
        test = matches(condition)
        if test and not test({}):
            raise problems.condition_failed()
        if self._table.insert(key, record, _fitting(record)):
            self._note(key, "create", request)
        elif self._table.get(key) != record:
            raise problems.condition_failed()
        return record

    def update(self, given: Input, condition: Input | None, request: str) -> Record:
        """The record with the given fields set, those given as null removed."""
        self._check_groups("update", given.keys() | {"updatedAt"})
        self._check_keys(given, null_is_removal=True)
        key = self.model.key_text(given)
        record = self._table.get(key)
        test = matches(condition)
        if record is None or (test and not test(record)):
            raise problems.condition_failed()
        if "updatedAt" in self.model.by_name:
            record["updatedAt"] = clock.wire(clock.stored_now())
        record.update(given)
        record = {name: value for name, value in record.items() if value is not None or name not in given}
        self._table.replace(key, record, _fitting(record))
        self._note(key, "update", request)
        return record

    def delete(self, given: Input, condition: Input | None, request: str) -> Record | None:
        """The record that was removed; None when there is none any more."""
        key = self.model.key_text(given)
        record = self._table.get(key)
        if record is None:
            return None
        test = matches(condition)
        if test and not test(record):
            raise problems.condition_failed()
        self._table.remove(key)
        self._note(key, "delete", request)
        return record

    def _note(self, key: str, op: str, request: str) -> None:
        self._storage.note(Effect(self.model.remote, self.model.name, key, op, request))

    @cached_property
    def _groups(self) -> tuple[Index, ...]:
        """Indexes with several sort fields, in the order their checks run: by the place of the partition field."""
        place = {name: number for number, name in enumerate(self.model.by_name)}
        several = (index for index in self.model.indexes if len(index.sort) > 1)
        return tuple(sorted(several, key=lambda index: place[index.partition]))

    def _check_groups(self, verb: str, present: set[str]) -> None:
        for index in self._groups:
            missing = [name for name in index.sort if name not in present]
            if missing and len(missing) < len(index.sort):
                raise problems.missing_part(verb, naming.index_name(self.model, index), missing[0])

    @cached_property
    def _droppable(self) -> frozenset[str]:
        """Partition keys of declared indexes: a create leaves them out when they are null."""
        return frozenset(index.partition for index in self.model.indexes) - set(self.model.key)

    def _check_keys(self, record: Input, *, null_is_removal: bool) -> None:
        for name in self._index_keys.intersection(record):
            value = record[name]
            if value == "":
                raise problems.refused_by_dynamo(self._empty_key(name))
            if value is None and not null_is_removal:
                raise problems.refused_by_dynamo("Invalid attribute value type")
        for name in self.model.key:
            if record[name] == "":
                raise problems.refused_by_dynamo(
                    "One or more parameter values are not valid. The AttributeValue for a key attribute cannot "
                    f"contain an empty string value. Key: {name}"
                )

    @cached_property
    def _index_keys(self) -> frozenset[str]:
        return self.model.index_keys - set(self.model.key)

    def _empty_key(self, name: str) -> str:
        return (
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
            "The AttributeValue for a key attribute cannot contain an empty string value. "
            f"IndexName: {self._index_of(self.model.by_name[name])}, IndexKey: {name}"
        )

    def _index_of(self, field: Field) -> str:
        if field.inverse:
            return f"gsi-{field.ref}.{field.inverse}"
        index = next((i for i in self.model.indexes if field.name in i.fields), None)
        return naming.index_name(self.model, index) if index else f"gsi-{field.ref}"


def _fitting(record: Record) -> str:
    """The record as JSON. Raises: Problem when it is larger than one DynamoDB item may be."""
    text = encoded(record)
    # The text is longer than the item, but a character may take four bytes.
    if len(text) > ITEM_LIMIT // 4 and _item_size(record) > ITEM_LIMIT:
        raise problems.refused_by_dynamo("Item size has exceeded the maximum allowed size")
    return text


def _item_size(record: Record) -> int:
    return sum(len(name.encode()) + len(_bytes_of(value)) for name, value in record.items())


def _bytes_of(value: Any) -> bytes:
    return (value if isinstance(value, str) else encoded(value)).encode()
