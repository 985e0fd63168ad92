"""What people, programs and disks do to an open database: each act of the file rig, and what may follow from it.

Acts on the file need no more than its path and may be done by anybody; acts of a program are done inside one that has the
file open (:mod:`tests.rigs.file_worker`), those marked ``quiet`` only while none of its threads is in a call of ours: what a
program does to descriptors during a call of SQLite's own, nobody can undo.
"""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from random import Random
from typing import Protocol

from tests.rigs.interrupts import anything, interrupted
from tests.rigs.world import pause

BYSTANDER = b"the user's own file, and nobody else's\n" * 400


class Consequence(Enum):
    """What the act may cost."""

    KEPT = "nothing: every accepted write is in the file"
    EPOCH = "the file is another one: what was accepted before the act is in it, or in a copy that was kept beside it"
    CUT = "what only the log held is gone with it; what was asked for after the act is in the file"


class Doer(Protocol):
    """The program that does an act of its own."""

    path: Path
    aside: Path
    random: Random

    def one(self) -> str:
        """Write once, and note it; how it ended."""
        ...

    def look(self) -> None:
        """Read through the workspace in one of its ways."""
        ...

    def forked(self) -> None:
        """Have a child, that writes too; and see it end."""
        ...

    def spare(self) -> set[int]:
        """Descriptors that are the program's own."""
        ...

    def mind(self, number: int) -> None:
        """A file of the user's is open under this number, and has to stay so, and as it is."""
        ...


Do = Callable[[Doer], None]


@dataclass(frozen=True)
class Act:
    """``do`` raises FileNotFoundError where there is nothing to do it to."""

    name: str
    do: Do
    consequence: Consequence = Consequence.KEPT
    quiet: bool = False


def log_of(path: Path) -> Path:
    """The write-ahead log beside a database."""
    return path.with_name(path.name + "-wal")


def memory_of(path: Path) -> Path:
    """The shared memory beside a database."""
    return path.with_name(path.name + "-shm")


# a program that reads its own files


def _read(name: Callable[[Path], Path]) -> Do:
    def do(doer: Doer) -> None:
        with name(doer.path).open("rb") as file:
            file.read(16)

    return do


def _copied(doer: Doer) -> None:
    shutil.copy(doer.path, doer.aside / "copied.db")


def _hashed(doer: Doer) -> None:
    with doer.path.open("rb") as file:
        hashlib.file_digest(file, "sha256")


def _another_library(doer: Doer) -> None:
    import apsw  # a second SQLite in the process, which knows nothing of the locks of the first

    connection = apsw.Connection(str(doer.path))
    try:
        with suppress(apsw.Error):  # busy, or a log that somebody has just taken away
            list(connection.execute("SELECT count(*) FROM outbox"))
    finally:
        connection.close()


def descriptors(path: Path) -> list[int]:
    """The numbers under which this process has the three files open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}").removesuffix(" (deleted)")
            if target in (str(path), f"{path}-wal", f"{path}-shm"):
                found.append(int(name))
    return sorted(found)


def _closed(doer: Doer) -> None:
    """Housekeeping closes what it does not know, and the numbers become a file of the user's."""
    theirs = [number for number in descriptors(doer.path) if number not in doer.spare()]
    if not theirs:
        raise FileNotFoundError("nothing is open")
    for number in theirs:
        os.close(number)
    low = max(theirs)
    while True:
        file = doer.aside / f"bystander-{os.getpid()}-{doer.random.getrandbits(60):x}"
        file.write_bytes(BYSTANDER)
        number = os.open(file, os.O_RDWR)
        doer.mind(number)
        if number >= low:
            return


def _linked(doer: Doer) -> None:
    other = doer.path.with_name(f"other-{doer.random.getrandbits(60):x}.db")
    os.link(doer.path, other)
    pause(0.001 * doer.random.random())
    other.unlink()


# scripts that clean up, synchronise, restore


def _unlinked(*names: Callable[[Path], Path]) -> Do:
    def do(doer: Doer) -> None:
        for name in names:
            name(doer.path).unlink()

    return do


def _replaced_by_nothing(name: Callable[[Path], Path]) -> Do:
    def do(doer: Doer) -> None:
        target = name(doer.path)
        target.stat()
        with _beside(doer) as new:
            new.touch()
            new.replace(target)

    return do


def _replaced_by_old(name: Callable[[Path], Path]) -> Do:
    """By what ``remembered`` kept of it."""

    def do(doer: Doer) -> None:
        target = name(doer.path)
        target.stat()
        with _beside(doer) as new:
            shutil.copyfile(doer.aside / f"old{target.name}", new)
            new.replace(target)

    return do


def remembered(path: Path, aside: Path) -> None:
    """Copies of log and shared memory for later; to be done by a process that does not have the file open."""
    for name in (log_of(path), memory_of(path)):
        with suppress(FileNotFoundError):
            shutil.copyfile(name, aside / f"old{name.name}")


def _renamed(name: Callable[[Path], Path]) -> Do:
    def do(doer: Doer) -> None:
        target = name(doer.path)
        target.rename(target.with_name(f"{target.name}.moved-{doer.random.getrandbits(60):x}"))

    return do


def _cut(doer: Doer) -> None:
    log = log_of(doer.path)
    os.truncate(log, int(log.stat().st_size * doer.random.choice([0, doer.random.random()])))


def _restored(doer: Doer) -> None:
    """An older backup takes the place of the database, its log stays beside it."""
    with _beside(doer) as new:
        shutil.copyfile(doer.aside / "backup.db", new)
        new.replace(doer.path)


@contextmanager
def _beside(doer: Doer) -> Iterator[Path]:
    new = doer.path.with_name(f"new-{doer.random.getrandbits(60):x}")
    try:
        yield new
    finally:
        new.unlink(missing_ok=True)


# days of a program


def _forked(doer: Doer) -> None:
    doer.forked()


def _interrupted(doer: Doer) -> None:
    with suppress(KeyboardInterrupt), interrupted(anything, doer.random.randint(1, 130)):
        doer.random.choice([doer.one, doer.one, doer.look])()


def _sigint(doer: Doer) -> None:
    late_s = 0.002 * doer.random.random()

    def strike() -> None:
        pause(late_s)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=strike)
    try:
        thread.start()
        while thread.is_alive():
            doer.one()
            doer.look()
        doer.one()
    except KeyboardInterrupt:
        thread.join()


MOST_TRIES = 200


def _no_room(doer: Doer) -> None:
    """No file of this process may grow beyond a size, which is what a full disk or quota looks like."""
    log = sum(file.stat().st_size for file in doer.aside.glob("*.log"))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536 + log + doer.random.randrange(200_000), hard))
    try:
        _until_refused(doer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))


def _full_disk(doer: Doer) -> None:
    """A file of somebody else's fills the small disk on which the database lies."""
    ballast = doer.path.with_name("ballast")
    room = os.statvfs(doer.path.parent)
    size = room.f_bavail * room.f_frsize - doer.random.randrange(0, 120_000)
    try:
        with suppress(OSError):
            ballast.write_bytes(b"\1" * max(size, 0))
        _until_refused(doer)
    finally:
        ballast.unlink(missing_ok=True)


def _until_refused(doer: Doer) -> None:
    for _ in range(MOST_TRIES):
        if doer.one() == "no":
            return
    raise FileNotFoundError("the log has room inside itself")


THEFTS = (
    Act("read-db", _read(lambda path: path), quiet=True),
    Act("read-wal", _read(log_of), quiet=True),
    Act("read-shm", _read(memory_of), quiet=True),
    Act("copy", _copied, quiet=True),
    Act("hash", _hashed, quiet=True),
    Act("apsw", _another_library, quiet=True),
)
"""What takes the locks of the whole process away."""

CLOSED = Act("closed", _closed, quiet=True)
LINK = Act("link", _linked)

LOSSES = (
    Act("unlink-wal", _unlinked(log_of)),
    Act("unlink-shm", _unlinked(memory_of)),
    Act("unlink-both", _unlinked(log_of, memory_of)),
    Act("empty-wal", _replaced_by_nothing(log_of)),
    Act("old-wal", _replaced_by_old(log_of)),
    Act("empty-shm", _replaced_by_nothing(memory_of)),
    Act("old-shm", _replaced_by_old(memory_of)),
    Act("rename-wal", _renamed(log_of)),
)
"""What takes a file away; whoever has it open can still read it."""

CUT = Act("cut-wal", _cut, Consequence.CUT)
RESTORED = Act("restore", _restored, Consequence.EPOCH)

DAYS = (
    Act("fork", _forked),
    Act("interrupt", _interrupted),
    Act("sigint", _sigint),
    Act("no-room", _no_room),
)
FULL_DISK = Act("full-disk", _full_disk)

ACTS = {act.name: act for act in (*THEFTS, CLOSED, LINK, *LOSSES, CUT, RESTORED, *DAYS, FULL_DISK)}

POSSIBLE = sys.platform == "linux"
"""Descriptors are found through ``/proc``, processes watched through their own."""
