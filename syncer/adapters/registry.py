"""Which remotes there are: those built in, one line each, and those that other packages bring.

A remote's wire is imported only when it is used. Another package names its remote by an entry point of the group
``syncer.remotes``. To look for entry points takes longer than all the rest of a short command, so that is done only where a
name is not built in, or where every remote is asked for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from syncer.errors import SettingError, UsageError
from syncer.suggest import near

if TYPE_CHECKING:  # the command line asks for names only, and must start fast
    from importlib.metadata import EntryPoint

    from syncer.config import Setting, Settings
    from syncer.remote import Adapter, Remote
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


BUILT_IN = tuple(_ROOMS)
"""The remotes that come with this program, in the order they are synced."""
GROUP = "syncer.remotes"
_NAME = re.compile(r"[a-z][a-z0-9]*")
_found: dict[tuple[str, ...], Mapping[str, EntryPoint]] = {}  # by what was searched: sys.path
_loaded: dict[EntryPoint, Adapter] = {}


def names() -> tuple[str, ...]:
    """Every remote, in the order they are synced: those built in, then the others by name."""
    return (*BUILT_IN, *_added())


def known() -> tuple[str, ...]:
    """The remotes built in, and the others if somebody has looked for them already. Costs nothing."""
    return (*BUILT_IN, *_found.get(tuple(sys.path), ()))


def is_there(name: str) -> bool:
    """Whether there is a remote called so."""
    return name in _ROOMS or name in _added()


def usable() -> tuple[str, ...]:
    """Every remote but those of other packages that cannot be loaded."""
    return tuple(name for name in names() if name in _ROOMS or _loads(name))


def models(name: str) -> Mapping[str, Model]:
    """The descriptions of one remote, without its wire. Raises: UsageError, SettingError."""
    if name not in _ROOMS:
        return added(name).models
    found: Mapping[str, Model] = import_module(_ROOMS[name][0]).MODELS
    return found


def remote(name: str, settings: Settings) -> Remote:
    """The remote called ``name`` with its settings. Raises: UsageError, SettingError for one that cannot be used."""
    if name not in _ROOMS:
        adapter = added(name)
        return adapter.make(settings.remote(name, adapter.settings))
    make: Callable[[Mapping[str, str]], Remote] = import_module(_ROOMS[name][1]).REMOTE
    return make(settings.remote(name, import_module(_ROOMS[name][2]).SETTINGS))


def missing_settings(name: str, settings: Settings) -> list[str]:
    """Environment names of the settings that one remote still needs; empty when it is configured. Without its wire."""
    if name not in _ROOMS:
        return needed(settings.remote(name, declared(name)), declared(name))
    room = import_module(_ROOMS[name][2])
    found: list[str] = room.missing(settings.remote(name, room.SETTINGS))
    return found


def needed(found: Mapping[str, str], declared: Iterable[Setting]) -> list[str]:
    """Environment names of those of ``declared`` that are not optional and that ``found`` has no value of."""
    return [setting.env for setting in declared if not setting.optional and setting.name not in found]


def declared(name: str) -> tuple[Setting, ...]:
    """The settings that one remote knows."""
    if name not in _ROOMS:
        return added(name).settings
    found: tuple[Setting, ...] = import_module(_ROOMS[name][2]).SETTINGS
    return found


def secrets(settings: Settings) -> tuple[str, ...]:
    """The values of the secret settings of every known remote, to be hidden in whatever is shown.

    What another package's remote said can only be shown where that remote was looked for before, so this does not look.
    """
    hidden: list[str] = []
    for name in known():
        if name in _ROOMS or _loads(name):  # a package that cannot be loaded is told of where its remote is used
            secret = tuple(setting for setting in declared(name) if setting.secret)
            hidden += settings.remote(name, secret).values()
    return tuple(hidden)


def require_models(wanted: Iterable[str]) -> None:
    """Raises: UsageError for a model that no remote has, with near names."""
    wanted = list(wanted)
    own = {model for name in BUILT_IN for model in models(name)} if wanted else set()
    if own.issuperset(wanted):
        return
    everyones = own | {model for name in names() for model in models(name)}
    for model in wanted:
        if model not in everyones:
            raise UsageError(f"there is no model {model!r}", hint=near(model, everyones))


def chosen(wanted: list[str] | tuple[str, ...] | str | None) -> tuple[str, ...]:
    """``wanted`` remotes in syncing order, all when None. Raises: UsageError for an unknown name."""
    asked = [wanted] if isinstance(wanted, str) else list(wanted or names())
    everyone = BUILT_IN if all(name in _ROOMS for name in asked) else names()
    unknown = [name for name in asked if name not in everyone]
    if unknown:
        raise _unknown(unknown[0])
    return tuple(name for name in everyone if name in asked)


def added(name: str) -> Adapter:
    """The remote called ``name`` of another package. Raises: UsageError, SettingError for one that cannot be used."""
    entry = _added().get(name)
    if entry is None:
        raise _unknown(name)
    if entry not in _loaded:
        try:
            found = entry.load()
        except Exception as exc:  # a stranger's module may fail in any way
            raise _unusable(entry, f"{type(exc).__name__}: {exc}") from exc
        wrong = _wrong(name, found)
        if wrong is not None:
            raise _unusable(entry, wrong)
        _loaded[entry] = found
    return _loaded[entry]


def _loads(name: str) -> bool:
    try:
        added(name)
    except SettingError:
        return False
    return True


def package(name: str) -> str:
    """The distribution that brings the remote called ``name``; empty where nobody knows."""
    entry = _added().get(name)
    return entry.dist.name if entry is not None and entry.dist is not None else ""


def module(name: str) -> str:
    """The module that the entry point of a remote of another package names."""
    return _added()[name].module


class Descriptions(Mapping[str, "Mapping[str, Model]"]):
    """Models by remote, each remote's loaded when first asked for.

    ``remembered`` gives those of the remotes that the file knows; it is asked only about a remote that is not there.
    """

    def __init__(self, remembered: Callable[[], Mapping[str, Mapping[str, Model]]] = dict) -> None:
        self._remembered = remembered

    def __getitem__(self, remote: str) -> Mapping[str, Model]:
        return models(remote) if is_there(remote) else self._remembered()[remote]

    def __contains__(self, remote: object) -> bool:
        return isinstance(remote, str) and (is_there(remote) or remote in self._remembered())

    def __iter__(self) -> Iterator[str]:
        here = names()
        yield from here
        yield from (name for name in self._remembered() if name not in here)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _added() -> Mapping[str, EntryPoint]:
    """The entry points of our group by name, in the order of their names."""
    searched = tuple(sys.path)
    if searched not in _found:
        from importlib.metadata import entry_points

        found: dict[str, EntryPoint] = {}
        for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
            if entry.name not in _ROOMS:  # the built-in ones come first
                found.setdefault(entry.name, entry)
        _found[searched] = found
    return _found[searched]


def _unknown(name: str) -> UsageError:
    return UsageError(f"there is no remote {name!r}", hint=f"remotes are: {', '.join(names())}")


def _unusable(entry: EntryPoint, why: str) -> SettingError:
    whose = f" of {entry.dist.name}" if entry.dist is not None else ""
    return SettingError(
        f"the remote {entry.name!r}{whose} cannot be used", why=why, hint="upgrade or uninstall that package"
    )


def _wrong(name: str, found: object) -> str | None:
    """Why an entry point brings no remote that can be used under ``name``; None when it does."""
    from syncer.remote import Adapter

    if not _NAME.fullmatch(name):
        return "a remote's name is small letters and digits, and begins with a letter"
    if not isinstance(found, Adapter):
        return f"the entry point names a {type(found).__name__}, not a syncer.remote.Adapter"
    taken = {model: other for other in BUILT_IN for model in models(other)}
    for key, model in found.models.items():
        if (model.remote, model.name) != (name, key):
            return f"model {key!r} is described as {model.remote} {model.name}: use catalogue({name!r}, ...)"
        if key in taken:  # changes are found by model and key
            return f"{taken[key]} has a model {key} already"
        columns = [*model.columns, "extra"]
        if len(set(columns)) < len(columns):
            return f"two fields of {key} have one column: {', '.join(sorted(columns))}"
    return None if found.models else "it describes no model"
