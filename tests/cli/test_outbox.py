"""``outbox``: what waits, and what a person does about it."""

from __future__ import annotations

import pytest

from syncer.sandbox.server import Sandbox
from tests.cli.conftest import Syncer


def test_list(filled: Syncer) -> None:
    """Every waiting change with what it waits for, as a table and as JSON; text from records is made harmless."""
    ended = filled("outbox", "list")
    assert ended.code == 0
    assert ended.out.splitlines()[0].split() == ["seq", "op", "model", "key", "state", "attempts", "next", "attempt", "why"]
    assert "blocked by 1" in ended.out
    assert "4 changes; syncer outbox show SEQ shows everything about one" in ended.out
    assert [(c["seq"], c["model"], c["blocked_by"]) for c in filled("outbox", "list", "--json").json] == [
        (1, "Account", None),
        (2, "Item", 1),
        (3, "Item", 1),
        (4, "Item", 1),
    ]


def test_list_chooses(filled: Syncer) -> None:
    """Remote, model, state and limit narrow the list; what is left out is counted."""
    ended = filled("outbox", "list", "--remote", "plexus", "--model", "Item", "--state", "pending", "--limit", "1")
    assert "1 of 3 changes; --limit shows more" in ended.out
    assert filled("outbox", "list", "--state", "rejected").out == "nothing is pending\n"
    assert filled("outbox", "list", "--state", "rejected", "--json").json == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list", "--model", "Itm"), "did you mean Item"),
        (("list", "--remote", "plex"), "remotes are: plexus"),
        (("list", "--state", "stuck"), "'stuck' is not one of"),
        (("show", "99"), "there never was a change 99"),
        (("show", "0"), "0 is not in the range"),
        (("retry",), "say which changes to retry"),
        (("retry", "1", "--all"), "say which changes to retry"),
        (("retry", "99"), "no change 99 is pending"),
        (("drop", "99", "--yes"), "there never was a change 99"),
        (("lst",), "did you mean list"),
    ],
)
def test_what_cannot_be_meant(filled: Syncer, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2 and a way on."""
    ended = filled("outbox", *arguments)
    assert ended.code == 2
    assert words in ended.err


def test_show(filled: Syncer) -> None:
    """One change with its values, what it waits for, and commands that can be copied; a text in it cannot steer."""
    ended = filled("outbox", "show", "3")
    assert ended.code == 0
    assert "change 3: create plexus Item item-1" in ended.out
    assert "blocked by  change 1, which must go first" in ended.out
    assert '"description": "\\u001b[31mred\\u0007 =1+1 \\u202eevil\\nline"' in ended.out
    assert "-> syncer outbox show 1 " in ended.out
    assert "-> syncer outbox drop 3 " in ended.out
    assert not {"\x1b", "\x07", "\u202e"} & set(ended.out)
    assert filled("outbox", "show", "3", "--json").json["values"]["id"] == "item-1"


def test_show_what_has_gone(connected: Syncer) -> None:
    """A change in the ledger says its outcome and when it left."""
    connected("sync")
    assert "acked: sent" in connected("outbox", "show", "1").out
    assert connected("outbox", "show", "1", "--json").json["outcome"] == "acked"


def test_conflict_keep_ours(conflicted: Syncer, sandbox: Sandbox) -> None:
    """Both values are shown; a retry sends ours over theirs, and only when this conflict is meant."""
    shown = conflicted("outbox", "show", "5").out
    assert 'local     "ours"' in shown
    assert 'remote    "theirs"' in shown
    assert conflicted("outbox", "retry", "--all").out == "no change to retry\n"
    ended = conflicted("outbox", "retry", "--all", "--state", "conflict")
    assert ended.out == "the next push tries 1 change again: 5\n  -> syncer push\n"
    assert conflicted("sync").code == 0
    assert (sandbox.get("Item", "item-0") or {})["description"] == "ours"


def test_conflict_keep_theirs(conflicted: Syncer) -> None:
    """Dropping our change leaves the remote's value, and nothing waiting."""
    assert conflicted("outbox", "drop", "5", "--yes", "--json").json == {"dropped": [5], "dangling": 0}
    assert conflicted("query", "SELECT description FROM plexus_item WHERE id = 'item-0'").out == "description\ntheirs\n"
    assert conflicted("sync").code == 0


def test_rejected(rejected: Syncer, sandbox: Sandbox) -> None:
    """A refused change shows the remote's reason; a retry sends it anew."""
    assert "HTTP 400" in rejected("outbox", "show", "5").out
    assert "1 rejected -> syncer outbox list --state rejected" in rejected("status").out
    assert rejected("outbox", "retry", "--all", "--json").json["retried"] == [5]
    assert rejected("push").code == 0
    assert sandbox.get("Item", "item-bad") is not None


def test_drop_asks(filled: Syncer) -> None:
    """On a terminal it asks, and a no changes nothing; without anybody to ask it refuses."""
    refused = filled("outbox", "drop", "1")
    assert refused.code == 2
    assert "-> add --yes" in refused.err
    declined = filled.on_terminal("outbox", "drop", "1", typed="n\n")
    assert "discard change 1: create plexus Account acc-1?" in declined.out
    assert "nothing was discarded" in declined.out
    assert "4 changes" in filled("outbox", "list").out
    agreed = filled.on_terminal("outbox", "drop", "1", typed="y\n", env={"NO_COLOR": "1"})
    assert (agreed.code, declined.code) == (0, 0)
    assert "discarded 1 change: 1" in agreed.out
    assert "3 pending records point at the one that is gone" in agreed.out
