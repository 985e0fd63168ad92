"""The sandbox as one ASGI application: a mount for each protocol, over one storage and one set of faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Mount

from syncer.errors import UsageError
from syncer.sandbox.abeja.api import Abeja
from syncer.sandbox.abeja.credentials import Credentials
from syncer.sandbox.abeja.problems import words as abeja_words
from syncer.sandbox.faults import Faults
from syncer.sandbox.middleware import Gate, Traffic
from syncer.sandbox.plexus.api import Plexus
from syncer.sandbox.plexus.endpoint import endpoint
from syncer.sandbox.plexus.endpoint import words as plexus_words
from syncer.sandbox.prefactor.api import Prefactor
from syncer.sandbox.prefactor.problems import words as prefactor_words
from syncer.sandbox.rest import endpoint as rest_endpoint
from syncer.sandbox.storage import Storage

PLEXUS_PATH = "/plexus/graphql"
PREFACTOR_PATH = "/prefactor"
ABEJA_PATH = "/abeja"


@dataclass(frozen=True)
class Options:
    """What a sandbox is asked to be. ``db`` None keeps everything in memory; ``legacy`` serves the three older models.

    Plexus deployments differ: ``extra_fields`` are fields it has besides (``{"Item": {"mood": "String"}}``),
    ``missing_fields`` those it lacks (``{"Item": ["text"]}``; ``*`` for the whole model), and without ``introspection`` it
    does not tell.

    The fault options are those of :class:`syncer.sandbox.faults.Faults`. ``abeja_step_s``: every so many seconds an ABEJA
    run moves on to its next status by itself; None leaves that to the tests.
    """

    db: Path | None = None
    latency_ms: float = 0
    fail_rate: float = 0.0
    lose_reply_rate: float = 0.0
    throttle: float = 0.0
    seed: int = 0
    legacy: bool = False
    extra_fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    missing_fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    introspection: bool = True
    api_key: str = "sandbox-key"
    prefactor_token: str = "sandbox-prefactor-token"
    prefactor_deployment_token: str = "sandbox-prefactor-deployment-token"
    abeja_credentials: Credentials = field(default_factory=Credentials)
    abeja_organization_id: str = "1234567890123"
    abeja_deployment_ids: tuple[str, ...] = ("1111111111111", "2222222222222")
    abeja_step_s: float | None = None


@dataclass(frozen=True)
class Parts:
    """The insides of a running sandbox, for those who hold it in the same process: ``app.state.parts``."""

    options: Options
    storage: Storage
    faults: Faults
    traffic: Traffic
    plexus: Plexus
    prefactor: Prefactor
    abeja: Abeja

    def settings(self, origin: str) -> dict[str, str]:
        """Setting name to value, for a client of the sandbox at ``origin`` (``http://127.0.0.1:PORT``)."""
        return {
            "PLEXUS_API_URL": origin + PLEXUS_PATH,
            "PLEXUS_API_KEY": self.options.api_key,
            "PREFACTOR_API_URL": origin + PREFACTOR_PATH,
            "PREFACTOR_API_TOKEN": self.options.prefactor_token,
            "ABEJA_API_URL": origin + ABEJA_PATH,
            "PLATFORM_AUTH_TOKEN": self.options.abeja_credentials.token,
            "ABEJA_ORGANIZATION_ID": self.options.abeja_organization_id,
            "ABEJA_DEPLOYMENT_IDS": ",".join(self.options.abeja_deployment_ids),
        }


def build(options: Options) -> Starlette:
    """The application, with its :class:`Parts` as ``app.state.parts``. Whoever builds it closes ``parts.storage``.

    Raises: UsageError when the file cannot be used.
    """
    storage = Storage(options.db)
    faults = Faults(options.latency_ms, options.fail_rate, options.lose_reply_rate, options.throttle, options.seed)
    traffic = Traffic()
    try:
        plexus = Plexus(
            storage,
            api_key=options.api_key,
            legacy=options.legacy,
            extra_fields=options.extra_fields,
            missing_fields=options.missing_fields,
            introspection=options.introspection,
        )
        prefactor = Prefactor(storage, token=options.prefactor_token, deployment_token=options.prefactor_deployment_token)
        abeja = Abeja(
            storage,
            credentials=options.abeja_credentials,
            organization_id=options.abeja_organization_id,
            deployment_ids=options.abeja_deployment_ids,
            step_s=options.abeja_step_s,
        )
    except UsageError:
        storage.close()
        raise
    graphql = Gate(endpoint(plexus), faults, traffic, remote="plexus", words=plexus_words, parts=True)
    spans = rest_endpoint("prefactor", prefactor.answer, prefactor_words)
    runs = rest_endpoint("abeja", abeja.answer, abeja_words)
    app = Starlette(
        routes=[
            Mount(PLEXUS_PATH.rpartition("/")[0], app=graphql),
            Mount(PREFACTOR_PATH, app=Gate(spans, faults, traffic, remote="prefactor", words=prefactor_words)),
            Mount(ABEJA_PATH, app=Gate(runs, faults, traffic, remote="abeja", words=abeja_words)),
        ]
    )
    app.state.parts = Parts(options, storage, faults, traffic, plexus, prefactor, abeja)
    return app
