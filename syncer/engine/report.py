"""What a run did, remote by remote, and the exit code that follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of a running sync. ``total`` is None while unknown."""

    remote: str
    phase: str
    what: str
    done: int
    total: int | None = None


Watch = Callable[[Progress], None]


def unwatched(_: Progress) -> None:
    """Nobody looks."""


@dataclass(slots=True)
class Pulled:
    """Rows of one model. ``local_edits_kept``: rows with edits that are not sent yet. ``removed``: gone on the remote."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    local_edits_kept: int = 0
    removed: int = 0


@dataclass(slots=True)
class RemoteReport:
    """One remote's part of a run.

    ``acked``: changes now on the remote. ``rejected``, ``conflicts``: changes of this run that need a person.
    ``will_retry``: sent, and to be sent again. ``blocked``: wait behind another change. ``unsupported``: stay
    here, because this server has no such model.
    ``checked``: what a look at some of the pushed records found. ``pending``, ``attention``: what the outbox holds now.
    ``deletions_not_checked``: models of which so many records are gone that nothing was removed here.
    ``stopped``: code of what ended the run early; ``reason`` and ``hint`` in words.
    """

    remote: str
    acked: int = 0
    rejected: int = 0
    conflicts: int = 0
    will_retry: int = 0
    blocked: int = 0
    unsupported: int = 0
    requests: int = 0
    pending: int = 0
    attention: int = 0
    deletions_not_checked: int = 0
    next_attempt_at: str | None = None
    pulled: dict[str, Pulled] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    checked: str | None = None
    stopped: str | None = None
    reason: str | None = None
    hint: str | None = None
    skipped: bool = False

    @property
    def exit_code(self) -> int:
        """4 when something is to be tried later, 3 when a person must look, else 0."""
        if self.stopped or self.will_retry or (self.skipped and self.pending):
            return 4
        return 3 if self.attention or self.deletions_not_checked else 0

    def stop(self, code: str, reason: str, hint: str | None = None) -> None:
        """Note what ended the run early; the first reason stays."""
        if self.stopped is None:
            self.stopped, self.reason, self.hint = code, reason, hint


@dataclass(slots=True)
class Report:
    """What ``push``, ``pull`` or ``sync`` did."""

    remotes: dict[str, RemoteReport] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 done, 3 some records need attention, 4 a remote could not be used."""
        codes = {part.exit_code for part in self.remotes.values()}
        return next((code for code in (4, 3) if code in codes), 0)

    @property
    def acked(self) -> int:
        """Changes that reached their remotes."""
        return sum(part.acked for part in self.remotes.values())

    @property
    def pulled(self) -> int:
        """Rows added, changed or removed."""
        return sum(p.added + p.changed + p.removed for part in self.remotes.values() for p in part.pulled.values())

    @property
    def requests(self) -> int:
        """Requests sent while pushing."""
        return sum(part.requests for part in self.remotes.values())

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return {"exit_code": self.exit_code, "remotes": {name: asdict(part) for name, part in self.remotes.items()}}
