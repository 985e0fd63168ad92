"""What an answer, or none, means for the change it carried, and reading its JSON. Pure.

A status says: surely not applied, maybe applied, or refused. Python's reader takes more than JSON
(NaN, half characters) and gives up in more ways than one (depth, digits); here the first becomes
something harmless and the second one kind of error. What a remote calls a request is read too: the
name under which its own logs know it, for people who ask its operators.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from syncer import clock
from syncer.http.session import Answer
from syncer.remote import PushResult, ReceiptKind

LONGEST_S = 30 * 86_400.0
"""Nobody means more; a remote that says so must not reject a change for ever, nor beyond what a calendar holds."""


class StatusClass(Enum):
    """What an HTTP status says."""

    ANSWERED = "answered"
    ACCESS = "access"  # credentials; nothing applied
    THROTTLED = "throttled"  # told to wait; nothing applied
    TOO_LARGE = "too large"  # nothing applied; smaller may pass
    MALFORMED = "malformed"  # nothing applied; a bug, or one bad record among many
    WRONG_PLACE = "wrong place"  # no such service at this address
    UNKNOWN = "unknown"  # may be applied


def status_class(status: int) -> StatusClass:
    """Judge ``status``."""
    if 200 <= status < 300:
        return StatusClass.ANSWERED
    if status in (401, 403):
        return StatusClass.ACCESS
    if status == 429:
        return StatusClass.THROTTLED
    if status == 413:
        return StatusClass.TOO_LARGE
    if status >= 500 or status == 408 or status < 200:
        return StatusClass.UNKNOWN
    if status < 400 or status in (404, 405, 410):
        return StatusClass.WRONG_PLACE
    return StatusClass.MALFORMED


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds a ``Retry-After`` header asks for, by number or date, a month at most; None without one, or with nonsense.

    A date is compared with the clock it was made by, where the answer tells that one. Of several numbers the longest counts:
    a header that is there twice, from the remote and from a proxy before it, arrives as one with a comma.
    """
    text = headers.get("Retry-After", "").strip()
    waits = [wait_s for part in text.split(",") if (wait_s := _seconds(part)) is not None]
    if waits:
        return max(waits)
    until = _moment(text) if text else None
    now = _moment(headers.get("Date", "")) or clock.now()
    return None if until is None else believable_s((until - now).total_seconds())


def _seconds(text: str) -> float | None:
    try:
        return believable_s(float(text))
    except ValueError:
        return None


def believable_s(seconds: float) -> float | None:
    """A wait that a remote asks for: from now to a month at most. None for what is no number."""
    return None if seconds != seconds else min(max(0.0, seconds), LONGEST_S)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def server_time(headers: Mapping[str, str]) -> str | None:
    """The server's clock from its ``Date`` header, in stored form."""
    text = headers.get("Date")
    moment = _moment(text) if text else None
    return None if moment is None else clock.stored(moment)


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


_HEADERS = ("x-amzn-requestid", "x-amzn-request-id", "x-request-id", "request-id", "x-correlation-id", "x-amz-cf-id")
_PLAIN_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def request_id(headers: Mapping[str, str]) -> str:
    """The id in the headers of an answer; empty without one, or where it is not the short plain text that ids are."""
    for name in _HEADERS:
        found = headers.get(name, "").strip()
        if found:
            return found if _PLAIN_ID.fullmatch(found) else ""
    return ""


def identified(result: PushResult, answer: Answer) -> PushResult:
    """``result`` with the id of the request in those receipts that somebody may ask about: all but acknowledged ones."""
    if all(receipt.kind is ReceiptKind.ACKED for receipt in result.receipts):
        return result
    found = request_id(answer.headers)
    if not found:
        return result
    named = tuple(
        r if r.request_id or r.kind is ReceiptKind.ACKED else replace(r, request_id=found) for r in result.receipts
    )
    return replace(result, receipts=named)
