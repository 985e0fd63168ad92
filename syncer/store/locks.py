"""POSIX locks on the files that SQLite has open, set and asked for on SQLite's own descriptors.

These locks belong to the process: whoever closes *any* descriptor of a file, also one that SQLite knows nothing of, drops
all of the process's locks on it. SQLite is not told. So each of the files gets one lock more, the witness, on a byte that
nobody else uses: while it is there, nothing of ours was dropped.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import fcntl
else:
    try:
        import fcntl
    except ImportError:  # Windows: locks belong to handles there, and nobody can drop ours
        fcntl = None

_PENDING = 0x40000000
_SHARED_FIRST, _SHARED_SIZE = 0x40000002, 510
_INDEX_WRITE, _INDEX_ALIVE = 120, 128  # bytes of the -shm file: the writer's lock, and "somebody has it open"

_FLOCK = "hhqqi4x"  # struct flock of 64-bit Linux
_HAVE_LOCKS = bool(fcntl)
_CAN_ASK = _HAVE_LOCKS and sys.platform == "linux" and struct.calcsize("P") == 8 and hasattr(fcntl, "F_OFD_GETLK")
_UNLOCKED = fcntl.F_UNLCK if _HAVE_LOCKS else 0

_witness = 0
_question = b""


def _choose_witness() -> None:
    """A byte of this process alone: no file is as long, and two processes do not meet in 2**60."""
    global _witness, _question
    _witness = 2**61 + int.from_bytes(os.urandom(7), "big") * 16
    if _CAN_ASK:
        _question = struct.pack(_FLOCK, fcntl.F_WRLCK, 0, _witness, 1, 0)


_choose_witness()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_choose_witness)  # the child has none of the parent's locks


def witness(descriptor: int) -> None:
    """Set the witness on a file."""
    _lock(descriptor, _witness, 1)


def stands(descriptor: int) -> bool:
    """Whether the witness is still there: then no lock of this process on that file was dropped since it was set.

    Also False where ``descriptor`` was closed, or is another file by now, and where the system cannot tell: then each lock
    has to be set again, which costs more and proves less.
    """
    if not _HAVE_LOCKS:
        return True
    if not _CAN_ASK:
        return False
    try:
        # Locks of "open file descriptions" are strangers to those of the process itself, so that asking for one of them
        # tells of ours too. Nothing is locked by asking.
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _question)
    except OSError:
        return False
    return answer[0] != _UNLOCKED


def can_tell() -> bool:
    """Whether this system tells that a lock was dropped."""
    return _CAN_ASK or not _HAVE_LOCKS


def share(descriptor: int) -> bool:
    """SQLite's shared lock on the database file, set again; False: somebody has it to themselves by now."""
    return _lock(descriptor, _SHARED_FIRST, _SHARED_SIZE)


def keep_index(descriptor: int) -> bool:
    """The lock that says "this -shm is in use", set again; False: somebody is making it anew."""
    return _lock(descriptor, _INDEX_ALIVE, 1)


def keep_writing(descriptor: int) -> bool:
    """The writer's lock, set again for a transaction that had it; False: another process writes."""
    return _lock(descriptor, _INDEX_WRITE, 1, exclusive=True)


def bar(descriptor: int) -> bool:
    """Keep other processes from opening the database until :func:`unbar`; False: one is doing so now."""
    return _lock(descriptor, _PENDING, 1, exclusive=True)


def unbar(descriptor: int) -> None:
    """The end of :func:`bar`."""
    if _HAVE_LOCKS:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, _PENDING)


def keep_log(descriptor: int) -> bool:
    """From here on, no connection of this process that is closed takes itself for the last one and removes the log.

    A lock that is not the process's but the descriptor's stands in SQLite's way, until SQLite closes the descriptor. False:
    there are no such locks here.
    """
    if not _CAN_ASK:
        return False
    shared = struct.pack(_FLOCK, fcntl.F_RDLCK, 0, _SHARED_FIRST, _SHARED_SIZE, 0)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, shared)
    except OSError:
        return False
    return True


def exclusive(descriptor: int) -> bool:
    """The database file for this process alone, as far as SQLite anywhere is concerned; False: somebody has it open."""
    if not _HAVE_LOCKS:
        return True
    return bar(descriptor) and _lock(descriptor, _SHARED_FIRST, _SHARED_SIZE, exclusive=True)


def _lock(descriptor: int, first: int, size: int, *, exclusive: bool = False) -> bool:
    if not _HAVE_LOCKS:
        return True
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.lockf(descriptor, kind | fcntl.LOCK_NB, size, first)
    except OSError:
        return False
    return True
