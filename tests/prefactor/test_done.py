"""The whole promise for Prefactor: written without network, killed on the way, sent over a bad line, there exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import syncer
from syncer import Workspace
from syncer.sandbox import Sandbox
from tests.files import rows

LIMIT_S = 120
ROOT = Path(syncer.__file__).parents[1]

BEGUN = """
import asyncio, sys
from syncer.prefactor import HttpClientConfig, PrefactorHttpClient

async def main(agent_id):
    async with PrefactorHttpClient(HttpClientConfig("http://127.0.0.1:9", "nobody")) as client:
        for run in range(3):
            version = {"name": "Agent", "external_identifier": "v1"}
            instance = await client.agent_instances.register(agent_id, version, {"external_identifier": "s1"})
            await client.agent_instances.start(instance.id)
            root = await client.agent_spans.create(instance.id, "root", "active", {"run": run})
            for step in range(4):
                await client.agent_spans.create(instance.id, "step", "active", {"step": step}, parent_span_id=root.id)
            done = await client.agent_spans.create(instance.id, "done", "active", parent_span_id=root.id)
            await client.agent_spans.finish(done.id, "complete", {"answer": run})

asyncio.run(main(sys.argv[1]))
"""

ENDED = """
import asyncio
from syncer import Workspace
from syncer.prefactor import HttpClientConfig, PrefactorHttpClient

async def main(ws):
    client = PrefactorHttpClient(HttpClientConfig("http://127.0.0.1:9", "nobody"), workspace=ws)
    for span in ws.prefactor.find("AgentSpan", {"status": "active"}, order_by="-id"):
        await client.agent_spans.finish(span["id"], "failed" if span["schema_name"] == "root" else "complete", {"end": True})
    for instance in ws.prefactor.find("AgentInstance"):
        await client.agent_instances.finish(instance["id"])

with Workspace.open() as ws:
    asyncio.run(main(ws))
"""


class Machine:
    """One local file, and processes that work on it with and without network."""

    def __init__(self, path: Path, home: Path, settings: Mapping[str, str]) -> None:
        offline = {n: v for n, v in os.environ.items() if not n.startswith(("PREFACTOR_", "PLEXUS_", "ABEJA_", "PLATFORM_"))}
        self.path = path
        self.offline = offline | {"SYNCER_DB": str(path), "HOME": str(home), "PYTHONPATH": str(ROOT)}
        self.online = self.offline | {n: v for n, v in settings.items() if n.startswith("PREFACTOR_")}
        self.running: list[subprocess.Popen[bytes]] = []

    def offline_program(self, code: str, *arguments: str) -> None:
        """Run ``code`` in a process without any setting of the remote."""
        subprocess.run([sys.executable, "-c", code, *arguments], env=self.offline, check=True, timeout=LIMIT_S)

    def sync(self, *, token: str | None = None) -> int:
        """The exit code of a whole sync."""
        env = self.online if token is None else self.online | {"PREFACTOR_API_TOKEN": token}
        return subprocess.run(self._command, env=env, check=False, timeout=LIMIT_S, capture_output=True).returncode

    def sync_in_background(self) -> subprocess.Popen[bytes]:
        """A sync that somebody will interrupt."""
        process = subprocess.Popen(self._command, env=self.online, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.running.append(process)
        return process

    @property
    def _command(self) -> list[str]:
        return [sys.executable, "-m", "syncer.cli.main", "sync", "prefactor"]


@pytest.fixture
def machine(path: Path, tmp_path: Path, sandbox: Sandbox) -> Iterator[Machine]:
    """A machine whose remote is ``sandbox``; nothing it started outlives the test."""
    made = Machine(path, tmp_path, sandbox.settings)
    yield made
    for process in made.running:
        process.kill()
        process.wait()


def once(sandbox: Sandbox) -> dict[tuple[str, str], int]:
    """How many records saw each action; fails when one saw it twice, or a key had two effects."""
    seen = Counter((e.model, e.op, e.key) for e in sandbox.prefactor.effects())
    assert set(seen.values()) == {1}
    assert set(sandbox.prefactor.effects_by_key().values()) == {1}
    return dict(Counter((model, op) for model, op, _ in seen))


def waiting(path: Path) -> list[Any]:
    """What the outbox holds."""
    return rows(path, "SELECT model, op, state, code FROM outbox ORDER BY seq")


def until(what: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Look again and again, as long as the process lives."""
    while not what():
        assert process.poll() is None, "it ended before it could be interrupted"


def test_everything_is_there_exactly_once(machine: Machine, sandbox: Sandbox, path: Path) -> None:
    """Written offline, killed in the middle of a sync, ended offline, synced over a bad line: each effect exists once."""
    machine.offline_program(BEGUN, sandbox.prefactor.agent_id)
    assert len(waiting(path)) == 3 * (2 + 6)
    assert sandbox.requests == 0

    sandbox.faults.serve_next(10)
    sandbox.faults.stall_next(LIMIT_S)
    process = machine.sync_in_background()
    until(lambda: sandbox.faults.dealt["stalled"] > 0, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < len(waiting(path)) < 24
    assert any(state == "sending" for _, _, state, _ in waiting(path))

    machine.offline_program(ENDED)
    faults = sandbox.faults
    faults.fail_rate, faults.lose_reply_rate, faults.throttle = 0.15, 0.2, 0.02
    codes = [machine.sync()]
    while codes[-1] == 4 and len(codes) < 10:
        codes.append(machine.sync())
    assert (codes[-1], waiting(path)) == (0, [])
    assert min(faults.dealt[name] for name in ("failed", "lost")) > 0
    faults.clear()
    assert machine.sync() == 0

    assert once(sandbox) == {
        ("agent_instance", "create"): 3,
        ("agent_instance", "start"): 3,
        ("agent_instance", "finish"): 3,
        ("agent_span", "create"): 18,
        ("agent_span", "finish"): 15 - folded(sandbox),
    }
    with Workspace.open(path) as ws:
        assert ws.status().consistent
        same_on_both_sides(ws, sandbox)


def folded(sandbox: Sandbox) -> int:
    """How many of the spans that were finished later arrived finished, because their create had not left before."""
    finished = {e.key for e in sandbox.prefactor.effects("agent_span", "finish")}
    return sum(1 for s in sandbox.prefactor.rows("agent_span") if s["id"] not in finished) - 3


def same_on_both_sides(ws: Workspace, sandbox: Sandbox) -> None:
    """Every record is equal here and there, and all spans are ended as the program wanted."""
    for model, there in (("AgentInstance", "agent_instance"), ("AgentSpan", "agent_span")):
        upstream = {record["id"]: record for record in sandbox.prefactor.rows(there)}
        here = {record["id"]: record for record in ws.prefactor.find(model)}
        assert here.keys() == upstream.keys()
        for key, record in here.items():
            shared = record.keys() & upstream[key].keys()
            assert {n: record[n] for n in shared} == {n: upstream[key][n] for n in shared}
    assert Counter((s["schema_name"], s["status"]) for s in ws.prefactor.find("AgentSpan")) == {
        ("root", "failed"): 3,
        ("step", "complete"): 12,
        ("done", "complete"): 3,
    }
    assert {s["result_payload"] == {"end": True} for s in ws.prefactor.find("AgentSpan", {"schema_name": "step"})} == {True}
    assert {i["span_counts"]["finished"] for i in ws.prefactor.find("AgentInstance")} == {6}


def test_an_expired_token_loses_nothing(machine: Machine, sandbox: Sandbox, path: Path) -> None:
    """A 401 in the middle of a sync ends it with exit code 4; what was sent stays, the rest goes out with a new token."""
    machine.offline_program(BEGUN, sandbox.prefactor.agent_id)
    sandbox.faults.serve_next(9)
    sandbox.faults.fail_next(401, body=b'{"status":"error","code":"unauthorized","message":"expired"}', count=1000)
    assert machine.sync() == 4
    left = waiting(path)
    assert len(left) == 24 - 9
    assert {state for _, _, state, _ in left} == {"pending"}
    assert rows(path, "SELECT max(attempts) FROM outbox") == [(0,)]
    sandbox.faults.clear()
    assert machine.sync(token="wrong") == 4
    assert machine.sync() == 0
    assert waiting(path) == []
    assert once(sandbox)["agent_span", "create"] == 18
