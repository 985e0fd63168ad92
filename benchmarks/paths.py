"""Through how many files of ``syncer`` a reader goes who follows one job: a measure of the layout, not of speed.

Five jobs are done for real, against a sandbox in a process of its own, and every call of a function in ``syncer/`` is noted:

- ``score``: ``log_score`` with all ids given, then the push that sends that one score result until it is acknowledged.
  It is all the calls in between, not only those that the value itself passes through.
- ``push``: that push alone.
- ``pull``: ``Workspace.pull`` of the one model ``ScoreResult``, of which somebody else has made one record.
- ``conflict``: a pull of all models that finds a field which both sides changed, ``Workspace.resolve``, and the push that
  sends the result.
- ``command``: ``syncer sync plexus`` with one change to send, by the command line's own entry point.

*Files* are those of which at least one function was called. A *move* is a call of a function in another file than the call
before it, in the same thread; it is a move *back* when that file was entered before. Returns are no moves. Left out are the
sandbox, whatever runs while a module is imported, and lambdas, comprehensions and generator expressions, of which Python
versions make calls or not. All jobs are done once before they are counted, so that imports and caches are out of the way.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import syncer
from benchmarks.report import Finding
from benchmarks.upstream import Upstream
from syncer import Workspace, config
from syncer.cli import main as command_line
from syncer.plexus import PlexusDashboardClient

_PACKAGE = Path(syncer.__file__).parent
_MODEL = "ScoreResult"
_ACCOUNT_KEY = "lab"
# The most of issue 12: files by job, and moves back of a push.
_MOST_FILES = {"score": 45, "push": 40, "conflict": 60}
_MOST_BACK = {"push": 300}
_ABOUT = {
    "score": "log_score until it is acknowledged",
    "push": "push of one change",
    "pull": "pull of one model",
    "conflict": "conflict, found to resolved and sent",
    "command": "syncer sync plexus",
}


@dataclass
class Walk:
    """The calls of one job: how often each file was entered, by its path below ``syncer/``, and how often again."""

    entered: Counter[str] = field(default_factory=Counter)
    back: int = 0

    @property
    def moves(self) -> int:
        """How often the next call was in another file."""
        return max(0, self.entered.total() - 1)


class Tracer:
    """A profile function that notes calls in ``walk``, those of threads that are started meanwhile too."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._files: dict[str, str | None] = {}

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Note a call."""
        code = frame.f_code
        thread = self._thread.__dict__
        if code.co_name == "<module>":
            step = {"call": 1, "return": -1}.get(event, 0)
            thread["importing"] = thread.get("importing", 0) + step
        elif event == "call" and not code.co_name.startswith("<") and not thread.get("importing"):
            file = self._file(code.co_filename)
            if file is not None and file != thread.get("file"):
                thread["file"] = file
                with self._lock:
                    self._walk.back += file in self._walk.entered
                    self._walk.entered[file] += 1

    def _file(self, name: str) -> str | None:
        """The path below ``syncer/``; None outside of it and in the sandbox."""
        if name not in self._files:
            path = Path(name)
            inside = path.is_relative_to(_PACKAGE) and not path.is_relative_to(_PACKAGE / "sandbox")
            self._files[name] = path.relative_to(_PACKAGE).as_posix() if inside else None
        return self._files[name]


@contextmanager
def traced(*walks: Walk) -> Iterator[None]:
    """Note the calls of the block in each of ``walks``."""
    tracers = [Tracer(walk) for walk in walks]

    def note(frame: FrameType, event: str, argument: Any) -> None:
        for tracer in tracers:
            tracer(frame, event, argument)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


class Lab:
    """Two local files and one upstream: ours, whose calls are counted, and that of somebody else."""

    def __init__(self, upstream: Upstream, folder: Path, stack: ExitStack) -> None:
        self._path = folder / "ours.db"
        self._environ = {**upstream.settings, "PLEXUS_ACCOUNT_KEY": _ACCOUNT_KEY, "XDG_CONFIG_HOME": str(folder)}
        self._theirs = stack.enter_context(self._workspace(folder / "theirs.db"))
        self._ours = stack.enter_context(self._workspace(self._path))
        self._client = PlexusDashboardClient(workspace=self._ours)
        records = self._theirs.plexus
        account = records.create("Account", {"name": "Lab", "key": _ACCOUNT_KEY})["id"]
        card = records.create("Scorecard", {"name": "Quality", "key": "qa", "externalId": "17", "accountId": account})["id"]
        section = records.create("ScorecardSection", {"name": "All", "order": 1, "scorecardId": card})["id"]
        named = {"name": "Tone", "key": "tone", "externalId": "171", "type": "LLM", "order": 1}
        score = records.create("Score", {**named, "scorecardId": card, "sectionId": section})["id"]
        self._item = records.create("Item", {"accountId": account, "isEvaluation": False, "text": "Hello"})["id"]
        self._ids = {"accountId": account, "scorecardId": card, "scoreId": score}
        self._sent(self._theirs)
        self._ours.pull("plexus")

    def walks(self) -> dict[str, Walk]:
        """Every job done once, in order."""
        walks = {name: Walk() for name in _ABOUT}
        self._score(walks["score"], walks["push"])
        self._pull(walks["pull"])
        self._conflict(walks["conflict"])
        self._command(walks["command"])
        return walks

    def _score(self, score: Walk, push: Walk) -> None:
        with traced(score):
            self._log_score()
        with traced(score, push):
            self._sent(self._ours)

    def _pull(self, walk: Walk) -> None:
        self._theirs.plexus.create(_MODEL, {"value": "No", "itemId": self._item, **self._ids})
        self._sent(self._theirs)
        with traced(walk):
            self._ours.pull("plexus", models=[_MODEL])

    def _conflict(self, walk: Walk) -> None:
        key = self._ours.plexus.find(_MODEL, limit=1)[0]["id"]
        self._theirs.pull("plexus", models=[_MODEL])
        seen = self._theirs.plexus.update(_MODEL, key, {"explanation": f"theirs {os.urandom(4).hex()}"})
        self._sent(self._theirs)
        self._ours.plexus.update(_MODEL, key, {"explanation": f"not {seen['explanation']}"})
        with traced(walk):
            self._ours.pull("plexus")
        if self._ours.status().remotes["plexus"].attention != 1:
            raise RuntimeError("the pull found no conflict")
        with traced(walk):
            self._ours.resolve(key, take="ours")
            self._sent(self._ours)

    def _command(self, walk: Walk) -> None:
        self._log_score()
        told = StringIO()
        with _environment(self._environ), redirect_stdout(told), redirect_stderr(told), traced(walk):
            code = command_line.run(["--db", str(self._path), "sync", "plexus"])
        if code != 0 or self._ours.status().remotes["plexus"].pending:
            raise RuntimeError(f"syncer sync ended with {code}: {told.getvalue()[-500:]}")

    def _log_score(self) -> None:
        self._client.log_score(0.95, self._item, metadata={"language": "en"}, **self._ids)

    def _sent(self, workspace: Workspace) -> None:
        part = workspace.push("plexus").remotes["plexus"]
        if part.pending or not part.acked:
            raise RuntimeError(f"{part.pending} changes were not sent: {part.reason or part.notes}")

    def _workspace(self, path: Path) -> Workspace:
        return Workspace(config.load(path, environ=self._environ))


@contextmanager
def _environment(environ: Mapping[str, str]) -> Iterator[None]:
    """Let the command line see these variables, and give back what was there before."""
    before = {name: os.environ.get(name) for name in environ}
    os.environ.update(environ)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def run(rounds: int, quick: bool) -> list[Finding]:
    """All findings on paths. Every round would count the same: ``rounds`` and ``quick`` change nothing."""
    with ExitStack() as stack:
        upstream = stack.enter_context(Upstream())
        folder = Path(stack.enter_context(TemporaryDirectory()))
        lab = Lab(upstream, folder, stack)
        lab.walks()
        return [finding for name, walk in lab.walks().items() for finding in _findings(name, walk)]


def _findings(name: str, walk: Walk) -> list[Finding]:
    files = len(walk.entered)
    entered: dict[str, float] = dict(sorted(walk.entered.items()))
    most, most_back = _MOST_FILES.get(name), _MOST_BACK.get(name)
    return [
        Finding("", f"{name}: {_ABOUT[name]}", files, None, "files", files, most, at_most=True, notes=entered),
        Finding("", "  moves", walk.moves, None, "", walk.moves),
        Finding("", "  moves back", walk.back, None, "", walk.back, most_back, at_most=True),
    ]
