"""The real command in a process of its own, on real files, against a sandbox in this process."""

from __future__ import annotations

import errno
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import syncer
from syncer import Workspace
from syncer.sandbox.server import Sandbox

ROOT = Path(syncer.__file__).parents[1]
LIMIT_S = 60
NASTY = "\x1b[31mred\x07 =1+1 \u202eevil\nline"


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the JSON it must be."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error object on standard output, its exit code being that of the process."""
        found: dict[str, Any] = self.json["error"]
        assert found["exit_code"] == self.code
        return found


class Syncer:
    """Runs ``syncer`` on one database; ``env`` is what the process sees besides the tests' own environment."""

    def __init__(self, path: Path, home: Path) -> None:
        self.path = path
        self.env = {
            "SYNCER_DB": str(path),
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
            "TERM": "xterm",
        }

    def command(self, *arguments: str) -> list[str]:
        """The words that start it."""
        return [sys.executable, "-m", "syncer.cli.main", *arguments]

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of the process."""
        return {**os.environ, **self.env, **(more or {})}

    def __call__(self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> Ended:
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=self.environment(env),
            timeout=LIMIT_S,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def started(self, *arguments: str) -> subprocess.Popen[str]:
        """A running command, its output in pipes."""
        return subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(),
        )

    def on_terminal(self, *arguments: str, typed: str = "", env: Mapping[str, str] | None = None) -> Ended:
        """Run it on a terminal of 80 columns; ``out`` is all that the person sees."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            self.command(*arguments),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=self.environment({"COLUMNS": "80", "LINES": "24", **(env or {})}),
            close_fds=True,
        ) as process:
            os.close(theirs)
            os.write(ours, typed.encode())
            seen = b"".join(iter(lambda: _read(ours), b""))
            code = process.wait(LIMIT_S)
        os.close(ours)
        return Ended(code, seen.decode().replace("\r\n", "\n"), "")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError as exc:
        if exc.errno == errno.EIO:  # how Linux says that the other side is closed
            return b""
        raise


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with an account and three items waiting, one of them with a text made to do harm."""
    path = tmp_path_factory.mktemp("cli") / "made.db"
    with Workspace.open(path) as ws:
        ws.plexus.create("Account", {"id": "acc-1", "name": "Lab", "key": "lab"})
        for n, text in enumerate(("plain", NASTY, "=1+1")):
            ws.plexus.create("Item", {"id": f"item-{n}", "accountId": "acc-1", "description": text, "isEvaluation": False})
    return path


@pytest.fixture
def fresh(path: Path, tmp_path: Path) -> Syncer:
    """The command on a database that does not exist yet."""
    return Syncer(path, tmp_path)


@pytest.fixture
def filled(fresh: Syncer, made: Path) -> Syncer:
    """The command on a copy of ``made``, no remote configured."""
    shutil.copy(made, fresh.path)
    return fresh


@pytest.fixture
def connected(filled: Syncer, sandbox: Sandbox) -> Syncer:
    """The same, with Plexus configured for a sandbox."""
    filled.env |= {name: value for name, value in sandbox.settings.items() if name.startswith("PLEXUS_")}
    filled.env["PLEXUS_ACCOUNT_KEY"] = "lab"
    return filled


@pytest.fixture
def conflicted(connected: Syncer, sandbox: Sandbox) -> Syncer:
    """The same after a sync, with change 5 in conflict: both sides gave item-0 another description."""
    assert connected("sync").code == 0
    with Workspace.open(connected.path) as ws:
        ws.plexus.update("Item", "item-0", {"description": "ours"})
    sandbox.edit("Item", "item-0", description="theirs")
    assert connected("sync").code == 3
    return connected


@pytest.fixture
def rejected(connected: Syncer, sandbox: Sandbox) -> Syncer:
    """The command with change 5 rejected: an item that the sandbox refuses for good."""
    assert connected("sync").code == 0
    with Workspace.open(connected.path) as ws:
        ws.plexus.create("Item", {"id": "item-bad", "accountId": "acc-1", "isEvaluation": False})
    sandbox.faults.fail_next(400, body=b'{"errors":[{"errorType":"BadRequest","message":"no such thing"}]}')
    assert connected("push", "--wait", "0").code == 3
    sandbox.faults.clear()
    return connected


@pytest.fixture
def processes() -> Iterator[Callable[[subprocess.Popen[str]], subprocess.Popen[str]]]:
    """A function that keeps a process from outliving its test."""
    kept: list[subprocess.Popen[str]] = []

    def keep(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
        kept.append(process)
        return process

    yield keep
    for process in kept:
        process.kill()
        process.communicate()
