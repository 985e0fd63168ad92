"""One database, the programs that have it open, what is done to its files, and whether all that was accepted is there."""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from syncer import Workspace
from syncer.errors import SyncerError
from tests.rigs.file_acts import ACTS, Act, Consequence, remembered
from tests.rigs.writing import ROOT, environment

WORKER = ROOT / "tests" / "rigs" / "file_worker.py"
ANSWER_S = 25.0
"""The longest that a program may take over one thing: busy limit and fork limit are 10 s each."""


class Gone(AssertionError):
    """A program died or hung where it should have answered."""


class House:
    """The process that has programs; each is a fork of it, so that starting one takes milliseconds."""

    def __init__(self, folder: Path, before: tuple[str, ...] = (), extra: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._turn = threading.Lock()
        self._errors = (folder / "house.err").open("wb")
        self.root = ""
        """How this process gets to what the house sees."""
        self._process = subprocess.Popen(
            [*before, sys.executable, str(WORKER)],
            env={**environment(folder / "home" / "none.db"), **(extra or {})},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    @classmethod
    def with_small_disk(cls, folder: Path, place: Path) -> Self:
        """One that finds a disk of 24 megabytes at ``place``; it goes with the house."""
        script = f'mount -t tmpfs -o size=24m none {place} && exec "$@"'
        house = cls(folder, ("unshare", "-m", "sh", "-c", script, "sh"))
        house.root = f"/proc/{house._process.pid}/root"
        assert house.ask(hello=True) == 0
        return house

    def ask(self, **asked: Any) -> int:
        """What the house answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._turn:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        """Let go of it."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Ended:
    """A process of the house, as somebody else's child."""

    def __init__(self, house: House, pid: int) -> None:
        self._house, self.pid = house, pid
        self._descriptor = os.pidfd_open(pid)
        self.code: int | None = None

    def fileno(self) -> int:
        """To wait for."""
        return self._descriptor

    def wait(self) -> int:
        """How it ended."""
        if self.code is None:
            if not select.select([self], [], [], ANSWER_S)[0]:
                os.kill(self.pid, signal.SIGKILL)
                raise Gone(f"process {self.pid} does not end")
            self.code = self._house.ask(wait=self.pid)
            os.close(self._descriptor)
        return self.code

    def kill(self) -> None:
        """SIGKILL, at whatever it is."""
        if self.code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait()


class Hand:
    """A program, as seen by who tells it what to do."""

    def __init__(self, house: House, aside: Path, name: str, **asked: Any) -> None:
        self.name, self._base = name, aside / name
        for end in ("in", "out"):
            os.mkfifo(f"{self._base}.{end}")
        self._tell = os.open(f"{self._base}.in", os.O_RDWR)
        self._hear = os.open(f"{self._base}.out", os.O_RDONLY | os.O_NONBLOCK)
        self._heard = b""
        self.process = Ended(house, house.ask(program=True, aside=str(aside), name=name, **asked))
        self.taken: list[str] = []

    def send(self, *words: object) -> None:
        """Tell it something, without waiting for the answer."""
        os.write(self._tell, " ".join(map(str, words)).encode() + b"\n")

    def answer(self) -> dict[str, Any]:
        """What it answers to the oldest that it was told. Raises: Gone."""
        until = time.monotonic() + ANSWER_S
        while b"\n" not in self._heard:
            ready = select.select([self._hear, self.process], [], [], max(0.0, until - time.monotonic()))[0]
            read = b""
            with suppress(BlockingIOError):
                read = os.read(self._hear, 65536)
            self._heard += read
            if not read and self.process in ready:
                raise Gone(f"{self.name} ended with {self.process.wait()}: {self._errors()}")
            if not ready:
                os.kill(self.process.pid, signal.SIGABRT)  # its stacks, by the fault handler
                raise Gone(f"{self.name} hangs: {self.process.wait()}: {self._errors()}")
        line, _, self._heard = self._heard.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        if "failed_with" in answer:
            raise Gone(f"{self.name}: {answer['failed_with']}: {self._errors()}")
        return answer

    def __call__(self, *words: object) -> dict[str, Any]:
        """Tell it something; what it answers."""
        self.send(*words)
        return self.answer()

    def _errors(self) -> str:
        with suppress(FileNotFoundError):
            return Path(f"{self._base}.err").read_text("utf-8", "replace")[-3000:]
        return ""

    def end(self) -> None:
        """Let it halt its threads, close its workspace and end."""
        if self.process.code is None:
            answer = self("end")
            self.taken = answer["taken"]
            assert answer["hung"] == 0, answer
            assert self.process.wait() == 0, self._errors()
        self.let_go()

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        self.let_go()

    def let_go(self) -> None:
        """Close what leads to it."""
        for end in (self._tell, self._hear):
            with suppress(OSError):
                os.close(end)
        self._tell = self._hear = -1


@dataclass
class Noted:
    """What a program noted of a key: when it tried, and what came of it; ``killed`` when nothing was noted."""

    tried_at: int
    word: str = "killed"
    code: str = ""


@dataclass
class Verdict:
    """What was promised against what is there. All lists are empty on a good day."""

    words: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    came_back: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """Writes that were accepted."""
        return self.words["ok"]

    @property
    def tried(self) -> int:
        """Writes that were tried."""
        return self.words.total()

    @property
    def clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.came_back or self.doubled or self.half or self.wrong)

    def __str__(self) -> str:
        told = ", ".join(f"{word} {n}" for word, n in sorted(self.words.items()))
        bad = {name: getattr(self, name) for name in ("lost", "came_back", "doubled", "half", "raw", "wrong")}
        return f"[{told}] " + "; ".join(f"{name} {len(of)}: {of[:6]}" for name, of in bad.items() if of)


class Site:
    """A file and everything around it, in a folder of its own."""

    def __init__(self, house: House, folder: Path, content: bytes, seed: int, *, durability: str = "normal") -> None:
        self.house, self.seed = house, seed
        self.random = random.Random(seed)
        self.aside = folder / "aside"
        self.path = folder / "place" / "local.db"
        self.seen = Path(f"{house.root}{self.path}")
        self.aside.mkdir(parents=True, exist_ok=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if content:
            self.seen.write_bytes(content)
            (self.aside / "backup.db").write_bytes(content)
        self.durability, self.pause_s = durability, 0.02
        self.hands: list[Hand] = []
        self.dead: list[Hand] = []
        self.counts: Counter[str] = Counter()
        self.ended_epochs: list[tuple[Consequence, int]] = []
        self._started = 0

    def program(self, threads: int = 0, *, path: Path | None = None) -> Hand:
        """One more program that has the file open; ``threads`` of it write without end."""
        self._started += 1
        hand = Hand(
            self.house,
            self.aside,
            f"p{self._started}",
            file=str(path or self.path),
            seed=self.seed,
            durability=self.durability,
            pause_s=self.pause_s,
        )
        self.hands.append(hand)
        if threads:
            hand("begin", threads)
        return hand

    def brief(self, writes: int = 5, *, path: Path | None = None) -> dict[str, Any]:
        """Another program opens the file, writes and ends: maybe it takes itself for the last that has it open."""
        hand = self.program(path=path)
        opened = hand("open")
        said = {**opened, **(hand("write", writes) if not opened else {})}
        self.leave(hand)
        self.counts["brief"] += 1
        return said

    def visit(self) -> None:
        """Another program opens the file, reads and ends: nothing of it is written, but its end may fold the log in."""
        hand = self.program()
        hand("find")
        self.leave(hand)

    def leave(self, hand: Hand) -> None:
        """It ends by itself."""
        self.hands.remove(hand)
        self.dead.append(hand)
        hand.end()

    def kill(self, hand: Hand) -> None:
        """It is killed."""
        self.hands.remove(hand)
        self.dead.append(hand)
        hand.kill()
        self.counts["kill"] += 1

    def command(self, *words: str) -> int:
        """``syncer WORDS`` on the file; its exit code."""
        out = str(self.aside / "commands.out")
        pid = self.house.ask(command=words, file=str(self.path), out=out)
        self.counts[" ".join(words)] += 1
        return Ended(self.house, pid).wait()

    def act(self, name: str) -> bool:
        """Do an act on the file from outside; False where there was nothing to do it to."""
        act = ACTS[name]
        try:
            act.do(self)  # type: ignore[arg-type] - acts on the file ask for no program
        except FileNotFoundError:
            return False
        self._did(act)
        return True

    def ordered(self, hand: Hand, name: str, how: str = "act") -> bool:
        """Have a program do it; ``how``: ``inside`` a transaction of its own."""
        answer = hand(how, name)
        if "nothing" in answer:
            return False
        self._did(ACTS[name])
        return True

    def _did(self, act: Act) -> None:
        self.counts[act.name] += 1
        if act.consequence is not Consequence.KEPT:
            self.ended_epochs.append((act.consequence, time.monotonic_ns()))

    def remember(self) -> None:
        """Keep copies of log and shared memory for acts that bring them back."""
        remembered(self.path, self.aside)

    def settle(self) -> None:
        """Every program that lives gets a write accepted."""
        for hand in self.hands:
            hand.send("settle")
        for hand in self.hands:
            answer = hand.answer()
            assert "stuck" not in answer, f"{hand.name} gets nothing accepted any more: {answer}"

    def end(self, *, kill: bool = False) -> Verdict:
        """All programs end, by themselves or by SIGKILL; what came of everything."""
        for hand in list(self.hands):
            if kill:
                hand.taken = hand("minded")["taken"]
            (self.kill if kill else self.leave)(hand)
        return self.verdict()

    def close(self) -> None:
        """Nothing outlives its test."""
        for hand in self.hands:
            with suppress(Gone):
                hand.kill()

    # the oracle

    def noted(self) -> dict[str, Noted]:
        """What the programs noted, by key."""
        found: dict[str, Noted] = {}
        for log in sorted(self.aside.glob("*.log")):
            for line in log.read_text().splitlines():
                word, key, at, *code = line.split(" ")
                if word == "try":
                    found[key] = Noted(int(at))
                else:
                    found[key].word, found[key].code = word, code[0]
        return found

    def verdict(self) -> Verdict:
        """Open the file as another program would, and compare."""
        if self.house.root:
            shutil.copytree(self.seen.parent, self.aside / "seen")
            self.path = self.aside / "seen" / self.path.name
        verdict, noted = Verdict(), self.noted()
        verdict.wrong += [f"{hand.name}: {text}" for hand in (*self.hands, *self.dead) for text in hand.taken]
        here, changes = self._here(verdict)
        kept = self._kept() if any(c is Consequence.EPOCH for c, _ in self.ended_epochs) else set()
        for key, one in noted.items():
            verdict.words[one.word] += 1
            there, queued = here[key], changes[key]
            if one.code.startswith("raw-"):
                verdict.raw.append(f"{key} {one.code}")
            if there > 1 or queued > 1:
                verdict.doubled.append(key)
            elif there != queued and not self._may_be_gone(key, one, kept):  # a cut in the middle of a fold can do that
                verdict.half.append(f"{key} rows {there} changes {queued}")
            elif there and one.word == "no":
                verdict.came_back.append(f"{key} {one.code}")
            elif not there and one.word == "ok" and not self._may_be_gone(key, one, kept):
                verdict.lost.append(key)
        verdict.wrong += [f"{key} was never tried" for key in here if key not in noted]
        return verdict

    def _may_be_gone(self, key: str, one: Noted, kept: set[str]) -> bool:
        return any(one.tried_at < at and (why is Consequence.CUT or key in kept) for why, at in self.ended_epochs)

    def _here(self, verdict: Verdict) -> tuple[Counter[str], Counter[str]]:
        try:
            with closing(sqlite3.connect(self.path)) as connection:
                found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
                verdict.wrong += [] if found == ["ok"] else found[:3]
                counted = _keys(connection)
        except sqlite3.Error as exc:
            verdict.wrong.append(f"the file cannot be read: {exc}")
            return Counter(), Counter()
        try:
            with Workspace.open(self.path) as ws:
                if not ws.status().consistent:
                    verdict.wrong.append("the ledger does not close")
        except SyncerError as exc:
            verdict.wrong.append(f"the file cannot be opened: {exc}")
        return counted

    def _kept(self) -> set[str]:
        """The keys in all files beside that look like databases."""
        found: set[str] = set()
        ours = {self.path.name + end for end in ("", "-wal", "-shm")}
        for number, file in enumerate(sorted(self.path.parent.iterdir())):
            if file.name in ours or not file.is_file() or file.read_bytes()[:15] != b"SQLite format 3":
                continue
            copy = self.aside / f"kept-{number}.db"
            copy.write_bytes(file.read_bytes())
            for log in (file.with_name(file.name + "-wal"),):
                if log.exists():
                    copy.with_name(copy.name + "-wal").write_bytes(log.read_bytes())
            with suppress(sqlite3.Error), closing(sqlite3.connect(copy)) as connection:
                found |= set(_keys(connection)[0])
        return found


def _keys(connection: sqlite3.Connection) -> tuple[Counter[str], Counter[str]]:
    """How many rows, and how many changes, there are of each key."""
    named = dict(connection.execute("SELECT id, key FROM plexus_account UNION ALL SELECT id, external_id FROM plexus_item"))
    changes: Counter[str] = Counter()
    for table in ("outbox", "ledger"):
        for (record,) in connection.execute(f"SELECT key FROM {table} WHERE op = 'create'"):
            changes[named.get(record, f"record {record} without a row")] += 1
    rows = Counter(named.values())
    for lone in set(changes) - set(rows):
        rows[lone] += 0
    return rows, changes


@contextmanager
def sited(house: House, folder: Path, content: bytes, seed: int, **given: Any) -> Iterator[Site]:
    """A site whose programs do not outlive the block."""
    site = Site(house, folder, content, seed, **given)
    try:
        yield site
    finally:
        site.close()


Round = Callable[[Site], Verdict]
