"""One request against servers that behave badly: it ends, in bounded time and memory, and as what is known of it."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from syncer.http import session as sessions
from syncer.http.errors import NotSent, ReplyLost
from syncer.http.session import Session

READ_S = 0.15
Serve = Callable[[socket.socket, int], None]
"""What is done with a connection for its n-th request, whose bytes are read already."""


Serving = Callable[..., tuple["Server", Session]]


class Server:
    """A server made of bare sockets; ``requests`` is how many came in."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """No more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while b"\r\n\r\n" in connection.recv(65536):
                self.requests += 1
                self._serve(connection, self.requests)


@pytest.fixture
def serving() -> Iterator[Serving]:
    """A server that does so, and a session with it."""
    opened: list[Server | Session] = []

    def start(serve: Serve, read_s: float = 2.0) -> tuple[Server, Session]:
        server = Server(serve)
        session = Session(server.url, {}, timeout_s=(2.0, read_s))
        opened.extend((server, session))
        return server, session

    yield start
    for each in opened:
        each.close()


def _whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize(
    "start",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"],
    ids=["status", "head", "body"],
)
def test_an_answer_that_drips_ends(serving: Serving, start: bytes) -> None:
    """A byte now and then, each in time: the whole answer has a time of its own, and may have been applied [I6 I21]."""

    def drip(connection: socket.socket, _: int) -> None:
        connection.sendall(start)
        for byte in b"HTTP/1.1 200 OK" + b"a" * 100:
            connection.sendall(bytes((byte,)))
            threading.Event().wait(READ_S / 3)

    _, session = serving(drip, READ_S)
    began = time.monotonic()
    with pytest.raises(ReplyLost, match="no answer within"):
        session.post(b"{}")
    assert time.monotonic() - began < READ_S * 8


def test_a_slow_answer_gets_through(serving: Serving) -> None:
    """Pieces that take longer than one time-out together, but not too long, are an answer, unless one is for all."""

    def slowly(connection: socket.socket, _: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        for byte in b"abcd":
            threading.Event().wait(0.12)
            connection.sendall(bytes((byte,)))

    server, session = serving(slowly, 0.4)
    assert session.post(b"{}").body == b"abcd"
    strict = Session(server.url, {}, timeout_s=(2.0, 0.4), whole_in_reads=1.0)
    with pytest.raises(ReplyLost, match="no answer within"):
        strict.post(b"{}")
    strict.close()


@pytest.mark.parametrize("how", ["counted", "chunked", "until-closed", "packed"])
def test_an_endless_answer_fills_no_memory(serving: Serving, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """More than any answer has is not read to its end, however it is sent: it may have been applied [I6 I25]."""
    monkeypatch.setattr(sessions, "LONGEST_ANSWER", 2**20)
    packed = gzip.compress(bytes(2**24))

    def flood(connection: socket.socket, _: int) -> None:
        head = {
            "counted": b"Content-Length: 999999999999",
            "chunked": b"Transfer-Encoding: chunked",
            "until-closed": b"Connection: close",
            "packed": b"Content-Encoding: gzip\r\nContent-Length: %d" % len(packed),
        }[how]
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
        if how == "packed":
            connection.sendall(packed)
            return
        piece = b"10000\r\n" + bytes(2**16) + b"\r\n" if how == "chunked" else bytes(2**16)
        while True:
            connection.sendall(piece)

    _, session = serving(flood)
    with pytest.raises(ReplyLost, match="longer than 1 MB"):
        session.post(b"{}")


@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_an_interim_answer_is_never_taken_for_the_last_nor_the_last_for_the_next(serving: Serving, status: bytes) -> None:
    """After 102 or 103 nobody knows what became of it; the true answer must not meet the next request [I3 I6]."""

    def interim(connection: socket.socket, number: int) -> None:
        if number == 1:
            connection.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")
        connection.sendall(_whole(b"answer %d" % number))

    server, session = serving(interim)
    if status.startswith(b"100"):
        assert session.post(b"{}").body == b"answer 1"
    else:
        with pytest.raises(ReplyLost, match="interim"):
            session.post(b"{}")
    assert session.post(b"{}").body == b"answer 2"
    assert server.requests == 2


@pytest.mark.parametrize("location", [b"http://[bad", b"\xff\xfe", b"http://x:99999999/", b"", b"//", b"file:///etc/passwd"])
def test_where_a_redirect_leads_does_not_matter(serving: Serving, location: bytes) -> None:
    """It is never followed, so what is no address there is no error of ours."""
    head = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 2\r\n\r\n{}" % location
    _, session = serving(lambda connection, _: connection.sendall(head))
    answer = session.post(b"{}")
    assert (answer.status, answer.body) == (302, b"{}")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x16\x03\x01 what",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 999999999999 OK\r\n\r\n",
    ],
    ids=["nothing", "tls", "cut", "two-lengths", "cut-chunk", "bad-chunk", "not-gzip", "long-line", "many-lines", "status"],
)
def test_what_is_no_answer_may_have_been_applied(serving: Serving, raw: bytes) -> None:
    """Cut off, mislabelled, nonsense: the request was out, and it was sent once, not again by any library [I3 I6]."""

    def spoil(connection: socket.socket, _: int) -> None:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_RDWR)

    server, session = serving(spoil)
    with pytest.raises(ReplyLost):
        session.post(b"{}")
    assert server.requests == 1


def test_a_connection_that_the_server_closed_meanwhile(serving: Serving) -> None:
    """Seen as closed before anything is sent: a new one is made. Closed while sending: in doubt, and not sent again [I3]."""

    closed = threading.Event()

    def once(connection: socket.socket, number: int) -> None:
        if number == 3:
            connection.close()
            return
        connection.sendall(_whole(b"%d" % number))
        if number == 1:
            connection.close()
            closed.set()

    server, session = serving(once)
    assert session.post(b"{}").body == b"1"
    assert closed.wait(10)
    assert session.post(b"{}").body == b"2"
    with pytest.raises(ReplyLost):
        session.post(b"{}")
    assert server.requests == 3
    assert session.post(b"{}").body == b"4"


def test_nobody_there_was_surely_not_sent() -> None:
    """Refused, or a name that nobody has: nothing can have been applied."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent, match="refused"):
        Session(f"http://127.0.0.1:{port}", {}).post(b"{}")
