"""What is configured, and where each value comes from. Credentials are told as set or not, never by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from syncer.adapters import registry
from syncer.config import Setting, Settings, default_db
from syncer.redact import redacted

UNSET = "not set"


@dataclass(frozen=True, slots=True)
class Value:
    """One setting. ``value``: as text, ``set`` for a secret that has one, None without. ``source``: option, environment,
    file, profile, default or ``not set``. ``env``: its environment variable."""

    name: str
    env: str
    value: str | None
    source: str
    secret: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return asdict(self)


def general(settings: Settings, *, db_given: bool = False) -> list[Value]:
    """The settings that belong to no remote. ``db_given``: the database was named by an option, or by the caller."""
    source = "option" if db_given else _source(settings, "SYNCER_DB", "db")
    if source == UNSET:
        source = "default" if settings.db == str(default_db()) else "option"
    durable = _source(settings, "SYNCER_DURABILITY", "durability")
    profile = UNSET if settings.profile is None else "environment" if settings.environ.get("SYNCER_PROFILE") else "option"
    return [
        Value("db", "SYNCER_DB", redacted(settings.db), source),
        Value("durability", "SYNCER_DURABILITY", settings.durability, "default" if durable == UNSET else durable),
        _allow(settings),
        Value("profile", "SYNCER_PROFILE", settings.profile, profile),
    ]


def _allow(settings: Settings) -> Value:
    source = _source(settings, "SYNCER_ALLOW", "allow")
    return Value("allow", "SYNCER_ALLOW", ", ".join(sorted(settings.allow)) or None, source if settings.allow else UNSET)


def _source(settings: Settings, env: str, name: str) -> str:
    if settings.environ.get(env):
        return "environment"
    return "file" if settings.tables.get(name) not in (None, "") else UNSET


def of_remote(settings: Settings, name: str) -> list[Value]:
    """The settings of one remote, those without a value included. Raises: SettingError."""
    declared = registry.declared(name)
    found = settings.remote(name, declared)
    hidden = registry.secrets(settings)
    section = settings.tables.get(name, {})
    return [_value(settings, section, each, found.get(each.name), hidden) for each in declared]


def _value(
    settings: Settings, section: Mapping[str, Any], setting: Setting, value: str | None, hidden: tuple[str, ...]
) -> Value:
    if value is None:
        return Value(setting.name, setting.env, None, UNSET, setting.secret)
    source = "environment" if settings.environ.get(setting.env) else "file"
    shown = "set" if setting.secret else redacted(value, hidden)
    return Value(setting.name, setting.env, shown, source, setting.secret)
