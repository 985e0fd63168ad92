"""R4 for pulls: a first pull of old records, killed at one page after the other, goes on where it was and skips nothing.

The records are older than any overlap window, so that what a checkpoint has passed is never read again.
The long profile: ``SYNCER_RIG=10 SYNCER_RIG_SEED=7 python -m pytest tests/rigs/test_kill_pull.py -s``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from syncer import clock
from syncer.store import migrate
from tests.files import rows
from tests.rigs import settings
from tests.rigs.world import World, ended

RECORDS = 2_500
BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
PULL = ["pull", "plexus", "--wait", "0"]


def filled(world: World) -> None:
    """Results of a whole year, and the rest of what they belong to, in an upstream that this file has never seen."""
    for model in ("Account", "Scorecard", "ScorecardSection", "Score", "Item"):
        for row in world.sandbox.rows(model):
            world.sandbox.edit(model, row["id"], updatedAt=clock.wire(clock.stored(BEGAN)))
    made = []
    for n in range(RECORDS):
        at = clock.wire(clock.stored(BEGAN + timedelta(hours=n)))
        fields = {"id": f"old-{n}", "value": str(n), "type": "prediction", "status": "COMPLETED", "createdAt": at}
        made.append({**world.ids, **fields, "updatedAt": at})
    world.sandbox.put_all("ScoreResult", made)
    world.path = world.folder / "puller.db"


def test_a_pull_killed_at_any_page_skips_nothing(tmp_path: Path) -> None:
    """The checkpoint moves in the commit that stores its page, so killed pulls end up with every record once [I11]."""
    random = Random(settings.seed)
    kills = 0
    for n in range(settings.scale):
        (tmp_path / f"w{n}").mkdir()
        world = World(tmp_path / f"w{n}", settings.seed + n)
        try:
            filled(world)
            for place in ["page-read", "page-stored", "before-commit", "after-commit", "page-read", "page-stored"]:
                life = ended(world.command(*PULL, failpoint=f"{place}:{random.randint(1, 25)}"))
                assert life.killed or life.code == 0, (settings.seed, n, life.text)
                kills += life.killed
                if world.path.exists():
                    assert migrate.integrity(world.path) == [], (settings.seed, n, place)
            life = ended(world.command(*PULL))
            assert life.code == 0, (settings.seed, n, life.text)
            here = {key for (key,) in rows(world.path, "SELECT id FROM plexus_score_result")}
            there = {row["id"] for row in world.sandbox.rows("ScoreResult")}
            assert here == there, (settings.seed, n, len(there - here), "missing")
            with world.opened() as ws:
                assert ws.verify("plexus").equal, (settings.seed, n)
        finally:
            world.close()
    assert kills > 0
    settings.tally("kill-pull", rounds=settings.scale, kills=kills, records=RECORDS * settings.scale, lost=0)
