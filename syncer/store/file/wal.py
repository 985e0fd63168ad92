"""The write-ahead log beside a file: does it belong to that file? SQLite applies whatever has the name."""

from __future__ import annotations

from pathlib import Path

from syncer.store.file import exclusive

NOT_LOOKED_AT = "not looked at: this process has the file open"
_WAL_MAGIC = (0x377F0682, 0x377F0683)
_HEADER = 100
_WAL_HEADER = 32
_FRAME_HEADER = 24


def foreign(path: Path) -> str | None:
    """Why the log beside the file at ``path`` is surely not its own; None when nothing says so, or nothing may be read."""
    found = _begins(path)
    return None if found is None else _against(*found)


def is_torn(path: Path) -> bool:
    """Whether the log's header and its first page are of two logs: SQLite ignores such pages. A crash can leave that."""
    found = _begins(path)
    if found is None or len(found[1]) < _WAL_HEADER + _FRAME_HEADER:
        return False
    log = found[1]
    return _magic(log) in _WAL_MAGIC and log[16:24] != log[40:48]


def _begins(path: Path) -> tuple[bytes, bytes] | None:
    """The first bytes of the file and its log; None when there is no log, or they may not be read."""
    path = path.resolve()
    log = path.with_name(f"{path.name}-wal")
    if not _size(log) or not _size(path) or not may_look(path):
        return None
    with path.open("rb") as file:
        header = file.read(_HEADER)
    with log.open("rb") as file:
        return header, file.read(_WAL_HEADER + _FRAME_HEADER)


def may_look(path: Path) -> bool:
    """Whether reading the file and its log outside SQLite is harmless: no connection of this process has them open.

    Closing a descriptor of a file takes the locks of all connections of the process away.
    """
    found = [exclusive.descriptors(path.with_name(path.name + suffix)) for suffix in ("", "-wal")]
    return all(each == [] for each in found)


def _against(header: bytes, log: bytes) -> str | None:
    """What in the first bytes of a file and its log says that they do not belong together."""
    if len(log) < _WAL_HEADER or len(header) < _HEADER or not header.startswith(b"SQLite format 3\0"):
        return None
    if _magic(log) not in _WAL_MAGIC:
        return None  # SQLite does not apply it
    if header[18:20] == b"\1\1":
        return "the file keeps no write-ahead log, as a backup does, so this one was left by another file"
    page_size = int.from_bytes(log[8:12], "big")
    own_size = int.from_bytes(header[16:18], "big")
    if page_size != (65_536 if own_size == 1 else own_size):
        return f"its pages have {page_size:,} bytes, those of the file {own_size:,}"
    return None


def _magic(log: bytes) -> int:
    return int.from_bytes(log[:4], "big")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
