"""When ABEJA counts as done: written without a network, sent by another process through faults and a kill, once each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import syncer
from syncer import Workspace, clock
from syncer.abeja import APIClient
from syncer.sandbox import Options, Sandbox
from tests.abeja.rig import DEPLOYMENT, ORGANIZATION, PLACE, create, made, settings_of
from tests.files import rows

_RUNS = 40
_ROUNDS = 60
_LIMIT_S = 60
_WRITE = f"""
import json
from syncer.abeja import APIClient
client = APIClient()
made = [client.create_run("{ORGANIZATION}", "{DEPLOYMENT}", "ver-1", environment={{"N": str(n)}}) for n in range({_RUNS})]
print(json.dumps([run["run_id"] for run in made]))
"""


def environment(path: Path, **more: str) -> dict[str, str]:
    """The environment of a process of its own."""
    root = str(Path(syncer.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": root, "PYTHONUTF8": "1", "SYNCER_DB": str(path), **more}


def killed_after(process: subprocess.Popen[bytes], sandbox: Sandbox, runs: int) -> None:
    """Let the process make so many runs, then kill it without warning."""
    waited_s = 0.0
    while sandbox.abeja.count("run") < runs and waited_s < _LIMIT_S:
        try:
            process.wait(timeout=0.01)
            break
        except subprocess.TimeoutExpired:
            waited_s += 0.01
    process.send_signal(signal.SIGKILL)
    process.wait()


def drained(ws: Workspace, still: clock.Virtual) -> None:
    """Sync, minutes apart, until nothing waits."""
    for _ in range(_ROUNDS):
        report = ws.sync("abeja")
        if report.remotes["abeja"].pending == 0:
            return
        still.sleep(150)
    raise AssertionError("something still waits")


def test_every_run_is_made_once(sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written offline by one process, synced by another that is killed in the middle, ended by a third, faults on."""
    wrote = subprocess.run(
        [sys.executable, "-c", _WRITE], env=environment(path), capture_output=True, check=True, timeout=_LIMIT_S
    )
    locals_ = json.loads(wrote.stdout)
    assert sandbox.requests == 0
    sandbox.faults.fail_rate, sandbox.faults.lose_reply_rate, sandbox.faults.throttle = 0.15, 0.2, 0.05
    sandbox.faults.latency_ms = 20
    for name, value in settings_of(sandbox).items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "syncer.cli.main", "sync", "abeja"]
    with subprocess.Popen(command, env=environment(path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        killed_after(process, sandbox, runs=6)
    assert process.returncode == -signal.SIGKILL
    assert 0 < rows(path, "SELECT count(*) FROM outbox")[0][0] < _RUNS
    sandbox.faults.latency_ms = 0
    with clock.using(clock.Virtual(datetime.now(UTC))) as still, Workspace.open(path) as ws:
        assert isinstance(still, clock.Virtual)
        drained(ws, still)
        sandbox.faults.clear()
        assert ws.sync("abeja").exit_code == 0
        assert len(made(sandbox)) == _RUNS
        assert set(made(sandbox).values()) == {1}
        assert sandbox.abeja.count("run") == _RUNS
        assert ws.status().consistent
        client = APIClient(workspace=ws)
        runs = [client.get_run(*PLACE, local) for local in locals_]
        assert [run["user_env_vars"] for run in runs] == [{"N": str(n)} for n in range(_RUNS)]
        assert {run["run_id"] for run in runs} == {run["run_id"] for run in sandbox.abeja.rows("run")}
        assert rows(path, "SELECT count(*) FROM abeja_run") == [(_RUNS,)]
        assert ws.sync("abeja").requests == 0


@pytest.mark.parametrize("seed", range(4))
def test_any_mix_of_faults_makes_each_run_once(seed: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost replies, errors and throttling in any order: as many runs as creates, and one row each."""
    options = Options(fail_rate=0.3, lose_reply_rate=0.3, throttle=0.1, seed=seed)
    with Sandbox(options) as sandbox, clock.using(clock.Virtual(datetime(2026, 3, 4, tzinfo=UTC))) as still:
        assert isinstance(still, clock.Virtual)
        for name, value in settings_of(sandbox).items():
            monkeypatch.setenv(name, value)
        with Workspace.open(path) as ws:
            client = APIClient({}, workspace=ws)
            for _ in range(12):
                create(client)
            drained(ws, still)
            sandbox.faults.clear()
            assert ws.sync("abeja").exit_code == 0
            assert sorted(made(sandbox).values()) == [1] * 12
            assert rows(path, "SELECT count(*) FROM abeja_run") == [(12,)]
            assert ws.status().consistent
