"""The public clients, as people install them, work against the sandbox unchanged.

Each is installed from the package index into a virtual environment of its own and walks every endpoint it has. Where the
index cannot be reached, or has no such client for this Python, the requests that this very client was recorded to send
take its place: they must cover the same endpoints, and be answered as documented.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from syncer.sandbox import Options, Sandbox
from tests.sandbox.recorded import recorded, replay_abeja, replay_prefactor

WALKS = Path(__file__).parent / "clients"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
INSTALL_LIMIT_S = 30
ABEJA_PLACE = "/organizations/1234567890123/deployments/1111111111111/runs"
PREFACTOR_ENDPOINTS = {
    ("POST", "agent_instance/register"),
    ("POST", "agent_instance/ID/start"),
    ("POST", "agent_instance/ID/finish"),
    ("POST", "agent_spans"),
    ("POST", "agent_spans/SPAN/finish"),
    ("POST", "bulk"),
    ("GET", "agent_instance"),
}
NEWER_ENDPOINTS = {("GET", "ping"), ("GET", "agent_instance/ID")}
ABEJA_ENDPOINTS = {
    ("POST", ""),
    ("GET", ""),
    ("GET", "/run-3333333333333333"),
    ("GET", "/run-3333333333333333/logs"),
    ("GET", "/run-3333333333333333/recentlogs"),
}
CLIENTS = {
    "prefactor-http==0.1.0": ("prefactor", "prefactor-http 0.1.0", "/api/v1/", PREFACTOR_ENDPOINTS),
    "prefactor-http": ("prefactor", "prefactor-http 0.4.3", "/api/v1/", PREFACTOR_ENDPOINTS | NEWER_ENDPOINTS),
    "abeja-sdk": ("abeja", "abeja-sdk 2.3.6", ABEJA_PLACE, ABEJA_ENDPOINTS),
}
"""What is installed; and the remote, name, prefix and endpoints of its recording."""

AT = "2026-01-02T03:04:05.678901+00:00"


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path | None]:
    """The Python of a new virtual environment for each client, all installed at once; None where that is impossible."""
    folder = tmp_path_factory.mktemp("clients")
    homes = {package: folder / str(number) for number, package in enumerate(CLIENTS)}
    installing = {}
    for package, home in homes.items():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
        command = [*PIP, "--python", str(home / "bin" / "python"), "install", "--retries", "0", "--timeout", "10", package]
        installing[package] = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    there = {package: installed(process) for package, process in installing.items()}
    return {package: home / "bin" / "python" if there[package] else None for package, home in homes.items()}


def installed(process: subprocess.Popen[bytes]) -> bool:
    """Whether pip could do it, in a time worth waiting for."""
    try:
        return process.wait(INSTALL_LIMIT_S) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False


@pytest.fixture
def running() -> Iterator[Sandbox]:
    """A sandbox in memory."""
    with Sandbox(Options()) as sandbox:
        yield sandbox


def walk(python: Path, script: str, sandbox: Sandbox, hooks: Callable[[str], Any]) -> dict[str, Any]:
    """What the script found out about its client; ``hooks`` acts on the sandbox when the script asks."""
    clean = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    command = [str(python), "-I", str(WALKS / script)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=clean | sandbox.settings, **pipes) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        for line in process.stdout:
            said = json.loads(line)
            if "facts" in said:
                return said["facts"]
            process.stdin.write(json.dumps(hooks(said["do"])) + "\n")
            process.stdin.flush()
        raise AssertionError(process.stderr.read())


def prefactor_hooks(sandbox: Sandbox) -> Callable[[str], Any]:
    """What the Prefactor walk may ask for."""
    acts: dict[str, Callable[[], Any]] = {
        "agent_id": lambda: sandbox.prefactor.agent_id,
        "deployment_token": lambda: Options().prefactor_deployment_token,
        "lose": sandbox.faults.lose_next_reply,
        "throttle": lambda: sandbox.faults.fail_next(429, {"Retry-After": "0"}),
        "fail": lambda: sandbox.faults.fail_next(503, count=4),
        "signal": lambda: sandbox.prefactor.control_next(reason="budget"),
    }

    def act(hook: str) -> Any:
        name, _, instance = hook.partition(" ")
        if name == "terminate":
            sandbox.prefactor.terminate(instance, "stopped")
            return None
        return acts[name]()

    return act


def abeja_hooks(sandbox: Sandbox) -> Callable[[str], Any]:
    """What the ABEJA walk may ask for."""
    known = Options().abeja_credentials

    def small_pages() -> None:
        sandbox.abeja.page_size = 1

    def log(run: str) -> None:
        sandbox.abeja.page_size = 2
        for second in range(3):
            sandbox.abeja.log(run, f"m{second}", f"2026-01-01T00:00:0{second}Z")

    acts: dict[str, Callable[[], Any]] = {
        "credentials": lambda: [
            {"auth_token": known.token},
            {"user_id": known.user_id, "personal_access_token": known.personal_access_token},
            {"datasource_id": f"datasource-{known.datasource_id}", "datasource_secret": known.datasource_secret},
        ],
        "small_pages": small_pages,
        "lose": sandbox.faults.lose_next_reply,
        "fail": lambda: sandbox.faults.fail_next(503, count=2),
    }

    def act(hook: str) -> Any:
        name, _, run = hook.partition(" ")
        return log(run) if name == "log" else acts[name]()

    return act


def assert_recorded_client_works(package: str) -> None:
    """The requests that the client was recorded to send cover its endpoints, and each is answered as documented."""
    remote, client, prefix, endpoints = CLIENTS[package]
    cases = [case for case in recorded(remote) if case[0]["client"] == client]
    for case in cases:
        (replay_prefactor if remote == "prefactor" else replay_abeja)(case)
    assert {(record["method"], record["path"].removeprefix(prefix)) for case in cases for record in case} >= endpoints


@pytest.mark.parametrize("package", CLIENTS)
def test_the_recordings_can_stand_for_a_client(package):
    """What takes the place of a client that cannot be installed holds by itself."""
    assert_recorded_client_works(package)


@pytest.mark.parametrize("package", ["prefactor-http==0.1.0", "prefactor-http"])
def test_prefactor_http_works_unchanged(pythons, running, package):
    """Every endpoint, key, error class and retry of the client meets what its models and its reference expect."""
    python = pythons[package]
    if python is None:
        assert_recorded_client_works(package)
        return
    facts = walk(python, "prefactor_walk.py", running, prefactor_hooks(running))
    assert facts["registered"] == [True, "pending", 0, running.prefactor.agent_id]
    assert facts["started"] == ["active", AT]
    assert facts["twice"] == ["PrefactorApiError", 409, "invalid_action", []]
    assert facts["span"] == ["active", {"q": "why", "n": None}, "LLM", "why"]
    assert facts["child"] == [True, {"r": None}, AT]
    assert facts["finished_span"] == ["failed", {"x": 1}, AT]
    assert (facts["lost"], facts["cancelled"], facts["throttled"]) == (["pending", None], "cancelled", "active")
    assert facts["bulk"] == {"walk-bulk-1": "success", "walk-bulk-2": "success", "walk-bulk-3": "error"}
    assert facts["flat"] == "active"
    assert facts["page"] == [2, 2, 6]
    assert (facts["listed"], facts["ping"]) == (2, "success")
    assert facts["unauthorized"] == ["PrefactorAuthError", 401, "unauthorized", []]
    for name in ("unknown", "unknown_span", "no_route"):
        assert facts[name] == ["PrefactorNotFoundError", 404, "not_found", []]
    assert facts["invalid"] == ["PrefactorValidationError", 422, "validation_errors", ["id"]]
    assert facts["exhausted"] == ["PrefactorRetryExhaustedError", 503, "failure"]
    assert facts["finished"] == ["complete", AT, 1]
    assert set(running.prefactor.effects_by_key().values()) == {1}
    assert {use.key: use.repeats for use in running.prefactor.key_uses()}["walk-lost-1"] == 1
    if package == "prefactor-http":
        assert_newer(facts)


def assert_newer(facts: dict[str, Any]) -> None:
    """What only newer clients can do; the vendor's agent and quality endpoints are not served."""
    assert (facts["valid"], facts["got"], facts["told"]) == (True, "active", ["budget"])
    assert facts["quality"] == facts["agents"] == ["PrefactorNotFoundError", 404, "not_found", []]
    assert facts["deployed"] == [True, "eval", "walk"]
    assert facts["terminated"] == ["terminated", "stopped"]


def test_abeja_sdk_works_unchanged(pythons, running):
    """Every method, credential, page and error class; and the client's own retry doubles a run, as it does live."""
    python = pythons["abeja-sdk"]
    if python is None:
        assert_recorded_client_works("abeja-sdk")
        return
    facts = walk(python, "abeja_walk.py", running, abeja_hooks(running))
    assert facts["credentials"] == [[], [], []]
    assert facts["no_credentials"] == facts["unauthorized"] == ["Unauthorized", 401, "unauthorized", True]
    assert facts["made"] == {
        "models": {"alias": "3333333333333"},
        "input_data": {"$datalake:1": "2222222222222/20180101T112233"},
        "output_template": {"$datalake:1": "2222222222222"},
        "retry_count": 0,
        "user_env_vars": {"MARK": "full"},
    }
    assert facts["read"] == [True, 3]
    assert facts["small"] == [5, {}, "SUBMITTED"]
    assert facts["order"] == [True, True, True]
    assert facts["logs"] == [["m0", "m1"], ["m2"]]
    assert facts["bounded"] == facts["recent_bounded"] == ["m1"]
    assert facts["recent"] == [["m2", "m1"], ["m0"], [], []]
    assert facts["bad"] == facts["bad_token"] == ["BadRequest", 400, "bad_request", True]
    assert facts["forbidden"] == ["Forbidden", 403, "forbidden", True]
    assert facts["unknown"] == ["NotFound", 404, "not_found", True]
    assert facts["failed"] == ["HttpError", 503, "failure", True]
    assert running.abeja.effects_by("MARK") == {"full": 1, "doubled": 2}
