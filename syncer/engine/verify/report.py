"""What a comparison of both sides found, and the exit code that follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from syncer.engine.verify.diff import DifferenceKind, RecordDifference

MOST_KEPT = 10_000
"""How many differences of one model are told one by one; all are counted."""


@dataclass(slots=True)
class ModelComparison:
    """One model. ``here``, ``there``: rows and records looked at; ``equal`` of them are the same.

    ``pending``: records with pending changes, where nothing else is wrong. ``kinds``: differences by kind; ``repaired`` of
    them repair has dealt with, ``news`` were written there after the last pull. ``not_compared``: why, for a model that was
    left out; ``failed``: why it was not compared to the end.
    """

    model: str
    here: int = 0
    there: int = 0
    equal: int = 0
    pending: int = 0
    kinds: Counter[DifferenceKind] = field(default_factory=Counter)
    repaired: int = 0
    news: int = 0
    differences: list[RecordDifference] = field(default_factory=list)
    not_compared: str | None = None
    failed: str | None = None

    @property
    def drift(self) -> int:
        """How many records differ, those repaired since included."""
        return self.kinds.total()

    def add(self, difference: RecordDifference) -> None:
        """Count a difference, and keep it while there is room."""
        self.kinds[difference.kind] += 1
        self.repaired += difference.repaired is not None
        if len(self.differences) < MOST_KEPT:
            self.differences.append(difference)

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return {
            "here": self.here,
            "there": self.there,
            "equal": self.equal,
            "pending": self.pending,
            "drift": {str(kind): number for kind, number in self.kinds.items()},
            "repaired": self.repaired,
            "news": self.news,
            "drifts": [difference.as_dict() for difference in self.differences],
            "not_compared": self.not_compared,
            "failed": self.failed,
        }


@dataclass(slots=True)
class RemoteVerification:
    """One remote. ``sample``: rows of each model that were picked, None when all were compared.

    ``inconsistent``: True when changes are missing from the ledger. ``conflicts``: records that repair has put before a
    person. ``skipped``: not configured. ``stopped``: code of what ended it early; ``reason`` and ``hint`` in words.
    """

    remote: str
    sample: int | None = None
    models: dict[str, ModelComparison] = field(default_factory=dict)
    inconsistent: bool = False
    conflicts: int = 0
    notes: list[str] = field(default_factory=list)
    stopped: str | None = None
    reason: str | None = None
    hint: str | None = None
    skipped: bool = False

    @property
    def drift(self) -> int:
        """How many records differ, those repaired since included."""
        return sum(model.drift for model in self.models.values())

    @property
    def repaired(self) -> int:
        """How many of them repair has dealt with."""
        return sum(model.repaired for model in self.models.values())

    @property
    def complete(self) -> bool:
        """Whether everything that can be compared was."""
        return self.stopped is None and not any(model.failed for model in self.models.values())

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return {
            "sample": self.sample,
            "complete": self.complete and not self.skipped,
            "models": {name: model.as_dict() for name, model in self.models.items()},
            "inconsistent": self.inconsistent,
            "conflicts": self.conflicts,
            "notes": self.notes,
            "stopped": self.stopped,
            "reason": self.reason,
            "hint": self.hint,
            "skipped": self.skipped,
        }


@dataclass(slots=True)
class Verification:
    """What ``verify`` found, remote by remote."""

    remotes: dict[str, RemoteVerification] = field(default_factory=dict)

    @property
    def compared(self) -> list[RemoteVerification]:
        """The remotes that were asked."""
        return [part for part in self.remotes.values() if not part.skipped]

    @property
    def drift(self) -> int:
        """How many records differ and still do."""
        return sum(part.drift - part.repaired for part in self.remotes.values())

    @property
    def equal(self) -> bool:
        """True when everything was compared and, after repair if asked for, is the same."""
        found = self.compared
        sound = all(part.complete and not part.inconsistent and not part.conflicts for part in found)
        return bool(found) and sound and not self.drift

    @property
    def exit_code(self) -> int:
        """0 equal, 3 differences that nothing was done about, 4 a remote could not be used."""
        found = self.compared
        if not found or not all(part.complete for part in found):
            return 4
        return 0 if self.equal else 3

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        parts = {name: part.as_dict() for name, part in self.remotes.items()}
        return {"equal": self.equal, "exit_code": self.exit_code, "drift": self.drift, "remotes": parts}
