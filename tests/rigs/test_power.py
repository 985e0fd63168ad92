"""R4, power loss: while a program writes, its file is copied at random moments as the disk would hold it, and opened.

A copy is the database and its write-ahead log, never the shared memory; the writer stands still meanwhile, so that the copy
is of one moment. What was accepted before that moment must be in it (durability full). In further copies the end of the log
is missing or torn, as after a power cut with durability normal: then the last writes may be gone, but no half of one may be
there, and none may be missing in the middle.

The long profile: ``SYNCER_RIG=10 SYNCER_RIG_SEED=7 python -m pytest tests/rigs/test_power.py -s``.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TypeAlias

from syncer import Workspace
from syncer.config import Settings
from syncer.store import migrate
from tests.files import rows
from tests.rigs import settings
from tests.rigs.world import World, ended, pause, said

PLEXUS = ["create", "mint", "edit", "delete"]
WRITES = 1_000_000  # until it is killed
COPIES, TORN = 25, 3
Written: TypeAlias = tuple[str, str | None]
"""The tag of a record and the value it was given; None when it was deleted."""


def log_of(path: Path) -> Path:
    """The write-ahead log beside a database."""
    return path.with_name(path.name + "-wal")


def copied(path: Path, target: Path) -> Path:
    """What a disk holds of a database: the file and its log, byte by byte."""
    shutil.copyfile(path, target)
    if log_of(path).exists():
        shutil.copyfile(log_of(path), log_of(target))
    return target


def torn(path: Path, target: Path, random: Random) -> Path:
    """A copy whose log ends early, or in rubbish."""
    copied(path, target)
    log = bytearray(log_of(target).read_bytes())
    end = random.randint(32, len(log)) if len(log) > 32 else len(log)
    kept = log[:end]
    if random.random() < 0.5:
        kept += random.randbytes(min(len(log) - end, 5000))
    log_of(target).write_bytes(bytes(kept))
    return target


class Writer:
    """A program that writes without end, and what it was promised so far."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.before = world.accepted()
        self.process = world.program(world.asked(WRITES, PLEXUS, []))
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        self._heard = ""
        self.promised: list[Written] = []
        self.trying: Written | None = None

    def listen(self) -> None:
        """Take in what it has said up to now."""
        assert self.process.stdout is not None
        with suppress(BlockingIOError):
            while read := os.read(self.process.stdout.fileno(), 1 << 20):
                self._heard += read.decode()
        whole, cut, self._heard = self._heard.rpartition("\n")
        for line in said(whole + cut):
            if "try" in line:
                self.trying = (line["on"], None if line["op"] == "delete" else line["try"])
            elif "ok" in line and self.trying is not None:
                self.promised.append(self.trying)
                self.trying = None

    def begin(self) -> None:
        """Wait for its first write."""
        while not self.promised:
            assert self.process.poll() is None, ended(self.process)
            pause(0.01)
            self.listen()

    def still(self) -> None:
        """Stop it, whatever it is at."""
        os.kill(self.process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOWAIT)

    def go(self) -> None:
        """Let it write on."""
        os.kill(self.process.pid, signal.SIGCONT)

    def end(self) -> None:
        """Kill it."""
        self.process.kill()
        ended(self.process)


def state(written: list[Written]) -> dict[str, str]:
    """Results and their values after these writes."""
    return {tag: value for tag, value in dict(written).items() if value is not None}


def accepted(path: Path, before: int) -> int:
    """How many writes of this program the copy holds, after checking that it is sound and its books close."""
    assert migrate.integrity(path) == []
    with Workspace(Settings(str(path))) as ws:
        assert ws.status().consistent
    ((last,),) = rows(path, "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
    return int(last) - before


def here(path: Path) -> dict[str, str]:
    """Results and their values in a copy."""
    return dict(rows(path, "SELECT explanation, value FROM plexus_score_result"))


def test_what_was_accepted_before_the_power_went_is_on_the_disk(tmp_path: Path) -> None:
    """A copy of file and log, taken at any moment, holds every accepted write, and no half of any [I1 I2]."""
    random = Random(settings.seed)
    counts: Counter[str] = Counter()
    for n in range(settings.scale):
        (tmp_path / f"w{n}").mkdir()
        world = World(tmp_path / f"w{n}", settings.seed + n)
        told = f"seed {settings.seed}, world {n}"
        fresh = world.path.stat().st_mtime_ns
        writer = Writer(world)
        try:
            writer.begin()
            for at in range(COPIES):
                pause((0.02 if at < COPIES // 2 else 0.2) * random.random())
                writer.still()
                writer.listen()
                copy = copied(world.path, tmp_path / "copy.db")
                unfolded = world.path.stat().st_mtime_ns == fresh  # else the log's pages may be needed for the file's
                writer.go()
                tears = [torn(copy, tmp_path / f"torn{t}.db", random) for t in range(TORN * unfolded)]
                may_be = [*writer.promised, *filter(None, [writer.trying])]
                held = accepted(copy, writer.before)
                assert held in (len(writer.promised), len(may_be)), (told, at, held, len(writer.promised))
                assert here(copy) == state(may_be[:held]), (told, at)
                for one in tears:
                    kept = accepted(one, writer.before)
                    assert 0 <= kept <= held, (told, at)
                    assert here(one) == state(may_be[:kept]), (told, at, one)
                    counts["torn"] += 1
                    counts["cut_short"] += kept < held
                counts["copies"] += 1
                counts["after_checkpoint"] += not unfolded
                for leftover in tmp_path.glob("*.db*"):
                    leftover.unlink()
            counts["writes"] += len(writer.promised)
        finally:
            writer.end()
            world.close()
    assert counts["writes"] > COPIES
    settings.tally("power", **counts, lost=0)
