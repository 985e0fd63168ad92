"""Frames of the write-ahead log: whether one is as SQLite has written it.

See https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

from __future__ import annotations

import os
import struct

_LOG_HEADER, _FRAME_HEADER = 32, 24


def fits(log_fd: int, at: int, size: int, salts: bytes) -> bool:
    """Whether the frame at ``at``, of ``size`` bytes with its header, has these salts and its checksum. Raises: OSError."""
    order = ">" if os.pread(log_fd, 4, 0)[-1:] == b"\x83" else "<"
    before = os.pread(log_fd, 8, at - size + 16 if at > _LOG_HEADER else 24)
    frame = os.pread(log_fd, size, at)
    if len(before) < 8 or len(frame) < size or frame[8:16] != salts:
        return False
    one, two = struct.unpack(">II", before)
    words = struct.unpack(f"{order}{(size - _FRAME_HEADER + 8) // 4}I", frame[:8] + frame[_FRAME_HEADER:])
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = (one + even + two) & 0xFFFFFFFF
        two = (two + odd + one) & 0xFFFFFFFF
    return struct.pack(">II", one, two) == frame[16:24]
