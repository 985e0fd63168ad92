"""One request, one answer: whatever a server says back, on purpose or by mistake, no credential is told on."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from html import escape
from threading import Thread
from urllib.parse import quote

import pytest

from syncer.errors import SettingError
from syncer.http.errors import NotSent, ReplyLost
from syncer.http.responses import decoded
from syncer.http.security import SecretFilter
from syncer.http.session import Session, checked_url
from syncer.redact import redacted

CORE = "CANARY"
TOKEN = f'da2-{CORE}+to/ken="7<7>&7 x'
HEAD = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def saying(said: bytes) -> Iterator[str]:
    """The address of a server that hears one request and then says that."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(said)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/graphql"
        finally:
            thread.join(10)


def asked(url: str) -> str:
    """All that anybody can learn from one POST: answer, or error with what hangs on it."""
    session = Session(url, {"x-api-key": TOKEN}, timeout_s=(5, 5))
    try:
        answer = session.post(b"{}")
    except (NotSent, ReplyLost) as exc:
        return f"{exc!r} {exc.__cause__!r} {exc.__context__!r}"
    finally:
        session.close()
    with suppress(ValueError):
        return f"{decoded(answer.body)} {answer.headers}"
    return f"{answer.body!r} {answer.headers}"


def _json(text: str) -> str:
    return "".join(c if c.isalnum() or c in "- " else f"\\u{ord(c):04X}" for c in text)


ECHOES: dict[str, bytes] = {
    "status line": f"HTTPX {TOKEN}\r\n\r\n".encode(),
    "chunk": HEAD + f"Transfer-Encoding: chunked\r\n\r\n{TOKEN}\r\n".encode(),
    "header without a colon": HEAD + f"X-A: b\r\nx-api-key {TOKEN}\r\nContent-Length: 2\r\n\r\n{{}}".encode(),
    "length": HEAD + f"Content-Length: {TOKEN}\r\n\r\n{{}}".encode(),
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "json": lambda text: json.dumps(text)[1:-1],
    "json of PHP": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "json of .NET, Go and Java": _json,
    "json in json": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "html": escape,
    "html in numbers": lambda text: escape(text).replace("&quot;", "&#34;").replace("/", "&#x2F;"),
    "address": lambda text: quote(text, safe=""),
    "address in small letters": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
    "address in an address": lambda text: quote(quote(text, safe=""), safe=""),
}


@pytest.mark.parametrize("where", ECHOES)
def test_no_echo_outside_of_the_body_tells_the_token(where: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the error, not in what hangs on it, and not in what urllib3 logs of headers that it cannot read [I25]."""
    caplog.set_level(logging.DEBUG)
    with saying(ECHOES[where]) as url:
        assert CORE not in asked(url)
    assert CORE not in caplog.text + "".join(f"{record.args} {record.exc_info}" for record in caplog.records)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_token_is_known_in_every_spelling(spelling: str) -> None:
    """However the JSON library, web page or address on the way wrote it, nothing of it is left [I25]."""
    spelled = SPELLINGS[spelling](TOKEN)
    assert SecretFilter([TOKEN]).hidden(f"before {spelled} behind".encode()) == b"before *** behind"


def test_a_password_takes_its_pair_along() -> None:
    """Of Basic the whole, the pair, and the password alone are hidden; short and innocent text stays."""
    secrets = SecretFilter(["Basic dXNlci0xMjM6cGFzc3dvcmQtNA=="])
    said = "dXNlci0xMjM6cGFzc3dvcmQtNA== user-123:password-4 password-4 user-124"
    assert secrets.hidden_text(said) == "*** *** *** user-124"
    assert SecretFilter(["short"]).hidden(b"a short text") == b"a short text"


@pytest.mark.parametrize("bad", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "\u20ac", " a", "a\x7f"])
def test_a_token_no_header_can_carry_is_a_wrong_setting(bad: str) -> None:
    """Said before anything is sent, by the character and without the token [I25]."""
    with pytest.raises(SettingError) as caught:
        Session("http://127.0.0.1:9/", {"Authorization": f"Bearer {CORE}{bad}" if bad[0] != " " else bad + CORE})
    assert CORE not in f"{caught.value} {caught.value!r} {caught.value.__context__!r}"


@pytest.mark.parametrize(
    "url",
    [
        f"ftp://user:{CORE}@host/x", f"user:{CORE}@host/graphql", f"https://us@er:{CORE}@host", f"https://user:a/{CORE}@host",
        f"https:/user:{CORE}@host", f"https://user:{CORE}#1@host/", f"https://user:a b{CORE}@host",
        "https://[::1", "http://[::1]evil.com/", "http://evil.com[::1]/", "http://127.0.0.1:99999/", "https://host:abc/",
        "http://@127.0.0.1/", "http://127.1", "http://0", "http://localhost./",
    ],
)  # fmt: skip
def test_an_odd_address_is_a_wrong_setting(url: str) -> None:
    """It is refused in words that repeat no password, and no two parsers disagree about where it leads [I25]."""
    with pytest.raises(SettingError) as caught:
        checked_url("X_API_URL", url)
    assert CORE not in f"{caught.value} {caught.value.__context__!r}"
    assert CORE not in redacted(f"cannot use {url.replace(' ', '')}")


def test_a_path_never_makes_another_host() -> None:
    """``@evil``, ``.evil.com`` and ``:81`` behind the address would each lead elsewhere with the token [I25]."""
    with saying(HEAD + b"Content-Length: 2\r\n\r\n{}") as url:
        session = Session(url.removesuffix("/graphql"), {"Authorization": f"Bearer {TOKEN}"})
        assert session.get("@example.invalid:1/x").status == 200
        session.close()


def test_nobody_looks_where_a_redirect_leads() -> None:
    """A Location that is no address is an answer like others, not an error of ours [I25]."""
    with saying(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://[::x/\r\n\r\n") as url:
        assert "Location" in asked(url)


def test_certificates_that_are_not_there_are_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Named by its variable, before anything is claimed; plain http to this machine needs none."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(SettingError, match="REQUESTS_CA_BUNDLE names no file"):
        checked_url("X_API_URL", "https://example.com")
    assert checked_url("X_API_URL", "http://127.0.0.1:9")
