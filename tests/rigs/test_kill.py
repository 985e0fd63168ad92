"""R4: real processes are killed at every named place and at random moments, with and without lost replies.

After each kill the file opens, is sound, its ledger closes, and every write that was accepted is in it; then a clean sync
drains the outbox, each effect is upstream exactly once, and both sides are equal.

The long profile: ``SYNCER_RIG=10 SYNCER_RIG_SEED=7 python -m pytest tests/rigs/test_kill.py -s``.
"""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from syncer.failpoints import NAMES
from tests.rigs import settings
from tests.rigs.world import Ended, World, ended, pause, said

SYNC = ["sync", "--wait", "0"]
FULL = [*SYNC, "--full", "--allow-mass-delete"]
PLEXUS, PREFACTOR, ABEJA = ["mint", "create", "edit", "delete", "upsert"], ["span", "span", "finish"], ["run"]
EVERYTHING = [*PLEXUS * 2, *PREFACTOR, *ABEJA]


@dataclass(frozen=True)
class Round:
    """One life of a process. ``failpoint`` empty: killed at a random moment."""

    failpoint: str = ""
    ops: tuple[str, ...] = tuple(EVERYTHING)
    then: tuple[str, ...] = tuple(SYNC)
    trouble: bool = False
    writes: int = 12
    sure: bool = True
    """Whether the failpoint is reached for sure."""


NAMED = [
    Round("row-stored:2", ops=("mint",), then=(), writes=3),
    Round("row-stored:2", ops=("create",), then=(), writes=3),
    Round("row-stored:2", ops=("edit",), then=(), writes=3),
    Round("before-commit:5", ops=("create", "mint", "edit")),
    Round("after-commit:5", ops=("create", "edit")),
    Round("lease-acquired"),
    Round("resolved", ops=("upsert",), writes=4),
    Round("claimed", ops=tuple(PLEXUS)),
    Round("claimed", ops=tuple(ABEJA), then=("push", "abeja", "--wait", "0"), writes=2),
    Round("request-sent:2", ops=("create",)),
    Round("answered", ops=("create", "edit", "delete")),
    Round("answered", ops=tuple(ABEJA), then=("push", "abeja", "--wait", "0"), writes=2),
    Round("answered", ops=tuple(PREFACTOR), then=("push", "prefactor", "--wait", "0"), writes=5),
    Round("renamed", ops=tuple(ABEJA), then=("push", "abeja", "--wait", "0"), writes=2),
    Round("settled", ops=tuple(PLEXUS)),
    Round("page-read:4"),
    Round("page-stored:4"),
    Round("sweep-checked", ops=("create",), then=tuple(FULL), writes=1),
]
"""Each place at least once, where it is sure to be reached."""

ANYWHERE = [name for name in NAMES if name not in ("backup-taken", "migrating") and not name.startswith("restore")]


def drawn(random: Random) -> Round:
    """Any place, any time it is reached; or any moment."""
    name = random.choice([*ANYWHERE, "", "", ""])
    nth = random.choice([1, 1, 2, 3, random.randint(1, 20), random.randint(1, 60)])
    if not name:
        return Round(trouble=random.random() < 0.5, sure=False)
    then = FULL if name == "sweep-checked" or random.random() < 0.15 else SYNC
    return Round(f"{name}:{nth}", then=tuple(then), trouble=random.random() < 0.4, sure=False)


def lived(world: World, chosen: Round) -> Ended:
    """A process that wrote and synced until it was killed, or to its end."""
    asked = world.asked(chosen.writes, list(chosen.ops), list(chosen.then))
    process = world.program(asked, chosen.failpoint)
    if chosen.failpoint:
        return ended(process)
    assert process.stdout is not None
    heard = b""
    stop_at = world.random.choice([b'"ready"', b'"ok"', b'"ok"', b'"syncing"', b'"syncing"', b'"syncing"'])
    times = world.random.randint(1, chosen.writes) if stop_at == b'"ok"' else 1
    while heard.count(stop_at) < times and (read := os.read(process.stdout.fileno(), 4096)):  # not by lines: they read ahead
        heard += read
    delay_s = world.random.choice([0.0, 0.0003, 0.003, 0.03, 0.1, 0.3]) * world.random.random()
    if process.poll() is None:
        pause(delay_s)
        process.kill()
    rest = ended(process)
    text = heard.decode() + rest.text
    return Ended(said(text), rest.code, text)


def survive(world: World, chosen: Round) -> None:
    """One round: others act, a process lives and dies, the file is checked, a clean sync brings everything home."""
    told = f"seed {world.seed}, {chosen}"
    if "sweep-checked" in chosen.failpoint:
        world.others_leave()
    world.others_act()
    if chosen.trouble:
        world.trouble()
    before = world.accepted()
    life = lived(world, chosen)
    world.counts["rounds"] += 1
    world.counts["kills"] += life.killed
    assert life.killed or not chosen.sure, (told, life.code, life.text)
    assert life.killed or life.code in (0, 3, 4), (told, life.code, life.text)
    world.take(life, before)
    world.history.append((chosen, life.code, life.said[-3:]))
    world.check_sound()
    world.drain()
    world.check_sound()
    world.check_upstream()


def world_of(folder: Path, seed: int, rounds: list[Round], more: int) -> Counter[str]:
    """What happened in one world: the given rounds, then ``more`` drawn ones."""
    world = World(folder, seed)
    try:
        for chosen in [*rounds, *(drawn(world.random) for _ in range(more))]:
            survive(world, chosen)
        world.check_equal()
        world.check_upstream()
        return world.counts
    finally:
        world.close()


def test_a_killed_process_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """Whatever moment a process dies at, accepted writes survive and reach the remote once [I1 I2 I3 I4 I6 I11 I18]."""
    worlds = [(tmp_path / f"w{n}", settings.seed * 1000 + n) for n in range(2)]
    for folder, _ in worlds:
        folder.mkdir()
    with ThreadPoolExecutor(len(worlds)) as pool:
        running = [
            pool.submit(world_of, folder, seed, NAMED[n::2], 3 + 12 * (settings.scale - 1))
            for n, (folder, seed) in enumerate(worlds)
        ]
        total = sum((one.result() for one in running), Counter())
    settings.tally("kill", **total, lost=0, doubled=0)
