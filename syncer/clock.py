"""The one source of time, and the three ways a moment is written down.

* *stored*: ``YYYY-MM-DDTHH:MM:SS.ffffffZ``, 27 characters, UTC. What columns hold; sorts as time.
* *wire*: ``YYYY-MM-DDTHH:MM:SS.sssZ``, what is sent to a service that keeps milliseconds.
* *verbatim*: whatever text a remote answered with. Rebuilt from the stored form where possible.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Protocol

_STORED_LENGTH = 27
_MILLISECOND_LENGTH = 24
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


class Source(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """The present moment, aware."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class System:
    """This machine's clock."""

    def now(self) -> datetime:
        """The present moment."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Really wait."""
        time.sleep(seconds)  # noqa: TID251 - the one place allowed to


class Virtual:
    """A clock that stands still, except that waiting moves it: hours of back-off pass in no time."""

    def __init__(self, start: datetime) -> None:
        self.moment = start
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The moment it stands at."""
        return self.moment

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)


_source: Source = System()


@contextmanager
def using(source: Source) -> Iterator[Source]:
    """Let the whole process take its time from ``source`` inside the block."""
    global _source
    before, _source = _source, source
    try:
        yield source
    finally:
        _source = before


def now() -> datetime:
    """The present moment, UTC, cut to milliseconds (the remotes keep no more)."""
    moment = _source.now()
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def stored_now() -> str:
    """The present moment in stored form."""
    moment = _source.now()
    if moment.tzinfo is not UTC:
        return stored(now())
    return moment.isoformat(timespec="milliseconds")[:23] + "000Z"  # as ``stored(now())``, in half the time


def stored(moment: datetime) -> str:
    """An aware ``moment`` in stored form."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    text = moment.isoformat(timespec="microseconds")
    return text[:26] + "Z"


def stored_from_text(text: str) -> str:
    """ISO 8601 ``text`` with an offset, in stored form.

    Raises: ValueError when the text is no time or carries no offset.
    """
    # Remotes answer with milliseconds and Z almost always: no parsing for those.
    if len(text) == _MILLISECOND_LENGTH and text[-1] == "Z" and text[19] == "." and text[10] == "T":
        return text[:23] + "000Z"
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs an offset, for example a final Z")
    return stored(moment)


def parsed(text: str) -> datetime:
    """An aware UTC datetime from stored, wire or verbatim ``text``."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def usual_text(stored_text: str) -> str:
    """The spelling a remote most likely used for ``stored_text``: milliseconds unless finer."""
    if stored_text.endswith("000Z") and len(stored_text) == _STORED_LENGTH:
        return stored_text[:23] + "Z"
    return stored_text


def wire(stored_text: str) -> str:
    """``stored_text`` with exactly three decimals, for services that keep milliseconds."""
    return stored_text[:23] + "Z"


def after(seconds: float, start: datetime | None = None) -> str:
    """The moment ``seconds`` after ``start`` (now when None), in stored form; held at the ends of the calendar."""
    try:
        return stored((start or now()) + timedelta(seconds=seconds))
    except OverflowError:  # a clock set that wrong must not stop a command
        return stored(_LAST if seconds > 0 else _FIRST)


def sleep(seconds: float) -> None:
    """Let ``seconds`` pass. Kept here so that nothing else in the house waits on its own."""
    if seconds > 0:
        _source.sleep(seconds)
