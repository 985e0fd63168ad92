"""Links to pages of the dashboard."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from syncer.errors import InvalidInput

_PLACE = re.compile(r"\{(\w+)\}")


def deep_link(base: str, pattern: str, params: Mapping[str, object]) -> str:
    """``base`` and ``pattern`` as one address, ``{name}`` replaced by the value of that name, escaped.

    Places without a value stay as they are. Raises: InvalidInput (a ValueError) for a value that would change the path.
    """

    def value(place: re.Match[str]) -> str:
        name = place[1]
        if name not in params:
            return place[0]
        text = str(params[name])
        if text in (".", ".."):
            raise InvalidInput(f"{name} cannot be {text!r} in a link", why="browsers take it for a step in the path")
        return quote(text, safe="")

    return f"{base.rstrip('/')}/{_PLACE.sub(value, pattern).lstrip('/')}"
