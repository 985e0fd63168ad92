"""A sample of the records that a push sent: what is looked at again after it."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from syncer.schema.model import Model

_MOST = 20


class AckedSample:
    """Some of the records that were pushed, each as likely as any other of its model; all are counted."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._counts: dict[str, int] = {}
        self._picked: dict[str, list[str]] = {}

    def add(self, records: Iterable[tuple[Model, str]]) -> None:
        """These were acknowledged, and are there."""
        for model, key in records:
            count = self._counts[model.name] = self._counts.get(model.name, 0) + 1
            picked = self._picked.setdefault(model.name, [])
            if count <= _MOST:
                picked.append(key)
            elif (at := self._random.randrange(count)) < _MOST:
                picked[at] = key

    @property
    def total(self) -> int:
        """How many records were pushed, one as often as it was."""
        return sum(self._counts.values())

    def some(self) -> tuple[str, list[str]]:
        """Keys of the model of which the most were pushed, and its name. Raises: ValueError when nothing was."""
        name = max(self._counts, key=lambda one: self._counts[one])
        return name, list(dict.fromkeys(self._picked[name]))
