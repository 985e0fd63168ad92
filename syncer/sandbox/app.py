"""The sandbox as one ASGI application: a mount for each protocol, over one storage and one set of faults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount

from syncer.errors import UsageError
from syncer.sandbox.faults import Faults
from syncer.sandbox.gate import Gate, Traffic
from syncer.sandbox.plexus.api import Plexus
from syncer.sandbox.plexus.endpoint import endpoint
from syncer.sandbox.storage import Storage

PLEXUS_PATH = "/plexus/graphql"


@dataclass(frozen=True)
class Options:
    """What a sandbox is asked to be. ``db`` None keeps everything in memory; ``legacy`` serves the three older models.

    The fault options are those of :class:`syncer.sandbox.faults.Faults`.
    """

    db: Path | None = None
    latency_ms: float = 0
    fail_rate: float = 0.0
    lose_reply_rate: float = 0.0
    throttle: float = 0.0
    seed: int = 0
    legacy: bool = False
    api_key: str = "sandbox-key"


@dataclass(frozen=True)
class Parts:
    """The insides of a running sandbox, for those who hold it in the same process: ``app.state.parts``."""

    options: Options
    storage: Storage
    faults: Faults
    traffic: Traffic
    plexus: Plexus

    def settings(self, origin: str) -> dict[str, str]:
        """Setting name to value, for a client of the sandbox at ``origin`` (``http://127.0.0.1:PORT``)."""
        return {"PLEXUS_API_URL": origin + PLEXUS_PATH, "PLEXUS_API_KEY": self.options.api_key}


def build(options: Options) -> Starlette:
    """The application, with its :class:`Parts` as ``app.state.parts``. Whoever builds it closes ``parts.storage``.

    Raises: UsageError when the file cannot be used.
    """
    storage = Storage(options.db)
    faults = Faults(options.latency_ms, options.fail_rate, options.lose_reply_rate, options.throttle, options.seed)
    traffic = Traffic()
    try:
        plexus = Plexus(storage, api_key=options.api_key, legacy=options.legacy)
    except UsageError:
        storage.close()
        raise
    mount, _, _ = PLEXUS_PATH.rpartition("/")
    app = Starlette(routes=[Mount(mount, app=Gate(endpoint(plexus), faults, traffic, parts=True))])
    app.state.parts = Parts(options, storage, faults, traffic, plexus)
    return app
