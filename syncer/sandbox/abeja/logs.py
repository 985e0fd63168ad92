"""The logs of a run: oldest first, or newest first in both directions.

Decided here: a token remembers run and time bounds, which may be left out beside it but not
changed; a token of one run or list is refused by another; both tokens of the recent logs at once are refused.

Source: docs/remotes/abeja.md#logs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from syncer import clock
from syncer.sandbox.abeja.book import Book
from syncer.sandbox.abeja.problems import wrong_field
from syncer.sandbox.abeja.tokens import Token, given
from syncer.sandbox.documents import Document, Part

_BOUNDS = ("start_time", "end_time")
_NEWER, _OLDER = "(timestamp, seq) > (?, ?)", "(timestamp, seq) < (?, ?)"


class Place(NamedTuple):
    """Where an event stands: its time, and its number among all events."""

    timestamp: str
    number: int


_START = Place("", 0)


class Logs:
    """Pages of events. Raises: Problem."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def forward(self, run_id: str, query: Mapping[str, str]) -> Document:
        """``logs``: ascending; ``next_token`` is absent at the end."""
        asked = _Asked("logs", run_id, query, "next_token")
        part = asked.part
        if asked.place:
            part = part.also(_NEWER, *asked.place)
        size = self._book.page_size
        found = self._events(part, "ASC", size + 1)
        page: Document = {"events": [event for _, event in found[:size]]}
        if len(found) > size:
            page["next_token"] = asked.token(found[size - 1][0])
        return page

    def recent(self, run_id: str, query: Mapping[str, str]) -> Document:
        """``recentlogs``: descending; both tokens always; no events at the ends."""
        newer, older = query.get("next_forward_token"), query.get("next_backward_token")
        if newer and older:
            raise wrong_field("next_forward_token", "cannot be used together with next_backward_token")
        asked = _Asked("recentlogs", run_id, query, "next_forward_token" if newer else "next_backward_token")
        size = self._book.page_size
        place = asked.place
        if place is None:
            found, forward, backward = self._events(asked.part, "DESC", size), _START, _START
        elif newer:
            found = self._events(asked.part.also(_NEWER, *place), "ASC", size)[::-1]
            forward, backward = place, Place(place.timestamp, place.number + 1)
        else:
            found = self._events(asked.part.also(_OLDER, *place), "DESC", size)
            forward, backward = Place(place.timestamp, place.number - 1), place
        if found:
            forward, backward = found[0][0], found[-1][0]
        return {
            "events": [event for _, event in found],
            "next_forward_token": asked.token(forward),
            "next_backward_token": asked.token(backward),
        }

    def _events(self, part: Part, way: str, limit: int) -> list[tuple[Place, Document]]:
        found = self._book.logs.places(part, f"timestamp {way}, seq {way}", limit)
        return [
            (Place(event["timestamp"], number), {name: event[name] for name in ("message", "timestamp")})
            for number, event in found
        ]


class _Asked:
    """Which events are asked for: the bounds, and the place that the token named ``parameter`` stands for, if given."""

    def __init__(self, kind: str, run_id: str, query: Mapping[str, str], parameter: str) -> None:
        self._list_name = f"{kind} {run_id}"
        self._bounds = [_moment(name, query.get(name)) for name in _BOUNDS]
        self.place: Place | None = None
        if query.get(parameter):
            token = given(parameter, query[parameter], self._list_name)
            self.place = Place(*token.place)
            for name, now, before in zip(_BOUNDS, self._bounds, token.settings, strict=True):
                if now is not None and now != before:
                    raise wrong_field(name, f"differs from that of {parameter}")
            self._bounds = token.settings

    @property
    def part(self) -> Part:
        """The run's events inside the bounds, both inclusive."""
        part = Part("run_id = ?", (self._list_name.partition(" ")[2],))
        for bound, sign in zip(self._bounds, (">=", "<="), strict=True):
            if bound is not None:
                part = part.also(f"timestamp {sign} ?", bound)
        return part

    def token(self, place: Place) -> str:
        """A token of this list for ``place``."""
        return Token(self._list_name, self._bounds, [*place]).text


def _moment(name: str, text: str | None) -> str | None:
    if not text:
        return None
    try:
        return clock.stored(clock.parsed(text))
    except ValueError:
        raise wrong_field(name, "is not a time") from None
