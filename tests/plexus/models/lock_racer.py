"""A process that wants locks: run by test_locks.py with the database, a file, and the ids of tasks.

``once DB - IDS...``: tries each task in turn and writes those it got. ``count DB FILE TASK ROUNDS``: adds 1 to the number in
FILE so many times, each time under the task's lock. Both wait for a line on stdin, so that two of them start together.
"""

from __future__ import annotations

import sys
from pathlib import Path

from syncer import Workspace
from syncer.errors import RecordLocked
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import Task


def got(task: Task) -> bool:
    """Whether this process has the lock now."""
    try:
        task.acquire_lock()
    except RecordLocked:
        return False
    return True


def once(client: PlexusDashboardClient, ids: list[str]) -> None:
    """Try every task once."""
    tasks = [Task.get_by_id(id, client) for id in ids]
    ready()
    sys.stdout.write(" ".join(task.id for task in tasks if got(task)))


def count(client: PlexusDashboardClient, file: Path, id: str, rounds: int) -> None:
    """Read, add, write, with nothing but the lock between two processes."""
    task = Task.get_by_id(id, client)
    ready()
    for _ in range(rounds):
        while not got(task):
            pass
        number = int(file.read_text())
        file.write_text(str(number + 1))
        task.release_lock()


def ready() -> None:
    """Say so, and wait for the other one."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()


if __name__ == "__main__":
    how, db, file, *rest = sys.argv[1:]
    with Workspace.open(db) as workspace:
        wanting = PlexusDashboardClient(workspace=workspace)
        if how == "once":
            once(wanting, rest)
        else:
            count(wanting, Path(file), rest[0], int(rest[1]))
