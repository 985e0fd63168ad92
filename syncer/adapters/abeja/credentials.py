"""Who is calling ABEJA, how long it may take, and how often to try: from arguments, environment and defaults.

Different from the original: a caller's dict is never changed; numbers in the environment are read as numbers;
:func:`missing` says in words what a push would lack.

Source: docs/remotes/abeja.md#authentication
Source: docs/remotes/abeja.md#time-outs-and-retries
"""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Mapping
from typing import Any

from syncer.errors import InvalidInput, SettingError

DEFAULT_MAX_RETRY_COUNT = 5
DEFAULT_CONNECTION_TIMEOUT = 30
SDK_CONNECTION_TIMEOUT_ENV_KEY = "ABEJA_SDK_CONNECTION_TIMEOUT"
SDK_MAX_RETRY_COUNT_ENV_KEY = "ABEJA_SDK_MAX_RETRY_COUNT"

# The kinds of credential by their keys in a dict, with their environment variables; the first complete kind wins.
_TOKEN = {"auth_token": "PLATFORM_AUTH_TOKEN"}
_USER = {"user_id": "ABEJA_PLATFORM_USER_ID", "personal_access_token": "ABEJA_PLATFORM_PERSONAL_ACCESS_TOKEN"}
_DATASOURCE = {"datasource_id": "ABEJA_PLATFORM_DATASOURCE_ID", "datasource_secret": "ABEJA_PLATFORM_DATASOURCE_SECRET"}
_KINDS = (_TOKEN, _USER, _DATASOURCE)


def get_token_from_environment() -> dict[str, str] | None:
    """``{"auth_token": ...}``, or None."""
    return _from_environment(_TOKEN)


def get_user_basic_auth_from_environment() -> dict[str, str] | None:
    """``{"user_id": ..., "personal_access_token": ...}``, or None unless both are set."""
    return _from_environment(_USER)


def get_datasource_basic_auth_from_environment() -> dict[str, str] | None:
    """``{"datasource_id": ..., "datasource_secret": ...}``, or None unless both are set."""
    return _from_environment(_DATASOURCE)


def get_credential() -> dict[str, str] | None:
    """The first complete credential of the environment: token, then user, then datasource."""
    return (
        get_token_from_environment()
        or get_user_basic_auth_from_environment()
        or get_datasource_basic_auth_from_environment()
    )


def authorization(credential: Mapping[str, Any] | None = None) -> str | None:
    """The value of the Authorization header; None when there is nothing to authorize with.

    ``credential=None`` means the environment. A dict stands for itself alone: an empty or incomplete one gives None, without
    an error and without a look at the environment, as in the original. What it lacks: :func:`missing`.
    """
    given = get_credential() if credential is None else credential
    kind = _complete(given or {})
    if given is None or kind is None:
        return None
    if kind is _TOKEN:
        return f"Bearer {given['auth_token']}"
    id_key, secret_key = kind
    prefix = id_key.removesuffix("id").replace("_", "-")  # user-, datasource-
    account = str(given[id_key])
    account = account if account.startswith(prefix) else prefix + account
    return "Basic " + base64.b64encode(f"{account}:{given[secret_key]}".encode()).decode("ascii")


def missing(credential: Mapping[str, Any] | None = None) -> str | None:
    """What to set before anything can be sent, in words; None when :func:`authorization` has an answer.

    Names of environment variables for ``credential=None``, of keys for a dict. Never a value.
    """
    if credential is not None:
        return None if _complete(credential) else _lacking(credential, {name: name for kind in _KINDS for name in kind})
    spelled = {name: env for kind in _KINDS for name, env in kind.items()}
    found = {name: os.environ.get(env) for name, env in spelled.items()}
    return None if _complete(found) else _lacking(found, spelled)


def connection_timeout(timeout: float | None = None) -> float:
    """Seconds for the connection, and for every wait for bytes: argument, environment, 30. Zero counts as not given.

    Raises: InvalidInput for an argument below zero; SettingError naming the variable, when it is no such number.
    """
    return _given("timeout", timeout) or _number(SDK_CONNECTION_TIMEOUT_ENV_KEY) or DEFAULT_CONNECTION_TIMEOUT


def max_retry_count(count: int | None = None) -> int:
    """How often a read is tried again: argument, environment, 5. Zero counts as not given. Creating a run is never repeated.

    Raises: InvalidInput for an argument below zero; SettingError naming the variable, when it is no such whole number.
    """
    if given := _given("max_retry_count", count):
        return int(given)
    number = _number(SDK_MAX_RETRY_COUNT_ENV_KEY) or DEFAULT_MAX_RETRY_COUNT
    if number != int(number):
        raise SettingError(f"{SDK_MAX_RETRY_COUNT_ENV_KEY} must be a whole number, not {number}")
    return int(number)


def _from_environment(kind: Mapping[str, str]) -> dict[str, str] | None:
    found = {name: os.environ.get(env, "") for name, env in kind.items()}
    return found if all(found.values()) else None


def _complete(credential: Mapping[str, Any]) -> Mapping[str, str] | None:
    return next((kind for kind in _KINDS if all(credential.get(name) for name in kind)), None)


def _lacking(credential: Mapping[str, Any], spelled: Mapping[str, str]) -> str:
    for kind in _KINDS:
        given = [spelled[name] for name in kind if credential.get(name)]
        lacking = [spelled[name] for name in kind if not credential.get(name)]
        if given:
            return f"{', '.join(lacking)} is missing beside {', '.join(given)}"
    return "set " + ", or ".join(" with ".join(spelled[name] for name in kind) for kind in _KINDS)


def _given(name: str, value: float | None) -> float:
    if value is not None and not value >= 0:
        raise InvalidInput(f"{name} must not be below zero", why=f"it is {value!r}")
    return value or 0


def _number(name: str) -> float:
    text = os.environ.get(name, "").strip()
    if not text:
        return 0
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise SettingError(f"{name} must be a number, zero or above, not {text!r}", hint=f"unset {name} for the default")
    return number
