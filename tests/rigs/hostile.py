"""An upstream that means harm: it answers whatever a test says, or what a sandbox says with its own words put in."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from syncer.sandbox.server import Sandbox

HOST = "127.0.0.1"
SENTINEL = "@@hostile@@"


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answered:
    """One answer."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


class Hostile:
    """A server on a port of its own; ``answer`` may be changed at any time, ``asked`` is every request it saw."""

    def __init__(self, answer: Callable[[Asked], Answered]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{HOST}:{self.port}"

    def settings(self, sandbox: Sandbox) -> dict[str, str]:
        """The settings of ``sandbox``, its addresses led here."""
        return {name: value.replace(sandbox.origin, self.origin) for name, value in sandbox.settings.items()}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(self.command, self.path, dict(self.headers), body)
                owner.asked.append(asked)
                answered = owner.answer(asked)
                self.send_response(answered.status)
                for name, value in answered.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answered.body)))
                self.end_headers()
                self.wfile.write(answered.body)

            do_GET = do_POST = do_PUT = do_DELETE = _serve

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler


def forwarded(sandbox: Sandbox, asked: Asked) -> Answered:
    """What the sandbox says to a request."""
    connection = http.client.HTTPConnection(HOST, sandbox.port, timeout=30)
    try:
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in ("host", "connection")}
        connection.request(asked.method, asked.path, asked.body or None, headers)
        reply = connection.getresponse()
        return Answered(reply.read(), reply.status, {"Content-Type": reply.getheader("Content-Type") or ""})
    finally:
        connection.close()


def rewritten(answered: Answered, name: str, raw: bytes) -> Answered:
    """The answer with every value called ``name`` replaced by the JSON text ``raw``, which need not be any."""
    if not answered.body:
        return answered
    text = json.dumps(_replaced(json.loads(answered.body), name)).encode()
    return Answered(text.replace(b'"' + SENTINEL.encode() + b'"', raw), answered.status, answered.headers)


def _replaced(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: SENTINEL if key == name else _replaced(inner, name) for key, inner in value.items()}
    return [_replaced(inner, name) for inner in value] if isinstance(value, list) else value
