"""Credentials appear nowhere: not in the file, its log or backups, not in any output, however badly things go."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace
from syncer.abeja import APIClient
from syncer.config import Settings
from syncer.errors import SyncerError
from syncer.plexus import PlexusDashboardClient
from syncer.prefactor import HttpClientConfig, PrefactorHttpClient
from syncer.store import migrate
from tests.cli.conftest import Syncer
from tests.factory import result, scoring
from tests.rigs.hostile import Answered, Asked, Hostile
from tests.rigs.settings import tally

CORE = "CANARY7f3e9"
TOKENS = {
    "PLEXUS_API_KEY": f'da2-{CORE}"plexus/+=&<',
    "PREFACTOR_API_TOKEN": f"pf-{CORE}-prefactor",
    "PLATFORM_AUTH_TOKEN": f"{CORE}-abeja-auth",
}
BASIC = {"ABEJA_PLATFORM_USER_ID": "user-1234567890123", "ABEJA_PLATFORM_PERSONAL_ACCESS_TOKEN": f"{CORE}-personal"}
_PAIR = base64.b64encode(b"user-1234567890123:" + BASIC["ABEJA_PLATFORM_PERSONAL_ACCESS_TOKEN"].encode()).decode()
MARKS = (CORE, _PAIR, _PAIR[24:])


def echo() -> Callable[[Asked], Answered]:
    """Each request is refused in another way, its own headers in the words."""
    turn = count()

    def answer(asked: Asked) -> Answered:
        said = " ".join(f"{name}: {value}" for name, value in asked.headers.items())
        number = next(turn)
        ways: list[Callable[[], Answered]] = [
            lambda: Answered(f"<html><body>{said}</body></html>".encode(), 200, {"Content-Type": "text/html"}),
            lambda: Answered(_graphql(said), 200),
            lambda: Answered(_graphql(said, "m0"), 200),
            lambda: Answered(_rest(said), 401),
            lambda: Answered(_rest(said), 422),
            lambda: Answered(said.encode(), 400, {"Content-Type": "text/plain"}),
            lambda: Answered(_rest(said), 500, {"Content-Type": "application/json", "X-Echo": said[:900]}),
            lambda: Answered(b"", 302, {"Location": f"https://example.invalid/?{said[:400]}".replace(" ", "%20")}),
            lambda: Answered(
                _rest(said), 429, {"Retry-After": "0", "X-Request-Id": said[:900], "Content-Type": "application/json"}
            ),
            lambda: Answered(_rest(said)[:-7], 200),
            lambda: Answered(_rest(said), 409),
        ]
        return ways[number % len(ways)]()

    return answer


def _graphql(said: str, *path: str) -> bytes:
    error = {"message": f"Validation error: {said}", "errorType": said, "path": list(path) or None}
    return json.dumps({"data": {"m0": None} if path else None, "errors": [error]}).encode()


def _rest(said: str) -> bytes:
    words = {"message": said, "error_description": said, "error": said, "code": said[:200], "error_detail": [said]}
    return json.dumps({"status": "error", **words, "errors": {"field": [said]}}).encode()


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    """An upstream that says back what it is told."""
    with Hostile(echo()) as server:
        yield server


def addresses(hostile: Hostile) -> dict[str, str]:
    """Settings that are no secret."""
    return {
        "PLEXUS_API_URL": f"{hostile.origin}/graphql",
        "PLEXUS_ACCOUNT_KEY": "lab",
        "PREFACTOR_API_URL": hostile.origin,
        "ABEJA_API_URL": hostile.origin,
        "ABEJA_ORGANIZATION_ID": "1234567890123",
        "ABEJA_DEPLOYMENT_IDS": "1111111111111",
    }


def written(ws: Workspace) -> None:
    """A change for every remote, so that each is spoken to."""
    ids = scoring(ws)
    ws.plexus.create("ScoreResult", result(ids))
    instance = {"agent_id": "agent-1", "status": "pending", "agent_version": {"name": "v1"}, "agent_schema_version": {}}
    ws.prefactor.create("AgentInstance", {"id": "local-1", **instance})
    APIClient(workspace=ws).create_run("1234567890123", "1111111111111", "ver-1234567890123456")


def revealing(folder: Path) -> list[str]:
    """Every file under ``folder`` that holds a credential, the one that configures them apart."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "syncer.toml"]
    return [path.name for path in files if any(mark.encode() in path.read_bytes() for mark in MARKS)]


def _looks() -> list[tuple[str, ...]]:
    plain: list[tuple[str, ...]] = [
        *(("outbox", "show", str(n)) for n in (1, 6, 7)), ("outbox", "list"), ("status",), ("conflicts", "list"),
        ("config",), ("explain", "local-1"), ("history", "local-1"), ("db", "check"), ("doctor",), ("plan",),
        *(("query", f"SELECT * FROM {table}") for table in ("outbox", "_attempt", "sync_run")),
    ]  # fmt: skip
    return [*((*words, "--json") for words in plain), ("config",), ("doctor", "--remote")]


@pytest.mark.parametrize("where", ["environment", "file"])
def test_no_output_and_no_file_holds_a_credential(fresh: Syncer, hostile: Hostile, tmp_path: Path, where: str) -> None:
    """Refusals that say the token back, at every verbosity, told by every command, crash and traceback included [I25]."""
    tokens = TOKENS if where == "environment" else {**{n: TOKENS[n] for n in list(TOKENS)[:2]}, **BASIC}
    fresh.env |= addresses(hostile)
    if where == "environment":
        fresh.env |= tokens
    else:
        config = tmp_path / "syncer.toml"
        config.write_text(_toml(tokens))
        fresh.env["SYNCER_CONFIG"] = str(config)
    with Workspace(Settings(str(fresh.path))) as ws:
        written(ws)
    said: list[str] = []
    at_once, rounds = ("--wait", "0"), 2 if where == "environment" else 1
    for words in [
        ("sync", "--json", *at_once),
        ("push", *at_once),
        ("pull", *at_once),
        ("verify",),
        ("sync", *at_once),
    ] * rounds:
        ended = fresh("-vv", *words)
        said += [ended.out, ended.err]
    for words in (*_looks()[:: 1 if where == "environment" else 4], ("db", "backup")):
        ended = fresh("-vv", *words)
        said += [ended.out, ended.err]
    crashed = fresh("-vv", "sync", env={"SYNCER_FAILPOINT": "lease-acquired:1:raise"})
    said += [crashed.out, crashed.err]
    assert len(hostile.asked) > 10
    told = {mark for mark in MARKS for asked in hostile.asked if mark in str(asked.headers)}
    assert CORE in told  # they were really sent
    assert [text for text in said if any(mark in text for mark in MARKS)] == []
    assert revealing(tmp_path) == []
    assert list(tmp_path.glob("*.bak"))
    tally("secrets", where=where, outputs=len(said), requests=len(hostile.asked), leaked=0)


def _toml(tokens: dict[str, str]) -> str:
    names = {
        "PLEXUS_API_KEY": ("plexus", "api_key"),
        "PREFACTOR_API_TOKEN": ("prefactor", "api_token"),
        "ABEJA_PLATFORM_USER_ID": ("abeja", "user_id"),
        "ABEJA_PLATFORM_PERSONAL_ACCESS_TOKEN": ("abeja", "personal_access_token"),
    }
    tables: dict[str, list[str]] = {}
    for env, value in tokens.items():
        table, name = names[env]
        tables.setdefault(table, []).append(f"{name} = {json.dumps(value)}")
    return "\n".join(line for table, lines in tables.items() for line in (f"[{table}]", *lines))


def test_clients_keep_their_credentials_to_themselves(
    path: Path, hostile: Hostile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Tokens given to the constructors of the public clients: not in the file, logs, errors, or anything's repr [I25]."""
    caplog.set_level("DEBUG")
    said: list[Any] = []
    with Workspace(Settings(str(path), environ={**addresses(hostile), **TOKENS})) as ws:
        plexus = PlexusDashboardClient(addresses(hostile)["PLEXUS_API_URL"], TOKENS["PLEXUS_API_KEY"], workspace=ws)
        config = HttpClientConfig(hostile.origin, TOKENS["PREFACTOR_API_TOKEN"])
        prefactor = PrefactorHttpClient(config, workspace=ws)
        abeja = APIClient(credential={"auth_token": TOKENS["PLATFORM_AUTH_TOKEN"]}, workspace=ws)
        written(ws)
        calls: list[Callable[[], Any]] = [
            lambda: plexus.execute("query { listAccounts { items { id } } }"),
            lambda: abeja.get_runs("1234567890123", "1111111111111"),
            ws.sync,
            ws.verify,
        ]
        for _ in range(4):
            for call in calls:
                try:
                    said.append(call())
                except Exception as exc:  # noqa: BLE001 - whatever is raised must not tell
                    said += [exc, exc.__cause__, exc.__context__, getattr(exc, "__dict__", None)]
        said += [plexus, config, prefactor, abeja, ws, ws.settings, ws.remote("plexus"), ws.remote("abeja")]
        said += [ws.status().as_dict(), ws.query("SELECT * FROM outbox"), migrate.backup(path, tmp_path / "copy.db")]
        shown = [*(repr(one) for one in said), *(str(one) for one in said), caplog.text]
        assert [text[:300] for text in shown if any(mark in text for mark in MARKS)] == []
        assert revealing(tmp_path) == []
    assert revealing(tmp_path) == []
    assert any(CORE in str(asked.headers) for asked in hostile.asked)


def test_a_running_command_shows_no_credential(fresh: Syncer, hostile: Hostile) -> None:
    """The list of processes shows no token: none is ever taken as an argument, for a child or for ourselves [I25]."""
    fresh.env |= {**addresses(hostile), **TOKENS}
    fresh("init")
    with contextlib.closing(_Stuck(fresh)) as stuck:
        assert not any(mark in stuck.arguments for mark in MARKS)
        assert "syncer" in stuck.arguments
    helped = fresh("--help").out + "".join(fresh(name, "--help").out for name in ("sync", "init", "sandbox"))
    assert not any(word in helped.lower() for word in ("--api-key", "--token", "--password"))


class _Stuck:
    """A command that waits for its standard input, and what others see of it."""

    def __init__(self, syncer: Syncer) -> None:
        self._process = subprocess.Popen(
            syncer.command("query", "-"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=syncer.environment()
        )
        self.arguments = ""
        deadline = time.monotonic() + 30
        while "syncer" not in self.arguments and time.monotonic() < deadline:  # between fork and exec there are none
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.01)
            self.arguments = Path(f"/proc/{self._process.pid}/cmdline").read_text().replace("\0", " ")

    def close(self) -> None:
        self._process.communicate(b"SELECT 1")


def test_everything_made_is_for_its_owner_only(tmp_path: Path) -> None:
    """File, log, index, backup and the folder made for them, under the laxest umask [I25]."""
    script = (
        "import os, sys; os.umask(0)\n"
        "from pathlib import Path\n"
        "from syncer import Workspace\n"
        "from syncer.store import migrate\n"
        "path = Path(sys.argv[1])\n"
        "ws = Workspace.open(path)\n"
        "ws.plexus.create('Account', {'name': 'n', 'key': 'k'})\n"
        "ws.plexus.find('Account')\n"
        "migrate.backup(path, path.with_name('copy.db'))\n"
        "os._exit(0)\n"
    )
    path = tmp_path / "new" / "folder" / "local.db"
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, timeout=60)
    modes = {p.name: stat.S_IMODE(os.stat(p).st_mode) for p in path.parent.iterdir()}
    assert modes == dict.fromkeys(("local.db", "local.db-wal", "local.db-shm", "copy.db"), 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


HARMFUL = (
    "DELETE FROM outbox", "WITH x AS (SELECT 1) DELETE FROM outbox", "INSERT INTO ledger DEFAULT VALUES", "REINDEX",
    "ANALYZE",
    "UPDATE outbox SET state = 'acked'", "DROP VIEW v_pending", "ALTER TABLE outbox RENAME TO o", "CREATE TEMP TABLE t (x)",
    "REPLACE INTO ledger VALUES (1)", "CREATE TRIGGER t AFTER INSERT ON outbox BEGIN SELECT 1; END", "BEGIN EXCLUSIVE",
    "CREATE VIRTUAL TABLE t USING fts5(x)", "ATTACH '{folder}/other.db' AS o", "DETACH main", "VACUUM", "SAVEPOINT x",
    "VACUUM INTO '{folder}/copy.db'", "PRAGMA journal_mode = DELETE", "PRAGMA application_id = 1", "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = 1", "PRAGMA user_version = 7", "PRAGMA wal_checkpoint(TRUNCATE)", "SELECT edit('x')",
    "PRAGMA temp_store_directory = '/'", "SELECT load_extension('x')", "SELECT writefile('{folder}/x', 'y')",
    "SELECT readfile('/etc/passwd')", "SELECT fts3_tokenizer('x', 'y')", "SELECT 1; DELETE FROM outbox",
    "EXPLAIN DELETE FROM outbox", "SELECT * FROM pragma_journal_mode('delete')",
)  # fmt: skip


@pytest.mark.parametrize("by", ["command", "python"])
def test_a_query_can_only_read(filled: Syncer, tmp_path: Path, by: str) -> None:
    """No statement writes, attaches, sets, loads or locks, not for the command and not for Python [I25]."""
    listed = sorted(p.name for p in tmp_path.iterdir())
    before = filled.path.read_bytes()
    tried = HARMFUL if by == "python" else HARMFUL[::5]
    with Workspace.open(filled.path) as ws:
        for sql in (text.format(folder=tmp_path) for text in tried):
            if by == "command":
                assert filled("query", sql).code in (0, 2), sql
            else:
                with contextlib.suppress(SyncerError):
                    ws.query(sql)
            assert ws.query("SELECT count(*) AS n FROM outbox") == [{"n": 4}], sql
        ws.plexus.create("Account", {"name": "n", "key": "free"})  # no lock is held
        ws.plexus.delete("Account", ws.plexus.find("Account", {"key": "free"})[0]["id"])
    assert {p.name for p in tmp_path.iterdir()} <= {*listed, "local.db-wal", "local.db-shm"}
    assert before[:16] == filled.path.read_bytes()[:16]
    tally("query", by=by, inputs=len(tried), written=0)


def test_no_query_runs_for_ever(filled: Syncer) -> None:
    """Endless recursion, endless rows and a cross join without end are stopped by the command's limit, with exit 2 [I25]."""
    numbers = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
    for sql in (f"{numbers} SELECT count(*) FROM c", f"{numbers} SELECT x FROM c WHERE x < 0"):
        ended = filled("query", sql, "--timeout", "0.2")
        assert ended.code == 2
        assert "longer than 0.2 s" in ended.err
