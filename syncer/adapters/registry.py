"""Which remotes there are: one line each. A remote's wire is imported only when it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from syncer.errors import UsageError
from syncer.suggest import near

if TYPE_CHECKING:  # the command line asks for names only, and must start fast
    from syncer.config import Setting, Settings
    from syncer.remote import Remote
    from syncer.schema.model import Model

_ROOMS = {
    "plexus": ("syncer.adapters.plexus.spec", "syncer.adapters.plexus.adapter", "syncer.adapters.plexus.settings"),
    "prefactor": (
        "syncer.adapters.prefactor.spec",
        "syncer.adapters.prefactor.adapter",
        "syncer.adapters.prefactor.settings",
    ),
    "abeja": ("syncer.adapters.abeja.spec", "syncer.adapters.abeja.adapter", "syncer.adapters.abeja.settings"),
}


def names() -> tuple[str, ...]:
    """Every remote, in the order they are synced."""
    return tuple(_ROOMS)


def models(name: str) -> Mapping[str, Model]:
    """The descriptions of one remote, without its wire."""
    found: Mapping[str, Model] = import_module(_ROOMS[name][0]).MODELS
    return found


def remote(name: str, settings: Settings) -> Remote:
    """The remote called ``name`` with its settings. Raises: SettingError for one that cannot be used."""
    make: Callable[[Mapping[str, str]], Remote] = import_module(_ROOMS[name][1]).REMOTE
    return make(settings.remote(name, import_module(_ROOMS[name][2]).SETTINGS))


def missing(name: str, settings: Settings) -> list[str]:
    """Environment names of the settings that one remote still needs; empty when it is configured. Without its wire."""
    room = import_module(_ROOMS[name][2])
    found: list[str] = room.missing(settings.remote(name, room.SETTINGS))
    return found


def declared(name: str) -> tuple[Setting, ...]:
    """The settings that one remote knows."""
    found: tuple[Setting, ...] = import_module(_ROOMS[name][2]).SETTINGS
    return found


def secrets(settings: Settings) -> tuple[str, ...]:
    """The values of every remote's secret settings, to be hidden in whatever is shown."""
    rooms = {name: import_module(room[2]) for name, room in _ROOMS.items()}
    return tuple(
        value
        for name, room in rooms.items()
        for value in settings.remote(name, tuple(s for s in room.SETTINGS if s.secret)).values()
    )


def require_models(wanted: Iterable[str]) -> None:
    """Raises: UsageError for a model that no remote has, with near names."""
    known = {model for name in names() for model in models(name)}
    for model in wanted:
        if model not in known:
            raise UsageError(f"there is no model {model!r}", hint=near(model, known))


def chosen(wanted: list[str] | tuple[str, ...] | str | None) -> tuple[str, ...]:
    """``wanted`` remotes in syncing order, all when None. Raises: UsageError for an unknown name."""
    asked = [wanted] if isinstance(wanted, str) else list(wanted or names())
    unknown = [name for name in asked if name not in _ROOMS]
    if unknown:
        raise UsageError(f"there is no remote {unknown[0]!r}", hint=f"remotes are: {', '.join(names())}")
    return tuple(name for name in names() if name in asked)
