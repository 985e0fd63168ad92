"""Write offline, sync once, query locally.

>>> from syncer import Workspace
>>> with Workspace.open("my.db") as ws:
...     ws.plexus.create("Account", {"name": "My lab", "key": "my-lab"})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncer.version import __version__

if TYPE_CHECKING:
    from syncer.engine.report import Report
    from syncer.errors import SyncerError
    from syncer.workspace import Workspace

__all__ = ["Report", "SyncerError", "Workspace", "__version__"]

_HOMES = {"Workspace": "syncer.workspace", "Report": "syncer.engine.report", "SyncerError": "syncer.errors"}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: ``import syncer`` alone stays cheap."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'syncer' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
