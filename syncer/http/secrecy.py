"""Credentials as they may come back to us in what a remote says, which may be stored, logged and shown."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable
from contextlib import suppress
from html.entities import codepoint2name

_SHORTEST = 6  # what is shorter stands in innocent text by chance
_HIDDEN = b"***"


class Hider:
    """Takes ``secrets`` out of answers, however a server, a gateway or a JSON library on the way has spelled them."""

    __slots__ = ("_patterns",)

    def __init__(self, secrets: Iterable[str]) -> None:
        found = {part for secret in secrets for part in _parts(secret) if len(part) >= _SHORTEST}
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


def _parts(secret: str) -> set[str]:
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
