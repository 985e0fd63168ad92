"""The file and the place it lies in: what could cost writes, and what to do about it. Standard library only."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from syncer.errors import DatabaseError
from syncer.store import migrate, version
from syncer.store.reader import Reader

OK, WARN, FAIL = "ok", "warn", "fail"

_MB = 1_000_000
_SCARCE = 200 * _MB
_LARGE_LOG = 256 * _MB
_NETWORK = frozenset(("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"))
_MOUNTS = Path("/proc/self/mounts")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. ``area``: file, records, settings, remote or program. ``verdict``: ok, warn or fail."""

    area: str
    check: str
    verdict: str
    text: str
    hint: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        return asdict(self)


def file_findings(path: Path) -> list[Finding]:
    """Every check of the file. Where it cannot be opened as ours, the reason is the last of them."""
    if not path.exists():
        where = [_disk(path), _mount(path)]
        return [Finding("file", "file", WARN, f"there is no database yet: {path}", "run: syncer init"), *where]
    try:
        with Reader(path):
            pass
        damage = migrate.integrity(path)
    except DatabaseError as exc:
        return [Finding("file", "file", FAIL, exc.sentence, exc.hint)]
    found = [Finding("file", "file", OK, f"{path}: {path.stat().st_size:,} bytes, schema {version.head()}")]
    if damage:
        hint = "keep the file, and restore the newest backup"
        found.append(Finding("file", "integrity", FAIL, "; ".join(damage[:5]), hint))
    else:
        found.append(Finding("file", "integrity", OK, "SQLite finds the file sound"))
    return [*found, _mode(path), _log(path), _disk(path), _mount(path)]


def _mode(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        text = f"others on this machine may read it (mode {mode:04o})"
        return Finding("file", "permissions", WARN, text, f"run: chmod 600 {path}")
    return Finding("file", "permissions", OK, f"for its owner only (mode {mode:04o})")


def _log(path: Path) -> Finding:
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > _LARGE_LOG:
        text = f"the write-ahead log has grown to {size // _MB:,} MB: somebody holds a long read, or died in one"
        return Finding("file", "write-ahead log", WARN, text, "end other programs that have the file open")
    return Finding("file", "write-ahead log", OK, f"{size:,} bytes")


def _disk(path: Path) -> Finding:
    free = shutil.disk_usage(_folder(path)).free
    if free < _SCARCE:
        return Finding(
            "file", "disk", WARN, f"only {free // _MB:,} MB are free", "free some space: a full disk takes no writes"
        )
    return Finding("file", "disk", OK, f"{free // _MB:,} MB are free")


def _folder(path: Path) -> Path:
    """The nearest folder above ``path`` that exists."""
    return next((folder for folder in path.absolute().parents if folder.exists()), Path("/"))


def _mount(path: Path, mounts: Path = _MOUNTS) -> Finding:
    kind = file_system(path, mounts)
    if kind in _NETWORK:
        text = f"the file is on a network file system ({kind}), where SQLite's locks cannot be trusted"
        return Finding("file", "file system", WARN, text, "keep the database on a disk of this machine: --db, SYNCER_DB")
    return Finding("file", "file system", OK, kind or "cannot be told here")


def file_system(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """The kind of file system that ``path`` is on, as ``mounts`` (a copy of /proc/mounts) tells; None when it does not."""
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return None
    folder = _folder(path).resolve()
    best: tuple[int, str | None] = (-1, None)
    for line in lines:
        parts = line.split(" ")
        if len(parts) > 2:
            point = parts[1].replace("\\040", " ")
            if folder.is_relative_to(point) and len(point) >= best[0]:
                best = len(point), parts[2]
    return best[1]
