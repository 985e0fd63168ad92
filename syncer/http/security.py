"""Credentials: where they may be sent, and hiding them in what comes back.

Addresses are judged before anything is claimed, by the parser that is used. What a remote says may
repeat a credential, and may be stored, logged and shown.
"""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Iterable
from contextlib import suppress
from html.entities import codepoint2name

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


_SHORTEST = 6  # what is shorter stands in innocent text by chance
_HIDDEN = b"***"


class SecretFilter:
    """Takes ``secrets`` out of answers, however a server, a gateway or a JSON library on the way has spelled them."""

    __slots__ = ("_patterns",)

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {part for secret in secrets for part in _parts_of_secret(secret) if len(part) >= _SHORTEST}
        # The longest first: a password inside of a pair must not leave the pair's other half behind.
        self._patterns = [re.compile(_spelled(part)) for part in sorted(found, key=len, reverse=True)]

    def hidden(self, content: bytes) -> bytes:
        """``content`` with ``***`` in the place of every credential."""
        for pattern in self._patterns:
            content = pattern.sub(_HIDDEN, content)
        return content

    def hidden_text(self, text: str) -> str:
        """The same for text."""
        return self.hidden(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def _parts_of_secret(secret: str) -> set[str]:
    """The credential itself, without the word before it; and what is inside of Basic."""
    kind, _, rest = secret.partition(" ")
    parts = {rest} if kind.lower() in ("bearer", "basic", "token") and rest else {secret}
    if kind.lower() == "basic":
        with suppress(ValueError):
            pair = b64decode(rest).decode()
            parts |= {pair, pair.partition(":")[2]}
    return parts


def _spelled(secret: str) -> bytes:
    """A pattern for ``secret``: letters and digits as they are, whatever else also as JSON, HTML and addresses write it."""
    return b"".join(re.escape(c).encode() if c.isascii() and c.isalnum() else _character(c) for c in secret)


def _character(char: str) -> bytes:
    code = ord(char)
    utf8, latin = char.encode("utf-8", "surrogatepass"), char.encode("latin-1", "replace")
    units = char.encode("utf-16-be", "surrogatepass")
    ways = [
        rb"\\*" + re.escape(utf8),  # JSON escapes quotes and, some of it, slashes; JSON inside of JSON twice
        rb"".join(rb"\\+u(?i:%s)" % units[n : n + 2].hex().encode() for n in range(0, len(units), 2)),
        b"".join(rb"%%(?:25)*(?i:%02x)" % byte for byte in utf8),
        rb"&#0*%d;" % code,
        rb"&#[xX]0*(?i:%x);" % code,
    ]
    if code in codepoint2name:
        ways.append(b"&" + codepoint2name[code].encode() + b";")
    if char == " ":
        ways.append(rb"\+")
    if utf8 != latin:
        ways.append(re.escape(latin))
    return b"(?:" + b"|".join(ways) + b")"
