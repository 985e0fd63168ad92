"""The group itself: help, version, start-up, secrets, bugs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable

import click
import pytest

from syncer import Workspace
from syncer.cli.context import App
from syncer.cli.errors import report_error
from syncer.cli.main import SECTIONS, cli
from syncer.sandbox.server import Sandbox
from syncer.version import __version__
from tests.cli.conftest import Syncer

Keep = Callable[[subprocess.Popen[str]], subprocess.Popen[str]]

COMMANDS = [name for section in SECTIONS.values() for name in section]


def test_help_without_a_command(fresh: Syncer) -> None:
    """No arguments show the commands in order of use, each with its line."""
    ended = fresh()
    assert ended.code == 0
    assert ended.out == fresh("--help").out
    lines = [line.split() for line in ended.out.splitlines()]
    listed = [line[0] for line in lines if line and line[0] in COMMANDS]
    assert listed == COMMANDS
    assert fresh("outbox").out.startswith("Usage: syncer outbox")


def test_version(fresh: Syncer) -> None:
    """One line, nothing touched."""
    assert fresh("--version").out == f"syncer {__version__}\n"
    assert not fresh.path.exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_lines_of_the_help_agree(name: str) -> None:
    """The line that the group shows is the first one of the command's own help."""
    entry = next(section[name] for section in SECTIONS.values() if name in section)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert (command.help or "").split("\n")[0] == entry.line


@pytest.mark.parametrize(
    "command", [("query", "SELECT count(*) FROM outbox"), ("status",), ("outbox", "list"), ("tables",), ("schema",)]
)
def test_looking_loads_nothing_heavy(filled: Syncer, command: tuple[str, ...]) -> None:
    """Commands that only look start fast: neither SQLAlchemy nor a network library is imported."""
    script = (
        "import sys; from syncer.cli.main import run; code = run(sys.argv[1:]);"
        "heavy = {'sqlalchemy', 'alembic', 'requests', 'rich', 'pydantic', 'starlette'} & set(sys.modules);"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, env=filled.environment(), timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_secrets_stay_secret(connected: Syncer, sandbox: Sandbox) -> None:
    """A remote that repeats the key in its answer does not get it onto any output, also with ``-vv`` and as JSON."""
    connected.env["PLEXUS_API_KEY"] = key = "key-that-must-not-show"
    body = json.dumps({"errors": [{"errorType": "Unauthorized", "message": f"bad key {key}"}]}).encode()
    for command in (
        ("sync", "-vv"),
        ("sync", "--json"),
        ("status",),
        ("outbox", "list", "--json"),
        ("outbox", "show", "1"),
        ("init",),
        ("--profile", key, "status"),
    ):
        sandbox.faults.fail_next(403, body=body)
        ended = connected(*command)
        assert key not in ended.out + ended.err, command
        sandbox.faults.clear()


def test_a_bug_is_told_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody foresaw ends with 1 and an apology; the traceback only comes with ``-v``."""
    app = App(json=True)
    bug = ZeroDivisionError("division by zero")
    assert report_error(bug, app) == 1
    seen = capsys.readouterr()
    assert "sorry, this is a bug in syncer" in seen.err
    assert "-> please report it" in seen.err
    assert "Traceback" not in seen.err
    assert json.loads(seen.out)["error"]["code"] == "internal-error"
    app.verbose = 1
    report_error(bug, app)
    assert "ZeroDivisionError" in capsys.readouterr().err.splitlines()[0]


def test_output_that_cannot_be_written(filled: Syncer) -> None:
    """A full disk behind ``>`` is told, not ignored."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            filled.command("tables"), stdout=full, stderr=subprocess.PIPE, text=True, env=filled.environment(), timeout=60
        )
    assert done.returncode == 2
    assert done.stderr == "syncer: the output could not be written: No space left on device\n"


def test_verbose(connected: Syncer) -> None:
    """``-v`` adds the traceback to an error, ``-vv`` a line per request, all on standard error."""
    assert "Traceback" in connected("-v", "query", "nonsense").err
    assert '"POST /plexus/graphql HTTP/1.1" 200' in connected("sync", "-vv").err


@pytest.mark.parametrize("way", ["json", "export"])
def test_sandbox(fresh: Syncer, sandbox: Sandbox, processes: Keep, way: str) -> None:
    """Prints the settings to use, once it listens, and nothing else; ends with 0 when told to."""
    running = processes(fresh.started("sandbox", *(("--json",) if way == "json" else ())))
    assert running.stdout is not None
    lines = [running.stdout.readline() for _ in range(1 if way == "json" else len(sandbox.settings))]
    if way == "json":
        settings = json.loads(lines[0])
    else:
        settings = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
    assert set(settings) == set(sandbox.settings)
    request = urllib.request.Request(settings["PLEXUS_API_URL"], b"{}", {"x-api-key": "nobody"})
    with pytest.raises(OSError, match="401"):
        urllib.request.urlopen(request, timeout=10)
    running.send_signal(signal.SIGTERM if way == "json" else signal.SIGINT)
    rest, err = running.communicate(timeout=30)
    assert (running.returncode, rest, err) == (0, "", "")


def test_sandbox_with_a_file_and_faults(fresh: Syncer, processes: Keep, tmp_path: object) -> None:
    """The records survive in ``--db``, the faults are those asked for: two syncs against one file, one of them throttled."""
    upstream = f"{tmp_path}{os.sep}upstream.db"
    with Workspace.open(fresh.path) as ws:
        ws.plexus.create("Account", {"id": "acc-1", "name": "Lab", "key": "lab"})
    codes = []
    for faults in (("--throttle", "1"), ("--seed", "7", "--latency-ms", "1")):
        running = processes(fresh.started("sandbox", "--json", "--db", upstream, *faults))
        assert running.stdout is not None
        settings = json.loads(running.stdout.readline())
        codes.append(fresh("push", "--wait", "0", env=settings).code)
        if codes[-1] == 4:
            with Workspace.open(fresh.path) as ws, ws.database.transaction() as tx:
                tx.script("UPDATE _remote_state SET hold_until = NULL")
                tx.script("UPDATE outbox SET next_attempt_at = NULL")
        running.terminate()
        running.communicate(timeout=30)
        assert running.returncode == 0
    assert codes == [4, 0]
    assert fresh("sandbox", "--fail-rate", "2").code == 2


def test_sandbox_on_a_taken_port(fresh: Syncer, sandbox: Sandbox) -> None:
    """Exit 2 and a hint."""
    ended = fresh("sandbox", "--port", str(sandbox.port))
    assert ended.code == 2
    assert "leave the port out for a free one" in ended.err
