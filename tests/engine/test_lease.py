"""One sync per file and remote, and no write by one that was overtaken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncer import Workspace, clock, ids
from syncer.adapters import registry
from syncer.engine import lease
from syncer.engine.push import loop as push
from syncer.engine.push.claim import claim
from syncer.errors import LeaseLost, SyncRunning
from syncer.sandbox.server import Sandbox
from tests.factory import account
from tests.files import rows, write
from tests.prefactor.talking import Talk
from tests.rigs.proxy import Proxy
from tests.rigs.world import pause

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LIMIT_S = 30


def commit_late(ws: Workspace, late: lease.Lease) -> None:
    """What a sync does that wakes up: write, and check its lease in the same commit."""
    with ws.database.transaction() as tx:
        tx.rows("DELETE FROM ledger", ())
        late.renew(tx)


def test_a_second_sync_is_refused_while_the_first_lives(ws: Workspace) -> None:
    """The error says who has the lease and until when; once it is given back the next one may."""
    first = lease.acquire(ws.database, "plexus")
    with pytest.raises(SyncRunning, match=ids.owner()) as caught:
        lease.acquire(ws.database, "plexus")
    assert caught.value.exit_code == 4
    with ws.database.transaction() as tx:
        first.release(tx)
    assert lease.acquire(ws.database, "plexus").fence == first.fence + 1


def test_other_remotes_are_not_concerned(ws: Workspace) -> None:
    """A lease is for one remote."""
    lease.acquire(ws.database, "plexus")
    lease.acquire(ws.database, "prefactor")


def test_a_sync_elsewhere_delays_no_other_remote(synced: Workspace, path: Path) -> None:
    """What is due for the remotes that nobody has goes out before it is said that one was busy [I9]."""
    account(synced)
    Talk(synced, "agent-1").register()
    lease.acquire(synced.database, "plexus")
    with pytest.raises(SyncRunning, match="plexus"):
        synced.sync(wait_s=0)
    assert [remote for (remote,) in rows(path, "SELECT DISTINCT remote FROM outbox")] == ["plexus"]
    assert rows(path, "SELECT DISTINCT remote, kind FROM sync_run ORDER BY 1, 2") == [
        (remote, kind) for remote in ("abeja", "prefactor") for kind in ("pull", "push")
    ]


def test_a_sync_that_waits_for_a_slow_answer_is_not_overtaken(
    synced: Workspace, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the remote takes, the lease lasts while the sync lives: nobody sends the same beside it [I3 I21]."""
    monkeypatch.setattr(push, "_RENEW_S", 0.01)
    account(synced)
    with clock.using(clock.Virtual(START)), Proxy(sandbox.port) as proxy:
        synced.settings.environ["PLEXUS_API_URL"] = proxy.through(sandbox.settings)["PLEXUS_API_URL"]  # type: ignore[index]
        proxy.hold = lambda request: request.writes
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(synced.push, "plexus")
            assert proxy.held.wait(LIMIT_S)
            for _ in range(3):
                clock.sleep(lease.LEASE_S * 0.9)
                _until(lambda: rows(path, "SELECT lease_until FROM _remote_state")[0][0] > clock.after(lease.LEASE_S * 0.9))
            with pytest.raises(SyncRunning):
                lease.acquire(synced.database, "plexus")
            proxy.release.set()
            assert slow.result().acked == 1
    assert len(sandbox.effects("Account")) == 1


def _until(true: Callable[[], bool]) -> None:
    for _ in range(5000):
        if true():
            return
        pause(0.002)
    raise AssertionError("the lease was not prolonged")


def test_a_dead_holder_is_succeeded_at_once(ws: Workspace, path: Path) -> None:
    """A process that was killed does not make others wait for its lease to end."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(timeout=30)
    lease.acquire(ws.database, "plexus")
    host = ids.owner().rpartition(":")[0]
    write(path, "UPDATE _remote_state SET lease_owner = ?", f"{host}:{gone.pid}")
    assert lease.acquire(ws.database, "plexus").fence == 2


def test_an_overtaken_sync_cannot_commit(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A holder that stood still past its lease is fenced: its late commit is undone, nothing is lost or doubled."""
    account(synced)
    with clock.using(clock.Virtual(START)):
        late = lease.acquire(synced.database, "plexus")
        clock.sleep(lease.LEASE_S + 1)
        assert synced.push().exit_code == 0
        with pytest.raises(LeaseLost):
            commit_late(synced, late)
    assert rows(path, "SELECT outcome FROM ledger") == [("acked",)]
    assert len(sandbox.effects("Account")) == 1


def test_an_overtaken_sync_claims_nothing(synced: Workspace, path: Path) -> None:
    """What its successor is about to send is not taken away from it [I21]."""
    account(synced)
    late = lease.acquire(synced.database, "plexus")
    write(path, "UPDATE _remote_state SET fence = fence + 1")
    plexus = registry.remote("plexus", synced.settings)
    with pytest.raises(LeaseLost):
        claim(synced.database, plexus, late, after=0, now=clock.stored_now(), most=10)
    assert rows(path, "SELECT state, attempts, body FROM outbox") == [("pending", 0, None)]


def test_an_overtaken_sync_gives_back_and_holds_nothing(synced: Workspace, path: Path) -> None:
    """Its end frees nobody else's lease, and what it was told to wait for is not the successor's affair [I21]."""
    late = lease.acquire(synced.database, "plexus")
    write(path, "UPDATE _remote_state SET lease_until = '2020-01-01T00:00:00.000000Z'")
    lease.acquire(synced.database, "plexus")
    before = rows(path, "SELECT * FROM _remote_state")
    with synced.database.transaction() as tx:
        late.hold(tx, clock.after(300), "late")
        late.release(tx)
    assert rows(path, "SELECT * FROM _remote_state") == before
    with pytest.raises(SyncRunning):
        lease.acquire(synced.database, "plexus")


def test_a_sync_at_work_keeps_its_lease(ws: Workspace) -> None:
    """Every commit prolongs it: a long sync is not taken for one that stands still [I21]."""
    with clock.using(clock.Virtual(START)):
        long = lease.acquire(ws.database, "plexus")
        for _ in range(4):
            clock.sleep(lease.LEASE_S * 0.8)
            assert ws.database.read(long.stands)
            with ws.database.transaction() as tx:
                long.renew(tx)
            with pytest.raises(SyncRunning):
                lease.acquire(ws.database, "plexus")
        clock.sleep(lease.LEASE_S + 1)
        assert not ws.database.read(long.stands)


def test_a_sync_in_another_process_is_seen(synced: Workspace, path: Path) -> None:
    """``push`` and ``pull`` say that another sync is running instead of mixing with it."""
    lease.acquire(synced.database, "plexus")
    with pytest.raises(SyncRunning):
        synced.push()
    with pytest.raises(SyncRunning):
        synced.pull()
