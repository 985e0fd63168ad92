"""Settings, from options, environment and ``syncer.toml``, in that order of precedence.

The file is the one named by ``--config`` or ``SYNCER_CONFIG``, else ``syncer.toml`` in the user's configuration folder. The
current folder is never searched: a checked-out folder must not be able to redirect credentials to another host.

.. code-block:: toml

    db = "/data/syncer.db"
    durability = "full"             # or "normal": a power cut may cost the last writes
    allow = []                      # where writes can be lost: "hard-link", "mounted-file", "file-system"

    [plexus]
    api_url = "https://example.appsync-api.eu-west-1.amazonaws.com/graphql"
    account_key = "my-account"

    [plexus.merge]                  # who wins where both sides changed the same: theirs, ours, newest or ask
    default = "ask"
    ScoreResult = "theirs"
    "ScoreResult.explanation" = "ours"

    [plexus.pull]                   # what is pulled, where not everything is wanted; also: models, exclude, accounts
    scorecards = ["quality"]
    since = 2026-10-01

    [profile.staging.plexus]        # --profile staging: these win over the tables above
    api_url = "https://staging.example/graphql"
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncer.errors import SettingError

DURABILITIES = ("full", "normal")
DANGERS = ("hard-link", "mounted-file", "file-system")
"""What makes a place unsafe for the database, and can be allowed."""
_KINDS: Mapping[type[object], str] = {str: "text", bool: "true or false", float: "a number"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a remote: its name in the file, its environment variable, whether it is a secret or optional.

    ``kind``: what the file may hold besides text, a flag (bool) or a number (float).
    """

    name: str
    env: str
    secret: bool = False
    optional: bool = False
    kind: type[object] = str

    def spelled(self, value: object) -> str | None:
        """``value`` of the file or environment as text; None when it is not of this kind."""
        if isinstance(value, bool):
            return str(value).lower() if self.kind is bool else None
        if isinstance(value, int | float):
            return repr(value) if self.kind is float else None
        return value.strip() if isinstance(value, str) else None


@dataclass(frozen=True)
class Settings:
    """What was resolved. ``db`` is a path, or a SQLAlchemy URL. Credentials never show in its repr."""

    db: str
    durability: str = "full"
    allow: frozenset[str] = frozenset()
    profile: str | None = None
    config_path: Path | None = None
    tables: Mapping[str, Any] = field(default_factory=dict, repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def table(self, remote: str, name: str) -> Mapping[str, Any]:
        """The table ``[remote.name]`` of the file, empty when there is none. Raises: SettingError when it is no table."""
        section = self.tables.get(remote, {})
        found = section.get(name, {}) if isinstance(section, Mapping) else section
        if not isinstance(found, Mapping):
            raise SettingError(f"[{remote}.{name}] in {self.config_path} must be a table")
        return found

    def remote(self, name: str, declared: tuple[Setting, ...]) -> dict[str, str]:
        """The settings of one remote that have a value; environment first, then file."""
        section = self.tables.get(name, {})
        if not isinstance(section, Mapping):
            raise SettingError(f"[{name}] in {self.config_path} must be a table")
        found: dict[str, str] = {}
        for setting in declared:
            value = self.environ.get(setting.env) or section.get(setting.name)
            if value is None or value == "":
                continue
            text = setting.spelled(value)
            if text is None:
                wanted = _KINDS[setting.kind]
                raise SettingError(f"{name}.{setting.name} in {self.config_path} must be {wanted}")
            found[setting.name] = text
        return found


def load(
    db: str | os.PathLike[str] | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    profile: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Resolve settings as every command does.

    Raises: SettingError naming the setting, when a named file or profile is missing or a value is malformed.
    """
    environ = os.environ if environ is None else environ
    path, tables = _file(config or environ.get("SYNCER_CONFIG"))
    profile = profile or environ.get("SYNCER_PROFILE") or None
    if profile:
        tables = _with_profile(tables, profile, path)
    durability = environ.get("SYNCER_DURABILITY") or tables.get("durability", "full")
    if durability not in DURABILITIES:
        raise SettingError(f"durability must be one of {', '.join(DURABILITIES)}, not {durability!r}")
    allow = _allowed(environ.get("SYNCER_ALLOW") or tables.get("allow", ()))
    chosen = db or environ.get("SYNCER_DB") or tables.get("db") or default_db()
    return Settings(
        db=os.fspath(chosen),
        durability=durability,
        allow=allow,
        profile=profile,
        config_path=path,
        tables=tables,
        environ=dict(environ),
    )


def default_db() -> Path:
    """``syncer.db`` in the user's data folder."""
    from platformdirs import user_data_path

    return user_data_path("syncer", appauthor=False) / "syncer.db"


def _allowed(given: object) -> frozenset[str]:
    words = [word.strip() for word in given.split(",")] if isinstance(given, str) else given
    if not isinstance(words, list | tuple):
        raise SettingError(f"allow must be a list, not {given!r}", hint=f"allow takes {', '.join(DANGERS)}")
    for word in words:
        if word not in DANGERS:
            raise SettingError(f"there is no {word!r} to allow", hint=f"allow takes {', '.join(DANGERS)}")
    return frozenset(words)


def _file(named: str | os.PathLike[str] | None) -> tuple[Path | None, dict[str, Any]]:
    if named:
        path = _named(named)
        if not _is_file(path):
            raise SettingError(f"no configuration file at {path}", hint="create it, or leave --config and SYNCER_CONFIG out")
    else:
        from platformdirs import user_config_path

        path = user_config_path("syncer", appauthor=False) / "syncer.toml"
        if not _is_file(path):
            return None, {}
    import tomllib

    try:
        return path, tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise SettingError(f"{path} is not valid TOML", why=str(exc)) from exc
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _named(path: str | os.PathLike[str]) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as exc:
        raise SettingError(f"nobody knows whose home {path} means", why=str(exc), hint="check the path") from exc


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as exc:
        raise _unreadable(path, exc) from exc


def _unreadable(path: Path, exc: OSError) -> SettingError:
    return SettingError(f"{path} cannot be read", why=exc.strerror, hint="check the path and its permissions")


def _with_profile(tables: dict[str, Any], profile: str, path: Path | None) -> dict[str, Any]:
    profiles = tables.get("profile", {})
    if profile not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise SettingError(f"there is no profile {profile!r} in {path or 'syncer.toml'}", hint=f"profiles: {known}")
    merged = {name: value for name, value in tables.items() if name != "profile"}
    return _over(merged, profiles[profile])


def _over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` on top of ``below``, table by table."""
    merged = dict(below)
    for name, value in above.items():
        lower = merged.get(name)
        merged[name] = _over(lower, value) if isinstance(value, dict) and isinstance(lower, dict) else value
    return merged
