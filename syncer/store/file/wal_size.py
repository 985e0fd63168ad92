"""How far the write-ahead log has grown: it is folded into the file while others read, but not past what one still reads."""

from __future__ import annotations

import os
from pathlib import Path

MB = 1_000_000
LARGE = 256 * MB
HINT = "end what reads for long: a query that does not end, another program that has the file open"


def log_state(path: Path) -> int:
    """Bytes of the write-ahead log beside the database at ``path``, links followed; 0 when there is none."""
    try:
        return os.stat(f"{os.path.realpath(path)}-wal").st_size
    except OSError:
        return 0


def grown(log_bytes: int) -> str | None:
    """What to say of a log that somebody's long read keeps growing; None where there is nothing to say."""
    if log_bytes <= LARGE:
        return None
    return f"the write-ahead log has grown to {log_bytes // MB:,} MB: somebody holds a long read, or died in one"
