"""ABEJA's logs: forward, and recent in both directions."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest


@pytest.fixture
def run(sandbox):
    """The id of a run with events at seconds 0, 1, 1, 2, 3, written out of order."""
    made = sandbox.abeja.put()["run_id"]
    for second, message in ((3, "e"), (0, "a"), (1, "b"), (1, "c"), (2, "d")):
        sandbox.abeja.log(made, message, datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC))
    return made


def messages(page):
    """The messages of a page, as one word."""
    return "".join(event["message"] for event in page["events"])


def test_logs_are_ascending_and_end_without_a_token(abeja, sandbox, run):
    """Events have message and time; pages follow each other; at the end the key next_token does not exist."""
    page = abeja.get(f"/{run}/logs").json
    assert messages(page) == "abcde"
    assert page["events"][0] == {"message": "a", "timestamp": "2026-01-01T00:00:00.000000Z"}
    assert page.keys() == {"events"}
    sandbox.abeja.page_size = 2
    pages = [abeja.get(f"/{run}/logs").json]
    while "next_token" in pages[-1]:
        pages.append(abeja.get(f"/{run}/logs", {"next_token": pages[-1]["next_token"]}).json)
    assert [messages(page) for page in pages] == ["ab", "cd", "e"]


def test_a_run_without_events_has_empty_logs(abeja, sandbox):
    """Forward there is no token; recent has both, and the forward one finds what comes later."""
    made = sandbox.abeja.put()["run_id"]
    assert abeja.get(f"/{made}/logs").json == {"events": []}
    page = abeja.get(f"/{made}/recentlogs").json
    assert page.keys() == {"events", "next_forward_token", "next_backward_token"}
    sandbox.abeja.log(made, "late")
    later = abeja.get(f"/{made}/recentlogs", {"next_forward_token": page["next_forward_token"]}).json
    assert messages(later) == "late"
    older = abeja.get(f"/{made}/recentlogs", {"next_backward_token": page["next_backward_token"]}).json
    assert messages(older) == ""


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        ("2026-01-01T00:00:01", None, "bcde"),
        (None, "2026-01-01T00:00:01", "abc"),
        ("2026-01-01T00:00:01", "2026-01-01T00:00:02", "bcd"),
        ("2026-01-01T09:00:02+09:00", None, "de"),
        ("2026-01-02T00:00:00", None, ""),
    ],
)
def test_both_bounds_are_inclusive_and_utc(abeja, run, start, end, found):
    """A time without a zone is UTC; both lists take the bounds."""
    query = {name: value for name, value in (("start_time", start), ("end_time", end)) if value}
    assert messages(abeja.get(f"/{run}/logs", query).json) == found
    assert messages(abeja.get(f"/{run}/recentlogs", query).json) == found[::-1]


def test_bounds_hold_on_every_page(abeja, sandbox, run):
    """A token remembers them; repeating them is fine, changing them is not."""
    sandbox.abeja.page_size = 1
    bounds = {"start_time": "2026-01-01T00:00:01", "end_time": "2026-01-01T00:00:01"}
    token = abeja.get(f"/{run}/logs", bounds).json["next_token"]
    for query in ({}, bounds):
        page = abeja.get(f"/{run}/logs", query | {"next_token": token}).json
        assert (messages(page), page.keys()) == ("c", {"events"})
    other = {"next_token": token, "end_time": "2026-01-01T00:00:02"}
    assert abeja.get(f"/{run}/logs", other).field == "end_time"
    assert abeja.get(f"/{run}/logs", {"start_time": "noon"}).field == "start_time"


def test_recent_logs_go_back_to_an_empty_page(abeja, sandbox, run):
    """Newest first; both tokens on every page; the end is empty, and its forward token turns back."""
    sandbox.abeja.page_size = 2
    pages = [abeja.get(f"/{run}/recentlogs").json]
    while pages[-1]["events"]:
        pages.append(abeja.get(f"/{run}/recentlogs", {"next_backward_token": pages[-1]["next_backward_token"]}).json)
    assert [messages(page) for page in pages] == ["ed", "cb", "a", ""]
    assert all(page.keys() == {"events", "next_forward_token", "next_backward_token"} for page in pages)
    assert pages[-1]["next_backward_token"] == pages[-2]["next_backward_token"]
    turned = abeja.get(f"/{run}/recentlogs", {"next_forward_token": pages[-1]["next_forward_token"]}).json
    assert messages(turned) == "ba"


def test_recent_logs_go_forward_to_an_empty_page(abeja, sandbox, run):
    """Each page newest first in itself; the token of the end stays, and finds what is written later."""
    sandbox.abeja.page_size = 2
    oldest = abeja.get(f"/{run}/recentlogs", {"end_time": "2026-01-01T00:00:00"}).json
    first = abeja.get(f"/{run}/recentlogs").json
    back = abeja.get(f"/{run}/recentlogs", {"next_backward_token": first["next_backward_token"]}).json
    assert messages(oldest) == "a"
    forward = abeja.get(f"/{run}/recentlogs", {"next_forward_token": back["next_forward_token"]}).json
    assert messages(forward) == "ed"
    end = abeja.get(f"/{run}/recentlogs", {"next_forward_token": forward["next_forward_token"]}).json
    assert messages(end) == ""
    assert end["next_forward_token"] == forward["next_forward_token"]
    assert messages(abeja.get(f"/{run}/recentlogs", {"next_backward_token": end["next_backward_token"]}).json) == "ed"
    sandbox.abeja.log(run, "f", "2026-01-01T00:00:04Z")
    assert messages(abeja.get(f"/{run}/recentlogs", {"next_forward_token": end["next_forward_token"]}).json) == "f"


def test_tokens_belong_to_one_run_and_one_list(abeja, sandbox, run):
    """Those of another run, of the other list, invented ones, and both at once are refused."""
    sandbox.abeja.page_size = 1
    other = sandbox.abeja.put()["run_id"]
    token = abeja.get(f"/{run}/logs").json["next_token"]
    recent = abeja.get(f"/{run}/recentlogs").json
    assert abeja.get(f"/{other}/logs", {"next_token": token}).field == "next_token"
    assert abeja.get(f"/{run}/recentlogs", {"next_forward_token": token}).field == "next_forward_token"
    assert abeja.get(f"/{run}/logs", {"next_token": "n"}).field == "next_token"
    assert abeja.get(f"/{run}/logs", {"next_token": recent["next_forward_token"]}).field == "next_token"
    both = {name: recent[name] for name in ("next_forward_token", "next_backward_token")}
    assert abeja.get(f"/{run}/recentlogs", both).field == "next_forward_token"
