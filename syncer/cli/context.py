"""What one run of the command line knows: the options of the group, and what they lead to, made when first asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from syncer.config import Settings
    from syncer.schema.model import Model
    from syncer.store.reader import Reader
    from syncer.workspace import Workspace


class App:
    """The group's options, and ``code``: what the program ends with unless something fails."""

    def __init__(self, *, json: bool = False) -> None:
        self.db: str | None = None
        self.config: str | None = None
        self.profile: str | None = None
        self.verbose = 0
        self.json = json
        self.code = 0
        self._secrets: dict[tuple[str, ...], tuple[str, ...]] = {}  # by the remotes that were known

    @cached_property
    def settings(self) -> Settings:
        """Options, environment and ``syncer.toml``. Raises: SettingError."""
        from syncer import config

        return config.load(self.db, config=self.config, profile=self.profile)

    @cached_property
    def path(self) -> Path:
        """The database file, for whoever opens it. Raises: SettingError, DatabaseError."""
        from syncer.config import dangers, path_of, require_safe
        from syncer.store.version import is_there

        # A path named by option or environment wins over any file, so none is read: query and outbox list start faster.
        named = self.db or os.environ.get("SYNCER_DB")
        asked = self.config or self.profile or os.environ.get("SYNCER_CONFIG") or os.environ.get("SYNCER_PROFILE")
        path = path_of(named if named and not asked else self.settings.db)
        is_there(path)
        if dangers(path):
            require_safe(path, self.settings.allow)
        return path

    @property
    def secrets(self) -> tuple[str, ...]:
        """Configured credentials, to be hidden; none while the settings themselves cannot be read."""
        from syncer import config
        from syncer.adapters import registry
        from syncer.errors import SettingError

        known = registry.known()
        if known not in self._secrets:
            try:
                self._secrets[known] = registry.secrets(self.settings)
            except (SettingError, OSError):
                self._secrets[known] = registry.secrets(config.Settings(db="", environ=os.environ))
        return self._secrets[known]

    def hidden(self, text: str) -> str:
        """``text`` without credentials: for anything a remote or an error had a hand in."""
        from syncer.redact import redacted

        return redacted(text, self.secrets)

    def reader(self) -> Reader:
        """A connection that cannot write. Raises: DatabaseError."""
        from syncer.store.reader import Reader

        return Reader(self.path)

    def workspace(self) -> Workspace:
        """Everything, the file made if need be. Raises: SettingError, DatabaseError."""
        from syncer.workspace import Workspace

        return Workspace(self.settings)

    def missing(self, remote: str) -> list[str]:
        """Environment names of the settings that ``remote`` still needs."""
        from syncer import config
        from syncer.adapters import registry

        if not registry.is_there(remote):
            return []  # a remote of a package that is gone: no setting would help
        # The environment wins over the file, which need not be looked for when nothing is missing without it.
        return registry.missing_settings(remote, config.Settings(db="", environ=os.environ)) and registry.missing_settings(
            remote, self.settings
        )


def descriptions(reader: Reader) -> Mapping[str, Mapping[str, Model]]:
    """Models by remote, each remote's loaded when first asked for; of one that is not installed, what the file knows."""
    from syncer.adapters import registry
    from syncer.views import remotes

    return registry.Descriptions(lambda: remotes.models(reader))


def on_terminal() -> bool:
    """Whether a person reads standard output."""
    return sys.stdout.isatty()


pass_app = click.make_pass_decorator(App)
