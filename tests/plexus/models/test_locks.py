"""A task's lock: one holder at a time, among processes too, and never for ever."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

from syncer import Workspace, clock, ids
from syncer.errors import InvalidInput, RecordLocked, RecordNotFound
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import Task
from syncer.sandbox.server import Sandbox
from tests.factory import account
from tests.files import rows, write

RACER = Path(__file__).with_name("lock_racer.py")
ROOT = Path(__file__).parents[3]
START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def client(ws: Workspace) -> PlexusDashboardClient:
    """A client of an offline workspace."""
    return PlexusDashboardClient(workspace=ws)


def made(client: PlexusDashboardClient) -> Task:
    """A task."""
    return Task.create(client, "a", "b", "c", accountId="account")


def lock(path: Path) -> tuple[str | None, str | None]:
    """Token and end as they are in the file."""
    (found,) = rows(path, "SELECT lock_token, lock_expires FROM plexus_task")
    return found  # type: ignore[no-any-return]


@contextmanager
def racing(*arguments: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes of the racer, started together; afterwards both have ended well."""
    started = [
        subprocess.Popen(
            [sys.executable, str(RACER), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(2)
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def test_two_processes_never_both_get_it(client: PlexusDashboardClient, path: Path) -> None:
    """Over many tasks that both try at the same time, each is got by exactly one of them."""
    tasks = [made(client).id for _ in range(60)]
    with racing("once", str(path), "-", *tasks) as processes:
        won = [process.communicate(timeout=60)[0].split() for process in processes]
        assert [process.returncode for process in processes] == [0, 0]
    assert sorted(won[0] + won[1]) == sorted(tasks)


def test_the_lock_excludes(client: PlexusDashboardClient, path: Path, tmp_path: Path) -> None:
    """Two processes read, add and write a file under the lock: no addition is lost."""
    file = tmp_path / "number"
    file.write_text("0")
    with racing("count", str(path), str(file), made(client).id, "40") as processes:
        for process in processes:
            process.communicate(timeout=60)
        assert [process.returncode for process in processes] == [0, 0]
    assert file.read_text() == "80"


def test_who_comes_second_is_told_who_and_until_when(client: PlexusDashboardClient) -> None:
    """An exception with the holder's process and the moment the lock ends."""
    first = made(client)
    second = Task.get_by_id(first.id, client)
    with clock.using(clock.Virtual(START)):
        first.acquire_lock()
        with pytest.raises(Exception, match=r"locked .*2026-03-04T05:36:07.000Z") as refused:
            second.acquire_lock()
    assert isinstance(refused.value, RecordLocked)
    assert (ids.owner() in str(refused.value), first.id in str(refused.value)) == (True, True)
    assert (first.lock_expires, second.lock_token) == (START + timedelta(minutes=30), None)


def test_the_holder_cannot_take_it_twice(client: PlexusDashboardClient, path: Path) -> None:
    """As in the original: an instance that holds it is refused too, and goes on holding it."""
    task = made(client)
    task.acquire_lock()
    before = lock(path)
    with pytest.raises(RecordLocked):
        task.acquire_lock(60)
    assert lock(path) == before
    assert task.lock_token == before[0]


def test_release_clears_row_and_instance(client: PlexusDashboardClient, path: Path) -> None:
    """Afterwards anybody can have it; releasing again does nothing."""
    task = made(client)
    task.acquire_lock()
    task.release_lock()
    assert (lock(path), task.lock_token, task.lock_expires) == ((None, None), None, None)
    task.release_lock()
    other = Task.get_by_id(task.id, client)
    other.acquire_lock()
    task.release_lock()
    assert lock(path)[0] == other.lock_token


def test_an_ended_lock_is_taken_over_and_the_old_holder_is_harmless(client: PlexusDashboardClient, path: Path) -> None:
    """At its very end, not before; what the old holder releases or takes then is not the new holder's."""
    old = made(client)
    new = Task.get_by_id(old.id, client)
    with freeze_time(START) as frozen:
        old.acquire_lock(60)
        frozen.tick(59.999)
        with pytest.raises(RecordLocked):
            new.acquire_lock()
        frozen.tick(0.001)
        new.acquire_lock(10)
        taken = lock(path)
        with pytest.raises(RecordLocked):
            old.acquire_lock()
        old.release_lock()
        assert (lock(path), old.lock_token) == (taken, None)
        frozen.tick(10)
        old.acquire_lock()
        assert lock(path)[0] == old.lock_token != taken[0]


def test_the_holder_may_take_it_again_once_it_ended(client: PlexusDashboardClient, path: Path) -> None:
    """With a token of its own: the lock is a new one."""
    task = made(client)
    with clock.using(clock.Virtual(START)):
        task.acquire_lock(1)
        before = task.lock_token
        clock.sleep(1)
        task.acquire_lock(1)
    assert task.lock_token not in (None, before)


def test_a_token_without_end_is_no_lock(client: PlexusDashboardClient, path: Path) -> None:
    """Half a lock, left by another program, keeps nobody out."""
    task = made(client)
    write(path, "UPDATE plexus_task SET lock_token = 'somebody', lock_expires = NULL")
    task.acquire_lock()
    assert lock(path)[0] == task.lock_token


@pytest.mark.parametrize("timeout", [0, -1, True, None, "60", float("inf"), float("nan"), 10**12])
def test_a_lock_has_a_length(client: PlexusDashboardClient, path: Path, timeout: object) -> None:
    """What is no number of seconds, nothing, or longer than a year is refused, and nothing is locked."""
    with pytest.raises(InvalidInput, match="cannot last"):
        made(client).acquire_lock(timeout)  # type: ignore[arg-type]
    assert lock(path) == (None, None)


def test_a_task_that_is_gone(client: PlexusDashboardClient) -> None:
    """It cannot be locked; a lock on it can still be given back."""
    task = made(client)
    task.acquire_lock()
    client.records.delete("Task", task.id)
    task.release_lock()
    assert task.lock_token is None
    with pytest.raises(RecordNotFound, match=task.id):
        task.acquire_lock()


def test_locks_stay_here(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A lock queues nothing, changes no time, is never sent, and survives edits, pushes, pulls and dropped changes."""
    account(synced)
    client = PlexusDashboardClient(workspace=synced)
    task = Task.create(client, "a", "b", "c")
    synced.push("plexus")
    before = Task.get_by_id(task.id, client)
    task.acquire_lock()
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]
    assert Task.get_by_id(task.id, client) == before
    task.release_lock()
    task.update(output="mine")
    task.acquire_lock()
    held = lock(path)
    (seq,) = rows(path, "SELECT seq FROM outbox")[0]
    synced.drop(seq)
    assert (lock(path), Task.get_by_id(task.id, client).output) == (held, None)
    sandbox.edit("Task", task.id, command="theirs")
    task.update(output="again")
    assert synced.sync("plexus").exit_code == 0
    synced.pull("plexus", full=True)
    found = sandbox.get("Task", task.id)
    assert found is not None
    assert (found["output"], found["command"], lock(path)) == ("again", "theirs", held)
    assert not [name for name in found if "lock" in name.lower()]
