"""What may be different about open files, and what the index of a log (``-shm``) begins with."""

from __future__ import annotations

import os
import struct
from enum import Enum
from typing import NamedTuple

_HEADER = struct.Struct("=14xHI28x48xI")
_HEADER_BYTES = 48  # of the two copies at the beginning of the index
LOG_HEADER, _FRAME_HEADER = 32, 24


_CAN_LOOK = hasattr(os, "pread")  # not in Windows


class Difference(Enum):
    """What is not as it was when the files were opened."""

    DESCRIPTORS = "its descriptors were closed by this program"
    GONE = "the database file was removed"
    DATABASE = "the database file was replaced"
    LOG = "its write-ahead log was removed or replaced"
    INDEX = "the index of its write-ahead log was removed or replaced"
    CUT = "its write-ahead log was cut"
    OVERTAKEN = "its lock was lost and another process has written"


class Header(NamedTuple):
    """The beginning of the ``-shm`` file. ``whole``: all of the header, which no two commits share. ``frames``: pages in the
    log that count; ``saved``: how many of them are in the database file too."""

    whole: bytes
    page_size: int
    frames: int
    saved: int

    @property
    def log_bytes(self) -> int:
        """How long the log must be at least."""
        size = 65_536 if self.page_size == 1 else self.page_size
        return LOG_HEADER + self.frames * (_FRAME_HEADER + size) if self.frames else 0

    @property
    def salts(self) -> bytes:
        """What the log begins with that this header is about."""
        return self.whole[32:40]


NO_HEADER = Header(bytes(_HEADER_BYTES), 0, 0, 0)


def read(index_fd: int) -> Header:
    """The header, from the descriptor that SQLite has open. Zeros where there is none."""
    if index_fd < 0 or not _CAN_LOOK:
        return NO_HEADER
    try:
        found = os.pread(index_fd, _HEADER.size, 0)
        return Header(found[:_HEADER_BYTES], *_HEADER.unpack(found))
    except (OSError, struct.error):
        return NO_HEADER
