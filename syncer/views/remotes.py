"""What a file knows of the remotes that other packages brought, whether those packages are there or not. Read only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from syncer.config import Setting
from syncer.store.reader import Reader

if TYPE_CHECKING:  # ``status`` describes no model, and must start fast
    from syncer.schema.model import Model

_THERE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_remote'"
_ROWS = "SELECT remote, models, settings, package, module FROM _remote ORDER BY remote"


@dataclass(frozen=True)
class Remembered:
    """One remote. ``package``: the distribution that brought it; ``module``: where that has it."""

    name: str
    described: str
    declared: str
    package: str
    module: str

    @cached_property
    def models(self) -> Mapping[str, Model]:
        """Its models as last described. Raises: ValueError."""
        from syncer.schema import description

        return description.from_text(self.described)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Its settings."""
        return tuple(Setting(**each) for each in json.loads(self.declared))

    @property
    def is_installed(self) -> bool:
        """Whether its package seems to be there; nothing of it is imported."""
        from importlib.util import find_spec

        return find_spec(self.module.partition(".")[0]) is not None

    @property
    def hint(self) -> str:
        """What to do where it is not installed."""
        return f"install the package {self.package or self.module}"


def remembered(reader: Reader) -> dict[str, Remembered]:
    """Every such remote of the file, by name."""
    if reader.one(_THERE) is None:
        return {}
    return {name: Remembered(name, *rest) for name, *rest in reader.all(_ROWS)}


def models(reader: Reader) -> dict[str, Mapping[str, Model]]:
    """Their models, by remote; a description that cannot be read is left out."""
    found = {}
    for name, remote in remembered(reader).items():
        with suppress(ValueError):
            found[name] = remote.models
    return found
