"""What a field of the generated schema stands for: the schema carries these, the resolvers act on them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from syncer.schema.model import Field, Index, Model

EXTENSION = "syncer"
"""Key of a schema field's ``extensions`` under which its resolver is found."""


class Verb(StrEnum):
    """What a root field does."""

    GET = "get"
    LIST = "list"
    QUERY = "query"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Operation:
    """A root field: ``verb`` on ``model``; ``index`` only for a query by index."""

    verb: Verb
    model: Model
    index: Index | None = None


@dataclass(frozen=True, slots=True)
class BelongsTo:
    """The one record of ``target`` that ``field`` points at."""

    field: Field
    target: Model


@dataclass(frozen=True, slots=True)
class HasMany:
    """The records of ``target`` whose ``field`` points here."""

    field: Field
    target: Model


Resolver: TypeAlias = Operation | BelongsTo | HasMany
