"""The server side of the bad network: a thread for every connection, and answers that break off."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from tests.rigs.faults import Answer, Fault, Request

if TYPE_CHECKING:
    from tests.rigs.proxy import Proxy

HOST = "127.0.0.1"
PATIENCE_S = 30.0
_RESET = struct.pack("ii", 1, 0)


class Listener(socketserver.ThreadingTCPServer):
    """The listener, and a thread for every connection."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, proxy: Proxy, *, elsewhere: bool = False) -> None:
        super().__init__((HOST, 0), _Caught if elsewhere else _Handler)
        self.proxy = proxy
        self.port: int = self.server_address[1]
        self.open: set[socket.socket] = set()
        self.to_reset: set[Any] = set()
        self.threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up on everybody."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(PATIENCE_S)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self.threads.append(thread)
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        if request in self.to_reset:  # an orderly goodbye would take the place of the reset
            self.to_reset.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to tell of; anything else is a fault of the rig."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            self.proxy.problems.append(f"the proxy stumbled: {error!r}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is written."""

    def _serve(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = proxy.incoming(self.command, self.path, self.headers.items(), body)
        fault = proxy.fate(request)
        answer = proxy.answer(request, fault)
        if proxy.hold(request):
            proxy.held.set()
            proxy.release.wait(PATIENCE_S)
        if fault is Fault.STALL:
            self.connection.settimeout(PATIENCE_S)
            with contextlib.suppress(OSError):
                self.connection.recv(1)
        if answer is None or fault in (Fault.LOST, Fault.STALL):
            self.close_connection = True
            return
        self._write(answer, fault)

    do_GET = do_POST = _serve

    def _write(self, answer: Answer, fault: Fault | None) -> None:
        broken = fault in (Fault.RESET, Fault.CUT)
        body = answer.body[: len(answer.body) // 2] if broken or fault is Fault.CUT_COUNTED else answer.body
        length = len(answer.body) if broken else len(body)
        lines = [
            f"HTTP/1.1 {answer.status} -",
            *(f"{k}: {v}" for k, v in answer.headers.items()),
            f"Content-Length: {length}",
        ]
        with contextlib.suppress(ConnectionError):
            self.connection.sendall("\r\n".join((*lines, "", "")).encode("latin-1") + body)
        if broken:
            self.close_connection = True
        if fault is Fault.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.server.to_reset.add(self.connection)


class _Caught(_Handler):
    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.proxy.went_elsewhere.append(Request(-1, self.command, self.path, headers, body))
        self._write(Answer(200, b"{}"), None)

    do_GET = do_POST = _serve
