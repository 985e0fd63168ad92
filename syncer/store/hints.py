"""What to run when a file is hurt: one sentence, so that every error and finding names the same commands."""

from __future__ import annotations

import shlex
from pathlib import Path


def damaged(path: Path) -> str:
    """What to do about a damaged file at ``path``."""
    return f"keep the file; restore the newest backup: syncer db restore BACKUP; without one: {recover(path)}"


def recover(path: Path) -> str:
    """The command that brings what the file at ``path`` still holds into a new file."""
    return f"syncer db recover {shlex.quote(str(path))}"


def restore(path: Path) -> str:
    """The command that puts the file at ``path`` in place of the database."""
    return f"syncer db restore {shlex.quote(str(path))}"
