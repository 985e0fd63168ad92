"""What a failed request means for the change it carried: surely not applied, maybe applied, refused. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

from syncer import clock

LONGEST_S = 30 * 86_400.0
"""Nobody means more; a remote that says so must not park a change for ever, nor beyond what a calendar holds."""


class NotSent(Exception):
    """No connection came about: nothing can have been applied."""


class ReplyLost(Exception):
    """The request may have arrived, but no whole answer came back."""


class Verdict(Enum):
    """What an HTTP status says."""

    ANSWERED = "answered"
    ACCESS = "access"  # credentials; nothing applied
    THROTTLED = "throttled"  # told to wait; nothing applied
    TOO_LARGE = "too large"  # nothing applied; smaller may pass
    MALFORMED = "malformed"  # nothing applied; a bug, or one bad record among many
    WRONG_PLACE = "wrong place"  # no such service at this address
    UNKNOWN = "unknown"  # may be applied


def verdict(status: int) -> Verdict:
    """Judge ``status``."""
    if 200 <= status < 300:
        return Verdict.ANSWERED
    if status in (401, 403):
        return Verdict.ACCESS
    if status == 429:
        return Verdict.THROTTLED
    if status == 413:
        return Verdict.TOO_LARGE
    if status >= 500 or status == 408 or status < 200:
        return Verdict.UNKNOWN
    if status < 400 or status in (404, 405, 410):
        return Verdict.WRONG_PLACE
    return Verdict.MALFORMED


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
