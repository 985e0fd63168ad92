"""How the records of a model are brought home: the words of pull plans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class ByKey:
    """Pull: the one record whose ``field`` equals a setting."""

    field: str
    setting: str


@dataclass(frozen=True, slots=True)
class Since:
    """Pull: per ``parent``, everything at or after a mark in ``cursor``, ascending, from an index partition.

    ``overlap_s`` is how far before the mark the next pull starts. ``unfinished`` (field, final values) names the records
    whose later edits the cursor cannot show: they are read again by id until final.
    """

    parent: str
    index: tuple[str, ...]
    cursor: str
    overlap_s: float = 300.0
    unfinished: tuple[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True)
class Each:
    """Pull: the whole index partition of every known ``parent``.

    With ``live`` (field of the parent, final values) only parents that changed since the last complete pull, or that are
    not final, are asked again. With ``changed`` the remote is asked to leave out records not updated since the mark.
    """

    parent: str
    index: tuple[str, ...]
    live: tuple[str, tuple[str, ...]] | None = None
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """Pull: the root list, all of it."""


Pull: TypeAlias = ByKey | Since | Each | Scan | None
