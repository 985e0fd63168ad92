"""Which remotes there are: one line each. A remote's wire is imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from syncer.config import Settings
from syncer.describe import Model
from syncer.errors import UsageError
from syncer.port import Remote

_ROOMS = {
    "plexus": ("syncer.plexus.spec", "syncer.plexus.wire"),
}


def names() -> tuple[str, ...]:
    """Every remote, in the order they are synced."""
    return tuple(_ROOMS)


def models(name: str) -> Mapping[str, Model]:
    """The descriptions of one remote, without its wire."""
    found: Mapping[str, Model] = import_module(_ROOMS[name][0]).MODELS
    return found


def remote(name: str, settings: Settings) -> Remote:
    """The remote called ``name`` with its settings."""
    wire = import_module(_ROOMS[name][1])
    make: Callable[[Mapping[str, str]], Remote] = wire.REMOTE
    return make(settings.remote(name, wire.SETTINGS))


def chosen(wanted: list[str] | tuple[str, ...] | str | None) -> tuple[str, ...]:
    """``wanted`` remotes in syncing order, all when None. Raises: UsageError for an unknown name."""
    asked = [wanted] if isinstance(wanted, str) else list(wanted or names())
    unknown = [name for name in asked if name not in _ROOMS]
    if unknown:
        raise UsageError(f"there is no remote {unknown[0]!r}", hint=f"remotes are: {', '.join(names())}")
    return tuple(name for name in names() if name in asked)
