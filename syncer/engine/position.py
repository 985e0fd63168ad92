"""Where a pull stands after a page, and where the next one starts. Pure."""

from __future__ import annotations

from dataclasses import replace

from syncer import clock
from syncer.cache.marks import Mark
from syncer.describe import Model
from syncer.plans import Listing
from syncer.port import Page

_LATE_S = 600.0  # how late a record may show in a list


def nothing_below(model: Model, page: Page, plan: Listing, known_until: str | None) -> bool:
    """True when no record of the page can change any more, and all below it were there when the list was last read whole."""
    if plan.newest_first is None or known_until is None:
        return False
    names = [f.name for f in model.fields]
    state, made, final = names.index(plan.unfinished[0]), names.index(plan.newest_first), plan.unfinished[1]
    until = earlier(known_until, _LATE_S) or ""
    return all(row[state] in final for row in page.rows) and any((row[made] or until) < until for row in page.rows)


def moved(model: Model, mark: Mark, page: Page, cursor: str | None) -> Mark:
    """The mark after ``page``: in the middle the token moves, at the end the position does."""
    started = mark.started_at or page.server_time or clock.stored_now()
    highest = mark.highest
    if cursor is not None:
        at = [f.name for f in model.fields].index(cursor)
        highest = max(filter(None, (highest, *(row[at] for row in page.rows))), default=None)
    if page.token is not None:
        return replace(mark, token=page.token, highest=highest, started_at=started)
    # A record may carry a time from a clock that runs ahead; past the server's own present nothing is known yet.
    position = min(highest, started) if highest is not None else mark.position
    if mark.position is not None and position is not None:
        position = max(position, mark.position)
    return Mark(mark.partition, position, complete_at=clock.stored_now())


def earlier(position: str | None, seconds: float) -> str | None:
    """``seconds`` before a position; None before the first."""
    return None if position is None else clock.after(-seconds, clock.parsed(position))
