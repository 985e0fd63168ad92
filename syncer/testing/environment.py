"""An environment without anybody's settings, for the length of a test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syncer.adapters import registry


def cleared(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Take every setting of every remote out of the environment, and let folders of the user be below ``folder``."""
    settings = {setting.env for name in registry.usable() for setting in registry.declared(name)}
    for name in list(os.environ):
        if name in settings or name.startswith("SYNCER_"):
            monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(folder / name.lower()))
