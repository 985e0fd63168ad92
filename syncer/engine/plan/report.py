"""What a sync would do, remote by remote: found out by doing it on a copy of the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class WouldSend:
    """One change that would be sent.

    ``seq``: its number in the outbox, None for one that only the sync itself would add. ``key``: the record's key here.
    ``fields``: ``[before, after]`` by name, as callers see values; of a delete, what goes. ``note``: what else to know.
    """

    seq: int | None
    model: str
    key: str
    op: str
    fields: Mapping[str, tuple[Any, Any]]
    note: str = ""


@dataclass(frozen=True, slots=True)
class WouldStay:
    """One change that would still wait afterwards, and why. ``because``: a code, as ``explain`` gives it."""

    seq: int | None
    model: str
    key: str
    op: str
    fields: tuple[str, ...]
    state: str
    because: str
    why: str
    until: str | None = None
    blocked_by: int | None = None


@dataclass(frozen=True, slots=True)
class WouldChange:
    """One row that a pull would touch. ``kind``: added, changed, removed or conflict (then ours and theirs by field)."""

    model: str
    key: str
    kind: str
    fields: Mapping[str, tuple[Any, Any]]


@dataclass(slots=True)
class RemotePlan:
    """One remote's part. ``missing``: settings without which nothing can be sent. ``pulled``: counts by model and kind.

    ``arriving`` tells the first of what would be pulled, ``pulled`` counts all. ``stopped``: what kept it from being read.
    """

    remote: str
    missing: tuple[str, ...] = ()
    sends: list[WouldSend] = field(default_factory=list)
    stays: list[WouldStay] = field(default_factory=list)
    arriving: list[WouldChange] = field(default_factory=list)
    pulled: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    stopped: str | None = None
    hint: str | None = None

    @property
    def touched(self) -> int:
        """How many rows a pull would touch."""
        return sum(sum(kinds.values()) for kinds in self.pulled.values())


@dataclass(slots=True)
class Plan:
    """What would be done. Nothing was sent, and nothing changed in the file."""

    remotes: dict[str, RemotePlan] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """4 when a remote was to be read and could not be, else 0."""
        return 4 if any(part.stopped for part in self.remotes.values()) else 0

    @property
    def changes(self) -> list[WouldSend]:
        """All that would be sent, in order."""
        return [planned for part in self.remotes.values() for planned in part.sends]

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return {"exit_code": self.exit_code, "remotes": {name: asdict(part) for name, part in self.remotes.items()}}
