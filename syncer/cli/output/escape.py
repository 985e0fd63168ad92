"""Making foreign text safe to show: nothing that came from a remote or a file may steer the terminal."""

from __future__ import annotations

import re

# Control characters (C1 too: \x9b starts a command on some terminals), what reverses the direction of text, line
# separators, half characters that no encoding can write, and what nobody sees: two names that look alike are one to people.
_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def escape_control(text: str) -> str:
    """``text`` on one line, with every character that could steer a terminal written as an escape."""
    return text if text.isascii() and text.isprintable() else _STEERING.sub(_escape, text)


def escape_control_lines(text: str) -> str:
    """The same for text of several lines: a traceback, a record of the log."""
    return "\n".join(map(escape_control, text.split("\n")))


def escape_control_json(text: str) -> str:
    """JSON ``text`` with the same characters as JSON escapes, its own line ends apart: the same document to a parser."""
    return "\n".join(_STEERING.sub(_json_escape, line) for line in text.split("\n"))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    wide = f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return _SHORT.get(found[0]) or (f"\\x{code:02x}" if code < 256 else wide)


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[n : n + 4]}" for n in range(0, len(units), 4))
