"""Credentials as they may come back to us in what a remote says, which may be stored, logged and shown."""

from __future__ import annotations

import json
from base64 import b64decode
from contextlib import suppress
from html import escape
from urllib.parse import quote, quote_plus

_SHORTEST = 6  # what is shorter stands in innocent text by chance


def spellings(secret: str) -> set[str]:
    """``secret`` as it may come back to us: as it is, in JSON, in a web page, in an address; and what is inside of Basic."""
    kind, _, rest = secret.partition(" ")
    plain = {rest} if kind.lower() in ("bearer", "basic", "token") and rest else {secret}
    if kind.lower() == "basic":
        with suppress(ValueError):
            pair = b64decode(rest).decode()
            plain |= {pair, pair.partition(":")[2]}
    found = {way(one) for one in plain for way in (str, _in_json, escape, quote, quote_plus)}
    return {one for one in found if len(one) >= _SHORTEST}


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]
