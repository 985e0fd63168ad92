"""What may be different about open files, and what the index of a log (``-shm``) begins with."""

from __future__ import annotations

import os
import struct
from enum import Enum
from typing import NamedTuple

_HEADER = struct.Struct("=14xHI28x48xI")
_SIZES = struct.Struct("=HI")  # of a page, and how many; at 14
_HEADER_BYTES = 48  # of the two copies at the beginning of the index
LOG_HEADER, _FRAME_HEADER = 32, 24


_CAN_LOOK = hasattr(os, "pread")  # not in Windows


class FileDifference(Enum):
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
        return _log_bytes(self.page_size, self.frames)

    @property
    def salts(self) -> bytes:
        """What the log begins with that this header is about."""
        return self.whole[32:40]


def _log_bytes(page_size: int, frames: int) -> int:
    return LOG_HEADER + frames * (_FRAME_HEADER + (65_536 if page_size == 1 else page_size)) if frames else 0


_NOTHING = bytes(_HEADER.size)
_SIZE = _HEADER.size


def read(index_fd: int) -> Header:
    """The header, from the descriptor that SQLite has open. Zeros where there is none."""
    return parsed(raw(index_fd))


def raw(index_fd: int) -> bytes:
    """The same, not parsed: enough to compare by :func:`alike`."""
    if index_fd < 0 or not _CAN_LOOK:
        return _NOTHING
    try:
        found = os.pread(index_fd, _SIZE, 0)
    except OSError:
        return _NOTHING
    return found if len(found) == _SIZE else _NOTHING


def parsed(found: bytes) -> Header:
    """What :func:`raw` has read."""
    return Header(found[:_HEADER_BYTES], *_HEADER.unpack(found))


def log_bytes(found: bytes) -> int:
    """:attr:`Header.log_bytes` of what :func:`raw` has read."""
    return _log_bytes(*_SIZES.unpack_from(found, 14))


def frame_bytes(found: bytes) -> int:
    """How long a page is in the log, with what stands before it."""
    size: int = _SIZES.unpack_from(found, 14)[0]
    return _FRAME_HEADER + (65_536 if size == 1 else size)


def frames(found: bytes) -> int:
    """:attr:`Header.frames` of what :func:`raw` has read."""
    return int(_SIZES.unpack_from(found, 14)[1])


def alike(one: bytes, other: bytes) -> bool:
    """Whether nobody has committed between two looks. How much is saved may differ: saving is no commit."""
    return one == other or one[:_HEADER_BYTES] == other[:_HEADER_BYTES]
