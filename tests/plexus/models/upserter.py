"""A process that upserts, run by the tests of items and feedback items: ``upserter.py DB KIND COUNT``.

It waits for a line on stdin, so that two of them start together, then upserts the same COUNT things that the others do and
writes how many it made.
"""

from __future__ import annotations

import sys

from syncer import Workspace
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import FeedbackItem, Item


def made(client: PlexusDashboardClient, kind: str, number: int) -> bool:
    """Upsert one; whether this made it."""
    if kind == "item":
        key, created, error = Item.upsert_by_identifiers(client, "a1", {"formId": number}, description="from a process")
    else:
        key, created, error = FeedbackItem.upsert_by_cache_key(client, "a1", "c1", "s1", f"k{number}", item_id="i1")
    if key is None or error is not None:
        raise RuntimeError(error)
    return created


if __name__ == "__main__":
    db, kind, count = sys.argv[1:]
    with Workspace.open(db) as workspace:
        upserting = PlexusDashboardClient(workspace=workspace)
        upserting.records.find("Item", limit=1)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        sys.stdout.write(str(sum(made(upserting, kind, number) for number in range(int(count)))))
