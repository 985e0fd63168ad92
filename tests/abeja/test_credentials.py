"""Who is calling ABEJA, and with what patience."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from syncer.adapters.abeja import credentials
from syncer.errors import InvalidInput, SettingError

TOKEN = {"PLATFORM_AUTH_TOKEN": "tok"}
USER = {"ABEJA_PLATFORM_USER_ID": "1", "ABEJA_PLATFORM_PERSONAL_ACCESS_TOKEN": "pat"}
DATASOURCE = {"ABEJA_PLATFORM_DATASOURCE_ID": "2", "ABEJA_PLATFORM_DATASOURCE_SECRET": "sec"}
SetEnv = Callable[[dict[str, str]], None]


@pytest.fixture
def set_env(monkeypatch: pytest.MonkeyPatch) -> SetEnv:
    """Calling it sets environment variables for the test."""

    def setting(values: dict[str, str]) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return setting


def basic(pair: str) -> str:
    """A Basic header."""
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    ("credential", "header"),
    [
        ({"auth_token": "tok"}, "Bearer tok"),
        ({"user_id": "1", "personal_access_token": "pat"}, basic("user-1:pat")),
        ({"user_id": "user-1", "personal_access_token": "pat"}, basic("user-1:pat")),
        ({"user_id": 1, "personal_access_token": "päß"}, basic("user-1:päß")),
        ({"datasource_id": "2", "datasource_secret": "sec"}, basic("datasource-2:sec")),
        ({"datasource_id": "datasource-2", "datasource_secret": "sec"}, basic("datasource-2:sec")),
        ({"auth_token": "tok", "user_id": "1", "personal_access_token": "pat"}, "Bearer tok"),
        (
            {"datasource_id": "2", "datasource_secret": "s", "user_id": "1", "personal_access_token": "p"},
            basic("user-1:p"),
        ),
        ({"auth_token": "", "user_id": "1", "personal_access_token": "p"}, basic("user-1:p")),
        ({"user_id": "1", "datasource_id": "2", "datasource_secret": "s"}, basic("datasource-2:s")),
        ({}, None),
        ({"user_id": "1"}, None),
        ({"datasource_secret": "s", "personal_access_token": "p"}, None),
    ],
)
def test_headers(credential: dict[str, Any], header: str | None, set_env: SetEnv) -> None:
    """A dict gives its own header or none, never the environment's, and is left as it was."""
    set_env({"PLATFORM_AUTH_TOKEN": "not this one"})
    before = dict(credential)
    assert credentials.authorization(credential) == header
    assert credential == before
    assert (credentials.missing(credential) is None) == (header is not None)


@pytest.mark.parametrize(
    ("environ", "header"),
    [
        ({}, None),
        (TOKEN | USER | DATASOURCE, "Bearer tok"),
        (USER | DATASOURCE, basic("user-1:pat")),
        (DATASOURCE, basic("datasource-2:sec")),
        ({"PLATFORM_AUTH_TOKEN": "", "ABEJA_PLATFORM_USER_ID": "1"} | DATASOURCE, basic("datasource-2:sec")),
    ],
)
def test_the_environment(environ: dict[str, str], header: str | None, set_env: SetEnv) -> None:
    """Without a dict the first complete credential of the environment counts."""
    set_env(environ)
    assert credentials.authorization() == header
    assert (credentials.missing() is None) == (header is not None)


def test_the_originals_functions(set_env: SetEnv) -> None:
    """Each reads its own variables, and answers None for half a pair."""
    assert credentials.get_credential() is None
    set_env({"ABEJA_PLATFORM_USER_ID": "1"})
    assert credentials.get_user_basic_auth_from_environment() is None
    set_env(USER | DATASOURCE)
    assert credentials.get_token_from_environment() is None
    assert credentials.get_user_basic_auth_from_environment() == {"user_id": "1", "personal_access_token": "pat"}
    assert credentials.get_datasource_basic_auth_from_environment() == {"datasource_id": "2", "datasource_secret": "sec"}
    assert credentials.get_credential() == {"user_id": "1", "personal_access_token": "pat"}
    set_env(TOKEN)
    assert credentials.get_credential() == credentials.get_token_from_environment() == {"auth_token": "tok"}


def test_what_is_missing_is_named(set_env: SetEnv) -> None:
    """In words of the place where it is to be set, and without any value."""
    assert credentials.missing({}) == (
        "set auth_token, or user_id with personal_access_token, or datasource_id with datasource_secret"
    )
    assert credentials.missing({"personal_access_token": "hidden"}) == "user_id is missing beside personal_access_token"
    assert (credentials.missing() or "").startswith("set PLATFORM_AUTH_TOKEN, or ABEJA_PLATFORM_USER_ID with ABEJA_")
    set_env({"ABEJA_PLATFORM_DATASOURCE_ID": "2"})
    assert credentials.missing() == "ABEJA_PLATFORM_DATASOURCE_SECRET is missing beside ABEJA_PLATFORM_DATASOURCE_ID"


def test_patience(set_env: SetEnv) -> None:
    """Argument, then environment, then default; zero counts as not given, as in the original."""
    assert (credentials.connection_timeout(), credentials.max_retry_count()) == (30, 5)
    assert (credentials.connection_timeout(0), credentials.max_retry_count(0)) == (30, 5)
    set_env({"ABEJA_SDK_CONNECTION_TIMEOUT": "2.5", "ABEJA_SDK_MAX_RETRY_COUNT": "3"})
    assert (credentials.connection_timeout(), credentials.max_retry_count()) == (2.5, 3)
    assert (credentials.connection_timeout(7), credentials.max_retry_count(1)) == (7, 1)
    set_env({"ABEJA_SDK_CONNECTION_TIMEOUT": "0", "ABEJA_SDK_MAX_RETRY_COUNT": " "})
    assert (credentials.connection_timeout(), credentials.max_retry_count()) == (30, 5)


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
def test_wrong_numbers_name_their_variable(value: str, set_env: SetEnv) -> None:
    """A setting that is no number is refused by name, where the original failed later and elsewhere."""
    set_env({"ABEJA_SDK_CONNECTION_TIMEOUT": value, "ABEJA_SDK_MAX_RETRY_COUNT": value})
    with pytest.raises(SettingError, match="ABEJA_SDK_CONNECTION_TIMEOUT must be a number"):
        credentials.connection_timeout()
    with pytest.raises(SettingError, match="ABEJA_SDK_MAX_RETRY_COUNT must be a number"):
        credentials.max_retry_count()


def test_half_a_retry_is_refused(set_env: SetEnv) -> None:
    """Retries come in whole numbers, and nothing is below zero."""
    set_env({"ABEJA_SDK_MAX_RETRY_COUNT": "2.5"})
    with pytest.raises(SettingError, match="whole number"):
        credentials.max_retry_count()
    with pytest.raises(InvalidInput, match="timeout must not be below zero"):
        credentials.connection_timeout(-1)
    with pytest.raises(InvalidInput, match="max_retry_count must not be below zero"):
        credentials.max_retry_count(-1)
