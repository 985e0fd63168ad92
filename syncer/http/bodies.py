"""The JSON of an answer, as data that can be stored: whatever somebody made of it, reading it cannot fail in a new way.

Python's reader takes more than JSON (NaN, half characters) and gives up in more ways than one (depth, digits). Here the
first becomes something harmless and the second one kind of error.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from typing import Any

_MARK = b"\xef\xbb\xbf"  # some servers put it first
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_PLAIN = {str, int, float, type(None)}
_LARGEST = 2**63
_MOST_DIGITS = 4000  # beyond 4300 Python refuses to count


def decoded(body: bytes | str) -> Any:
    """The value of JSON ``body``. NaN, Infinity and numbers beyond a float are None; half a character is U+FFFD.

    Raises: ValueError when it is no JSON, or nested beyond what Python reads.
    """
    text = body if isinstance(body, str) else body.removeprefix(_MARK).decode()
    try:
        found = json.loads(text, parse_constant=_nothing, parse_float=_number, parse_int=_integer)
        return _whole(found) if _HALF.search(text) else found
    except RecursionError:
        raise ValueError("nested too deeply to be read") from None


def storable(values: Collection[Any]) -> bool:
    """Whether each of ``values`` fits a column: text, a number SQLite can hold, or None."""
    kinds = set(map(type, values))
    if not kinds <= _PLAIN:
        return False
    return int not in kinds or all(-_LARGEST <= v < _LARGEST for v in values if type(v) is int)


def _nothing(_: str) -> None:
    return None


def _number(digits: str) -> float | None:
    found = float(digits)
    return found if math.isfinite(found) else None


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) < _MOST_DIGITS else digits


def _whole(value: Any) -> Any:
    """``value`` with every half of a surrogate pair replaced, in keys too."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {_whole(key): _whole(inner) for key, inner in value.items()}
    return [_whole(inner) for inner in value] if isinstance(value, list) else value
