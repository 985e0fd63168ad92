"""Page tokens: opaque to clients, good only for the list that gave them out."""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple

from syncer.sandbox.abeja.problems import wrong_field
from syncer.sandbox.documents import decoded, encoded

_TAIL = "+/="  # a client that does not escape its query loses these


class Token(NamedTuple):
    """A ``place`` in the list called ``list_name``, which was asked for with ``settings``."""

    list_name: str
    settings: list[Any]
    place: list[Any]

    @property
    def text(self) -> str:
        """What clients get."""
        return base64.b64encode(encoded(self).encode()).decode() + _TAIL


def given(parameter: str, text: str, list_name: str) -> Token:
    """The token that came as ``parameter``. Raises: Problem when this list did not give it out."""
    try:
        token = Token(*decoded(base64.b64decode(text.removesuffix(_TAIL), validate=True).decode()))
    except (ValueError, TypeError, binascii.Error):
        raise wrong_field(parameter, "is invalid") from None
    if token.list_name != list_name or not text.endswith(_TAIL):
        raise wrong_field(parameter, "was given out by another list")
    return token
