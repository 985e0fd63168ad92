"""Opaque tokens that say where a page of a list ended, good for the same list only.

A token is text made here; it holds the last record's place, and a digest over that and the question, so that one that was
cut, altered or taken from another list is refused instead of answering something else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from syncer.errors import InvalidInput

Place: TypeAlias = tuple[str | int | float | None, str]
"""Value of the field that orders the list, and key, of the last record of a page."""


def issued(question: Mapping[str, Any], place: Place) -> str:
    """The token for what comes after ``place`` in the list that answers ``question``."""
    text = json.dumps([_digest(question, place), *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def place_of(question: Mapping[str, Any], token: str) -> Place:
    """Where ``token`` says the page before ended. Raises: InvalidInput when it is no token of this list."""
    try:
        digest, value, key = json.loads(base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True))
    except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error) as exc:
        raise _malformed(token) from exc
    usable = isinstance(key, str) and (value is None or isinstance(value, str | int | float))
    if not usable or digest != _digest(question, (value, key)):
        raise _malformed(token)
    return value, key


def _digest(question: Mapping[str, Any], place: Place) -> str:
    text = json.dumps([question, list(place)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _malformed(token: Any) -> InvalidInput:
    shown = repr(token)
    return InvalidInput(
        f"{shown if len(shown) <= 40 else shown[:37] + '...'} is no token of this list",
        why="a token is good for the list it came from, asked in the same words",
        hint="ask again without it, from the first page",
    )
