"""Which files this process has open, by device and inode. Nothing is opened or closed by asking.

Closing a descriptor of a database would drop every lock that SQLite holds on it (:mod:`syncer.store.file.locks`), so the
descriptors that SQLite itself has opened are looked for, and used.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

try:
    import fcntl
except ImportError:  # Windows has no such numbers
    fcntl = None  # type: ignore[assignment]

Inode = tuple[int, int]
_FOLDERS = ("/proc/self/fd", "/dev/fd")
_MOST = 4096  # looked at one by one where no folder lists them


def inode_at(path: str) -> Inode | None:
    """Device and inode of the file that ``path`` leads to, None when it leads nowhere."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def inode_of(descriptor: int) -> Inode | None:
    """Device and inode of an open file, None when the number is not in use."""
    try:
        found = os.fstat(descriptor)
    except (OSError, OverflowError):
        return None
    return found.st_dev, found.st_ino


def may_write(number: int) -> bool:
    """Whether an open file was opened for reading and writing."""
    if fcntl is None:
        return True
    try:
        return fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR
    except OSError:
        return False


def open_on(wanted: Iterable[Inode | None]) -> dict[Inode, set[int]]:
    """The descriptors of this process by the file they are open on, for the files ``wanted``."""
    found: dict[Inode, set[int]] = {inode: set() for inode in wanted if inode is not None}
    for number in _numbers():
        inode = inode_of(number)
        if inode in found:
            found[inode].add(number)
    return found


def _numbers() -> Iterator[int]:
    for folder in _FOLDERS:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        return (int(name) for name in names if name.isdecimal())
    return iter(range(_MOST) if os.name == "posix" else ())
