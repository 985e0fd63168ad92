"""Progress of a running sync on standard error, while a person looks; :mod:`rich` is imported when it first draws."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from syncer.cli.output.text import note
from syncer.engine.report import Progress, Watch, unwatched

if TYPE_CHECKING:
    from rich.progress import Progress as Drawing
    from rich.progress import TaskID

_VERBS = {"push": "sending", "pull": "pulling", "verify": "comparing"}


@contextmanager
def watching(*, in_lines: bool = False) -> Iterator[Watch]:
    """What a sync reports to: bars on a terminal, lines if asked for, else nobody."""
    if in_lines:
        yield _told
        return
    if not sys.stderr.isatty():
        yield unwatched
        return
    bars = Bars()
    try:
        yield bars
    finally:
        bars.close()


def _told(step: Progress) -> None:
    total = "" if step.total is None else f" of {step.total:,}"
    note(f"{_VERBS.get(step.phase, step.phase)} {step.remote} {step.what}: {step.done:,}{total}")


class Bars:
    """One line for each remote and phase: sent changes with the time left, or rows pulled so far."""

    def __init__(self) -> None:
        self._drawing: Drawing | None = None
        self._lines: dict[tuple[str, str], TaskID] = {}
        self._rows: dict[tuple[str, str], dict[str, int]] = {}

    def __call__(self, step: Progress) -> None:
        drawing = self._drawing = self._drawing or _started()
        name = (step.remote, step.phase)
        if name not in self._lines:
            self._lines[name] = drawing.add_task("", total=step.total)
        words = f"{_VERBS.get(step.phase, step.phase)} {step.remote}"
        done = step.done
        if step.total is None:  # counts begin anew with every model
            counts = self._rows.setdefault(name, {})
            counts[step.what] = step.done
            done, words = sum(counts.values()), f"{words} {step.what}"
        drawing.update(self._lines[name], completed=done, total=step.total, description=words)

    def close(self) -> None:
        """Leave the screen as it was."""
        if self._drawing is not None:
            self._drawing.stop()


def _started() -> Drawing:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Drawing

    drawing = Drawing(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    drawing.start()
    return drawing
