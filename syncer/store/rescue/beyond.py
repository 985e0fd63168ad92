"""What a file set aside knows that the file in its place does not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from syncer.store.errors import translating
from syncer.store.reader import reading
from syncer.store.rescue.carry import Connected, Held, unknown_changes
from syncer.store.rescue.older import under_new_names

_LEFT = "SELECT seq, created_at, outcome, remote, model, key, op FROM ledger ORDER BY seq"
_EXAMPLES = 5


@dataclass(slots=True)
class Beyond:
    """``pending``: changes that wait in the old file only. ``left``: by outcome, those that left after it was taken.

    ``again``: how many of those still wait in the new file, and go out again under the same keys.
    """

    pending: list[Held] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    again: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return asdict(self)


def beyond(old: Path, new: Path) -> Beyond:
    """What ``old`` has beyond ``new``, both only read. Raises: DatabaseError where one cannot be."""
    with (
        translating(old),
        reading(old) as source,
        reading(new) as target,
    ):
        under_new_names(source)
        under_new_names(target)
        found = Beyond(unknown_changes(source, Connected(target)))
        for seq, _, outcome, remote, model, key, op in _only(source, target):
            found.left[outcome] = found.left.get(outcome, 0) + 1
            shown = found.examples.setdefault(outcome, [])
            if len(shown) < _EXAMPLES:
                shown.append(f"{seq}: {op} of {remote} {model} {key}")
            found.again += bool(target.execute("SELECT 1 FROM outbox WHERE seq = ?", (seq,)).fetchone())
        return found


def _only(source: sqlite3.Connection, target: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Lines of the one ledger that the other has not, both walked through once side by side."""
    theirs = target.execute(_LEFT)
    other = theirs.fetchone()
    for line in source.execute(_LEFT):
        while other is not None and other[0] < line[0]:
            other = theirs.fetchone()
        if other is None or other[:2] != line[:2]:
            yield line
