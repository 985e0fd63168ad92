"""A stand-in for the platforms on this machine: their protocols over HTTP, from one SQLite file, faults on demand.

Raises: UsageError on import when the extra ``sandbox`` is not installed.
"""

from __future__ import annotations

from syncer import install
from syncer.errors import UsageError

try:
    from syncer.sandbox.app import Options, build
    from syncer.sandbox.faults import Faults
    from syncer.sandbox.server import Sandbox, serve
    from syncer.sandbox.storage import Effect
except ModuleNotFoundError as exc:
    if (exc.name or "").partition(".")[0] not in ("graphql", "starlette", "uvicorn"):
        raise
    raise UsageError(
        "the sandbox is not installed", why=f"there is no module {exc.name!r}", hint=install.hint("sandbox")
    ) from exc

__all__ = ["Effect", "Faults", "Options", "Sandbox", "build", "serve"]
