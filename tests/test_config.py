"""Settings: option, environment, file, default; wrong ones are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncer import config
from syncer.adapters.plexus.settings import SETTINGS
from syncer.errors import SettingError


def test_precedence(tmp_path: Path) -> None:
    """An option beats the environment, that beats the file."""
    path = tmp_path / "syncer.toml"
    path.write_text('db = "from-file.db"\n[plexus]\napi_url = "https://file/"\naccount_key = "file"\n')
    environ = {"SYNCER_CONFIG": str(path), "PLEXUS_ACCOUNT_KEY": "env"}
    assert config.load(environ=environ).db == "from-file.db"
    assert config.load(environ={**environ, "SYNCER_DB": "from-env.db"}).db == "from-env.db"
    assert config.load("option.db", environ={**environ, "SYNCER_DB": "from-env.db"}).db == "option.db"
    assert config.load(environ=environ).remote("plexus", SETTINGS) == {"api_url": "https://file/", "account_key": "env"}


def test_profiles(tmp_path: Path) -> None:
    """A profile's tables win over those above; an unknown one is named."""
    path = tmp_path / "syncer.toml"
    path.write_text(
        '[plexus]\napi_url = "https://a/"\naccount_key = "k"\n[profile.staging.plexus]\napi_url = "https://b/"\n'
    )
    found = config.load(config=path, profile="staging", environ={}).remote("plexus", SETTINGS)
    assert found == {"api_url": "https://b/", "account_key": "k"}
    with pytest.raises(SettingError, match="no profile 'prod'"):
        config.load(config=path, profile="prod", environ={})


def test_what_is_allowed() -> None:
    """Words by comma in the environment; nothing is allowed unless it is said, and a wrong word is named."""
    assert config.load(environ={}).allow == frozenset()
    assert config.load(environ={"SYNCER_ALLOW": "hard-link, file-system"}).allow == {"hard-link", "file-system"}
    with pytest.raises(SettingError, match="no 'all' to allow") as caught:
        config.load(environ={"SYNCER_ALLOW": "all"})
    assert caught.value.hint == "allow takes hard-link, mounted-file, file-system"


def test_the_current_folder_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checked-out folder must not be able to redirect credentials."""
    (tmp_path / "syncer.toml").write_text('[plexus]\napi_url = "https://evil/"\n')
    monkeypatch.chdir(tmp_path)
    assert config.load(environ={}).remote("plexus", SETTINGS) == {}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("durability = 'soon'", "durability"),
        ("allow = ['everything']", "no 'everything' to allow"),
        ("allow = ['hard-link', 3]", "no 3 to allow"),
        ("allow = true", "allow must be a list"),
        ("db = ", "not valid TOML"),
        ("[plexus]\napi_key = 3", "plexus.api_key"),
        ("plexus = 3", r"\[plexus\]"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, named: str) -> None:
    """The error names the setting and the file."""
    path = tmp_path / "syncer.toml"
    path.write_text(text)
    with pytest.raises(SettingError, match=named):
        config.load(config=path, environ={}).remote("plexus", SETTINGS)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that was asked for must exist."""
    with pytest.raises(SettingError, match="no configuration file"):
        config.load(config=tmp_path / "none.toml", environ={})


def test_secrets_do_not_show() -> None:
    """Settings can be printed without giving anything away."""
    assert "t0p" not in repr(config.load("x.db", environ={"PLEXUS_API_KEY": "t0p"}))
