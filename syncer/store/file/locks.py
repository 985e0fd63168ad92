"""Locks on the files that SQLite has open, set on SQLite's own descriptors.

SQLite's POSIX locks belong to the process: whoever closes *any* descriptor of a file, also one that SQLite knows nothing of,
drops all of the process's locks on it, and SQLite is not told. Locks of an open file description (Linux) are dropped only
with that description. So what must not be lost is locked once more in that way: that somebody has the database open
(:func:`guard`), and that one process writes (:func:`take_turn`), which all processes of this program respect. Where a system
has no such locks, SQLite's own are set again before each commit, which leaves the moments between.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import fcntl
else:
    try:
        import fcntl
    except ImportError:  # Windows: locks belong to handles there, and nobody can drop ours
        fcntl = None

_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510
_TURN_BYTE = 2**60  # of the -shm file, far behind its end: SQLite does not know of it
_FIRST_WAIT_S, _LONGEST_WAIT_S, _PATIENCE_S = 0.00005, 0.01, 10.0
_INDEX_WRITE, _INDEX_READ, _INDEX_ALIVE = 120, 124, 128
"""Bytes of the -shm file: the writer's lock, those of who reads from the log, and "somebody has it open"."""

_FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux
_HAVE_LOCKS = bool(fcntl)
_CAN_HOLD = _HAVE_LOCKS and sys.platform == "linux" and struct.calcsize("P") == 8 and hasattr(fcntl, "F_OFD_SETLK")


def _asked(kind: str, first: int, size: int) -> bytes:
    return struct.pack(_FLOCK, getattr(fcntl, kind), 0, first, size, 0) if _CAN_HOLD else b""


_SHARE, _UNSHARE = _asked("F_RDLCK", _SHARED_FIRST, _SHARED_SIZE), _asked("F_UNLCK", _SHARED_FIRST, _SHARED_SIZE)
_ALONE = _asked("F_WRLCK", _SHARED_FIRST, _SHARED_SIZE)
_ALIVE = _asked("F_RDLCK", _INDEX_ALIVE, 1)
_READ = _asked("F_WRLCK", _INDEX_READ, 4)
_TURN, _NO_TURN = _asked("F_WRLCK", _TURN_BYTE, 1), _asked("F_UNLCK", _TURN_BYTE, 1)

_witness = 0
_question = b""


def _choose_witness() -> None:
    """A byte of this process alone: no file is as long, and two processes do not meet in 2**60."""
    global _witness, _question
    _witness = 2**61 + int.from_bytes(os.urandom(7), "big") * 16
    _question = _asked("F_WRLCK", _witness, 1)


_choose_witness()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_choose_witness)  # the child has none of the parent's locks


def guard(database: int, index: int) -> None:
    """From here on no other program takes itself for the last one to close, and removes the log, or makes the index anew."""
    if _CAN_HOLD:
        for descriptor, what in ((database, _SHARE), (index, _ALIVE)):
            _held(descriptor, what)


def unguard(database: int) -> None:
    """The end of :func:`guard`, right before the connection is closed: SQLite itself may take it for the last one."""
    if _CAN_HOLD:
        _held(database, _UNSHARE)


def take_turn(index: int) -> bool:
    """The right to write to the file, among all processes of this program, until :func:`give_turn`; False: not now.

    True also where there is no such lock, or ``index`` is none of ours by now: that is found out before the commit.
    """
    if not _CAN_HOLD or index < 0:
        return True
    try:
        fcntl.fcntl(index, fcntl.F_OFD_SETLK, _TURN)
    except OSError as exc:
        return exc.errno not in (errno.EAGAIN, errno.EACCES)
    return True


def wait_for(lock: Callable[[], bool], patience_s: float = _PATIENCE_S) -> bool:
    """Whether ``lock`` could be had within ``patience_s``."""
    until, pause_s = time.monotonic() + patience_s, _FIRST_WAIT_S
    while not lock():
        if time.monotonic() > until:
            return False
        threading.Event().wait(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_WAIT_S)
    return True


def give_turn(index: int) -> None:
    """The end of :func:`take_turn`."""
    if _CAN_HOLD:
        _held(index, _NO_TURN)


def is_unread(index: int) -> bool:
    """Whether nobody, in any process, reads from the log: where that is not known, False."""
    if not _HAVE_LOCKS:
        return True
    try:
        return _CAN_HOLD and fcntl.fcntl(index, fcntl.F_OFD_GETLK, _READ)[0] == fcntl.F_UNLCK
    except OSError:
        return False


losses = 0
"""How often in this process a witness was found to be gone: another thread may set it again before this one looks."""


def witness(descriptor: int) -> None:
    """Set a lock that nobody needs: while it is there, no lock of this process on that file was dropped."""
    global losses
    if not stands(descriptor):
        losses += 1  # before it is set again
        _lock(descriptor, _witness, 1)


def stands(descriptor: int) -> bool:
    """Whether the witness is still there. False too where the system cannot tell."""
    if not _HAVE_LOCKS:
        return True
    if not _CAN_HOLD or descriptor < 0:
        return False
    try:
        # To a description the process itself is a stranger, so that asking for its lock tells of ours. Nothing is locked.
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _question)
    except OSError:
        return False
    return answer[0] != fcntl.F_UNLCK


def share(descriptor: int) -> bool:
    """SQLite's shared lock on the database file, set again; False: somebody has it to themselves by now."""
    return _lock(descriptor, _SHARED_FIRST, _SHARED_SIZE)


def keep_index(descriptor: int) -> bool:
    """The lock that says "this -shm is in use", set again; False: somebody is making it anew."""
    return _lock(descriptor, _INDEX_ALIVE, 1)


def keep_writing(descriptor: int) -> bool:
    """The writer's lock, which this process must have had, or where nobody in it writes; False: another process has it."""
    return _lock(descriptor, _INDEX_WRITE, 1, exclusive=True)


def end_writing(descriptor: int) -> None:
    """The end of :func:`keep_writing`."""
    _unlock(descriptor, _INDEX_WRITE)


def alone(database: int) -> bool:
    """The database file for this process alone until :func:`alone_no_more`; False: others have it open, or may have."""
    if not _CAN_HOLD:
        return False
    _unlock(database, _SHARED_FIRST, _SHARED_SIZE)  # the process's own lock is in the way too
    if _held(database, _ALONE):
        return True
    share(database)
    return False


def alone_no_more(database: int) -> None:
    """The end of :func:`alone`."""
    _held(database, _SHARE)
    share(database)


def keep_log(descriptor: int) -> bool:
    """From here on, no connection of this process that is closed takes itself for the last one and removes the log.

    False: there are no such locks here.
    """
    return _CAN_HOLD and _held(descriptor, _SHARE)


def _held(descriptor: int, what: bytes) -> bool:
    if descriptor < 0:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, what)
    except OSError:
        return False
    return True


def _lock(descriptor: int, first: int, size: int, *, exclusive: bool = False) -> bool:
    if not _HAVE_LOCKS:
        return True
    if descriptor < 0:
        return False
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.lockf(descriptor, kind | fcntl.LOCK_NB, size, first)
    except OSError:
        return False
    return True


def _unlock(descriptor: int, first: int, size: int = 1) -> None:
    if _HAVE_LOCKS and descriptor >= 0:
        with suppress(OSError):
            fcntl.lockf(descriptor, fcntl.LOCK_UN, size, first)
