"""The processes of the demo: sealed off from the user's settings, and never outliving it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import NamedTuple, NoReturn, Self

import syncer

COMMAND_LIMIT_S = 120.0
START_LIMIT_S = 30.0
END_LIMIT_S = 10.0
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV")
_PATH = "PYTHONPATH"


class Finished(NamedTuple):
    """A command that came to its end."""

    code: int
    out: str
    err: str


class Broken(RuntimeError):
    """A part of the demo did not do what it is there for."""


class Troupe:
    """Starts ``syncer`` commands over one local file and ends, with the block, whatever still runs.

    ``plexus``: the Plexus settings of the commands, changed when the network changes. Nothing else reaches them: the
    environment is made from scratch, and the user's configuration file is replaced by an empty one, kept with the
    sandbox's log in ``hidden``.
    """

    def __init__(self, local: Path, hidden: Path, plexus: Mapping[str, str]) -> None:
        empty = hidden / "empty.toml"
        empty.touch()
        self.plexus = dict(plexus)
        self._sandbox_log = hidden / "sandbox.log"
        self._fixed = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._fixed |= {"SYNCER_DB": str(local), "SYNCER_CONFIG": str(empty), "NO_COLOR": "1", "PYTHONUTF8": "1"}
        package = str(Path(syncer.__file__).resolve().parents[1])
        self._fixed[_PATH] = os.pathsep.join(filter(None, (package, os.environ.get(_PATH))))
        self._running: list[subprocess.Popen[str]] = []

    @property
    def environment(self) -> dict[str, str]:
        """All that a command sees."""
        return {**self._fixed, **self.plexus}

    def start(self, *arguments: str, out: int = subprocess.DEVNULL, err: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """A command that runs beside the demo."""
        # In a session of its own: Ctrl-C is for the demo, which then ends its commands in its own order.
        child = subprocess.Popen(
            [sys.executable, "-m", "syncer.cli.main", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._running.append(child)
        return child

    def run(self, *arguments: str) -> Finished:
        """A command, from start to end. Raises: Broken when it takes too long."""
        child = self.start(*arguments, out=subprocess.PIPE, err=subprocess.PIPE)
        try:
            out, err = child.communicate(timeout=COMMAND_LIMIT_S)
        except subprocess.TimeoutExpired as exc:
            raise Broken(f"a command did not end within {COMMAND_LIMIT_S:g} s: {' '.join(arguments)}") from exc
        return Finished(child.returncode, out, err)

    def sandbox(self, *arguments: str) -> dict[str, str]:
        """Start a sandbox; its settings, once it listens. Raises: Broken."""
        with self._sandbox_log.open("w") as log:  # a pipe that nobody empties would stop it one day
            child = self.start("sandbox", "--json", *arguments, out=subprocess.PIPE, err=log.fileno())
        assert child.stdout is not None
        watchdog = threading.Timer(START_LIMIT_S, child.kill)
        watchdog.start()
        try:
            line = child.stdout.readline()
        finally:
            watchdog.cancel()
        if not line:
            raise Broken(f"the sandbox did not start: {self.sandbox_says()[-500:]}")
        settings: dict[str, str] = json.loads(line)
        return settings

    def sandbox_says(self) -> str:
        """What the sandbox wrote to stderr; nothing, unless it has a bug."""
        return self._sandbox_log.read_text("utf-8").strip() if self._sandbox_log.exists() else ""

    def end(self) -> None:
        """End everything that still runs: politely, then not."""
        for child in self._running:
            if child.poll() is None:
                child.terminate()
        for child in self._running:
            _reap(child)
        self._running.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.end()


def _reap(child: subprocess.Popen[str]) -> None:
    try:
        child.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    finally:
        for stream in (child.stdout, child.stderr):
            if stream:
                stream.close()


@contextmanager
def silent_port() -> Iterator[int]:
    """A port of this machine where nothing listens, and where nothing else can begin to inside the block."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def ending_when_told() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, so that what has to be put away is put away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = [kind for kind in (signal.SIGTERM, getattr(signal, "SIGHUP", None)) if kind is not None]
    before = {kind: signal.signal(kind, _end) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def _end(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def killed_when(child: subprocess.Popen[str], reached: Callable[[], bool]) -> bool:
    """Kill ``child`` at once when ``reached`` says so, looking every few milliseconds; False when it ended before."""
    while True:
        if reached():
            child.kill()
        try:
            child.wait(0.003)
        except subprocess.TimeoutExpired:
            continue
        return child.returncode == -getattr(signal, "SIGKILL", -1)  # else 1 is what a process ends with that is killed
