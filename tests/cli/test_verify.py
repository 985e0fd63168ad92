"""``syncer verify``: the word at the end, the exit code, and what to do next."""

from __future__ import annotations

import pytest

from syncer import Workspace
from syncer.sandbox.server import Sandbox
from tests.cli.conftest import NASTY, Syncer
from tests.files import rows, write


@pytest.fixture
def equal(connected: Syncer) -> Syncer:
    """The command on a file that holds what the upstream holds: an account and three items."""
    assert connected("sync").code == 0
    return connected


def test_equal_sides(equal: Syncer) -> None:
    """One line a model that has anything, what was left out and why, the verdict, exit 0."""
    ended = equal("verify", "plexus")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[:3] == ["plexus", "  Account: 1 here, 1 there, 1 equal", "  Item: 3 here, 3 there, 3 equal"]
    assert "  not compared: User (these credentials may not read it)" in lines
    assert lines[-1] == "Verdict: EQUAL. Both sides hold the same."


def test_drift_is_shown_and_mended(equal: Syncer, sandbox: Sandbox) -> None:
    """Every difference with both values, harmless on a terminal; exit 3 and the command that helps; then equal."""
    write(equal.path, "UPDATE plexus_item SET description = 'planted' WHERE id = 'item-1'")
    write(equal.path, "DELETE FROM plexus_item WHERE id = 'item-0'")
    ended = equal("verify", "plexus")
    assert ended.code == 3
    lines = ended.out.splitlines()
    assert "  Item: 2 here, 3 there, 1 equal, 1 missing here, 1 different" in lines
    assert "    missing here  item-0" in lines
    (line,) = [line for line in lines if line.startswith("    different  item-1  description: here 'planted', there ")]
    assert "red" in line
    assert "\x1b" not in ended.out
    assert lines[-2:] == ["Verdict: NOT EQUAL. 2 records differ.", "  -> syncer verify plexus --repair"]
    mended = equal("verify", "plexus", "--repair")
    assert (mended.code, mended.out.splitlines()[-1]) == (
        0,
        "Verdict: EQUAL. Both sides hold the same. 2 differences repaired.",
    )
    assert rows(equal.path, "SELECT description FROM plexus_item WHERE id = 'item-1'") == [(NASTY,)]
    every = equal("verify")
    assert (every.code, "prefactor  not configured: set PREFACTOR_API_URL" in every.out) == (0, True)


def test_json_tells_all(equal: Syncer) -> None:
    """Counts and every difference, both values as stored; standard error stays empty."""
    write(equal.path, "UPDATE plexus_item SET description = 'planted'")
    ended = equal("verify", "plexus", "--json")
    assert (ended.code, ended.err) == (3, "")
    told = ended.json
    assert (told["equal"], told["drift"], told["exit_code"]) == (False, 3, 3)
    drifts = told["remotes"]["plexus"]["models"]["Item"]["drifts"]
    assert [drift["fields"]["description"]["here"] for drift in drifts] == ["planted"] * 3
    assert {drift["kind"] for drift in drifts} == {"different"}


def test_what_the_remote_lost_is_offered(equal: Syncer, sandbox: Sandbox) -> None:
    """Gone there although acknowledged: both ways out are named, and taking one needs its flag."""
    write(equal.path, "UPDATE ledger SET left_at = '2026-01-01T00:00:00.000000Z'")
    sandbox.drop("Item", "item-2")
    ended = equal("verify", "plexus", "--repair")
    assert ended.code == 3
    assert "syncer verify plexus --repair --resend" in ended.out
    assert "syncer pull plexus --full" in ended.out
    assert equal("verify", "plexus", "--repair", "--resend").code == 0
    assert "1 of 1 pushed records: equal" in equal("sync", "plexus").out
    assert sandbox.get("Item", "item-2") is not None


def test_news_are_a_matter_of_a_pull(equal: Syncer, sandbox: Sandbox) -> None:
    """What was written there after the last pull needs no repair."""
    sandbox.edit("Item", "item-1", description="theirs", updatedAt="2099-01-01T00:00:00.000Z")
    ended = equal("verify", "plexus", "--model", "Item")
    assert ended.code == 3
    assert "written there after the last pull" in ended.out
    assert "syncer pull plexus" in ended.out
    assert "--repair" not in ended.out


def test_waiting_changes_are_told_but_equal(equal: Syncer) -> None:
    """An edit that waits is no difference; the verdict says that it waits."""
    with Workspace.open(equal.path) as ws:
        ws.plexus.update("Item", "item-1", {"description": "ours"})
    ended = equal("verify", "plexus")
    assert ended.code == 0
    assert "Changes of 1 record are pending: syncer push" in ended.out


def test_a_sample_says_that_it_is_one(equal: Syncer) -> None:
    """A sample's verdict names its limits."""
    ended = equal("verify", "plexus", "--sample", "2")
    assert ended.code == 0
    assert "Only 2 rows of each model were looked at" in ended.out


def test_a_remote_that_is_away(equal: Syncer, sandbox: Sandbox) -> None:
    """Nobody there: exit 4, nothing called different, and nothing called equal."""
    sandbox.stop()
    ended = equal("verify", "plexus", "--wait", "0")
    assert ended.code == 4
    assert "Verdict: NOT COMPARED TO THE END. 0 differences so far." in ended.out
    assert "EQUAL" not in ended.out


def test_nothing_configured(filled: Syncer) -> None:
    """Without any remote there is nothing to compare, and it says what to set."""
    ended = filled("verify")
    assert ended.code == 4
    assert "Verdict: NOTHING COMPARED." in ended.out
    assert "export PLEXUS_API_URL=... PLEXUS_API_KEY=..." in ended.out
    named = filled("verify", "plexus")
    assert named.code == 2


def test_flags_that_make_no_sense_alone(filled: Syncer) -> None:
    """``--resend`` and ``--allow-mass-delete`` belong to ``--repair``."""
    for flag in ("--resend", "--allow-mass-delete"):
        ended = filled("verify", flag)
        assert (ended.code, f"{flag} goes with --repair" in ended.err) == (2, True)
    wrong = filled("verify", "--model", "Itme")
    assert (wrong.code, "Item" in wrong.err) == (2, True)


def test_sync_can_do_without_its_check(equal: Syncer) -> None:
    """``--no-check`` leaves out the look at what was sent."""
    for flags, told in (((), True), (("--no-check",), False)):
        with Workspace.open(equal.path) as ws:
            ws.plexus.update("Item", "item-1", {"description": f"ours {flags}"})
        ended = equal("sync", "plexus", *flags)
        assert (ended.code, "checked 1 of 1 pushed records: equal" in ended.out) == (0, told)
