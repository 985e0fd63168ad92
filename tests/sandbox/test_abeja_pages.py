"""The pages of ABEJA's list of runs."""

from __future__ import annotations

import pytest
from freezegun import freeze_time


@pytest.mark.parametrize(("forward", "order"), [(None, -1), ("False", -1), ("false", -1), ("True", 1), ("true", 1)])
def test_pages_cover_every_run_once(abeja, sandbox, forward, order):
    """Newest first unless scan_forward, also for runs of one moment; the last page has a null token."""
    sandbox.abeja.page_size = 2
    with freeze_time("2026-01-01T00:00:00Z"):
        made = [abeja.create().json["run_id"] for _ in range(4)]
    old = sandbox.abeja.put(created_at="2020-01-01T00:00:00.000000Z")["run_id"]
    found, token = [], None
    while token != "end":
        query = {"scan_forward": forward} if forward else {}
        page = abeja.get("", query | ({"next_page_token": token} if token else {})).json
        found += [run["run_id"] for run in page["entries"]]
        token = page["next_page_token"] or "end"
    assert found == [old, *made][::order]


def test_a_full_last_page_has_no_token(abeja, sandbox):
    """The end is told with the last run, not by an empty page."""
    sandbox.abeja.page_size = 2
    abeja.create()
    abeja.create()
    assert abeja.get("").json["next_page_token"] is None


def test_a_run_made_while_paging_does_not_shift_the_pages(abeja, sandbox):
    """A token stands for a place, not for a count."""
    sandbox.abeja.page_size = 2
    made = [abeja.create().json["run_id"] for _ in range(3)]
    token = abeja.get("").json["next_page_token"]
    abeja.create()
    assert [run["run_id"] for run in abeja.get("", {"next_page_token": token}).json["entries"]] == made[:1]


def test_a_token_goes_on_in_its_direction(abeja, sandbox):
    """Without scan_forward beside it the token decides; the other direction beside it is refused."""
    sandbox.abeja.page_size = 1
    made = [abeja.create().json["run_id"] for _ in range(2)]
    token = abeja.get("", {"scan_forward": "True"}).json["next_page_token"]
    assert abeja.get("", {"next_page_token": token}).json["entries"][0]["run_id"] == made[1]
    assert abeja.get("", {"next_page_token": token, "scan_forward": "False"}).field == "scan_forward"


def test_tokens_must_be_ours_and_escaped(abeja, sandbox):
    """An invented token, or one whose signs were not escaped, is refused; an empty one is none."""
    sandbox.abeja.page_size = 1
    abeja.create()
    abeja.create()
    token = abeja.get("").json["next_page_token"]
    assert abeja.get("", {"next_page_token": "t+/="}).field == "next_page_token"
    assert abeja.get(f"?next_page_token={token}").field == "next_page_token"
    assert abeja.get("", {"next_page_token": ""}).status == 200
    assert abeja.get("", {"scan_forward": "yes"}).field == "scan_forward"
