"""A user's program on one file, and the house that has many of it without importing everything each time.

``file_worker.py`` takes one line of JSON after the other and answers each with one: ``program`` forks a program, ``command``
a ``syncer`` command, ``wait`` tells how one ended, ``hello`` that it is there. The house itself has no database open. A
program is told what to do, word by word, through a pipe of its own; what it was promised stands in its log, outside the
database: ``try KEY NS`` before each call, then ``ok KEY NS``, ``no KEY NS CODE``, ``unknown KEY NS``, or, after Ctrl-C,
``cut KEY NS``.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from io import StringIO
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from syncer import Workspace, errors
from syncer.cli.main import run
from syncer.config import Settings
from syncer.errors import SyncerError
from tests.rigs.file_acts import ACTS, BYSTANDER
from tests.rigs.interrupts import anything, interrupted
from tests.rigs.world import pause

UNKNOWN: Any = getattr(errors, "UnknownOutcome", ())  # an empty tuple catches nothing: a code that never says "unknown"
CHILD_S = 12
BRIEF_S = 3
SETTLE_S = 12.0
_DELICATE = ("__enter__", "__exit__", "acquire", "release", "connect", "close")
_SLOW = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})
SELECT max(i), (SELECT count(*) FROM outbox) FROM n
"""


class Gate:
    """Calls pass through it side by side; who wants none of them under way closes it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """A call."""
        with self._changed:
            self._changed.wait_for(lambda: not self._closed)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def closed(self) -> Iterator[None]:
        """No call."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._inside)
        try:
            yield
        finally:
            with self._changed:
                self._closed = False
                self._changed.notify_all()


class Program:
    """Writes with several threads through one workspace, and notes what it was promised."""

    def __init__(self, file: str, aside: str, name: str, seed: int, durability: str, pause_s: float) -> None:
        self.path, self.aside, self.name = Path(file), Path(aside), name
        self.random = Random(f"{seed}-{name}")
        self._durability, self._pause_s = durability, pause_s
        self._numbers = count()
        self.told: set[str] = set()
        self._gate = Gate()
        self._halt = threading.Event()
        self._threads: list[threading.Thread] = []
        self._minded: dict[int, tuple[int, int]] = {}
        self._children = count()
        self._workspace: Workspace | None = None
        self.lines = spoken()
        self._begin_log()

    def _begin_log(self) -> None:
        self._log = os.open(self.aside / f"{self.name}.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    @property
    def ws(self) -> Workspace:
        """Opened when it is needed first."""
        if self._workspace is None:
            self._workspace = Workspace(Settings(str(self.path), durability=self._durability))
        return self._workspace

    # what is promised

    def note(self, word: str, key: str, code: str = "") -> None:
        """One line, which a SIGKILL cannot take back."""
        os.write(self._log, f"{word} {key} {time.monotonic_ns()} {code}\n".encode())

    def key(self) -> str:
        """One that nobody has used."""
        return f"{self.name}.{next(self._numbers)}"

    def attempt(self, keys: list[str], call: Callable[[], None]) -> str:
        """Try to write ``keys``, all of them or none; what came of it."""
        for key in keys:
            self.note("try", key)
        word, code = "ok", ""
        try:
            call()
        except KeyboardInterrupt:
            for key in keys:
                self.note("cut", key)
            raise
        except UNKNOWN:
            word = "unknown"
        except SyncerError as exc:
            word, code = "no", exc.code
            if exc.what not in self.told:  # once each: the parent shows the end of it where a round fails
                self.told.add(exc.what)
                sys.stderr.write(f"{time.monotonic_ns()} no: {exc} {exc.__cause__!r}\n")
        except Exception as exc:  # noqa: BLE001 - whatever is no error of ours is told as such
            last = traceback.extract_tb(exc.__traceback__)[-1]
            word, code = "no", f"raw-{type(exc).__name__}-{Path(last.filename).name}:{last.lineno}"
            sys.stderr.write(f"{time.monotonic_ns()} raw: {traceback.format_exc()}\n")
        for key in keys:
            self.note(word, key, code)
        return word

    def one(self) -> str:
        """Write once."""
        key = self.key()
        return self.attempt([key], lambda: self._create(self.ws.plexus, key))

    def inside(self, then: Callable[[], None]) -> str:
        """Write twice in one transaction, with something else in the middle of it."""
        keys = [self.key(), self.key()]

        def call() -> None:
            with self.ws.plexus.transaction() as unit:
                self._create(unit, keys[0])
                then()
                self._create(unit, keys[1])

        return self.attempt(keys, call)

    def _create(self, where: Any, key: str) -> None:
        if int(key.rpartition(".")[2]) % 2:
            where.create("Account", {"name": "x" * 400, "key": key})
        else:
            where.create("Item", {"accountId": "one", "externalId": key, "isEvaluation": False})

    def look(self) -> None:
        """Read in one of the ways there are; what is refused concerns nobody."""
        ways = (
            self.ws.status,
            lambda: self.ws.query("SELECT count(*) FROM outbox"),
            lambda: self.ws.plexus.find("Item", limit=3),
        )
        with suppress(SyncerError):
            self.random.choice(ways)()

    # what the program does besides

    def spare(self) -> set[int]:
        """Its own descriptors."""
        return {0, 1, 2, self._log, *self._minded}

    def mind(self, number: int) -> None:
        """A file of the user's is open under this number from now on."""
        found = os.fstat(number)
        self._minded[number] = found.st_dev, found.st_ino

    def forked(self) -> None:
        """A child writes twice; it has so many seconds."""
        name = f"{self.name}f{next(self._children)}"
        pid = os.fork()
        if pid == 0:
            try:
                signal.alarm(CHILD_S)
                faulthandler.dump_traceback_later(CHILD_S - 1)
                self.name, self._numbers = name, count()
                self._begin_log()
                self.one()
                self.one()
                self.look()
            finally:
                os._exit(0)
        while True:
            try:
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                break
            except KeyboardInterrupt:
                continue
        if code:
            raise AssertionError(f"a child ended with {code}")

    # what it is told

    def obey(self, word: str, rest: list[str]) -> dict[str, Any]:
        """Do as told; how it went."""
        return dict(getattr(self, f"do_{word}")(*rest) or {})

    def do_open(self) -> dict[str, Any]:
        """Open the workspace."""
        try:
            self.ws.status()
        except SyncerError as exc:
            return {"refused": type(exc).__name__, "code": exc.code, "exit": exc.exit_code}
        return {}

    def do_write(self, times: str = "1") -> dict[str, Any]:
        """Write so often."""
        return Counter(self.one() for _ in range(int(times)))

    def do_settle(self) -> dict[str, Any]:
        """Write until it is accepted."""
        until, tries = time.monotonic() + SETTLE_S, 0
        while time.monotonic() < until:
            tries += 1
            if self.one() == "ok":
                return {"tries": tries}
            pause(0.002)
        return {"stuck": tries}

    def do_begin(self, threads: str) -> None:
        """Let so many threads write without end, once the workspace could be opened."""
        self.do_settle()
        for _ in range(int(threads)):
            thread = threading.Thread(target=self._writing, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _writing(self) -> None:
        random = Random(self.random.random())
        while not self._halt.is_set():
            with self._gate.passing():
                self.one()
                if random.random() < 0.02:
                    self.look()
            pause(self._pause_s * random.random())

    def do_act(self, name: str) -> dict[str, Any]:
        """Do an act, between or beside the calls of the threads."""
        act = ACTS[name]
        return self._done(act.do, self._gate.closed() if act.quiet else self._gate.passing())

    def do_inside(self, name: str, *wait: str) -> dict[str, Any]:
        """Do an act in the middle of a transaction; with ``wait``, say so there, and go on at the next line."""
        done: dict[str, Any] = {}

        def middle() -> None:
            done.update(self._done(ACTS[name].do, nullcontext()))
            if wait:
                tell({"middle": True})
                next(self.lines)

        word = self.inside(middle)
        return {**done, "said": word}

    def _done(self, do: Callable[[Any], None], gate: Any) -> dict[str, Any]:
        try:
            with gate:
                do(self)
        except FileNotFoundError as exc:
            return {"nothing": str(exc)}
        return {}

    def do_find(self) -> dict[str, Any]:
        """Read once, on a connection that stays open."""
        try:
            return {"found": len(self.ws.plexus.find("Item", limit=1))}
        except SyncerError as exc:
            return {"refused": type(exc).__name__}

    def do_close(self) -> dict[str, Any]:
        """Close the workspace; it is opened again by whoever writes next."""
        try:
            self.ws.close()
        except SyncerError as exc:
            return {"refused": type(exc).__name__}
        return {}

    def do_cut(self, what: str, stride: str) -> dict[str, Any]:
        """Ctrl-C behind calls into C of ``what``, one after the other; behind each another thread writes and looks.

        Behind each that has to do with locks and connections, and every so many of the others.
        """
        call = {"close": lambda: self.ws.close(), "status": lambda: self.ws.status(), "query": self._query}[what]
        self.one()
        with interrupted(anything, sys.maxsize) as names:
            call()
        chosen = [n for n, name in enumerate(names, 1) if name.endswith(_DELICATE) or n % int(stride) == 0]
        for nth in (*chosen, len(names) + 1):
            self.one()
            with suppress(KeyboardInterrupt), interrupted(anything, nth) as hits:
                call()
            said: list[Any] = []
            other = threading.Thread(
                target=lambda said=said: said.extend((self.one(), self._query()[0]["n"] > 0)), daemon=True
            )
            other.start()
            other.join(BRIEF_S)
            before = time.monotonic()
            if nth % 5 == 0 or (hits and hits[-1].endswith(_DELICATE)):
                self.forked()
            slow_s = time.monotonic() - before
            if said != ["ok", True] or slow_s > BRIEF_S:
                return {"nth": nth, "hits": hits[-3:], "said": said, "fork_s": slow_s}
        return {"times": len(chosen)}

    def _query(self) -> Any:
        return self.ws.query("SELECT count(*) AS n FROM outbox")

    def do_fork_waiting(self, how: str) -> dict[str, Any]:
        """Ctrl-C while a fork waits for a query of another thread; then parent and child write, and the parent reads."""
        begun = threading.Event()

        def ask() -> None:
            begun.set()
            with suppress(SyncerError):
                if how == "query":
                    self.ws.query(_SLOW.format(1_000_000))
                else:
                    self.ws.database.read(lambda tx: tx.rows(_SLOW.format(1_000_000), ()))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        begun.wait()
        pause(0.03)
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        told: dict[str, Any] = {}
        child: list[int] = []
        try:
            self._fork_and_write(asking, told, child)
        except KeyboardInterrupt:
            told["raised"] = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        if child:  # it was left alone by the interrupt, and may still write
            os.close(child[1])
            told["child"] = os.waitstatus_to_exitcode(os.waitpid(child[0], 0)[1])
        with suppress(KeyboardInterrupt):  # what came inside the fork is raised a moment behind it
            for late in [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]:
                late.join()
            pause(0.01)
        asking.join(BRIEF_S)
        reader = threading.Thread(target=self.do_find, daemon=True)
        reader.start()
        reader.join(BRIEF_S)
        return {**told, "hangs": asking.is_alive() or reader.is_alive()}

    def _fork_and_write(self, asking: threading.Thread, told: dict[str, Any], child: list[int]) -> None:
        """The parent closes the file between two writes of the child: as the last that has it open, if it thinks so."""
        (written, tell_written), (go, tell_go) = os.pipe(), os.pipe()
        name = f"{self.name}f{next(self._children)}"
        pid = os.fork()
        if pid == 0:
            try:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(BRIEF_S)
                for end in (written, tell_go):
                    os.close(end)
                self.name, self._numbers = name, count()
                self._begin_log()
                self.do_write("10")
                os.close(tell_written)
                os.read(go, 1)
                self.do_write("10")
            finally:
                os._exit(0)
        child += [pid, tell_go]
        os.close(tell_written)
        os.read(written, 1)
        told["parent"] = self.do_write("10")
        asking.join(BRIEF_S)
        closing = threading.Thread(target=self.do_close, daemon=True)
        closing.start()
        closing.join(BRIEF_S)
        if closing.is_alive():
            told["closing_hangs"] = True
            return
        child.clear()
        os.close(tell_go)
        told["child"] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        told["then"] = self.do_write("10")

    def do_race(self, late: str) -> dict[str, Any]:
        """Three threads make the file at once, each through a workspace of its own; one is overtaken.

        It stands still before its first call of ``late`` (``open``: of the operating system) while the others write.
        """
        written = threading.Barrier(3)
        self._raced: list[Workspace] = []

        def race(overtaken: bool) -> None:
            if overtaken:
                sys.setprofile(stand)
            ws = Workspace(Settings(str(self.path), durability=self._durability))
            sys.setprofile(None)
            self._raced.append(ws)
            self._on(ws)
            if not overtaken:
                with suppress(threading.BrokenBarrierError):
                    written.wait(1.0)

        def stand(_: Any, event: str, called: Any) -> None:
            if event == "c_call" and called.__name__ == late and called.__module__ == "posix":
                sys.setprofile(None)
                with suppress(threading.BrokenBarrierError):
                    written.wait(1.0)

        running = [threading.Thread(target=race, args=(n == 0,)) for n in range(3)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        return {"opened": len(self._raced)}

    def do_race_on(self) -> None:
        """Those workspaces write on."""
        for ws in self._raced:
            self._on(ws)

    def _on(self, ws: Workspace) -> None:
        for key in [self.key() for _ in range(5)]:
            self.attempt([key], lambda key=key: self._create(ws.plexus, key))  # type: ignore[misc]

    def do_fail(self, *plan: str) -> None:
        """Let calls of the C library fail from now on (``tests/rigs/file_shim.c``)."""
        ctypes.CDLL(None).rig_fail(" ".join(plan).encode())

    def do_failed(self) -> dict[str, Any]:
        """How many did since."""
        return {"failed": int(ctypes.CDLL(None).rig_failed())}

    def do_end(self) -> dict[str, Any]:
        """Halt the threads, close the workspace; what became of the user's files."""
        self._halt.set()
        for thread in self._threads:
            thread.join(SETTLE_S)
        hung = sum(thread.is_alive() for thread in self._threads)
        refused = self.do_close() if self._workspace is not None else {}
        return {"hung": hung, **refused, **self.do_minded()}

    def do_minded(self) -> dict[str, Any]:
        """User's descriptors that are no longer theirs, files that are no longer as they were."""
        wrong = []
        for number, file in self._minded.items():
            try:
                found = os.fstat(number)
            except OSError:
                wrong.append(f"{number} was closed")
                continue
            if (found.st_dev, found.st_ino) != file:
                wrong.append(f"{number} leads elsewhere")
            elif os.pread(number, len(BYSTANDER) + 1, 0) != BYSTANDER:
                wrong.append(f"{number} holds other bytes")
        return {"taken": wrong}


def live(asked: dict[str, Any]) -> None:
    """Be a program until told to end."""
    name = f"{asked['aside']}/{asked['name']}"
    ends = (
        os.open(f"{name}.in", os.O_RDONLY),
        os.open(f"{name}.out", os.O_WRONLY),
        os.open(f"{name}.err", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600),
    )
    for number, end in enumerate(ends):
        os.dup2(end, number)
        os.close(end)
    faulthandler.enable()
    program = Program(asked["file"], asked["aside"], asked["name"], asked["seed"], asked["durability"], asked["pause_s"])
    for line in program.lines:
        word, *rest = line.split()
        try:
            answer = program.obey(word, rest)
        except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 - told to the test
            traceback.print_exc()
            sys.stderr.flush()
            answer = {"failed_with": f"{type(exc).__name__}: {exc}"}
        tell(answer)
        if word == "end":
            return


def spoken() -> Iterator[str]:
    """The lines of standard input, as they come."""
    heard = b""
    while read := os.read(0, 4096):
        *lines, heard = (heard + read).split(b"\n")
        yield from (line.decode() for line in lines)


def tell(answer: dict[str, Any]) -> None:
    """Say something to who tells us what to do."""
    os.write(1, json.dumps(answer).encode() + b"\n")


def commanded(asked: dict[str, Any]) -> None:
    """Be ``syncer WORDS`` on the file."""
    out = os.open(asked["out"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.environ["SYNCER_DB"] = asked["file"]
    code = run(asked["command"])
    sys.stdout.flush()
    os._exit(code)


def _warm() -> None:
    """Import and prepare all that programs and commands need: also, a fork in another thread's import would never end."""
    with TemporaryDirectory() as folder:
        with Workspace(Settings(f"{folder}/any.db", durability="normal")) as ws:
            ws.plexus.create("Account", {"name": "x", "key": "x"})
            with ws.plexus.transaction() as unit:
                unit.create("Item", {"accountId": "one", "externalId": "x", "isEvaluation": False})
            ws.plexus.find("Item")
            ws.query("SELECT 1")
            ws.status()
        os.environ["SYNCER_DB"] = f"{folder}/any.db"
        with redirect_stdout(StringIO()):
            run(["status"])
            run(["outbox", "list"])
        del os.environ["SYNCER_DB"]


def main() -> None:
    """Be the house."""
    _warm()
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            answer = os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1])
        elif "hello" in asked:
            answer = 0
        else:
            answer = os.fork()
            if answer == 0:
                try:
                    commanded(asked) if "command" in asked else live(asked)
                    os._exit(0)
                except BaseException:  # noqa: BLE001 - this process is a copy of the house, and must not live as one
                    traceback.print_exc()
                    sys.stderr.flush()
                    os._exit(70)
        os.write(1, f"{answer}\n".encode())


if __name__ == "__main__":
    main()
