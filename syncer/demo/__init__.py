"""A believable session from first write to verified sync, on this machine alone: for ``syncer demo``."""

from __future__ import annotations

from syncer.demo.story import run

__all__ = ["run"]
