"""Progress of what takes a while here: told to the caller's own bar, or drawn on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

Advance: TypeAlias = Callable[[int], None]
"""Takes how many more are done."""


@contextmanager
def advancing(what: str, total: int, progress: Any = None, task_id: Any = None) -> Iterator[Advance]:
    """Something to report steps to. ``progress``: has rich's ``update(task_id, completed=, advance=, description=)``.

    Without both a bar of rich's is drawn while a person looks and rich is installed; else nobody is told.
    """
    if progress is not None and task_id is not None:
        progress.update(task_id, description=what, completed=0)
        yield lambda done: progress.update(task_id, advance=done)
        return
    bar = _bar() if total and sys.stderr.isatty() else None
    if bar is None:
        yield lambda done: None
        return
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, advance=done)


def _bar() -> Any:
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        return None
    return Progress(console=Console(stderr=True), transient=True)
