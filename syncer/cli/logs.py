"""What the library logs, on standard error, for ``-v`` and ``-vv``; credentials hidden."""

from __future__ import annotations

import logging
import sys

from syncer.cli.context import App
from syncer.cli.output.escape import escape_control_lines


class _Safe(logging.Formatter):
    def __init__(self, app: App) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")
        self._app = app

    def format(self, record: logging.LogRecord) -> str:
        return escape_control_lines(self._app.hidden(super().format(record)))


def start(app: App) -> None:
    """Show INFO with one ``-v``, everything with more."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(_Safe(app))
    logging.basicConfig(level=logging.INFO if app.verbose == 1 else logging.DEBUG, handlers=[stream])
