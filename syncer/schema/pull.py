"""How the records of a model are found on the remote: the words of pull plans, and what people know a record by.

Also what a field is filled with that a create leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class BySetting:
    """Pull: the one record whose ``field`` equals a setting. ``needs``: what to set where that has no value."""

    field: str
    setting: str
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Incremental:
    """Pull: per ``parent``, everything at or after a checkpoint in ``cursor``, ascending, from an index partition.

    ``overlap_s`` is how far before the checkpoint the next pull starts. ``unfinished`` (field, final values) names the
    records whose later edits the cursor cannot show: they are read again by id until final.
    """

    parent: str
    index: tuple[str, ...]
    cursor: str
    overlap_s: float = 300.0
    unfinished: tuple[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class PerParent:
    """Pull: the whole index partition of every known ``parent``.

    With ``live`` (field of the parent, final values) only parents that changed since the last complete pull, or that are
    not final, are asked again. With ``changed`` the remote is asked to leave out records not updated since the checkpoint.
    With
    ``cursor`` it is asked for what comes at or after the last value known here of that field, per parent.
    """

    parent: str
    index: tuple[str, ...]
    live: tuple[str, tuple[str, ...]] | None = None
    changed: bool = False
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class FullScan:
    """Pull: the root list, all of it."""


@dataclass(frozen=True, slots=True)
class FullList:
    """Pull: the whole list of every value of ``field`` known here, or of every value in the setting ``setting``.

    ``newest_first``: the time by which the list is ordered so; it may then be left at a page on which everything was known
    already and final, and that reaches back behind the last complete walk. ``unfinished`` (field, final values) names the
    records that are read again by id until final. ``needs``: environment names to set where ``setting`` has no value.
    """

    unfinished: tuple[str, tuple[str, ...]]
    field: str | None = None
    setting: str | None = None
    newest_first: str | None = None
    needs: str = ""


Pull: TypeAlias = BySetting | Incremental | PerParent | FullScan | FullList | None


@dataclass(frozen=True, slots=True)
class NaturalKey:
    """Fields by which people know a record, whatever its id: of its own, or of the records of a ``child`` model under it.

    ``pointer``: the child's field that names the record. ``order``: the child's field that says which is asked for first.
    """

    fields: tuple[str, ...]
    child: str = ""
    pointer: str = ""
    order: str = ""


@dataclass(frozen=True, slots=True)
class Selector:
    """The records of a model may be chosen for pulls: ``entry`` is what settings and options call such a choice.

    ``names``: the fields by whose values a record may be named.
    """

    entry: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SameAs:
    """Fill-in: the value of another field of the same record."""

    other: str


@dataclass(frozen=True, slots=True)
class NextFree:
    """Fill-in: one more than the largest value among the records that share ``within``; 1 for the first."""

    within: str


FillIn: TypeAlias = SameAs | NextFree | str | float | bool
