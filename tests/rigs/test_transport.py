"""Where credentials go: over TLS or nowhere off this machine, never along a redirect, nothing read from ``.netrc``."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from syncer import Workspace
from syncer.abeja import APIClient
from syncer.config import Settings
from syncer.errors import SettingError, SyncerError
from syncer.http.session import Session, checked_url
from syncer.plexus import PlexusDashboardClient
from syncer.prefactor import HttpClientConfig, PrefactorHttpClient, PrefactorHttpError
from tests.cli.conftest import Syncer
from tests.rigs.hostile import Answered, Hostile
from tests.rigs.settings import tally
from tests.rigs.test_secrets import CORE, TOKENS, addresses, written

_SELF_SIGNED = (
    *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
    *("-subj", "/CN=127.0.0.1"),
)
REDIRECTS = (301, 302, 303, 307, 308)


@pytest.fixture
def elsewhere() -> Iterator[Hostile]:
    """A server that should never be asked anything."""
    with Hostile(lambda _: Answered(b"{}")) as server:
        yield server


@pytest.mark.parametrize("status", REDIRECTS)
def test_a_redirect_is_not_followed(path: Path, elsewhere: Hostile, status: int) -> None:
    """To another host or another port: nothing arrives there, no remote, no client; the changes wait [I25 I2]."""
    headers = {"Location": f"{elsewhere.origin}/graphql", "Content-Type": "application/json"}
    with Hostile(lambda _: Answered(b"{}", status, headers)) as first:
        with Workspace(Settings(str(path), environ={**addresses(first), **TOKENS})) as ws:
            written(ws)
            assert ws.sync(wait_s=0).exit_code == 4
            for call in _clients(ws, addresses(first)):
                with contextlib.suppress(SyncerError, PrefactorHttpError):  # each has words of its own for it
                    call()
            assert ws.status().pending == 8
        assert len(first.asked) >= 3
    assert elsewhere.asked == []


def _clients(ws: Workspace, where: dict[str, str]) -> list[Callable[[], Any]]:
    plexus = PlexusDashboardClient(where["PLEXUS_API_URL"], TOKENS["PLEXUS_API_KEY"], workspace=ws)
    prefactor = PrefactorHttpClient(HttpClientConfig(where["PREFACTOR_API_URL"], "token-of-a-caller"), workspace=ws)
    return [
        lambda: plexus.execute("query { listAccounts { items { id } } }"),
        lambda: asyncio.run(_asked(prefactor)),
    ]


async def _asked(client: PrefactorHttpClient) -> None:
    await client.request("GET", "/api/v1/ping")


NO_PLACE_FOR_CREDENTIALS = (
    "http://example.com/graphql", "http://127.0.0.1.example.com", "http://localhost.example.com", "http://127.0.0.1@example.com",
    "http://example.com#@127.0.0.1", "http://10.0.0.1", "http://0.0.0.0", "http://127.0.0.2.nip.io", "HTTP://EXAMPLE.COM", "http://",
    "ftp://127.0.0.1", "file:///etc/passwd", "//example.com", "example.com", "https://", "https://user:word@example.com",
    "http://localhost\\@example.com", "http://[::2]/", "http://2130706433/", "http://0x7f.1/", "http://\uff11\uff12\uff17.0.0.1/",
    "javascript:alert(1)", "http://127.0.0.1\r\n.example.com/", "http:/\\example.com",
)  # fmt: skip


def test_plain_http_goes_nowhere_else(path: Path) -> None:
    """Addresses that lead off this machine without TLS, or carry credentials, are refused before a byte is sent [I25]."""
    for url in NO_PLACE_FOR_CREDENTIALS:
        with pytest.raises(SettingError):
            checked_url("X_API_URL", url)
        for name in ("PLEXUS_API_URL", "PREFACTOR_API_URL", "ABEJA_API_URL"):
            environ = {
                **TOKENS,
                "PLEXUS_API_URL": "https://127.0.0.1:9",
                "PREFACTOR_API_URL": "https://127.0.0.1:9",
                name: url,
            }
            with Workspace(Settings(str(path), environ=environ)) as ws, pytest.raises(SettingError):
                ws.push(name.split("_")[0].lower())
    tally("addresses", inputs=4 * len(NO_PLACE_FOR_CREDENTIALS), sent=0)


def test_credentials_of_netrc_are_not_used(
    fresh: Syncer, elsewhere: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ``.netrc`` for the host overrides no token, and its login is sent to nobody [I25]."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login evil password evil-password\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    fresh.env |= {**addresses(elsewhere), **TOKENS, "NETRC": str(tmp_path / ".netrc")}
    with Workspace(Settings(str(fresh.path))) as ws:
        written(ws)
    assert fresh("push", "--wait", "0").code in (3, 4)
    seen = [
        value
        for asked in elsewhere.asked
        for name, value in asked.headers.items()
        if name.lower() in ("authorization", "x-api-key")
    ]
    assert len(seen) == len(elsewhere.asked) > 0
    assert all(CORE in value for value in seen)


def test_plain_http_takes_no_proxy(path: Path, elsewhere: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain http is for this machine: a proxy of the environment must not see the token that is meant to stay here [I25]."""
    with Hostile(lambda _: Answered(b"{}")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
        with Workspace(Settings(str(path), environ={**addresses(elsewhere), **TOKENS})) as ws:
            written(ws)
            ws.push(wait_s=0)
            asyncio.run(_asked(PrefactorHttpClient(HttpClientConfig(elsewhere.origin, "token-of-a-caller"), workspace=ws)))
        assert proxy.asked == []
    assert len(elsewhere.asked) >= 4


def test_a_proxy_for_tls_sees_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """By way of a proxy there is a tunnel: one that refuses it has seen a host name, and no credential [I25]."""
    with Hostile(lambda _: Answered(b"", 407)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.origin)
        session = Session("https://example.invalid/graphql", {"x-api-key": TOKENS["PLEXUS_API_KEY"]})
        with pytest.raises(Exception) as caught:  # noqa: PT011 - judged below
            session.post(b"{}")
        session.close()
    assert type(caught.value).__name__ == "NotSent"
    assert CORE not in str(caught.value)
    assert all(CORE not in str(asked.headers) for asked in proxy.asked)


class _Silent(BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def unknown_certificate(tmp_path: Path) -> Iterator[int]:
    """The port of a TLS server whose certificate nobody has signed."""
    openssl = shutil.which("openssl")
    assert openssl, "openssl makes the certificate of this test"
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, *_SELF_SIGNED, "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    server = HTTPServer(("127.0.0.1", 0), _Silent)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_certificate_nobody_signed_is_told_and_nothing_is_sent(fresh: Syncer, unknown_certificate: int) -> None:
    """Each remote: exit 4, the word certificate, no attempt counted, and the change waits [I25 I2]."""
    origin = f"https://127.0.0.1:{unknown_certificate}"
    for name in ("plexus", "prefactor", "abeja"):
        fresh.env |= {f"{name.upper()}_API_URL": origin, "ABEJA_ORGANIZATION_ID": "1234567890123"} | TOKENS
    with Workspace(Settings(str(fresh.path))) as ws:
        written(ws)
    for name in ("plexus", "prefactor", "abeja"):
        ended = fresh("push", name, "--wait", "0")
        assert ended.code == 4, ended
        assert "certificate" in ended.out + ended.err
    waits = fresh("query", "SELECT DISTINCT attempts, state FROM outbox", "--json").json
    assert waits == [{"attempts": 0, "state": "pending"}]


def test_https_to_a_server_without_tls_sends_nothing(path: Path, elsewhere: Hostile) -> None:
    """A plain server behind an https address: no request reaches it, no downgrade, the change waits unspent [I25 I2]."""
    environ = {**addresses(elsewhere), **TOKENS}
    secure = {name: value.replace("http://", "https://") for name, value in environ.items()}
    with Workspace(Settings(str(path), environ=secure)) as ws:
        written(ws)
        assert ws.push(wait_s=0).exit_code == 4
        assert {row["attempts"] for row in ws.query("SELECT attempts FROM outbox")} == {0}
    assert elsewhere.asked == []


def test_the_client_of_abeja_keeps_its_token_at_home(path: Path, elsewhere: Hostile) -> None:
    """The address of the environment is checked for the public client too [I25]."""
    with Workspace(Settings(str(path), environ={"ABEJA_API_URL": "http://example.com", **TOKENS})) as ws:
        client = APIClient(credential={"auth_token": TOKENS["PLATFORM_AUTH_TOKEN"]}, workspace=ws)
        run = client.create_run("1234567890123", "1111111111111", "ver-1234567890123456")
        assert run["run_id"]
        with pytest.raises(SettingError, match="unencrypted"):
            ws.push("abeja")
        assert ws.status().pending == 1
    assert elsewhere.asked == []


@pytest.mark.parametrize("bad", ["\r\nX-Evil: 1", "\u20ac"])
def test_a_token_no_header_can_carry_spends_nothing(path: Path, elsewhere: Hostile, bad: str) -> None:
    """A line end or a euro sign inside of a token: a wrong setting for each, told without it, nothing claimed [I25 I2]."""
    environ = {**addresses(elsewhere), **{name: f"{token}{bad}x" for name, token in TOKENS.items()}}
    with Workspace(Settings(str(path), environ=environ)) as ws:
        written(ws)
        for remote, setting in zip(("plexus", "prefactor", "abeja"), TOKENS, strict=True):
            with pytest.raises(SettingError, match=f"{setting} cannot be sent") as caught:
                ws.push(remote, wait_s=0)
            assert CORE not in caught.value.sentence
        assert ws.query("SELECT DISTINCT state, attempts, reason FROM outbox") == [
            {"state": "pending", "attempts": 0, "reason": None}
        ]
    assert elsewhere.asked == []
    assert CORE.encode() not in path.read_bytes()
