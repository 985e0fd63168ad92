"""``sync``, ``push`` and ``pull``: what they do, say and end with."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable

import pytest

from syncer import Workspace
from syncer.engine import lease
from syncer.sandbox.server import Sandbox
from tests.cli.conftest import Syncer

Keep = Callable[[subprocess.Popen[str]], subprocess.Popen[str]]


def test_a_sync_sends_and_brings_home(connected: Syncer, sandbox: Sandbox) -> None:
    """What waited is on the remote, what others wrote is here, the summary says both, and nothing is drawn in a pipe."""
    sandbox.put("Item", id="item-9", accountId="acc-1", description="theirs", isEvaluation=False)
    ended = connected("sync")
    assert ended.code == 0, ended
    assert "sent 4 changes, pulled 1 row (1 new, 0 changed)" in ended.out
    assert ended.err == ""
    assert sandbox.count("Item") == 4
    assert connected("query", "SELECT description FROM plexus_item WHERE id = 'item-9'").out == "description\ntheirs\n"
    assert "up to date" in connected("sync").out


def test_halves(connected: Syncer, sandbox: Sandbox) -> None:
    """``push`` only sends, ``pull`` only brings home; ``--limit`` is a limit."""
    ended = connected("push", "plexus", "--limit", "1", "--json")
    assert (ended.json["remotes"]["plexus"]["acked"], sandbox.count("Account"), sandbox.count("Item")) == (1, 1, 0)
    sandbox.put("Item", id="item-9", accountId="acc-1", description="theirs", isEvaluation=False)
    pulled = connected("pull", "--model", "Item", "--full", "--json").json["remotes"]["plexus"]
    assert pulled["pulled"] == {"Item": {"added": 1, "changed": 0, "unchanged": 0, "local_edits_kept": 0, "removed": 0}}
    assert sandbox.count("Item") == 1


def test_the_report_as_json(connected: Syncer) -> None:
    """``--json`` is the report, its exit code included."""
    ended = connected("sync", "--json")
    assert ended.json["exit_code"] == ended.code == 0
    assert ended.json["remotes"]["plexus"]["acked"] == 4


def test_bars_on_a_terminal_only(connected: Syncer) -> None:
    """On a terminal progress is drawn with counts, and gone at the end; ``-v`` writes lines instead."""
    seen = connected.on_terminal("sync")
    assert seen.code == 0
    assert "sending plexus" in seen.out
    assert "4/4" in seen.out
    assert "sent 4 changes\n" in seen.out
    assert "pulling plexus Item: 3\n" in connected("pull", "--full", "-v").err


def test_nothing_configured(filled: Syncer, fresh: Syncer) -> None:
    """Without any remote configured changes wait: exit 4, and what to set; with nothing waiting there is nothing to say."""
    ended = filled("sync")
    assert ended.code == 4
    assert "not configured: set PLEXUS_API_URL and PLEXUS_API_KEY" in ended.out
    assert "4 changes pending" in ended.out
    assert fresh("--db", str(fresh.path.with_name("empty.db")), "sync").code == 0


def test_a_remote_asked_for_by_name_must_be_configured(filled: Syncer) -> None:
    """Exit 2, and which settings are missing."""
    ended = filled("push", "plexus", env={"PLEXUS_API_URL": "https://example.invalid/graphql"})
    assert ended.code == 2
    assert "plexus is not configured: PLEXUS_API_KEY is not set" in ended.err
    assert "-> export PLEXUS_API_KEY=..." in ended.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("sync", "plxus"), "there is no remote 'plxus'"),
        (("sync", "--model", "ScoreReslt"), "did you mean ScoreResult"),
        (("pull", "--model", "Zzz"), "models are: Account"),
        (("sync", "--limit", "0"), "0 is not in the range"),
        (("sync", "--nonsense"), "no such option"),
        (("snyc",), "did you mean sync"),
        (("--profile", "nobody", "sync"), "there is no profile 'nobody'"),
        (("--config", "/nowhere.toml", "sync"), "no configuration file at /nowhere.toml"),
    ],
)
def test_what_cannot_be_meant(filled: Syncer, arguments: tuple[str, ...], words: str) -> None:
    """Misspelt names and impossible values end with 2 and a way on, before anything is touched."""
    ended = filled(*arguments)
    assert ended.code == 2
    assert ended.err.startswith("syncer: ")
    assert words in ended.err
    assert ended.out == ""


def test_wrong_key(connected: Syncer) -> None:
    """Refused credentials end with 4; nothing is lost, and the key is not shown."""
    ended = connected("sync", "-v", env={"PLEXUS_API_KEY": "wrong-secret-key"})
    assert ended.code == 4
    assert "check the credentials" in ended.out
    assert "4 changes pending" in ended.out
    assert "wrong-secret-key" not in ended.out + ended.err


def test_nobody_there(connected: Syncer) -> None:
    """A refused connection ends with 4 and says that nothing is lost."""
    ended = connected("sync", env={"PLEXUS_API_URL": "http://127.0.0.1:9/graphql"})
    assert ended.code == 4
    assert "connection refused" in ended.out
    assert "nothing is lost" in ended.out


def test_a_web_page_instead_of_the_remote(connected: Syncer, sandbox: Sandbox) -> None:
    """A captive portal's page is no answer: exit 4, everything still waits."""
    for _ in range(20):
        sandbox.faults.html_next()
    ended = connected("push", "--wait", "0", "--json")
    assert ended.code == 4
    assert ended.json["remotes"]["plexus"]["pending"] == 4
    assert sandbox.effects() == []


def test_credentials_never_travel_in_the_open(connected: Syncer) -> None:
    """Plain http to another host ends with 2 before any change is claimed."""
    ended = connected("sync", env={"PLEXUS_API_URL": "http://plexus.example.com/graphql"})
    assert ended.code == 2
    assert "unencrypted" in ended.err
    assert connected("query", "SELECT DISTINCT state, attempts FROM outbox").out == "state,attempts\npending,0\n"


def test_another_sync_is_running(connected: Syncer) -> None:
    """While another process holds the remote's lease: exit 4, and which process."""
    with Workspace.open(connected.path) as ws:
        held = lease.acquire(ws.database, "plexus")
        ended = connected("sync", "--json")
        with ws.database.transaction() as tx:
            held.release(tx)
    assert ended.code == 4
    assert ended.error["code"] == "sync-running"
    assert "another sync of plexus is running" in ended.err


def test_what_needs_a_person(conflicted: Syncer) -> None:
    """A conflict ends with 3, names the change and the command that shows it."""
    ended = conflicted("sync")
    assert ended.code == 3
    assert "1 change needs attention" in ended.out
    assert "update Item item-0 is in conflict" in ended.out
    assert "-> syncer conflicts show" in ended.out


def test_interrupted_in_the_middle(connected: Syncer, sandbox: Sandbox, processes: Keep) -> None:
    """Ctrl-C between two requests ends with 130 and says that nothing is lost; the next sync sends the rest, once."""
    sandbox.faults.latency_ms = 300
    running = processes(connected.started("sync", "-v"))
    assert running.stderr is not None
    assert running.stderr.readline().startswith("sending plexus changes: 1 of 4")
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "syncer: stopped; nothing is lost" in err
    sandbox.faults.clear()
    assert connected("sync").code == 0
    assert len(sandbox.effects()) == 4
