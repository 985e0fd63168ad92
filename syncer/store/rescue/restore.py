"""Putting a backup in place of the database, the old file and its log kept together under another name.

The order makes a kill harmless. The copy is complete and durable before anything is moved. Then the old file takes its new
name first: from there on nothing is under the database's name, so that nobody opens the old file without its log, nor a new
one beside it. Then the log follows; last, the copy gets the name. Each step is durable before the next.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from syncer import clock, failpoints
from syncer.errors import DatabaseBusy, DatabaseError, NewerDatabase, NotOurDatabase, ReadOnlyDatabase
from syncer.store import hints, version
from syncer.store.file import asides, exclusive, scratch, wal
from syncer.store.file.connections import folder_ready
from syncer.store.rescue import backup

_FOLLOW = ("-journal", "-wal")


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done. ``previous``: where the old file is now, None when there was none.

    ``schema``: of the file that is there now. ``taken_back``: a restore that was cut short was undone, and that was all.
    """

    path: Path
    backup: Path
    schema: str
    previous: Path | None = None
    taken_back: bool = False

    @property
    def set_aside(self) -> list[Path]:
        """The old file and what was beside it, by their names now."""
        names = [_beside(self.previous, suffix) for suffix in ("", *_FOLLOW)] if self.previous else []
        return [name for name in names if name.exists()]

    @property
    def needs_upgrade(self) -> bool:
        """Whether the backup has an older schema than this program."""
        return self.schema < version.head()


def restore(source: Path, path: Path) -> Restored:
    """Put a copy of the backup ``source`` at ``path``; the file that was there is set aside with its log.

    Raises: DatabaseBusy while anybody has ``path`` open; CorruptDatabase and the like for a backup that is not sound.
    """
    path = path.resolve()
    with _explained(path):
        folder_ready(path)
        undone = _undone(path)
        if source.resolve() in undone and not os.path.lexists(source):
            return Restored(path, source, _schema(path), taken_back=True)
        _require_backup(source, path)
        aside = asides.free_name(path, clock.now().strftime("%Y%m%dT%H%M%S.%fZ"))
        with scratch.folder(path.parent, asides.prefix(aside)) as folder:
            copy = backup.copied(source, folder / "new.db")
            schema = _schema(copy)
            failpoints.reached("restore-copied")
            previous = _exchanged(copy, path, aside)
    return Restored(path, source, schema, previous)


def _exchanged(copy: Path, path: Path, aside: Path) -> Path | None:
    """The file at ``path`` is now called ``aside``, and ``copy`` has its name. None when nothing was there."""
    if os.path.lexists(path):
        with exclusive.alone(path):
            _exchange(copy, path, aside)
        return aside
    there = any(os.path.lexists(_beside(path, suffix)) for suffix in _FOLLOW)
    _exchange(copy, path, aside)
    return aside if there else None


def _exchange(copy: Path, path: Path, aside: Path) -> None:
    moved: list[tuple[Path, Path]] = []
    try:
        for suffix in ("", *_FOLLOW):
            if os.path.lexists(_beside(path, suffix)):
                moved.append((_beside(path, suffix), _beside(aside, suffix)))
                os.rename(*moved[-1])
                scratch.synced(path.parent)
                failpoints.reached("restore-set-aside")
        _beside(path, "-shm").unlink(missing_ok=True)  # only an index of the log, made anew by whoever opens the pair
        if os.path.lexists(path):
            raise DatabaseBusy("another program has made a file at the database's name", record=str(path))
        os.rename(copy, path)
    except BaseException:
        for was, now in reversed(moved):  # the file last: never is it there without its log
            if not os.path.lexists(was) and os.path.lexists(now):
                os.rename(now, was)
        raise
    scratch.synced(path.parent)
    failpoints.reached("restored")


def _undone(path: Path) -> list[Path]:
    """Undo restores of ``path`` that were cut short between two names; the names they had set the old file aside under.

    Raises: DatabaseBusy when one is at work.
    """
    undone = []
    for mark, aside in asides.marks(path):
        with scratch.held(mark) as free:
            if not free:
                raise DatabaseBusy("another restore of the database is running", record=str(path), hint="try again later")
            if not os.path.lexists(path) and os.path.lexists(aside):
                for suffix in (*reversed(_FOLLOW), ""):
                    if os.path.lexists(_beside(aside, suffix)) and not os.path.lexists(_beside(path, suffix)):
                        os.rename(_beside(aside, suffix), _beside(path, suffix))
                        scratch.synced(path.parent)
                undone.append(aside)
            shutil.rmtree(mark, ignore_errors=True)
    return undone


def _require_backup(source: Path, path: Path) -> None:
    """Raises: DatabaseError for what cannot be a backup of ours."""
    if version.is_there(source) is None:
        raise DatabaseError("there is no such backup", record=str(source), hint="name the file that db backup has made")
    if source.resolve() == path:
        raise DatabaseError("the backup is the database itself", record=str(path), hint="name another file")
    wrong = wal.foreign(source)
    if wrong:
        raise NotOurDatabase(
            f"the backup cannot be used together with the log beside it: {wrong}",
            record=str(source),
            hint="move the backup alone to another folder, and restore it from there",
        )


def _schema(path: Path) -> str:
    """Raises: NotOurDatabase, NewerDatabase."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        found = version.revision(connection, path)
    if found is None:
        raise NotOurDatabase("the backup is empty", record=str(path), hint="name the file that db backup has made")
    if found > version.head():
        raise NewerDatabase(
            f"the backup was written by a newer syncer (schema {found}, this one knows {version.head()})",
            record=str(path),
            hint="upgrade syncer, then restore the backup",
        )
    return found


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What the system refuses, as an error of ours."""
    try:
        yield
    except OSError as exc:
        with suppress(OSError):
            asides.require_finished(path)
        raise ReadOnlyDatabase(
            "the backup cannot be put in place; the old file is as it was",
            record=str(path),
            why=exc.strerror,
            hint=f"check the permissions and the room of the folder, then repeat: {hints.restore(Path('BACKUP'))}",
        ) from exc
