"""Pages of what the local file holds, behind opaque tokens that name a place, so that new rows never shift a page.

A token remembers the list it is of, its direction and its bounds; one of another list is refused.

Source: docs/remotes/abeja.md#paging
Source: docs/remotes/abeja.md#logs
Source: docs/remotes/abeja.md#timestamps
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from syncer import clock
from syncer.adapters.abeja.exceptions import BadRequest
from syncer.records.rows import Window
from syncer.remote import Row
from syncer.schema.values import dumps

SIZE = 100
"""Runs, and log events, of a page."""

RUN_ORDER = ("created_at", "run_id")
EVENT_ORDER = ("timestamp", "occurrence", "id")

Look = Callable[[Window], list[Row]]
"""Reads a window of the local file."""


class Token(NamedTuple):
    """``place`` in the list called ``of``: values of its order. ``settings``: what the list was asked for with."""

    of: str
    settings: list[Any]
    place: list[Any]

    @property
    def text(self) -> str:
        """What callers get."""
        return base64.urlsafe_b64encode(dumps(list(self)).encode()).decode()


def token_of(name: str, text: str, of: str, order: tuple[str, ...]) -> Token:
    """The token that came as parameter ``name``. Raises: BadRequest for one that the list ``of`` never gave out."""
    try:
        token = Token(*json.loads(base64.urlsafe_b64decode(text.encode("ascii"))))
        if token.of == of and len(token.place) == len(order):
            return token
    except (ValueError, TypeError, AttributeError, binascii.Error):
        pass
    raise BadRequest("bad_request", f"{name} is no token of this list")


def refused(what: str) -> BadRequest:
    """The error for a parameter that does not fit; nothing was sent or stored."""
    return BadRequest("bad_request", what)


def utc(name: str, moment: datetime | None) -> str | None:
    """A bound in stored form; a time without zone is UTC. Raises: BadRequest for what is no datetime."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        raise refused(f"{name} must be a datetime, not {type(moment).__name__}")
    return clock.stored(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def runs(look: Look, place: dict[str, str], text: str | None, scan_forward: bool | None) -> tuple[list[Row], str | None]:
    """A page of runs, newest first unless ``scan_forward``, and the token of the next; None on the last page."""
    of = f"runs {place['organization_id']} {place['deployment_id']}"
    forward, behind = bool(scan_forward), None
    if text:
        token = token_of("next_page_token", text, of, RUN_ORDER)
        if scan_forward is not None and token.settings != [forward]:
            raise refused("scan_forward differs from that of next_page_token")
        (forward,), behind = token.settings, token.place
    found = look(Window(RUN_ORDER, SIZE + 1, place, not forward, behind))
    page = found[:SIZE]
    return page, Token(of, [forward], _place(page[-1], RUN_ORDER)).text if len(found) > SIZE else None


class Events:
    """The log of one run between two bounds; ``text`` is the token that came as parameter ``name``, if any.

    Bounds given beside a token win over those it remembers.
    """

    def __init__(
        self, look: Look, kind: str, run_id: str, bounds: tuple[str | None, str | None], name: str, text: str | None
    ) -> None:
        self._look = look
        self._of = f"{kind} {run_id}"
        self._run_id = run_id
        self._bounds: list[Any] = list(bounds)
        self.place: list[Any] | None = None
        if text:
            token = token_of(name, text, self._of, EVENT_ORDER)
            self.place = token.place
            self._bounds = [given or kept for given, kept in zip(bounds, token.settings, strict=True)]

    def oldest_first(self) -> tuple[list[Row], str | None]:
        """A page of ``get_run_logs``, and the token of the next; None at the end."""
        found = self._found(SIZE + 1, descending=False)
        page = found[:SIZE]
        return page, self._token(_place(page[-1], EVENT_ORDER)) if len(found) > SIZE else None

    def newest_first(self, *, newer: bool) -> tuple[list[Row], str, str]:
        """A page of ``get_run_recent_logs``, and the tokens forward and backward; no events at the ends.

        ``newer``: what came after the place, else what came before it. Turning round at an end shows the last page again.
        """
        found = self._found(SIZE, descending=not newer)
        if newer:
            found.reverse()
        if found:
            return found, self._token(_place(found[0], EVENT_ORDER)), self._token(_place(found[-1], EVENT_ORDER))
        timestamp, occurrence, _ = here = self.place or ["", 0, ""]
        if newer:
            return found, self._token(here), self._token([timestamp, occurrence + 1, ""])
        return found, self._token([timestamp, occurrence, ""]), self._token(here)

    def _found(self, limit: int, *, descending: bool) -> list[Row]:
        low, high = self._bounds
        return self._look(Window(EVENT_ORDER, limit, {"run_id": self._run_id}, descending, self.place, low, high))

    def _token(self, place: list[Any]) -> str:
        return Token(self._of, self._bounds, place).text


def _place(row: Row, order: tuple[str, ...]) -> list[Any]:
    return [row[name] for name in order]
