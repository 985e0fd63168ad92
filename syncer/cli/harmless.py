"""Making foreign text safe to show: nothing that came from a remote or a file may steer the terminal."""

from __future__ import annotations

import re

# Control characters (C1 too: \x9b starts a command on some terminals), what reverses the direction of text, line
# separators, and half characters that no encoding can write.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def harmless(text: str) -> str:
    """``text`` on one line, with every character that could steer a terminal written as an escape."""
    return text if text.isascii() and text.isprintable() else _STEERING.sub(_escape, text)


def harmless_json(text: str) -> str:
    """JSON ``text`` with the same characters as JSON escapes, its own line ends apart: the same document to a parser."""
    return "\n".join(_STEERING.sub(_json_escape, line) for line in text.split("\n"))


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return _SHORT.get(char) or (f"\\x{ord(char):02x}" if ord(char) < 256 else f"\\u{ord(char):04x}")


def _json_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
