"""The words in which a remote's models are described, once, as data.

From one :class:`Model` come the SQL table and its indexes, the wire documents, the checks on input, the pull plan and the
sandbox's schema. Nothing here knows SQL, HTTP or any one remote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from syncer.errors import InvalidInput
from syncer.schema.pull import FillIn as FillIn
from syncer.schema.pull import NaturalKey, Pull, Selector
from syncer.schema.pull import NextFree as NextFree
from syncer.schema.pull import SameAs as SameAs
from syncer.suggest import near


class Kind(StrEnum):
    """What a field holds."""

    ID = "id"
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "flag"
    JSON = "json"
    TIME = "time"
    ENUM = "enum"


class Origin(StrEnum):
    """Who may set a field."""

    CALLER = "caller"  # in every input
    SERVER = "server"  # in no input; sending it is an error
    STAMP = "stamp"  # a time the server fills in unless the input carries it
    LOCAL = "local"  # kept here only; what the remote answers never touches it
    ABSENT = "absent"  # the deployment we talk to has no such field: kept here until it has


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a model, as the remote spells it.

    ``ref`` names the model this field points at, ``relation`` the object the remote nests for it, ``inverse`` the list it
    nests on the other side. ``keyed``: an index key upstream although no declared index names it, so neither null nor an
    empty text may be sent. A ``back`` pointer closes a cycle: a create goes out without it while its target waits, and an
    update sets it later. ``waits_for``: waiting changes of the record pointed at that must have left before this one is
    sent.
    """

    name: str
    kind: Kind
    required: bool = False
    many: bool = False
    values: tuple[str, ...] = ()
    origin: Origin = Origin.CALLER
    ref: str | None = None
    relation: str | None = None
    inverse: str | None = None
    back: bool = False
    waits_for: tuple[str, ...] = ("create",)
    keyed: bool = False
    fill_in: FillIn | None = None

    @property
    def column(self) -> str:
        """The SQL name: snake case."""
        return snake(self.name)

    @property
    def here_only(self) -> bool:
        """True when the remote, or the deployment we talk to, has no such field."""
        return self.origin in (Origin.LOCAL, Origin.ABSENT)

    @property
    def as_json(self) -> bool:
        """True when the column holds JSON text."""
        return self.kind is Kind.JSON or self.many


@dataclass(frozen=True, slots=True)
class Index:
    """A secondary index: partition field, then sort fields. ``name`` only where the remote's is not the usual one."""

    partition: str
    sort: tuple[str, ...] = ()
    name: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """Partition and sort fields, in order."""
        return (self.partition, *self.sort)


@dataclass(frozen=True, slots=True)
class Action:
    """Something a remote does to a record besides create, update and delete: start, finish.

    ``coalesces``: while the create was never sent, the action is carried by it. ``after``: (model, field) of the records
    whose waiting changes must have left first.
    """

    name: str
    coalesces: bool = False
    after: tuple[str, str] | None = None


@dataclass(frozen=True, eq=False)
class Model:
    """One kind of record of one remote. ``legacy``: today's deployments may lack it. ``closed``: our credentials may not
    use it, so its rows stay local. ``key``: the field or fields that identify a record.
    ``changed_at``: the field that tells the version of a record. ``time_digits``: decimals of a second the remote keeps.
    ``ops``: what the remote lets clients do. ``local_ids``: only the remote makes ids; a local one stands in until then.
    ``natural_keys``: how a record is found before upserts, best way first. ``selector``: how pulls are narrowed by records.
    ``unknown``: plain fields of the deployment we talk to that are not described here; they are kept in ``extra``.
    ``cascades``: whose records are deleted with one of this model, each (model, its field that points here)."""

    name: str
    fields: tuple[Field, ...]
    pull: Pull
    indexes: tuple[Index, ...] = ()
    key: tuple[str, ...] = ("id",)
    remote: str = ""
    plural: str = ""
    legacy: bool = False
    closed: bool = False
    actions: tuple[Action, ...] = ()
    changed_at: str = "updatedAt"
    time_digits: int = 3
    ops: tuple[str, ...] = ("create", "update", "delete")
    local_ids: bool = False
    natural_keys: tuple[NaturalKey, ...] = ()
    selector: Selector | None = None
    cascades: tuple[tuple[str, str], ...] = ()
    unknown: tuple[str, ...] = ()

    @cached_property
    def absent(self) -> frozenset[str]:
        """The described fields that the deployment we talk to has not."""
        return frozenset(f.name for f in self.fields if f.origin is Origin.ABSENT)

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """Fields by the remote's name."""
        return {f.name: f for f in self.fields}

    @cached_property
    def table(self) -> str:
        """The SQL table: ``<remote>_<model in snake case>``."""
        return f"{self.remote}_{snake(self.name)}"

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Column names, in the order of the fields."""
        return tuple(f.column for f in self.fields)

    @cached_property
    def references(self) -> tuple[Field, ...]:
        """The fields that point at other records."""
        return tuple(f for f in self.fields if f.ref)

    @cached_property
    def remote_fields(self) -> tuple[Field, ...]:
        """The fields the remote has; what is kept only here comes after them."""
        ours = [f.origin is Origin.LOCAL for f in self.fields]
        if ours != sorted(ours):
            raise ValueError(f"{self.name}: fields kept only here come last")
        return tuple(f for f in self.fields if not f.here_only)

    @cached_property
    def stamps(self) -> tuple[Field, ...]:
        """The times that the server sets, or fills in."""
        return tuple(f for f in self.fields if f.origin in (Origin.SERVER, Origin.STAMP))

    @cached_property
    def fill_ins(self) -> tuple[Field, ...]:
        """The fields filled in here when a create leaves them out."""
        return tuple(f for f in self.fields if f.fill_in is not None)

    @cached_property
    def create_required(self) -> tuple[str, ...]:
        """Fields a create must carry; composite index groups and fill-ins are not counted here."""
        return tuple(
            f.name
            for f in self.fields
            if f.required and f.origin in (Origin.CALLER, Origin.LOCAL) and not (f.name in self.key and self.mints)
        )

    @cached_property
    def mints(self) -> bool:
        """True when the id of a new record is made here unless the caller brings one."""
        return self.key == ("id",) or self.local_ids

    def require_op(self, op: str) -> None:
        """Raises: InvalidInput when the remote has no way to do this to such a record."""
        if op not in self.ops:
            raise InvalidInput(f"{self.remote} has no way to {op} a {self.name}; nothing was stored")

    @cached_property
    def index_keys(self) -> frozenset[str]:
        """Fields that are index keys upstream by themselves: neither null nor empty text may be sent in a create."""
        alone = {i.partition for i in self.indexes} | {i.sort[0] for i in self.indexes if len(i.sort) == 1}
        return frozenset(alone | {f.name for f in self.fields if f.keyed})

    @cached_property
    def groups(self) -> tuple[frozenset[str], ...]:
        """Sets of fields that must travel together: the sort fields of every index with two or more of them."""
        return tuple(frozenset(i.sort) for i in self.indexes if len(i.sort) > 1)

    @cached_property
    def create_companions(self) -> tuple[str, ...]:
        """Fields a create needs only because the server's own stamps touch their composite group."""
        stamped = {f.name for f in self.stamps}
        given = stamped | set(self.create_required)
        needed = closure(self.groups, given) - given - set(self.key)
        return tuple(f.name for f in self.fields if f.name in needed)

    @cached_property
    def update_companions(self) -> tuple[str, ...]:
        """Fields every update carries besides its own: key, and the groups that ``updatedAt`` and the key touch."""
        given = set(self.key) | ({"updatedAt"} & self.by_name.keys())
        needed = (closure(self.groups, given) | set(self.key)) - {"updatedAt"}
        return tuple(f.name for f in self.fields if f.name in needed)

    def with_companions(self, names: Iterable[str]) -> frozenset[str]:
        """``names`` of one update with all that must travel with them."""
        given = set(names) | set(self.update_companions) | ({"updatedAt"} & self.by_name.keys())
        return frozenset(closure(self.groups, given) - {"updatedAt"}) | frozenset(names)

    def key_text(self, record: Mapping[str, Any]) -> str:
        """The key of ``record`` as one text: the id itself, or the key values as a JSON list."""
        if len(self.key) == 1:
            return str(record[self.key[0]])
        return json.dumps([str(record[name]) for name in self.key], ensure_ascii=False, separators=(",", ":"))

    def key_fields(self, key_text: str) -> dict[str, str]:
        """The reverse of :meth:`key_text`."""
        if len(self.key) == 1:
            return {self.key[0]: key_text}
        return dict(zip(self.key, json.loads(key_text), strict=True))

    def action(self, name: str) -> Action | None:
        """The action called ``name``, None for create, update and delete."""
        return next((a for a in self.actions if a.name == name), None)

    def index_on(self, *names: str) -> Index:
        """The index with exactly these fields."""
        return next(i for i in self.indexes if i.fields == names)


def closure(groups: Iterable[frozenset[str]], given: set[str]) -> set[str]:
    """``given``, and every group that it touches, and every group that those touch, and so on."""
    groups = tuple(groups)
    found = set(given)
    while True:
        more = {name for group in groups if group & found for name in group} - found
        if not more:
            return found
        found |= more


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """``ScoreResult`` and ``scoreResult`` as ``score_result``."""
    return _HUMP.sub("_", name).lower()


def catalogue(remote: str, models: Iterable[Model]) -> dict[str, Model]:
    """Models by name, parents first: a model comes after those it points at (back pointers and itself not counted)."""
    waiting = {m.name: replace(m, remote=remote, plural=m.plural or m.name + "s") for m in models}
    ordered: dict[str, Model] = {}
    while waiting:
        ready = [
            m for m in waiting.values() if not any(f.ref in waiting and f.ref != m.name and not f.back for f in m.fields)
        ]
        if not ready:
            raise ValueError(f"models of {remote} point at each other in a circle: {sorted(waiting)}")
        for model in ready:
            ordered[model.name] = waiting.pop(model.name)
    return ordered


def model_named(models: Mapping[str, Model], name: str) -> Model:
    """The model called ``name``. Raises: InvalidInput with near names."""
    try:
        return models[name]
    except KeyError:
        raise InvalidInput(
            f"there is no model {name!r}", hint=near(name, models) or f"models are: {', '.join(models)}"
        ) from None
