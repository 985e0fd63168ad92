"""Where credentials may be sent, and which of them can be: judged before anything is claimed, by the parser that is used."""

from __future__ import annotations

import os

import urllib3

from syncer.errors import SettingError
from syncer.redact import redacted

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def checked_url(setting: str, url: str) -> str:
    """``url`` if credentials may be sent there. Raises: SettingError naming ``setting``."""
    if "@" in url:  # wherever it stands: a / or # inside of a password makes it part of a path
        raise SettingError(f"{setting} carries credentials in the address", hint="put them into their own settings")
    scheme, host = _parts(url)
    if scheme not in ("http", "https") or not host:
        raise SettingError(
            f"{setting} is not a web address",
            why=redacted(url),
            hint="it is https://HOST/..., with a number for the port if any",
        )
    if scheme == "http" and host not in _LOOPBACK:
        raise SettingError(
            f"{setting} would send credentials unencrypted",
            why=f"plain http to {host}",
            hint="use https://; plain http is only for this machine",
        )
    if scheme == "https":
        ca_bundle()
    return url


def _parts(url: str) -> tuple[str | None, str | None]:
    """Scheme and host as the library sees them that sends; two parsers may disagree about where an address leads."""
    try:
        seen = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        return None, None
    return seen.scheme, seen.host


def checked_secret(setting: str, secret: str) -> str:
    """``secret`` if a header can carry it. Raises: SettingError naming ``setting``, and nothing of the secret."""
    bad = next((char for char in secret if ord(char) > 255 or ord(char) < 32 or ord(char) == 127), None)
    if bad is not None or secret != secret.strip():
        what = "a space at its start or end" if bad is None else f"the character U+{ord(bad):04X}"
        raise SettingError(f"{setting} cannot be sent", why=f"it holds {what}", hint="set it again, without it")
    return secret


def ca_bundle() -> str | bool:
    """The certificates that TLS trusts: those the environment names, else the usual ones. Raises: SettingError."""
    for name in _BUNDLES:
        path = os.environ.get(name)
        if path:
            if not os.path.exists(path):
                raise SettingError(f"{name} names no file", why=path, hint="correct it, or unset it")
            return path
    return True
