"""One kept-alive connection: no hidden retries, no redirects, no ``.netrc``, TLS unless the host is this machine.

There are ends to what a server may do to its client: an answer that drips, or that never stops,
holds nobody and fills nothing. The time-outs of sockets begin anew with every byte. So a whole
answer has a time of its own, a few times that of one read: slow lines get through, and a sync has
moved on before its lease ends.
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection

from syncer import failpoints
from syncer.http.errors import NotSent, ReplyLost
from syncer.http.security import SecretFilter, ca_bundle, checked_secret, checked_url
from syncer.redact import redacted

WHOLE_IN_READS = 3.0
"""How many time-outs of a read the whole of an answer may take."""

LONGEST_ANSWER = 128 * 2**20
"""Bytes, unpacked. The largest page or group of records that a remote can have is a tenth of it."""


class _Timed(io.RawIOBase):
    """A socket's bytes, until the time for all of them is over: ``reads`` time-outs of one."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, reads: float) -> None:
        self._raw = raw
        self._sock = sock
        self._read_s = sock.gettimeout()
        self._end = None if self._read_s is None else time.monotonic() + reads * self._read_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._end is not None and self._read_s is not None:
            left_s = self._end - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("timed out")
            self._sock.settimeout(min(self._read_s, left_s))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    in_reads = WHOLE_IN_READS

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Timed(self.fp.detach(), sock, self.in_reads))


@cache
def _pools(reads: float) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    """Pools of connections whose answers have so much time, by scheme."""

    class Timed(_TimedResponse):
        in_reads = reads

    class Plain(HTTPConnection):
        response_class = Timed

    class Encrypted(HTTPSConnection):
        response_class = Timed

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


class BoundedAdapter(HTTPAdapter):
    """One kept-alive connection at a time, nothing tried twice, no answer waited for longer than ``reads`` time-outs."""

    def __init__(self, reads: float = WHOLE_IN_READS) -> None:
        self._pools = _pools(reads)
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As requests does, with connections of our own."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """As requests does, with connections of our own."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


__all__ = ["CONNECT_TIMEOUT_S", "READ_TIMEOUT_S", "Answer", "Session", "checked_secret", "checked_url"]

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 35.0
_CREDENTIALS = ("authorization", "x-api-key")
_PIECE = 2**16


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    elapsed_s: float

    @property
    def is_html(self) -> bool:
        """True for a web page where data was expected."""
        return "text/html" in self.headers.get("Content-Type", "") or self.body[:64].lstrip()[:1] == b"<"


_MEANINGS = (
    ("Connection refused", "connection refused"),
    ("Name or service not known", "the host name is not known"),
    ("getaddrinfo", "the host name cannot be resolved"),
    ("Temporary failure in name resolution", "the host name cannot be resolved"),
    ("Network is unreachable", "the network is unreachable"),
    ("No route to host", "no route to the host"),
    ("Connection reset", "the connection was reset"),
    ("Remote end closed", "the connection was closed before an answer came"),
    ("CERTIFICATE_VERIFY_FAILED", "the certificate of the host cannot be verified"),
    ("IncompleteRead", "the answer was cut off"),
)


class _Straight(requests.Session):
    """Redirects are answers like others: nobody even looks where they lead."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere."""


_under_way: ContextVar[SecretFilter | None] = ContextVar("syncer_under_way", default=None)


class _Discreet(logging.Filter):
    """What is logged below us while a request of ours is under way: urllib3 quotes headers that it cannot read."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True; credentials are out of it then."""
        secrets = _under_way.get()
        if secrets is not None:
            record.msg, record.args, record.exc_info = secrets.hidden_text(record.getMessage()), (), None
        return True


logging.getLogger("urllib3.connection").addFilter(_Discreet())


class Session:
    """Requests to one base address over one connection; used by one thread at a time.

    ``timeout_s``: how long to wait for the connection, and for each next part of the answer; ``whole_in_reads``: so many
    times the latter for all of it. Raises: SettingError for a credential that no header can carry.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        timeout_s: tuple[float, float] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
        whole_in_reads: float = WHOLE_IN_READS,
    ) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._session = _Straight()
        # Reading the environment anew for each request costs a quarter of a small one; .netrc must never override a token.
        if urlsplit(url).scheme == "https":  # plain http never leaves this machine, not even by way of a proxy
            self._session.proxies.update(get_environ_proxies(url))
        self._session.trust_env = False
        self._session.headers.update(headers)
        self._secrets = SecretFilter(
            checked_secret("the credential", value) for name, value in headers.items() if name.lower() in _CREDENTIALS
        )
        # Called when the head of an answer is there and its body is not read.
        self._session.hooks["response"] = [lambda *_, **__: failpoints.reached("request-sent")]
        adapter = BoundedAdapter(whole_in_reads)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._verify = ca_bundle()

    def post(self, body: bytes, path: str = "") -> Answer:
        """The answer to one POST of JSON, to ``path`` below the base address. Raises: NotSent, ReplyLost."""
        return self._send("POST", path, body, None)

    def get(self, path: str = "", query: Mapping[str, str] | None = None) -> Answer:
        """The answer to one GET. Raises: NotSent, ReplyLost."""
        return self._send("GET", path, None, query)

    def send(
        self, method: str, path: str = "", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer to one request with any method, for REST services. ``headers``: besides those of all requests.

        Raises: NotSent, ReplyLost.
        """
        return self._send(method, path, body, None, headers)

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        start = time.perf_counter()
        mark = _under_way.set(self._secrets)
        try:
            answer = self._asked(method, path, body, query, headers or {}, start)
        finally:
            _under_way.reset(mark)
        if isinstance(answer, Exception):
            raise answer  # here, so that nothing of the library's hangs on it: its errors hold the request and its headers
        return answer

    def _asked(
        self,
        method: str,
        path: str,
        body: bytes | None,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
        start: float,
    ) -> Answer | NotSent | ReplyLost:
        try:
            response = self._session.request(
                method,
                self._url + (path if path[:1] in ("", "/") else f"/{path}"),  # never a longer host name, or another port
                params=query,
                data=body,
                headers={"Content-Type": "application/json", **headers},
                timeout=self._timeout_s,
                allow_redirects=False,
                verify=self._verify,
                stream=True,
            )
            content = self._whole(response)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as exc:
            return (NotSent if _never_sent(exc) else ReplyLost)(self._why(exc))
        except ReplyLost as exc:
            return exc
        said = {
            name: self._secrets.hidden(value.encode("latin-1", "replace")).decode("latin-1")
            for name, value in response.headers.items()
        }
        elapsed_s = time.perf_counter() - start
        return Answer(response.status_code, self._secrets.hidden(content), CaseInsensitiveDict(said), elapsed_s)

    def _whole(self, response: requests.Response) -> bytes:
        """The body. Raises: ReplyLost for what never becomes one: too long, or only the promise of an answer (1xx)."""
        pieces: list[bytes] = []
        size = 0
        for piece in response.iter_content(_PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > LONGEST_ANSWER:
                break
        if size <= LONGEST_ANSWER and response.status_code >= 200:
            return b"".join(pieces)
        response.close()
        self._session.close()  # what else comes on this connection is no answer to the next request
        if response.status_code < 200:
            raise ReplyLost(f"the answer was interim only (HTTP {response.status_code})")
        raise ReplyLost(f"the answer is longer than {LONGEST_ANSWER // 2**20} MB")

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _why(self, exc: Exception) -> str:
        """The innermost reason, short and without credentials."""
        text = str(exc)
        for marker, meaning in _MEANINGS:
            if marker in text:
                return meaning
        if "Read timed out" in text:
            return f"no answer within {self._timeout_s[1]:g} s"
        if isinstance(exc, requests.ConnectTimeout):
            return f"no connection within {self._timeout_s[0]:g} s"
        return redacted(self._secrets.hidden_text(f"{type(exc).__name__}: {text}"))[:300]


_NEVER_SENT = (
    requests.ConnectTimeout,
    requests.exceptions.ProxyError,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
)  # InvalidHeader is not among them: the header may be one of the answer


def _never_sent(exc: Exception) -> bool:
    """True when no byte of the request can have reached anybody."""
    if isinstance(exc, _NEVER_SENT):
        return True
    if isinstance(exc, requests.exceptions.SSLError):
        return _never_encrypted(exc)
    return isinstance(exc, requests.ConnectionError) and _never_connected(exc)


def _never_encrypted(exc: BaseException) -> bool:
    """True when the two sides never agreed to talk. Encryption may also break later, when the request is out already."""
    signs = (
        "CERTIFICATE_VERIFY_FAILED",
        "WRONG_VERSION_NUMBER",
        "HANDSHAKE_FAILURE",
        "UNSUPPORTED_PROTOCOL",
        "HTTP_REQUEST",
    )
    return any(sign in str(exc) for sign in signs)


def _never_connected(exc: BaseException) -> bool:
    """True when the failure is that of opening a connection."""
    seen = 0
    cause: BaseException | None = exc
    while cause is not None and seen < 6:
        if isinstance(cause, urllib3.exceptions.NewConnectionError | urllib3.exceptions.NameResolutionError):
            return True
        inner = cause.args[0] if cause.args and isinstance(cause.args[0], BaseException) else None
        cause = getattr(cause, "reason", None) or inner or cause.__cause__
        if not isinstance(cause, BaseException):
            return False
        seen += 1
    return False
