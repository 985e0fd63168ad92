"""R5: what a network or an upstream refuses, and what that may cost."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from syncer import Workspace, clock
from syncer.adapters.plexus.adapter import Plexus
from syncer.engine.report import RemoteReport
from syncer.engine.verify.diff import inconsistent
from syncer.engine.verify.repair import local_states
from syncer.sandbox.server import Sandbox
from tests.contract.test_remotes import SUBJECTS, Subject
from tests.factory import result, scoring
from tests.files import rows, write
from tests.rigs import settings
from tests.rigs.auditor import Auditor
from tests.rigs.days import START, Days
from tests.rigs.faults import JSON_TYPE, Answer, Fault, Request
from tests.rigs.platforms import PlexusDays
from tests.rigs.proxy import Proxy

_ATTEMPTS = "SELECT outcome, attempts FROM ledger WHERE key IN (SELECT value FROM json_each(?))"
SECRETS = ("sandbox-key", "sandbox-prefactor-token", "sandbox-token")


@pytest.fixture
def still() -> Iterator[clock.Virtual]:
    """Time that passes only where somebody waits, and a little with every request."""
    virtual = clock.Virtual(START)
    with clock.using(virtual):
        yield virtual


@pytest.fixture
def proxy(sandbox: Sandbox, still: clock.Virtual, path: Path) -> Iterator[Proxy]:
    """A proxy whose traffic is audited."""
    with Proxy(sandbox.port, seed=settings.seed, virtual=still) as server:
        yield server
        assert server.problems == []
        assert server.went_elsewhere == []


@pytest.fixture
def ws(proxy: Proxy, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace whose remotes are behind the proxy."""
    for name, value in {**proxy.through(sandbox.settings), "PLEXUS_ACCOUNT_KEY": "lab"}.items():
        monkeypatch.setenv(name, value)
    with Workspace.open(path) as workspace:
        proxy.look = Auditor(path)
        yield workspace


@pytest.fixture(params=SUBJECTS, ids=str)
def subject(request: pytest.FixtureRequest) -> Subject:
    """Each remote in turn."""
    return SUBJECTS[request.param]


def make(ws: Workspace, subject: Subject, sandbox: Sandbox, count: int) -> None:
    """``count`` records that depend on nothing."""
    for _ in range(count):
        subject.make(ws._records[subject.name], sandbox)


def pushed(ws: Workspace, subject: Subject, wait_s: float = 0.0) -> RemoteReport:
    """The remote's part of a push."""
    return ws.push(subject.name, wait_s=wait_s).remotes[subject.name]


def outbox(path: Path) -> list[tuple[str, int]]:
    """State and attempts of what waits."""
    return rows(path, "SELECT state, attempts FROM outbox ORDER BY seq")


def refusing(bad: set[str], status: int) -> Callable[[Request], Answer | None]:
    """An upstream that refuses every document in which one of the ids ``bad`` stands."""

    def rule(request: Request) -> Answer | None:
        if not request.writes or not any(key.encode() in request.body for key in bad):
            return None
        if status == 200:
            error = {"message": "Variable 'i' has an invalid value", "locations": None}
            return Answer(200, json.dumps({"data": None, "errors": [error]}).encode())
        return Answer(status, b'{"message":"no"}', {"Content-Type": JSON_TYPE})

    return rule


@pytest.mark.parametrize("status", [200, 400, 413])
def test_a_poisoned_batch_costs_few_requests_for_each_culprit_and_the_good_nothing(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """k bad records among N cost at most k * (2 * ceil(log2 N) + 1) requests and the first; others take one attempt [I8]."""
    ids = scoring(ws)
    ws.push("plexus")
    random = Random(settings.seed)
    cases = [(2, 1), (25, 1), (64, 3), (100, 7)] + [
        (random.randint(2, 100), random.randint(1, 6)) for _ in range(settings.scale - 1)
    ]
    requests = rejected = 0
    for n, k in cases:
        monkeypatch.setattr(Plexus, "limits", replace(Plexus.limits, first_batch=n, max_bytes=10_000_000))
        made = [r["id"] for r in ws.plexus.create_many("ScoreResult", [result(ids) for _ in range(n)])]
        bad = set(random.sample(made, min(k, n)))
        proxy.rule = refusing(bad, status)
        before = proxy.count()
        part = ws.push("plexus", wait_s=0).remotes["plexus"]
        spent = len(proxy.writes(before))
        assert spent <= len(bad) * (2 * math.ceil(math.log2(n)) + 1) + 1, f"{n} with {k}, seed {settings.seed}"
        assert (part.acked, part.rejected) == (n - len(bad), len(bad)), f"{n} with {k}, seed {settings.seed}"
        assert {key for (key,) in rows(path, "SELECT key FROM outbox WHERE state = 'rejected'")} == bad
        assert set(rows(path, _ATTEMPTS, json.dumps(made))) == ({("acked", 1)} if len(bad) < n else set())
        ws.retry(*(seq for (seq,) in rows(path, "SELECT seq FROM outbox")))
        proxy.calm()
        assert ws.push("plexus").exit_code == 0
        requests, rejected = requests + spent, rejected + len(bad)
    settings.tally(f"poison {status}", batches=len(cases), culprits=rejected, requests=requests)


def test_a_record_that_makes_the_remote_stumble_ends_up_alone(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, still: clock.Virtual
) -> None:
    """A 500 says nothing about the culprit and nothing is bisected: smaller company finds it, the good arrive [I8]."""
    ids = scoring(ws)
    ws.push("plexus")
    made = [r["id"] for r in ws.plexus.create_many("ScoreResult", [result(ids) for _ in range(8)])]
    proxy.rule = refusing({made[3]}, 500)
    for _ in range(15):
        clock.sleep(3600)
        ws.push("plexus", wait_s=0)
    assert rows(path, "SELECT key, state FROM outbox") == [(made[3], "ambiguous")]
    assert {e.key for e in sandbox.effects("ScoreResult")} == set(made) - {made[3]}
    proxy.calm()
    clock.sleep(3600)
    assert ws.push("plexus").exit_code == 0


@pytest.mark.parametrize("wait", ["300", "Wed, 04 Mar 2026 05:11:07 GMT"])
def test_a_remote_that_said_when_is_left_alone_until_then(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, subject: Subject, still: clock.Virtual, wait: str
) -> None:
    """Retry-After, in seconds or as a date, holds for pushes and pulls of other processes too: not one request [I10]."""
    make(ws, subject, sandbox, 2)
    proxy.rule = lambda _: Answer(429, b"{}", {"Content-Type": JSON_TYPE, "Retry-After": wait})
    assert pushed(ws, subject).stopped == "throttled"
    proxy.calm()
    asked = proxy.count()
    for moment in (1, 100, 298):
        still.moment = START + timedelta(seconds=moment)
        with Workspace.open(path) as other:
            assert pushed(other, subject, wait_s=0.5).stopped == "throttled"
            assert other.pull(subject.name, wait_s=0.5).remotes[subject.name].stopped == "throttled"
        assert proxy.count() == asked
    still.moment = START + timedelta(seconds=301)
    with Workspace.open(path) as other:
        assert pushed(other, subject).acked == 2
    assert len(subject.applied(sandbox)) == 2


def test_what_failed_waits_for_its_own_time_in_every_process(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, subject: Subject, still: clock.Virtual
) -> None:
    """After failures without a word when to come again, nothing is sent before the time that is in the file [I9, I10]."""
    make(ws, subject, sandbox, 1)
    proxy.rule = lambda request: Answer(503, b"{}") if request.writes else None
    for _ in range(4):
        pushed(ws, subject)
        due = max(text for pair in rows(path, "SELECT next_attempt_at, NULL FROM outbox") for text in pair if text)
        hold = [text for (text,) in rows(path, "SELECT hold_until FROM _remote_state WHERE hold_until IS NOT NULL")]
        next_attempt_at = clock.parsed(max(due, *hold, due))
        assert next_attempt_at > still.moment
        still.moment = next_attempt_at - timedelta(milliseconds=2)
        asked = proxy.count()
        with Workspace.open(path) as other:
            pushed(other, subject)
        assert proxy.count() == asked
        still.moment = next_attempt_at + timedelta(milliseconds=1)
    proxy.calm()
    for _ in range(3):
        clock.sleep(3600)
        pushed(ws, subject)
    assert (outbox(path), len(subject.applied(sandbox))) == ([], 1)


def test_anybody_may_write_while_a_request_is_on_the_wire(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, still: clock.Virtual
) -> None:
    """A batch, a question about an upsert and a page of a pull: none of them leaves inside a transaction [I22]."""
    kinds: set[bool] = set()
    locked: list[int] = []

    def look(request: Request) -> None:
        kinds.add(request.writes)
        with closing(sqlite3.connect(path, isolation_level=None, timeout=1.0)) as file:
            try:
                file.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                locked.append(request.number)

    proxy.look = look
    account = ws.plexus.create("Account", {"name": "Lab", "key": "lab"})["id"]
    with ws.plexus.transaction() as unit:
        unit.create("Item", {"accountId": account, "externalId": "call-1"}, upsert=["externalId"])
    assert ws.push("plexus").exit_code == 0
    assert ws.pull("plexus", models=["Item"]).exit_code == 0
    assert (locked, kinds) == ([], {True, False})


LATE = {
    "question": (lambda r: b"externalId" in r.body and not r.writes, "push"),
    "batch": (lambda r: r.writes, "push"),
    "page": (lambda r: b"page:" in r.body, "pull"),
}


@pytest.mark.parametrize("moment", LATE)
def test_a_sync_that_is_overtaken_at_a_request_stores_no_answer(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, still: clock.Virtual, moment: str
) -> None:
    """Owners of upserts, receipts, a page: none comes into the file under a lease that another sync has by now [I21]."""
    wanted, how = LATE[moment]
    tables = ("outbox", "ledger", "_base", "_checkpoint", "_attempt", "plexus_item", "plexus_account", "_id_map")
    account = ws.plexus.create("Account", {"name": "Lab", "key": "lab"})["id"]
    if how == "push" and moment == "question":
        assert ws.push("plexus").exit_code == 0
        when = "2026-03-01T00:00:00.000Z"
        fields = {"accountId": account, "externalId": "call-1", "isEvaluation": False}
        sandbox.put("Item", {"id": "theirs", **fields, "createdAt": when, "updatedAt": when})
    with ws.plexus.transaction() as unit:
        unit.create("Item", {"accountId": account, "externalId": "call-1"}, upsert=["externalId"])
    seen: list[list[object]] = []

    def look(request: Request) -> None:
        if wanted(request) and not seen:
            write(path, "UPDATE _remote_state SET fence = fence + 1")
            seen.append([rows(path, f"SELECT * FROM {table}") for table in tables])

    proxy.look = look
    part = (ws.push if how == "push" else ws.pull)("plexus").remotes["plexus"]
    assert part.stopped == "lease-lost"
    assert [rows(path, f"SELECT * FROM {table}") for table in tables] == seen[0]


def test_an_edit_made_while_its_record_is_on_the_wire(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, still: clock.Virtual
) -> None:
    """It is neither overwritten by the answer nor taken for what the remote has: base and edit give the row [I5 I17]."""
    made = ws.plexus.create("Account", {"name": "Lab", "key": "lab"})["id"]
    edits = [{"name": "First"}, {"name": "Second", "description": "ours"}, {"settings": {"a": 1}}]

    def rule(request: Request) -> Answer | None:
        if not request.writes:
            return None
        if not edits:
            return Answer(429, b"{}", {"Content-Type": JSON_TYPE, "Retry-After": "300"})
        ws.plexus.update("Account", made, edits.pop(0))
        return None

    proxy.rule = rule
    ws.push("plexus", wait_s=0)
    base = json.loads(rows(path, "SELECT record FROM _base")[0][0])
    assert (base["name"], base["description"], base["settings"]) == ("Second", "ours", None)
    assert rows(path, "SELECT name, description, settings FROM plexus_account") == [("Second", "ours", '{"a":1}')]
    model = ws.plexus.models["Account"]
    assert ws.database.read(lambda tx: inconsistent(model, made, local_states(tx, model, [made])[made])) is None
    proxy.calm()
    clock.sleep(600)
    assert ws.push("plexus").exit_code == 0
    stored = sandbox.get("Account", made)
    assert stored is not None
    assert (stored["name"], stored["description"], stored["settings"]) == ("Second", "ours", '{"a":1}')
    assert len(sandbox.effects("Account")) == 4
    assert rows(path, "SELECT * FROM _base") == []


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_end_in_the_middle_stop_the_remote_and_cost_nothing(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, subject: Subject, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the third write on they are refused: what was done stays, the rest spends no attempt and arrives later [I10]."""
    monkeypatch.setattr(Plexus, "limits", replace(Plexus.limits, first_batch=3, max_batch=3))
    make(ws, subject, sandbox, 12)
    served = iter(range(100))
    proxy.rule = lambda r: (
        Answer(status, b'{"code":"no"}', {"Content-Type": JSON_TYPE}) if r.writes and next(served) >= 2 else None
    )
    part = pushed(ws, subject, wait_s=30)
    assert (part.stopped, part.exit_code) == ("access-refused", 4)
    assert len(proxy.writes()) <= 2 + Plexus.limits.senders
    assert len(subject.applied(sandbox)) == part.acked > 0
    assert set(outbox(path)) == {("pending", 0)}
    proxy.calm()
    assert pushed(ws, subject).exit_code == 0
    assert (outbox(path), len(subject.applied(sandbox)), ws.status().consistent) == ([], 12, True)


def test_credentials_never_follow_a_redirect(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, subject: Subject, still: clock.Virtual
) -> None:
    """Every write and every read is sent elsewhere: nobody goes there, nothing is spent, later all arrives [I10]."""
    make(ws, subject, sandbox, 2)
    for status in (301, 302, 303, 307, 308):
        proxy.rule = lambda _, s=status: Answer(s, b"", {"Location": proxy.elsewhere})  # type: ignore[misc]
        for part in (pushed(ws, subject), ws.pull(subject.name).remotes[subject.name]):
            assert part.exit_code == 4
    assert proxy.went_elsewhere == []
    assert all(secret not in request.target for request in proxy.requests for secret in SECRETS)
    assert set(outbox(path)) == {("pending", 0)}
    proxy.calm()
    assert pushed(ws, subject).acked == 2


@pytest.mark.parametrize("first", ["create", "update"])
def test_a_delete_behind_a_write_whose_answer_was_lost_is_no_conflict(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, still: clock.Virtual, first: str
) -> None:
    """Our own write, found to have arrived, is not taken for somebody's edit: the delete behind it goes out [I6, I16]."""
    made = ws.plexus.create("Account", {"name": "Lab", "key": "lab"})["id"]
    if first == "update":
        ws.push("plexus")
        ws.plexus.update("Account", made, {"name": "New"})
    proxy.next.append(Fault.LOST)
    ws.push("plexus", wait_s=0)
    assert [state for state, _ in outbox(path)] == ["ambiguous"]
    clock.sleep(5)
    ws.plexus.delete("Account", made)
    assert ws.push("plexus").exit_code == 0
    assert [e.op for e in sandbox.effects("Account")][-2:] == [first, "delete"]
    assert (outbox(path), sandbox.count("Account"), ws.status().consistent) == ([], 0, True)


def test_somebody_elses_edit_before_our_delete_still_asks(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, still: clock.Virtual
) -> None:
    """The same, but another client edited the record in between: the delete does not destroy what nobody has seen [I14]."""
    made = ws.plexus.create("Account", {"name": "Lab", "key": "lab"})["id"]
    proxy.next.append(Fault.LOST)
    ws.push("plexus", wait_s=0)
    clock.sleep(5)
    ws.plexus.delete("Account", made)
    sandbox.edit("Account", made, description="theirs")
    ws.push("plexus")
    assert [state for state, _ in outbox(path)] == ["conflict"]
    assert sandbox.count("Account") == 1


def test_a_body_that_left_once_keeps_its_key(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, still: clock.Virtual
) -> None:
    """Refused with 429, then not reached, then edited: what is sent in the end does not travel under the used key [I4]."""
    made = ws.plexus.create("Account", {"name": "Lab", "key": "lab"})["id"]
    proxy.next.append(Fault.THROTTLED)
    ws.push("plexus", wait_s=0)
    clock.sleep(600)
    proxy.next.append(Fault.REDIRECT)
    ws.push("plexus", wait_s=0)
    with Workspace.open(path) as offline:
        object.__setattr__(
            offline.settings, "environ", {"PLEXUS_API_URL": "http://127.0.0.1:9/graphql", "PLEXUS_API_KEY": "k"}
        )
        assert offline.push("plexus").remotes["plexus"].stopped == "unreachable"
    ws.plexus.update("Account", made, {"name": "Edited"})
    assert ws.push("plexus").exit_code == 0
    stored = sandbox.get("Account", made)
    assert stored is not None
    assert stored["name"] == "Edited"
    auditor = proxy.look
    assert isinstance(auditor, Auditor)
    assert len(auditor.hashes) == 2


def test_a_run_that_may_be_on_its_way_is_not_made_again_because_somebody_asks(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, still: clock.Virtual
) -> None:
    """The POST is late and the list old: a retry asks for the run, but within the grace period makes none [I3, I6]."""
    make(ws, SUBJECTS["abeja"], sandbox, 1)
    proxy.next.append(Fault.LATE)
    proxy.rule = lambda r: None if r.writes else Answer(200, b'{"entries":[],"next_page_token":null}')
    assert pushed(ws, SUBJECTS["abeja"]).will_retry == 1
    for _ in range(3):
        clock.sleep(15)
        ws.retry(*(seq for (seq,) in rows(path, "SELECT seq FROM outbox")))
        pushed(ws, SUBJECTS["abeja"])
        assert len(proxy.writes()) == 1
    proxy.calm()
    clock.sleep(120)
    assert pushed(ws, SUBJECTS["abeja"]).acked == 1
    assert len(sandbox.abeja.effects("run")) == 1


def test_a_run_that_the_network_made_twice_is_told(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, still: clock.Virtual
) -> None:
    """ABEJA makes a run of every POST, also of one that a proxy repeats: both are here, and the sync names them [I3]."""
    make(ws, SUBJECTS["abeja"], sandbox, 1)
    proxy.next.append(Fault.TWICE)
    part = ws.sync("abeja").remotes["abeja"]
    made = [run["run_id"] for run in sandbox.abeja.rows("run")]
    assert (len(proxy.writes()), len(made), part.acked) == (1, 2, 1)
    assert any(all(key in note for key in made) for note in part.notes)
    assert sorted(run["run_id"] for run in ws.abeja.find("Run")) == sorted(made)


def test_half_a_list_and_no_list_remove_nothing(
    proxy: Proxy, sandbox: Sandbox, still: clock.Virtual, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A complete scan that breaks off anywhere, or is empty, or lies, removes no row; waiting edits never go [I15]."""
    monkeypatch.setattr(Plexus, "limits", replace(Plexus.limits, page=3))
    days: Days = PlexusDays(tmp_path, sandbox, proxy, Random(settings.seed))
    try:
        days.ws.plexus.create_many("Item", [{"accountId": days.ids["accountId"], "externalId": f"x-{n}"} for n in range(8)])
        days.ws.sync("plexus")
        days.ws.sync("plexus", full=True)
        here = _items(days.ws)
        for fault in (Fault.LOST, Fault.RESET, Fault.CUT, Fault.CUT_COUNTED, Fault.ERROR, Fault.HTML, Fault.REDIRECT):
            for served in range(0, 9, 4 if settings.scale == 1 else 1):
                proxy.next.extend((*(None for _ in range(served)), *(fault for _ in range(12))))
                days.ws.pull("plexus", full=True, wait_s=0)
                proxy.next.clear()
                clock.sleep(1000)
                assert _items(days.ws) == here, f"{fault} after {served}"
        proxy.rule = _emptied
        part = days.ws.pull("plexus", full=True).remotes["plexus"]
        assert _items(days.ws) == here
        assert any("lists none" in note for note in part.notes)
        proxy.calm()
        edited, gone, *_ = here
        days.ws.plexus.update("Item", edited, {"description": "ours"})
        for key in (edited, gone):
            sandbox.drop("Item", key)
        days.ws.pull("plexus", full=True)
        assert set(here) - set(_items(days.ws)) == {gone}
    finally:
        days.ws.close()


def _items(ws: Workspace) -> list[str]:
    return sorted(str(row["id"]) for row in ws.plexus.find("Item"))


def _emptied(request: Request) -> Answer | None:
    """Every page of a list, empty."""
    if b"page:" not in request.body:
        return None
    return Answer(200, b'{"data":{"page":{"items":[],"nextToken":null}}}')


def test_a_pull_that_was_told_to_wait_is_remembered(
    ws: Workspace, proxy: Proxy, sandbox: Sandbox, path: Path, subject: Subject, still: clock.Virtual
) -> None:
    """Retry-After in the answer to a question holds the remote for the next process as well [I10]."""
    make(ws, subject, sandbox, 1)
    assert pushed(ws, subject).acked == 1
    proxy.rule = lambda _: Answer(429, b"{}", {"Content-Type": JSON_TYPE, "Retry-After": "300"})
    assert ws.pull(subject.name).remotes[subject.name].exit_code == 4
    proxy.calm()
    asked = proxy.count()
    with Workspace.open(path) as other:
        assert other.sync(subject.name).remotes[subject.name].stopped == "throttled"
        assert proxy.count() == asked
        clock.sleep(301)
        assert other.sync(subject.name).exit_code == 0
