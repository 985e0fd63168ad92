"""Hiding credentials in anything that may be printed, logged or stored."""

from __future__ import annotations

import re

_HIDDEN = "***"
_HEADER = re.compile(
    r"(?i)\b(authorization|x-api-key|api[-_]?key|token|secret)(\"?\s*[:=]\s*\"?)(bearer |basic )?[^\s\",;&}]+"
)
# In what a remote says, which may be long: each character is looked at a few times at most.
_USERINFO = re.compile(r"(?i)(https?://)[^/\s@]+@")
_MISSPELT = re.compile(r"""(?i)(?<![^\s"'<>])([a-z][a-z0-9+.-]*:/{1,2}|(?=[^\s"'<>/@:]+:))[^\s"'<>]+@""")


def redacted(text: str, secrets: tuple[str, ...] = ()) -> str:
    """``text`` with every one of ``secrets``, and whatever looks like a credential, replaced."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, _HIDDEN)
    text = _MISSPELT.sub(rf"\1{_HIDDEN}@", _USERINFO.sub(rf"\1{_HIDDEN}@", text))
    return _HEADER.sub(rf"\1\2{_HIDDEN}", text)
