"""A private folder to build files in: gone at the end, and removed by the next call where its process was killed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory

_YOUNG_S = 60.0  # between making a folder and holding it


@contextmanager
def folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in ``parent`` that only its owner can read, for the length of the block.

    Folders of the same ``prefix`` that killed processes left there are removed first.
    """
    sweep(parent, prefix)
    with TemporaryDirectory(prefix=prefix, dir=parent) as made, held(Path(made)):
        yield Path(made)


def sweep(parent: Path, prefix: str) -> None:
    """Remove the folders that processes left which were killed: nobody holds them any more."""
    for left in parent.glob(f"{escape(prefix)}*"):
        with suppress(OSError), held(left) as free:
            if free and time.time() - left.stat().st_mtime > _YOUNG_S:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """``folder`` locked for as long as this process lives; False where another one holds it, or it is not ours.

    False too where no lock ends with its process: then nobody can tell whether one lives.
    """
    try:
        import fcntl
    except ImportError:
        yield False
        return
    with ExitStack() as stack:
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = os.fstat(handle).st_uid == os.getuid()
        except OSError:
            ours = False
        yield ours


def synced(folder: Path) -> None:
    """Make the names in ``folder`` durable, on systems that can do that for a folder."""
    with suppress(OSError), ExitStack() as stack:
        handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        stack.callback(os.close, handle)
        os.fsync(handle)
