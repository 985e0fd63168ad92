"""``plan`` and ``--dry-run``: what would happen, and nothing happening."""

from __future__ import annotations

import hashlib

import pytest

from syncer import Workspace
from syncer.sandbox.server import Sandbox
from tests.cli.conftest import Syncer


def contents(syncer: Syncer) -> str:
    """The file, byte for byte."""
    return hashlib.sha256(syncer.path.read_bytes()).hexdigest()


def test_plan(connected: Syncer, sandbox: Sandbox) -> None:
    """Each record with what it would set, the sum at the end; no request, no byte in the file."""
    before = contents(connected)
    ended = connected("plan", "plexus")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0] == "plexus  would send 4 changes"
    assert lines[1] == "  1  create Account acc-1"
    assert '       name: "Lab"' in lines
    assert lines[-1] == "4 changes would be sent, 0 would stay. Nothing was sent or changed."
    assert (sandbox.requests, contents(connected)) == (0, before)
    assert not {"\x1b", "\x07", "\u202e"} & set(ended.out)
    found = connected("plan", "--json").json["remotes"]["plexus"]
    assert [one["seq"] for one in found["sends"]] == [1, 2, 3, 4]
    assert found["sends"][0]["fields"] == {"name": [None, "Lab"], "key": [None, "lab"]}


def test_an_edit_shows_both_values(connected: Syncer, sandbox: Sandbox) -> None:
    """Before and after, of what was edited only; then what waits goes as planned."""
    assert connected("sync").code == 0
    with Workspace.open(connected.path) as ws:
        ws.plexus.update("Item", "item-0", {"description": "new"})
        ws.plexus.delete("Item", "item-2")
    ended = connected("push", "--dry-run", "plexus")
    assert '       description: "plain" -> "new"' in ended.out
    assert "delete Item item-2" in ended.out
    assert len(sandbox.effects()) == 4
    assert "sent 2 changes" in connected("push", "plexus").out


def test_sync_dry_run_reads_and_changes_nothing(connected: Syncer, sandbox: Sandbox) -> None:
    """With what a pull would change here; the next sync does it."""
    assert connected("sync").code == 0
    sandbox.edit("Item", "item-0", description="theirs")
    before = contents(connected)
    ended = connected("sync", "--dry-run", "plexus")
    assert ended.code == 0
    assert '       description: "plain" -> "theirs"' in ended.out
    assert ended.out.splitlines()[-1].endswith("1 row would change here. Nothing was sent or changed.")
    assert contents(connected) == before
    assert "would be sent" not in connected("pull", "--dry-run", "plexus").out
    assert "1 changed" in connected("pull", "plexus").out


def test_what_stays(rejected: Syncer) -> None:
    """Why, and the command that tells more."""
    ended = rejected("plan", "plexus")
    assert ended.code == 0
    assert "create Item item-bad: the remote refused it for good" in ended.out
    assert "-> syncer explain 5" in ended.out
    assert rejected("plan", "--json").json["remotes"]["plexus"]["stays"][0]["because"] == "rejected"


def test_not_configured(filled: Syncer) -> None:
    """The plan is made all the same, also where the remote is named; what to set is said."""
    for arguments in (("plan",), ("push", "--dry-run", "plexus"), ("plan", "plexus", "--pull")):
        ended = filled(*arguments)
        assert ended.code == 0
        assert "export PLEXUS_API_URL=... PLEXUS_API_KEY=..." in ended.out
        assert "4 changes would be sent" in ended.out


def test_a_remote_that_is_away(connected: Syncer, sandbox: Sandbox) -> None:
    """Reading it ends with 4; what would be sent is printed before."""
    sandbox.stop()
    ended = connected("plan", "plexus", "--pull")
    assert ended.code == 4
    assert "could not be read: " in ended.out
    assert "4 changes would be sent" in ended.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("plan", "plex"), 2, "remotes are: plexus"),
        (("plan", "--model", "Itm"), 2, "did you mean Item"),
        (("plan", "--limit", "0"), 2, "0 is not in the range"),
    ],
)
def test_what_cannot_be_meant(filled: Syncer, arguments: tuple[str, ...], code: int, words: str) -> None:
    """Exit 2 and a way on."""
    ended = filled(*arguments)
    assert (ended.code, words in ended.err) == (code, True)


def test_no_file_is_made(fresh: Syncer) -> None:
    """There is nothing to plan, and a plan writes nothing."""
    ended = fresh("plan")
    assert (ended.code, fresh.path.exists()) == (5, False)
    assert "syncer init" in ended.err


def test_on_a_terminal(connected: Syncer) -> None:
    """No line is wider than the terminal through a value alone, and nothing of a value steers it."""
    with Workspace.open(connected.path) as ws:
        ws.plexus.update("Item", "item-0", {"description": "x" * 500})
    ended = connected.on_terminal("plan", "plexus", env={"NO_COLOR": "1"})
    assert ended.code == 0
    assert max(map(len, ended.out.splitlines())) <= 80
    assert not {"\x07", "\u202e"} & set(ended.out)
