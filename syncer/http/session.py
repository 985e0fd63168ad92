"""One kept-alive connection: no hidden retries, no redirects, no ``.netrc``, TLS unless the host is this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies

from syncer import failpoints
from syncer.errors import SettingError
from syncer.http.failures import NotSent, ReplyLost
from syncer.http.secrecy import spellings
from syncer.redact import redacted

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 35.0
_CREDENTIALS = ("authorization", "x-api-key")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


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


def checked_url(setting: str, url: str) -> str:
    """``url`` if credentials may be sent there. Raises: SettingError naming ``setting``."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingError(f"{setting} is not a web address", why=redacted(url), hint="it starts with https://")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise SettingError(
            f"{setting} would send credentials unencrypted",
            why=f"plain http to {parts.hostname}",
            hint="use https://; plain http is only for this machine",
        )
    if parts.username or parts.password:
        raise SettingError(f"{setting} carries credentials in the address", hint="put them into their own settings")
    return url


class Session:
    """Requests to one base address over one connection; used by one thread at a time.

    ``timeout_s``: how long to wait for the connection, and for the answer.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], *, timeout_s: tuple[float, float] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
    ) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # Reading the environment anew for each request costs a quarter of a small one; .netrc must never override a token.
        if urlsplit(url).scheme == "https":  # plain http never leaves this machine, not even by way of a proxy
            self._session.proxies.update(get_environ_proxies(url))
        self._session.trust_env = False
        self._session.headers.update(headers)
        given = (value for name, value in headers.items() if name.lower() in _CREDENTIALS)
        self._secrets = [spelling.encode() for value in given for spelling in spellings(value)]
        # Called when the head of an answer is there and its body is not read.
        self._session.hooks["response"] = [lambda *_, **__: failpoints.reached("request-sent")]
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._verify = _ca_bundle()

    def post(self, body: bytes, path: str = "") -> Answer:
        """The answer to one POST of JSON, to ``path`` below the base address. Raises: NotSent, ReplyLost."""
        return self._send("POST", path, body, None)

    def get(self, path: str = "", query: Mapping[str, str] | None = None) -> Answer:
        """The answer to one GET. Raises: NotSent, ReplyLost."""
        return self._send("GET", path, None, query)

    def _send(self, method: str, path: str, body: bytes | None, query: Mapping[str, str] | None) -> Answer:
        start = time.perf_counter()
        try:
            response = self._session.request(
                method,
                self._url + path,
                params=query,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=self._timeout_s,
                allow_redirects=False,
                verify=self._verify,
            )
        except (requests.ConnectTimeout, requests.exceptions.ProxyError) as exc:
            raise NotSent(_why(exc, self._timeout_s)) from exc
        except requests.exceptions.SSLError as exc:  # before ConnectionError, which it is
            raise (NotSent if _never_encrypted(exc) else ReplyLost)(_why(exc, self._timeout_s)) from exc
        except requests.ConnectionError as exc:
            raise (NotSent if _never_connected(exc) else ReplyLost)(_why(exc, self._timeout_s)) from exc
        except requests.RequestException as exc:
            raise ReplyLost(_why(exc, self._timeout_s)) from exc
        said = {
            name: self._hidden(value.encode("latin-1", "replace")).decode("latin-1")
            for name, value in response.headers.items()
        }
        elapsed_s = time.perf_counter() - start
        return Answer(response.status_code, self._hidden(response.content), CaseInsensitiveDict(said), elapsed_s)

    def _hidden(self, content: bytes) -> bytes:
        """What came back, without our credentials: what a remote says may be stored, and some say back what they got."""
        for secret in self._secrets:
            if secret in content:
                content = content.replace(secret, b"***")
        return content

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


def _ca_bundle() -> str | bool:
    import os

    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


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


def _why(exc: Exception, timeout_s: tuple[float, float]) -> str:
    """The innermost reason, short and without addresses that may hold secrets."""
    text = str(exc)
    for marker, meaning in (
        ("Connection refused", "connection refused"),
        ("Name or service not known", "the host name is not known"),
        ("getaddrinfo", "the host name cannot be resolved"),
        ("Temporary failure in name resolution", "the host name cannot be resolved"),
        ("Network is unreachable", "the network is unreachable"),
        ("No route to host", "no route to the host"),
        ("Read timed out", f"no answer within {timeout_s[1]:g} s"),
        ("Connection reset", "the connection was reset"),
        ("Remote end closed", "the connection was closed before an answer came"),
        ("CERTIFICATE_VERIFY_FAILED", "the certificate of the host cannot be verified"),
        ("IncompleteRead", "the answer was cut off"),
    ):
        if marker in text:
            return meaning
    if isinstance(exc, requests.ConnectTimeout):
        return f"no connection within {timeout_s[0]:g} s"
    return redacted(f"{type(exc).__name__}: {text}")[:300]
