"""The running sandbox: starting, stopping, its file, and its rows from the side."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading

import pytest
from freezegun import freeze_time

from syncer.errors import InvalidInput, RecordNotFound, UsageError
from syncer.install import hint
from syncer.sandbox import Effect, Options, Sandbox

SERVE = """
import json, sys
from pathlib import Path
from syncer.sandbox import Options, serve
serve(Options(db=Path(sys.argv[1]), api_key="k"), on_ready=lambda settings: print(json.dumps(settings), flush=True))
print("ended")
"""


def test_settings_name_the_endpoints(sandbox):
    """The settings are those that syncer reads for all three remotes, for the port that was free."""
    assert sandbox.settings == {
        "PLEXUS_API_URL": f"http://127.0.0.1:{sandbox.port}/plexus/graphql",
        "PLEXUS_API_KEY": "sandbox-key",
        "PREFACTOR_API_URL": f"http://127.0.0.1:{sandbox.port}/prefactor",
        "PREFACTOR_API_TOKEN": "sandbox-prefactor-token",
        "ABEJA_API_URL": f"http://127.0.0.1:{sandbox.port}/abeja",
        "PLATFORM_AUTH_TOKEN": "sandbox-abeja-token",
        "ABEJA_ORGANIZATION_ID": "1234567890123",
        "ABEJA_DEPLOYMENT_IDS": "1111111111111,2222222222222",
    }
    assert sandbox.url == sandbox.settings["PLEXUS_API_URL"]


def test_a_stopped_sandbox_leaves_nothing(connect):
    """No thread stays, the port is free again, and a second stop does nothing."""
    before = threading.active_count()
    with Sandbox() as running:
        connect(running)("{ listItems { nextToken } }")
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
    running.stop()
    with Sandbox(port=running.port) as again:
        assert again.port == running.port


def test_a_sandbox_that_never_started_stops(tmp_path):
    """Nothing is left of one that was only made."""
    Sandbox(Options(db=tmp_path / "s.db")).stop()


def test_a_taken_port_is_a_usage_error():
    """The error says which port."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} cannot be used"):
            Sandbox(port=port)


def test_a_sandbox_continues_with_its_file(tmp_path, connect, result):
    """Rows, effects and the order of pages are there again after a restart."""
    options = Options(db=tmp_path / "s.db")
    document = "mutation C($i: CreateScoreResultInput!) { r: createScoreResult(input: $i) { id } }"
    with Sandbox(options) as first:
        connect(first)(document, {"i": result("r")})
        stored = first.rows("ScoreResult")
    with Sandbox(options) as second:
        assert second.rows("ScoreResult") == stored
        assert [effect[:4] for effect in second.effects()] == [("plexus", "ScoreResult", "r", "create")]
        connect(second)(document, {"i": result("s")})
        assert [row["id"] for row in second.rows("ScoreResult")] == ["r", "s"]


def test_a_file_that_is_not_ours_is_refused(tmp_path):
    """Neither a text file nor another program's table of the same name is touched."""
    notes = tmp_path / "notes.txt"
    notes.write_text("not a database, but long enough to be looked at by SQLite as if it were one " * 20)
    with pytest.raises(UsageError, match=r"notes\.txt"):
        Sandbox(Options(db=notes))
    with pytest.raises(UsageError, match="missing"):
        Sandbox(Options(db=tmp_path / "missing" / "s.db"))
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE plexus_account (id TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(UsageError, match="plexus_account"):
        Sandbox(Options(db=other))


def test_a_frozen_clock_does_not_stop_the_server(connect):
    """Time that stands still for people goes on for connections: latency passes, and the sandbox stops."""
    with freeze_time("2026-01-01T00:00:00Z"), Sandbox(Options(latency_ms=5)) as running:
        reply = connect(running)('mutation { createAccount(input: {name: "n", key: "k"}) { createdAt } }')
        assert reply.data == {"createAccount": {"createdAt": "2026-01-01T00:00:00.000Z"}}
        assert reply.headers["Date"] == "Thu, 01 Jan 2026 00:00:00 GMT"


def test_only_a_post_to_the_endpoint_is_answered(sandbox):
    """Other paths and methods are not Plexus."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port)
    statuses = []
    for method, path in (("GET", "/plexus/graphql"), ("POST", "/plexus/other"), ("POST", "/")):
        connection.request(method, path)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()
    assert statuses == [405, 404, 404]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_cleanly_on_a_signal(tmp_path, number):
    """It says its settings once it listens, nothing else, and returns with an idle client still connected."""
    command = [sys.executable, "-c", SERVE, str(tmp_path / "s.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        settings = json.loads(process.stdout.readline())
        host, _, port = settings["PLEXUS_API_URL"].removeprefix("http://").removesuffix("/plexus/graphql").partition(":")
        with socket.create_connection((host, int(port))):
            process.send_signal(number)
            output, errors = process.communicate(timeout=10)
    assert (process.returncode, output, errors) == (0, "ended\n", "")
    assert settings["PLEXUS_API_KEY"] == "k"


def test_a_missing_extra_says_what_to_install():
    """Without graphql-core the import is a usage error with the command to run."""
    program = (
        "import sys; sys.modules['graphql'] = None\n"
        "from syncer.errors import UsageError\n"
        "try:\n    import syncer.sandbox\n"
        "except UsageError as error:\n    print(error.hint)\n"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output == f"{hint('sandbox')}\n"


def test_rows_can_be_put_edited_and_dropped_from_the_side(sandbox, call):
    """Another client's writes are played in the test's own process; none of them counts as an effect."""
    with freeze_time("2026-01-01T00:00:00Z"):
        row = sandbox.put("Scorecard", {"id": "c", "name": "n"}, key="k", accountId="a", externalId=None)
    assert row == {
        "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": "2026-01-01T00:00:00.000Z",
        "id": "c",
        "name": "n",
        "key": "k",
        "accountId": "a",
    }
    with freeze_time("2026-01-02T00:00:00Z"):
        sandbox.edit("Scorecard", "c", name="m")
    assert call('{ getScorecard(id: "c") { name updatedAt } }').data == {
        "getScorecard": {"name": "m", "updatedAt": "2026-01-02T00:00:00.000Z"}
    }
    sandbox.drop("Scorecard", "c")
    assert call('{ getScorecard(id: "c") { name } }').data == {"getScorecard": None}
    assert sandbox.effects() == []


def test_put_takes_json_as_values_and_replaces(sandbox):
    """JSON fields may be given as Python values; the same key again replaces the row."""
    sandbox.put("Item", id="i", accountId="a", isEvaluation=True, metadata={"n": [1]}, text="old")
    sandbox.put("Item", id="i", accountId="a", isEvaluation=True, createdAt=None)
    assert sandbox.get("Item", "i").keys() == {"id", "accountId", "isEvaluation", "updatedAt"}
    assert sandbox.put("Item", id="j", metadata={"n": [1]})["metadata"] == '{"n":[1]}'
    assert sandbox.count("Item") == 2


def test_unknown_names_are_refused(sandbox):
    """A misspelt model or an absent record is an error, not an empty answer."""
    with pytest.raises(InvalidInput, match="ScoreResults"):
        sandbox.count("ScoreResults")
    with pytest.raises(RecordNotFound):
        sandbox.edit("Item", "none", text="t")


def test_effects_are_plain_tuples(sandbox, call):
    """An effect names remote, model, key, kind and request."""
    reply = call('mutation { createAccount(input: {id: "a", name: "n", key: "k"}) { id } }')
    request = reply.headers["x-amzn-requestid"]
    assert sandbox.effects("Account") == [Effect("plexus", "Account", "a", "create", request)]
    assert sandbox.effects("Item") == []
