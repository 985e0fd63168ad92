"""Closing connections whose descriptors this program has closed, without harm to files that have their numbers by now.

SQLite closes the numbers that it once opened. Where the program has closed one of them (``os.closerange`` and the like), the
next file that is opened gets the number: SQLite would lock that file, write pages to it, and close it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from syncer.store.file.descriptors import Inode, inode_of

try:
    import fcntl
except ImportError:  # Windows: SQLite has handles there, and no numbers
    fcntl = None  # type: ignore[assignment]

_CAN_HOLD = hasattr(fcntl, "F_DUPFD_CLOEXEC") and hasattr(os, "O_PATH")


@contextmanager
def spared(numbers: Mapping[int, Inode]) -> Iterator[bool]:
    """Close connections inside the block, if True; ``numbers``: which file each number of theirs was open on.

    A number that is free is held meanwhile by a descriptor that allows nothing but to be closed. False: one of them is
    another file by now. It could be given back afterwards, but not before another thread may have got the number.
    """
    if not _CAN_HOLD:
        yield False
        return
    nothing = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        yield all(_is_ours(number, inode, nothing) for number, inode in numbers.items())
    finally:
        for number in numbers:
            if number != nothing and inode_of(number) == inode_of(nothing):
                os.close(number)  # SQLite had no use for it
        os.close(nothing)


def _is_ours(number: int, inode: Inode, nothing: int) -> bool:
    now = inode_of(number)
    if now is not None:
        return now == inode
    got = fcntl.fcntl(nothing, fcntl.F_DUPFD_CLOEXEC, number)  # the lowest that is free, from there on
    if got != number:
        os.close(got)
    return got == number
