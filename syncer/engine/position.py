"""Where a pull stands after a page, and where the next one starts. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace

from syncer import clock
from syncer.cache.marks import Mark
from syncer.describe import Model
from syncer.plans import Listing
from syncer.port import Page

OVERLAP_S = 300.0
_LATE_S = 600.0  # how late a record may show in a list
_NOISE_S = 60.0  # by how much two looks at the same clock may differ: its header counts seconds, and answers take time


@dataclass(frozen=True)
class Part:
    """One partition of the records of ``model``: those whose ``field`` is ``value``, or all without a field.

    ``scope`` is what its mark is kept under. ``asked`` is the model with the plan by which this part is asked for. With
    ``cursor`` pages are ordered by that time; with ``changed`` the remote leaves out what is older than the mark. ``since``
    is the earliest time that is wanted at all. ``only``: of other fields, the values of the records to keep.
    """

    model: Model
    asked: Model
    scope: str
    field: str | None = None
    value: str | None = None
    cursor: str | None = None
    overlap_s: float = OVERLAP_S
    changed: bool = False
    since: str | None = None
    only: Mapping[str, frozenset[str]] = dataclasses.field(default_factory=dict)

    def start(self, mark: Mark) -> str | None:
        """The time from which on the remote is asked; None: from the beginning."""
        if self.cursor is None and not self.changed:
            return None
        return max(filter(None, (earlier(mark.position, self.overlap_s), self.since)), default=None)


def nothing_below(model: Model, page: Page, plan: Listing, known_until: str | None) -> bool:
    """True when no record of the page can change any more, and all below it were there when the list was last read whole."""
    if plan.newest_first is None or known_until is None:
        return False
    names = [f.name for f in model.fields]
    state, made, final = names.index(plan.unfinished[0]), names.index(plan.newest_first), plan.unfinished[1]
    until = earlier(known_until, _LATE_S) or ""
    return all(row[state] in final for row in page.rows) and any((row[made] or until) < until for row in page.rows)


def all_below_older(model: Model, page: Page, plan: Listing, since: str | None) -> bool:
    """True when a list that is ordered newest first has come to records made before ``since``."""
    if plan.newest_first is None or since is None:
        return False
    made = [f.name for f in model.fields].index(plan.newest_first)
    return any((row[made] or since) < since for row in page.rows)


def moved(part: Part, mark: Mark, page: Page) -> Mark:
    """The mark after ``page``: in the middle the token moves, at the end the position does."""
    started = mark.started_at or page.server_time or clock.stored_now()
    highest = mark.highest
    if part.cursor is not None:
        at = [f.name for f in part.model.fields].index(part.cursor)
        highest = max(filter(_is_time, (highest, *(row[at] for row in page.rows))), default=None)
    if page.token is not None:
        return replace(mark, token=page.token, highest=highest, started_at=started)
    reached = started if part.changed else highest  # what has changed is shown in no order
    position = max(filter(None, (reached, mark.position)), default=None)
    if position is not None and position != mark.position:
        # A record may carry a time from a clock that runs ahead; past the server's own present nothing is known yet.
        position = min(position, started)
    return Mark(mark.partition, position, complete_at=clock.stored_now())


def set_back(mark: Mark, ahead_s: float | None) -> Mark:
    """The mark as it should be, the remote's clock being ``ahead_s`` ahead of ours now (None: not known).

    A mark that lies behind the end of the pull that made it was made by a clock that has been put back since: what was
    written after that carries earlier times than the mark.
    """
    if mark.position is None or mark.complete_at is None or ahead_s is None:
        return mark
    ended = clock.after(ahead_s, clock.parsed(mark.complete_at))
    if mark.position <= clock.after(_NOISE_S, clock.parsed(ended)):
        return mark
    return replace(mark.restarted(), position=ended)


def earlier(position: str | None, seconds: float) -> str | None:
    """``seconds`` before a position; None before the first."""
    return None if position is None else clock.after(-seconds, clock.parsed(position))


def _is_time(text: str | None) -> bool:
    """True for a time in stored form, which alone may become a position."""
    if not isinstance(text, str) or len(text) != len("2026-01-01T00:00:00.000000Z"):
        return False
    try:
        clock.parsed(text)
    except ValueError:
        return False
    return True
