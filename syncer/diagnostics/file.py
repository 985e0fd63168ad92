"""The file and the place it lies in: what could cost writes, and what to do about it. Standard library only."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from syncer import config
from syncer.errors import DatabaseError
from syncer.store import migrate, version
from syncer.store.file.wal_size import HINT as LONG_READ
from syncer.store.file.wal_size import MB, grown, log_state
from syncer.store.reader import Reader

OK, WARN, FAIL = "ok", "warn", "fail"

_SCARCE = 200 * MB


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


def file_findings(path: Path, allowed: Collection[str] = frozenset()) -> list[Finding]:
    """Every check of the file. Where it cannot be opened as ours, the reason is the last of them.

    What is wrong with its place is a warning where ``allowed``; else it is not opened, as it is by no command.
    """
    try:
        there = version.is_there(path) is not None
    except DatabaseError as exc:
        return [Finding("file", "file", FAIL, exc.sentence, exc.hint)]
    where = _location(path, allowed)
    if not there:
        return [Finding("file", "file", WARN, f"there is no database yet: {path}", "run: syncer init"), *where, _disk(path)]
    if any(each.verdict == FAIL for each in where):
        return [*where, _mode(path), _log(path), _disk(path)]
    try:
        with Reader(path):
            pass
        damage = migrate.integrity(path)
    except DatabaseError as exc:
        return [*where, Finding("file", "file", FAIL, exc.sentence, exc.hint)]
    found = [Finding("file", "file", OK, f"{path}: {path.stat().st_size:,} bytes, schema {version.head()}")]
    if damage:
        hint = "keep the file, and restore the newest backup"
        found.append(Finding("file", "integrity", FAIL, "; ".join(damage[:5]), hint))
    else:
        found.append(Finding("file", "integrity", OK, "SQLite finds the file sound"))
    return [*found, *where, _mode(path), _log(path), _disk(path)]


def _mode(path: Path) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        text = f"others on this machine may read it (mode {mode:04o})"
        return Finding("file", "permissions", WARN, text, f"run: chmod 600 {path}")
    return Finding("file", "permissions", OK, f"for its owner only (mode {mode:04o})")


def _log(path: Path) -> Finding:
    size = log_state(path)
    text = grown(size)
    if text is not None:
        return Finding("file", "write-ahead log", WARN, text, LONG_READ)
    return Finding("file", "write-ahead log", OK, f"{size:,} bytes")


def _disk(path: Path) -> Finding:
    free = shutil.disk_usage(_folder(path)).free
    if free < _SCARCE:
        return Finding(
            "file", "disk", WARN, f"only {free // MB:,} MB are free", "free some space: a full disk takes no writes"
        )
    return Finding("file", "disk", OK, f"{free // MB:,} MB are free")


def _folder(path: Path) -> Path:
    """The nearest folder above ``path`` that exists."""
    return next((folder for folder in path.absolute().parents if folder.exists()), Path("/"))


def _location(path: Path, allowed: Collection[str]) -> list[Finding]:
    """Where the file lies: what is wrong there, or that nothing is."""
    found = config.dangers(path)
    if not found:
        kind = config.file_system(path)
        text = f"{kind}, which is memory: gone after a restart" if kind in config.MEMORY else kind or "cannot be told here"
        return [Finding("file", "location", OK, f"one file under one name; file system: {text}")]
    return [_danger(each, allowed) for each in found]


def _danger(danger: config.Danger, allowed: Collection[str]) -> Finding:
    text = f"{danger.what}: {danger.why}"
    if danger.word in allowed:
        return Finding("file", danger.word, WARN, f"{text}; allowed, and {danger.lost}", danger.cure)
    return Finding("file", danger.word, FAIL, text, danger.hint)
