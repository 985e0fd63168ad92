"""R4, a sync that stands still: suspended past its lease, overtaken by another one, then woken up."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from syncer.errors import SyncRunning
from syncer.store.file import locks
from tests.files import write
from tests.rigs import settings
from tests.rigs.world import World, ended

PUSH, PULL = ["push", "--wait", "0"], ["pull", "--wait", "0"]
PLEXUS = ["create", "mint", "edit", "delete", "upsert"]
STOPS = [
    ("lease-acquired", PLEXUS, [*PUSH, "plexus"]),
    ("resolved", ["upsert"], [*PUSH, "plexus"]),
    ("claimed", PLEXUS, [*PUSH, "plexus"]),
    ("request-sent:1", ["create"], [*PUSH, "plexus"]),
    ("answered", PLEXUS, [*PUSH, "plexus"]),
    ("claimed", ["span", "finish"], [*PUSH, "prefactor"]),
    ("answered", ["span", "finish"], [*PUSH, "prefactor"]),
    ("claimed", ["run"], [*PUSH, "abeja"]),
    ("answered", ["run"], [*PUSH, "abeja"]),  # of one run: a second may be on its way, and a POST cannot be called back
    ("page-read:3", ["create"], [*PULL, "plexus"]),
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A user's file and upstream."""
    made = World(tmp_path, settings.seed)
    try:
        yield made
    finally:
        made.close()


def stands(process: subprocess.Popen[str]) -> bool:
    """Wait until it has stopped itself; False when it ended instead."""
    found = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    return found is not None and found.si_code == os.CLD_STOPPED


def asleep(world: World, failpoint: str, ops: list[str], then: list[str]) -> tuple[int, subprocess.Popen[str]]:
    """A program that stands still there, and how many changes the file had accepted when it began.

    One whose other thread was in the middle of a commit has stopped everybody, by SQLite's own rule: that one is killed and
    another one tried.
    """
    for _ in range(10):
        before = world.accepted()
        asked = world.asked(1 if (failpoint, ops) == ("answered", ["run"]) else 6, ops, then)
        sleeper = world.program(asked, f"{failpoint}:stop" if ":" in failpoint else f"{failpoint}:1:stop")
        if stands(sleeper) and unlocked(world.path):
            return before, sleeper
        sleeper.kill()
        world.take(ended(sleeper), before)
    raise AssertionError("every sleeper had the file's lock")


def unlocked(path: Path) -> bool:
    """Whether anybody may write: a program stopped in the middle of a commit has SQLite's lock, or our turn, or both."""
    with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as file, suppress(sqlite3.OperationalError):
        file.execute("BEGIN IMMEDIATE")
        file.execute("ROLLBACK")
        index = os.open(f"{path}-shm", os.O_RDWR)
        try:
            return locks.take_turn(index)
        finally:
            os.close(index)
    return False


@pytest.mark.parametrize(("failpoint", "ops", "then"), STOPS, ids=[f"{name}-{then[-1]}" for name, _, then in STOPS])
def test_a_sync_that_slept_past_its_lease_is_fenced(world: World, failpoint: str, ops: list[str], then: list[str]) -> None:
    """Another sync does its work; what the sleeper commits late is undone, nothing is lost or doubled [I3 I21]."""
    before, sleeper = asleep(world, failpoint, ops, then)
    try:
        with world.opened() as ws, pytest.raises(SyncRunning):
            ws.push(then[-1], wait_s=0)
        write(world.path, "UPDATE _remote_state SET lease_until = '2020-01-01T00:00:00.000000Z'")
        world.drain(beside=True)
    except BaseException:
        sleeper.kill()
        ended(sleeper)
        raise
    sleeper.send_signal(signal.SIGCONT)
    woken = ended(sleeper)
    world.take(woken, before)
    assert (woken.code, "another one took over" in woken.text) == (4, True), woken
    world.check_sound()
    world.drain()
    world.check_upstream()
    world.check_equal()
    settings.tally("fencing", stopped_at=failpoint, remote=then[-1], writes=world.counts["writes"], lost=0, doubled=0)
