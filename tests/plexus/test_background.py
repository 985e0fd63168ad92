"""Pushes in the background: off unless asked for, soon when asked, in nobody's way, and nothing depends on them."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from syncer import Workspace, config
from syncer.adapters.plexus import settings
from syncer.background import Background, Next, Work
from syncer.engine import lease
from syncer.errors import SettingError
from syncer.plexus import PlexusDashboardClient
from syncer.sandbox.server import Sandbox
from tests.factory import scoring
from tests.files import rows

LIMIT_S = 20.0
LATER = {"batch_size": 1000, "batch_timeout": 3600.0}


@pytest.fixture
def busy(path: Path, online: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace of the sandbox with pushes in the background."""
    online()
    monkeypatch.setenv("PLEXUS_BACKGROUND_PUSH", "1")
    with Workspace.open(path) as workspace:
        yield workspace


def logger(ws: Workspace) -> Callable[..., None]:
    """Logs a score of an item that exists here."""
    ids = scoring(ws)
    client = PlexusDashboardClient(workspace=ws)
    return lambda value, **hints: client.log_score(value, **{_ITEM.get(k, k): v for k, v in ids.items()}, **hints)


_ITEM = {"itemId": "item_id"}


def until(background: Background, done: Callable[[], bool]) -> bool:
    """Whether ``done`` came true while the thread worked."""
    with background._changed:
        return background._changed.wait_for(done, LIMIT_S)


def settled(ws: Workspace, path: Path) -> bool:
    """Whether everything was acked."""
    return until(ws.background, lambda: rows(path, "SELECT count(*) FROM outbox") == [(0,)])


def test_it_is_off_by_default(synced: Workspace, sandbox: Sandbox) -> None:
    """Without the setting no thread starts and nobody is called, whatever the hints say."""
    logger(synced)(1, immediate=True, batch_size=1, batch_timeout=0)
    assert not synced.background.running
    assert sandbox.requests == 0


@pytest.mark.parametrize(
    ("text", "on"), [("true", True), ("1", True), ("YES", True), ("off", False), ("0", False), ("False", False)]
)
def test_the_setting_in_environment_and_file(tmp_path: Path, text: str, on: bool) -> None:
    """The usual words in the environment, a flag in the file; nonsense is named."""
    found = config.load(environ={"PLEXUS_BACKGROUND_PUSH": text}).remote("plexus", settings.SETTINGS)
    assert settings.background(found) is on
    file = tmp_path / "syncer.toml"
    file.write_text(f"[plexus]\nbackground = {str(on).lower()}\ntimeout_s = 7.5\n")
    found = config.load(config=file, environ={}).remote("plexus", settings.SETTINGS)
    assert (settings.background(found), settings.read_timeout_s(found, 1.0)) == (on, 7.5)
    file.write_text("[plexus]\nbackground = 3\n")
    with pytest.raises(SettingError, match="must be true or false"):
        config.load(config=file, environ={}).remote("plexus", settings.SETTINGS)
    with pytest.raises(SettingError, match="perhaps"):
        settings.background({"background": "perhaps"})


def test_a_full_batch_wakes_it(busy: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Nothing leaves before the batch is full; then all of it does."""
    log = logger(busy)
    for n in range(9):
        log(n, batch_size=10, batch_timeout=3600.0)
    assert sandbox.requests == 0
    log(9, batch_size=10, batch_timeout=3600.0)
    assert settled(busy, path)
    assert sandbox.count("ScoreResult") == 10


def test_time_wakes_it(busy: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A batch that never fills goes out when its time is over."""
    log = logger(busy)
    log(1, **LATER)
    log(2, batch_size=1000, batch_timeout=0.05)
    assert settled(busy, path)
    assert sandbox.count("ScoreResult") == 2


def test_immediate_wakes_it(busy: Workspace, sandbox: Sandbox, path: Path) -> None:
    """``immediate`` waits for no batch."""
    logger(busy)(1, immediate=True, **LATER)
    assert settled(busy, path)
    assert sandbox.count("ScoreResult") == 1


def test_flush_waits_for_it(busy: Workspace, sandbox: Sandbox) -> None:
    """When flush returns, what was logged before is on the remote."""
    log = logger(busy)
    client = PlexusDashboardClient(workspace=busy)
    for n in range(3):
        log(n, **LATER)
        client.flush()
        assert sandbox.count("ScoreResult") == n + 1


def test_the_caller_never_waits(
    path: Path, online: Callable[[], None], monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    """While the first request hangs all other scores are logged; what was lost on the way goes again, once."""
    online()
    monkeypatch.setenv("PLEXUS_BACKGROUND_PUSH", "true")
    monkeypatch.setenv("PLEXUS_TIMEOUT_S", "2")
    with Workspace.open(path) as ws:
        log = logger(ws)
        sandbox.faults.stall_next(60)
        log(0, immediate=True)
        sending = "SELECT count(*) FROM outbox WHERE state = 'sending'"
        while rows(path, sending) == [(0,)]:
            assert ws.background.running
        for n in range(1, 20):
            log(n, immediate=True)
        assert rows(path, f"{sending} AND attempts = 1") != [(0,)]
        assert settled(ws, path)
    values = [row["value"] for row in sandbox.rows("ScoreResult")]
    assert sorted(values, key=int) == [str(n) for n in range(20)]
    assert len(sandbox.effects("ScoreResult", "create")) == 20


def test_it_goes_on_when_the_remote_is_well_again(busy: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A failure is waited out without anybody asking again."""
    log = logger(busy)
    sandbox.faults.fail_next(503, count=2)
    log(1, immediate=True)
    assert settled(busy, path)
    assert len(sandbox.effects("ScoreResult", "create")) == 1


def test_a_network_that_is_away_is_said_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line however often it fails, without the key; everything waits."""
    monkeypatch.setenv("PLEXUS_BACKGROUND_PUSH", "true")
    monkeypatch.setenv("PLEXUS_API_URL", "http://127.0.0.1:9/graphql")
    monkeypatch.setenv("PLEXUS_API_KEY", "da2-canary")
    with Workspace.open(path) as ws:
        log = logger(ws)
        for n in range(4):
            log(n, immediate=True)
            PlexusDashboardClient(workspace=ws).flush()
    said = [record for record in caplog.records if record.name.startswith("syncer")]
    assert [record.levelname for record in said] == ["WARNING"]
    assert "da2-canary" not in caplog.text
    assert rows(path, "SELECT count(*) FROM outbox WHERE model = 'ScoreResult'") == [(4,)]


def test_missing_settings_are_said_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who turned it on is told what else it needs."""
    monkeypatch.setenv("PLEXUS_BACKGROUND_PUSH", "true")
    with Workspace.open(path) as ws:
        log = logger(ws)
        for n in range(3):
            log(n, immediate=True)
            PlexusDashboardClient(workspace=ws).flush()
    assert caplog.text.count("PLEXUS_API_URL and PLEXUS_API_KEY") == 1


def test_another_sync_is_left_alone(busy: Workspace, sandbox: Sandbox, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While another sync has the lease nothing is sent and nothing said; when it ends, it goes on by itself."""
    log = logger(busy)
    held = lease.acquire(busy.database, "plexus")
    log(1, **LATER)
    PlexusDashboardClient(workspace=busy).flush()
    assert sandbox.requests == 0
    with busy.database.transaction() as tx:
        held.release(tx)
    assert settled(busy, path)
    assert [record for record in caplog.records if record.name.startswith("syncer")] == []


def test_closing_the_workspace_ends_the_thread(busy: Workspace, path: Path) -> None:
    """Close leaves no thread behind, and loses nothing; a workspace used on starts another."""
    log = logger(busy)
    log(1, **LATER)
    assert busy.background.running
    busy.close()
    assert not busy.background.running
    assert [t for t in threading.enumerate() if t.name == "syncer-background" and t.is_alive()] == []
    assert rows(path, "SELECT count(*) FROM outbox WHERE model = 'ScoreResult'") == [(1,)]
    log(2, immediate=True)
    assert settled(busy, path)


def test_a_client_s_own_credentials_serve_its_own_pushes(
    path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    """They are used by the thread although the settings have none."""
    monkeypatch.setenv("PLEXUS_BACKGROUND_PUSH", "true")
    with Workspace.open(path) as ws:
        ids = scoring(ws)
        client = PlexusDashboardClient(sandbox.url, sandbox.settings["PLEXUS_API_KEY"], workspace=ws)
        given = {name: ids[name] for name in ("accountId", "scorecardId", "scoreId")}
        client.log_score(1, ids["itemId"], immediate=True, **given)
        assert settled(ws, path)
    assert sandbox.count("ScoreResult") == 1


def ran(path: Path, sandbox: Sandbox, script: str, more: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A Python process on this file and sandbox."""
    start = """
        import os
        from syncer import Workspace
        from syncer.plexus import PlexusDashboardClient
        from tests.factory import scoring
        ws = Workspace.open()
        ids = scoring(ws)
        given = {n: ids[n] for n in ("accountId", "scorecardId", "scoreId")}
        client = PlexusDashboardClient(workspace=ws)
        def log(value, **hints):
            client.log_score(value, ids["itemId"], **given, **hints)
    """
    environ = {**sandbox.settings, "SYNCER_DB": str(path), "PLEXUS_BACKGROUND_PUSH": "1", "PYTHONWARNINGS": "error", **more}
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(start) + textwrap.dedent(script)],
        env={**os.environ, "PYTHONPATH": str(root), **environ},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_forked_child_has_a_thread_of_its_own(path: Path, sandbox: Sandbox) -> None:
    """Parent and child log and push after the fork, each once, though the parent's thread is not in the child."""
    script = """
        log("before", immediate=True)
        client.flush()
        child = os.fork()
        if child == 0:
            assert not ws.background.running
            log("child", batch_size=1)
            client.flush()
            os._exit(0 if ws.background.running else 1)
        _, status = os.waitpid(child, 0)
        log("parent", batch_size=1)
        client.flush()
        print(os.waitstatus_to_exitcode(status))
    """
    ended = ran(path, sandbox, script, {})
    assert (ended.stdout, ended.stderr, ended.returncode) == ("0\n", "", 0)
    assert sorted(row["value"] for row in sandbox.rows("ScoreResult")) == ["before", "child", "parent"]
    assert len(sandbox.effects("ScoreResult", "create")) == 3


def test_a_process_that_ends_waits_a_moment_at_most_and_loses_nothing(path: Path, sandbox: Sandbox) -> None:
    """In the middle of a request that hangs, and with more waiting: it ends quietly, and the next sync sends the rest."""
    sandbox.faults.stall_next(60)
    script = """
        log("hanging", immediate=True)
        while not list(ws.query("SELECT 1 FROM outbox WHERE state = 'sending'")):
            pass
        log("waiting", batch_timeout=3600.0)
    """
    begun = time.perf_counter()
    ended = ran(path, sandbox, script, {"PLEXUS_TIMEOUT_S": "1"})
    assert (ended.stderr, ended.returncode) == ("", 0)
    assert time.perf_counter() - begun < 8
    with Workspace(config.load(path, environ=sandbox.settings)) as ws:
        assert ws.push("plexus").exit_code == 0
    assert sorted(row["value"] for row in sandbox.rows("ScoreResult")) == ["hanging", "waiting"]
    assert len(sandbox.effects("ScoreResult", "create")) == 2


def test_a_work_that_breaks_does_not_end_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged without what looks like a credential, and the next work is done."""
    background = Background()
    seen: list[str] = []

    def broken(_: Callable[[], bool]) -> Next:
        raise ValueError("x-api-key: da2-canary")

    def works(name: str) -> Callable[[], Work]:
        def work(_: Callable[[], bool]) -> Next:
            seen.append(name)
            return Next()

        return lambda: work

    assert background.now("broken", lambda: broken, LIMIT_S)
    assert background.now("fine", works("fine"), LIMIT_S)
    background.stop()
    assert seen == ["fine"]
    assert "ValueError" in caplog.text
    assert "da2-canary" not in caplog.text


def test_what_is_asked_for_while_it_works_is_done_after(caplog: pytest.LogCaptureFixture) -> None:
    """An ask in the middle of a work is not lost, and ten of them are one."""
    background = Background()
    begun, go_on = threading.Event(), threading.Event()
    seen: list[int] = []

    def slow(_: Callable[[], bool]) -> Next:
        seen.append(len(seen))
        begun.set()
        go_on.wait(LIMIT_S)
        return Next(again_s=3600.0, hold_s=3600.0)

    background.soon("slow", lambda: slow, size=1, delay_s=0.0)
    assert begun.wait(LIMIT_S)
    for _ in range(10):
        background.soon("slow", lambda: slow, size=1000, delay_s=3600.0)
    waiter = threading.Thread(target=lambda: background.now("slow", lambda: slow, LIMIT_S))
    waiter.start()
    assert until(background, lambda: background._asked == 1)
    go_on.set()
    waiter.join(LIMIT_S)
    assert not waiter.is_alive()
    assert seen == [0, 1]
    background.stop()
    assert not background.running


def test_a_stop_is_seen_by_the_work() -> None:
    """A long work may look whether it should end; the stop returns once it did."""
    background = Background()
    begun = threading.Event()
    ended = threading.Event()

    def long(stopping: Callable[[], bool]) -> Next:
        begun.set()
        while not stopping():
            pass
        ended.set()
        return Next()

    background.soon("long", lambda: long, size=1, delay_s=0.0)
    assert begun.wait(LIMIT_S)
    background.stop()
    assert ended.is_set()
    assert not background.running
