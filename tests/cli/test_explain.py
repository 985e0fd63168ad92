"""``explain`` and ``history``: answers a person can act on."""

from __future__ import annotations

import pytest

from syncer.sandbox.server import Sandbox
from tests.cli.conftest import Syncer


def test_explain(filled: Syncer) -> None:
    """Values, why it waits, the command that helps; a text in it cannot steer the terminal."""
    ended = filled("explain", "plexus", "Item", "item-1")
    assert ended.code == 0
    assert ended.out.splitlines()[0] == "plexus Item item-1"
    assert "change 3: create, written" in ended.out
    assert "blocked: change 1 must go first (create plexus Account acc-1)" in ended.out
    assert "-> syncer explain 1" in ended.out
    assert "-> export PLEXUS_API_URL=... PLEXUS_API_KEY=..." in ended.out
    assert not {"\x1b", "\x07", "\u202e"} & set(ended.out)
    assert filled("explain", "3", "--json").json["pending"][0]["blocked_by"] == 1


def test_explain_what_is_rejected(rejected: Syncer) -> None:
    """The attempt with its outcome, and both ways out, which work as printed."""
    ended = rejected("explain", "5")
    assert "1 attempt without success:" in ended.out
    assert "refused for good" in ended.out
    assert "-> syncer outbox retry 5" in ended.out
    assert rejected("outbox", "retry", "5").code == 0
    assert "due: nothing blocks it" in rejected("explain", "5").out
    assert rejected("push").code == 0
    assert "change 5: create acked (sent)" in rejected("explain", "5").out


def test_explain_a_conflict(conflicted: Syncer) -> None:
    """The commands of ``conflicts``, which work as printed."""
    ended = conflicted("explain", "plexus", "Item", "item-0")
    assert "conflict: both sides changed description" in ended.out
    assert "-> syncer conflicts resolve 5 --remote" in ended.out
    assert conflicted("conflicts", "resolve", "5", "--remote").code == 0
    assert "no change of it is pending" in conflicted("explain", "plexus", "Item", "item-0").out


def test_history(conflicted: Syncer) -> None:
    """Newest first, as a table and as JSON."""
    ended = conflicted("history", "plexus", "Item", "item-0")
    assert ended.code == 0
    assert ended.out.splitlines()[0].split() == ["at", "what", "fields", "more"]
    assert 'local "ours"; remote "theirs"' in ended.out
    found = conflicted("history", "plexus", "Item", "item-0", "--json").json
    assert [entry["kind"] for entry in found] == ["conflict", "merged", "written", "acked", "written"]
    limited = conflicted("history", "plexus", "Item", "item-0", "--limit", "2").out
    assert "2 of 5 entries; --limit shows more" in limited


def test_history_of_what_only_came(connected: Syncer, sandbox: Sandbox) -> None:
    """A record that was pulled and never changed has none, which is said."""
    connected("sync")
    sandbox.put("Item", id="other", accountId="acc-1", isEvaluation=False)
    connected("pull")
    assert "since a pull brought it" in connected("history", "plexus", "Item", "other").out
    assert "a pull brought it" in connected("explain", "plexus", "Item", "other").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("explain",), "missing argument"),
        (("explain", "x"), "must be the number of a change"),
        (("explain", "99"), "never was a change 99"),
        (("explain", "plexus", "Item"), "known by remote, model and id"),
        (("explain", "plexus", "Itm", "x"), "did you mean Item"),
        (("explain", "plex", "Item", "x"), "did you mean plexus"),
        (("explain", "plexus", "Item", "item"), "did you mean item-0 or item-1 or item-2"),
        (("explain", "plexus", "Item", "a", "b"), "known by id"),
        (("history", "plexus", "Item", "zzz"), "syncer query"),
        (("history", "plexus"), "missing argument"),
    ],
)
def test_what_cannot_be_meant(filled: Syncer, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2 and a way on."""
    ended = filled(*arguments)
    assert (ended.code, words in ended.err) == (2, True), ended.err


def test_a_token_is_never_printed(connected: Syncer, sandbox: Sandbox) -> None:
    """Whatever a remote says."""
    token = sandbox.settings["PLEXUS_API_KEY"]
    sandbox.faults.fail_next(503, {"Content-Type": "application/json", "x-request-id": token})
    connected("push", "--wait", "0")
    for arguments in (("explain", "1"), ("explain", "1", "--json"), ("history", "plexus", "Account", "acc-1"), ("plan",)):
        ended = connected(*arguments)
        assert ended.code == 0
        assert token not in ended.out + ended.err
