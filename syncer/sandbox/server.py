"""The sandbox on a port of this machine: blocking for the command line, or in a thread for tests."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from syncer.errors import UsageError
from syncer.sandbox.abeja.hooks import Hooks as AbejaHooks
from syncer.sandbox.app import Options, Parts, build
from syncer.sandbox.faults import Faults
from syncer.sandbox.middleware import HANG_UP
from syncer.sandbox.prefactor.hooks import Hooks as PrefactorHooks
from syncer.sandbox.storage import Effect

HOST = "127.0.0.1"
_START_LIMIT_S = 30.0
_KEEP_ALIVE_S = 75


def serve(options: Options, port: int = 0, on_ready: Callable[[Mapping[str, str]], None] = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM, then stop cleanly.

    ``on_ready`` gets the settings a client needs once the port listens. Raises: UsageError when the port is taken.
    """
    ended = threading.Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: ended.set())
    try:
        with Sandbox(options, port) as sandbox:
            on_ready(sandbox.settings)
            ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Sandbox:
    """A running sandbox in this process: ``with Sandbox(Options()) as s: ...``.

    ``settings`` and ``url`` are what clients need; ``faults`` may be changed at any time. Rows are Plexus rows, keyed by
    id or by the JSON list of the key's parts; those of the other platforms are under ``prefactor`` and ``abeja``.
    """

    def __init__(self, options: Options | None = None, port: int = 0) -> None:
        self._app = build(options or Options())
        self._parts: Parts = self._app.state.parts
        self.faults: Faults = self._parts.faults
        self.prefactor: PrefactorHooks = self._parts.prefactor.hooks
        self.abeja: AbejaHooks = self._parts.abeja.hooks
        try:
            self._listener = _listener(port)
        except (OSError, OverflowError) as exc:
            self._parts.storage.close()
            raise UsageError(f"port {port} cannot be used", why=str(exc), hint="leave the port out for a free one") from exc
        self.port: int = self._listener.getsockname()[1]
        self._server = _Server(self._app)
        self._thread = threading.Thread(target=self._serve, name=f"sandbox-{self.port}", daemon=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self) -> Self:
        """Listen; returns once requests are answered."""
        self._thread.start()
        if not self._server.ready.wait(_START_LIMIT_S):
            raise RuntimeError("the sandbox did not start")
        return self

    def stop(self) -> None:
        """Hang up on every client and let go of port, thread and file; a second call does nothing."""
        if self._thread.is_alive():
            self._server.stop()
            self._thread.join()
        self._listener.close()
        self._parts.storage.close()

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{HOST}:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """Setting name to value."""
        return self._parts.settings(self.origin)

    @property
    def url(self) -> str:
        """Where Plexus answers."""
        return self.settings["PLEXUS_API_URL"]

    @property
    def requests(self) -> int:
        """How many requests came in, those that met a fault included."""
        return self._parts.traffic.requests

    @property
    def connections(self) -> int:
        """Over how many connections they came."""
        return len(self._parts.traffic.clients)

    @property
    def idle(self) -> bool:
        """True when every request that was read is answered and every client has gone."""
        return not self._server.server_state.tasks and not self._server.server_state.connections

    def effects(self, model: str | None = None, op: str | None = None, *, remote: str = "plexus") -> list[Effect]:
        """Every applied mutation of a remote in order, optionally of one model and of one kind."""
        return self._parts.storage.effects(remote, model, op)

    def count(self, model: str) -> int:
        """How many rows the model has."""
        return self._parts.plexus.rows.count(model)

    def rows(self, model: str) -> list[dict[str, Any]]:
        """Every row as stored, in order of creation; JSON fields as JSON text."""
        return self._parts.plexus.rows.all(model)

    def get(self, model: str, key: str) -> dict[str, Any] | None:
        """One row as stored, or None."""
        return self._parts.plexus.rows.get(model, key)

    def put(self, model: str, record: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Store a row behind the client's back, over one of the same key; no check, no effect logged."""
        return self._parts.plexus.rows.put(model, {**(record or {}), **fields})

    def put_all(self, model: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Many :meth:`put` in one transaction."""
        self._parts.plexus.rows.put_all(model, records)

    def edit(self, model: str, key: str, **changes: Any) -> dict[str, Any]:
        """Set fields as another client would: ``updatedAt`` moves unless given. Raises: RecordNotFound."""
        return self._parts.plexus.rows.edit(model, key, changes)

    def drop(self, model: str, key: str) -> None:
        """Remove a row, if it is there, behind the client's back."""
        self._parts.plexus.rows.drop(model, key)

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=_SteadyLoop) as runner:
            runner.run(self._server.serve([self._listener]))


def _listener(port: int) -> socket.socket:
    # asyncio turns Nagle's delay off only where the protocol number is given, which create_server() does not do.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


class _SteadyLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock goes on while a test freezes the time that people see."""

    def time(self) -> float:
        return time.clock_gettime(time.CLOCK_MONOTONIC)


class _Server(uvicorn.Server):
    """uvicorn, started and stopped by its owner instead of by signals and polling."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                self._with_hang_up(app),
                log_config=None,
                log_level="critical",
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                date_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
            )
        )
        self.ready = threading.Event()
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Make :meth:`serve` return; from any thread."""
        if self._loop and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it closed meanwhile
                self._loop.call_soon_threadsafe(self._ended.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready.set()
        await self._ended.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in self.server_state.tasks:
            task.cancel()
        while self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks)
        await asyncio.sleep(0)  # lets the transports see that they are closed

    def _with_hang_up(self, app: ASGIApp) -> ASGIApp:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            scope[HANG_UP] = lambda: self._hang_up(scope["client"])
            await app(scope, receive, send)

        return application

    def _hang_up(self, client: tuple[str, int]) -> None:
        for connection in list(self.server_state.connections):
            if connection.transport.get_extra_info("peername")[:2] == tuple(client):
                connection.transport.close()
