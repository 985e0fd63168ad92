"""A caller's own GraphQL: answers, errors, and what is tried again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from random import Random

import pytest

from syncer import Workspace, clock
from syncer.clock import Virtual
from syncer.errors import AccessRefused, GraphQLFailed, InvalidInput, SettingError, Unreachable
from syncer.plexus import GraphQLRetryPolicy, PlexusDashboardClient
from syncer.plexus.graphql import POLICIES, only_reads
from syncer.sandbox.server import Sandbox

GET = "query Get($id: ID!) { getAccount(id: $id) { id name } }"
MAKE = "mutation Make($i: CreateAccountInput!) { createAccount(input: $i) { id } }"
NEW = {"i": {"name": "Lab", "key": "lab"}}
QUICK = GraphQLRetryPolicy("quick", 3, 10.0, 0.5, 2.0)


@pytest.fixture
def client(synced: Workspace) -> PlexusDashboardClient:
    """A client of the sandbox."""
    return PlexusDashboardClient(workspace=synced)


@pytest.fixture
def virtual() -> Iterator[Virtual]:
    """A clock that waits in no time, and remembers."""
    with clock.using(Virtual(datetime(2026, 3, 4, tzinfo=UTC))) as source:
        assert isinstance(source, Virtual)
        yield source


def test_the_data_comes_back(client: PlexusDashboardClient, sandbox: Sandbox) -> None:
    """What the remote answers, past the local file, over one connection."""
    sandbox.put("Account", id="a", name="Lab", key="lab")
    for _ in range(3):
        assert client.execute(GET, {"id": "a"}) == {"getAccount": {"id": "a", "name": "Lab"}}
    assert client.execute('{ getAccount(id: "no") { id } }') == {"getAccount": None}
    assert client.records.get("Account", "a") is None
    assert sandbox.connections == 1
    with client:
        client.execute(GET, {"id": "a"})
    assert client.execute(GET, {"id": "a"})["getAccount"]["name"] == "Lab"


def test_errors_in_the_answer_are_one_type(client: PlexusDashboardClient, sandbox: Sandbox) -> None:
    """The text begins as it always did; errors and what data came are there to look at; nothing is tried again."""
    with pytest.raises(GraphQLFailed, match=r"^GraphQL query failed: .*Nonsense") as caught:
        client.execute("{ getNonsense(id: 1) { id } }", retry_policy=QUICK)
    assert "getNonsense" in caught.value.errors[0]["message"]
    sandbox.put("Account", id="a", name="Lab", key="lab")
    other = 'two: createAccount(input: {id: "b", name: "Other", key: "other"})'
    twice = MAKE.replace("createAccount(input: $i)", f"one: createAccount(input: $i) {{ id }} {other}")
    with pytest.raises(GraphQLFailed, match="condition") as partly:
        client.execute(twice, {"i": {**NEW["i"], "id": "b"}})
    assert partly.value.data == {"one": {"id": "b"}, "two": None}
    assert sandbox.requests == 2


def test_without_settings_it_says_what_is_missing(ws: Workspace) -> None:
    """A client without address or key works on the file and says what its own GraphQL needs."""
    with pytest.raises(SettingError, match="PLEXUS_API_URL and PLEXUS_API_KEY not set"):
        PlexusDashboardClient(workspace=ws).execute(GET)
    with pytest.raises(SettingError, match=r"failed: Plexus is not configured: PLEXUS_API_KEY not set"):
        PlexusDashboardClient("https://x.example/graphql", workspace=ws).execute(GET)
    with pytest.raises(SettingError, match="unencrypted"):
        PlexusDashboardClient("http://x.example/graphql", "key", workspace=ws).execute(GET)


def test_iam_is_refused_when_it_is_needed(
    synced: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sandbox: Sandbox
) -> None:
    """Such a client can be made and write, but not sign requests; it says so instead of sending a key."""
    monkeypatch.setenv("PLEXUS_GRAPHQL_AUTH_MODE", " IAM ")
    monkeypatch.setenv("PLEXUS_API_REGION", "eu-west-1")
    with Workspace.open(synced.path) as ws:
        client = PlexusDashboardClient(workspace=ws)
        assert (client.auth_mode, client.api_region) == ("iam", "eu-west-1")
        client.records.create("Account", {"name": "Lab", "key": "lab"})
        with pytest.raises(SettingError, match="iam"):
            client.execute(GET, {"id": "a"})
        client.flush()
    assert "iam" in caplog.text
    assert sandbox.requests == 0


def test_the_constructor_s_credentials_are_used(ws: Workspace, sandbox: Sandbox) -> None:
    """They need no settings; a wrong key is an error of its own, and shows nowhere."""
    sandbox.put("Account", id="a", name="Lab", key="lab")
    right = PlexusDashboardClient(sandbox.url, sandbox.settings["PLEXUS_API_KEY"], workspace=ws)
    assert right.execute(GET, {"id": "a"})["getAccount"]["id"] == "a"
    with pytest.raises(AccessRefused, match=r"^GraphQL query failed") as caught:
        PlexusDashboardClient(sandbox.url, "da2-canary", workspace=ws).execute(GET, {"id": "a"})
    assert "da2-canary" not in f"{caught.value!r} {caught.value.hint}"
    right.api_key = "da2-set-later"
    with pytest.raises(AccessRefused):
        right.execute(GET, {"id": "a"})


def test_nobody_there(ws: Workspace, virtual: Virtual) -> None:
    """Every attempt of the policy, then Unreachable; waits grow and are bounded."""
    client = PlexusDashboardClient("http://127.0.0.1:9/graphql", "key", workspace=ws)
    with pytest.raises(Unreachable, match=r"^GraphQL query failed: .*refused"):
        client.execute(MAKE, NEW)
    assert len(virtual.slept) == 5
    assert virtual.slept == sorted(virtual.slept)
    assert 0.5 <= virtual.slept[0] <= 0.6
    with pytest.raises(Unreachable):
        client.execute(GET, retry_policy="chat_stream_write")
    assert len(virtual.slept) == 5 + 3


@pytest.mark.parametrize("policy", ["soon", "chat_stream_writ", 7])
def test_an_unknown_policy_is_an_error(client: PlexusDashboardClient, sandbox: Sandbox, policy: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="no retry policy"):
        client.execute(GET, {"id": "a"}, policy)
    assert sandbox.requests == 0


@pytest.mark.parametrize("fault", ["lost", "truncated", "failed", "throttled"])
def test_queries_are_tried_again(client: PlexusDashboardClient, sandbox: Sandbox, virtual: Virtual, fault: str) -> None:
    """Whatever became of the first: reading twice harms nobody."""
    deal(sandbox, fault)
    assert client.execute(GET, {"id": "a"}, QUICK) == {"getAccount": None}
    assert (sandbox.requests, len(virtual.slept)) == (2, 1)


@pytest.mark.parametrize("fault", ["lost", "truncated", "failed"])
def test_a_mutation_that_may_have_worked_is_not_sent_twice(
    client: PlexusDashboardClient, sandbox: Sandbox, virtual: Virtual, fault: str
) -> None:
    """Only its caller can tell what a second run would do; the original makes two records of one."""
    deal(sandbox, fault)
    with pytest.raises(Unreachable, match=r"^GraphQL query failed"):
        client.execute(MAKE, NEW, "long_running_write")
    assert (sandbox.requests, virtual.slept) == (1, [])
    assert len(sandbox.effects("Account", "create")) == (0 if fault == "failed" else 1)


def test_a_mutation_that_surely_did_nothing_is_tried_again(
    client: PlexusDashboardClient, sandbox: Sandbox, virtual: Virtual
) -> None:
    """429 means that nothing ran; the wait is what the remote asked for at least."""
    sandbox.faults.fail_next(429, {"Retry-After": "3"})
    assert client.execute(MAKE, NEW, QUICK)["createAccount"]
    assert len(sandbox.effects("Account", "create")) == 1
    assert virtual.slept == [3.0]


def test_it_gives_up_when_the_wait_is_too_long(client: PlexusDashboardClient, sandbox: Sandbox, virtual: Virtual) -> None:
    """A remote that asks for more time than the policy has is not waited for."""
    sandbox.faults.fail_next(429, {"Retry-After": "3600"})
    with pytest.raises(Unreachable, match="429"):
        client.execute(GET, {"id": "a"}, QUICK)
    assert virtual.slept == []


def test_a_web_page_is_no_answer(client: PlexusDashboardClient, sandbox: Sandbox, virtual: Virtual) -> None:
    """A captive portal is said, and not asked again."""
    sandbox.faults.html_next()
    with pytest.raises(Unreachable, match="web page"):
        client.execute(GET, {"id": "a"}, QUICK)
    assert virtual.slept == []


def test_a_remote_that_stalls_is_not_waited_for_for_ever(
    sandbox: Sandbox, ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PLEXUS_TIMEOUT_S bounds each request; nonsense in it is named."""
    monkeypatch.setenv("PLEXUS_TIMEOUT_S", "0.2")
    sandbox.faults.stall_next(30)
    with Workspace.open(ws.path) as quick:
        client = PlexusDashboardClient(sandbox.url, sandbox.settings["PLEXUS_API_KEY"], workspace=quick)
        with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
            client.execute(MAKE, NEW)
    for wrong in ("soon", "0", "nan", "-1"):
        monkeypatch.setenv("PLEXUS_TIMEOUT_S", wrong)
        with Workspace.open(ws.path) as odd, pytest.raises(SettingError, match="PLEXUS_TIMEOUT_S"):
            PlexusDashboardClient(sandbox.url, "key", workspace=odd).execute(GET)


def test_what_cannot_be_sent_is_named(client: PlexusDashboardClient, sandbox: Sandbox) -> None:
    """No query, or variables JSON has no words for."""
    for query in ("", "  ", None):
        with pytest.raises(InvalidInput, match="text"):
            client.execute(query)  # type: ignore[arg-type]
    for value in (float("nan"), datetime(2026, 1, 1, tzinfo=UTC), {1, 2}):
        with pytest.raises(ValueError, match="cannot be sent"):
            client.execute(GET, {"id": value})
    assert sandbox.requests == 0


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        (GET, True),
        ("{ a }", True),
        ("# mutation\nquery mutation { mutation }", True),
        ('query Q($a: String = "}") @d(a: {b: "mutation {"}) { a(x: """ } mutation { """) }', True),
        ("fragment mutation on X { id } query { ...mutation }", True),
        (MAKE, False),
        ("query A { a } mutation B { b }", False),
        ("{ a } \ufeff, mutation { b }", False),
        ("subscription { a }", False),
        ("fragment F on X { id }", False),
        ("query { a ", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_what_reads_only_is_known(query: str, reads: bool) -> None:
    """Strings, comments and names cannot make a mutation look like a query, nor the other way round."""
    assert only_reads(query) is reads


def test_the_named_policies() -> None:
    """As documented, frozen, and bounded even where the numbers are absurd."""
    assert {p.name: (p.max_attempts, p.max_elapsed_seconds) for p in POLICIES.values()} == {
        "default_graphql": (6, 30.0),
        "long_running_write": (120, 3600.0),
        "chat_stream_write": (4, 8.0),
    }
    with pytest.raises(FrozenInstanceError):
        POLICIES["default_graphql"].max_attempts = 7  # type: ignore[misc]
    absurd = GraphQLRetryPolicy("absurd", 2000, 1.0, 1.0, 60.0, backoff_multiplier=10.0)
    delays = list(absurd.delays_s(Random(1)))
    assert (len(delays), max(delays)) == (1999, 60.0)
    assert list(GraphQLRetryPolicy("once", 0, 1.0, 1.0, 1.0).delays_s(Random(1))) == []


def deal(sandbox: Sandbox, fault: str) -> None:
    """Let this happen to the next request."""
    faults = sandbox.faults
    {
        "lost": faults.lose_next_reply,
        "truncated": faults.truncate_next,
        "failed": lambda: faults.fail_next(503),
        "throttled": lambda: faults.fail_next(429),
    }[fault]()
