"""Two people with a file each, whose clocks differ, edit the same records over a network that loses replies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from threading import current_thread
from typing import Any

from syncer import clock
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.factory import scoring
from tests.files import rows
from tests.rigs import settings as rig
from tests.rigs.both import calm, differences, opened

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SKEWS_S = (-90.0, 0.4, 75.0)
STEPS = 40
FIELDS = ("value", "explanation", "code")
TAKES = ("theirs", "ours", "newest")


class Clocks:
    """One time that passes for all; each side reads it off a clock of its own, and so does the upstream."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        self.skew_s = 0.0

    def now(self) -> datetime:
        """What the clock of whoever asks shows."""
        upstream = current_thread().name.startswith("sandbox-")
        return START + timedelta(seconds=self.passed_s + (0.0 if upstream else self.skew_s))

    def sleep(self, seconds: float) -> None:
        """Time passes for everybody."""
        self.passed_s += seconds


class Side:
    """One machine: its file, how wrong its clock is, and what its user wrote and saw."""

    def __init__(self, path: Path, sandbox: Sandbox, clocks: Clocks, skew_s: float) -> None:
        self.path, self.clocks, self.skew_s = path, clocks, skew_s
        self.ws = opened(path, sandbox)
        self.wrote: dict[tuple[str, str], str] = {}
        self.knew: defaultdict[tuple[str, str], set[Any]] = defaultdict(set)
        """By record and field, what was here when this user wrote something else over it."""
        self.removed: set[str] = set()

    @contextmanager
    def clock(self) -> Iterator[None]:
        """Here time is read off this machine's clock."""
        self.clocks.skew_s = self.skew_s
        yield
        self.clocks.skew_s = 0.0

    def listed(self) -> str:
        """Every value that this machine's conflicts tell of."""
        told = rows(self.path, "SELECT coalesce(base, '') || coalesce(ours, '') || coalesce(theirs, '') FROM conflict")
        return "".join(text for (text,) in told)


class Session:
    """Random editing by two sides of what one upstream holds."""

    def __init__(self, folder: Path, seed: int, sandbox: Sandbox, clocks: Clocks) -> None:
        self.random, self.sandbox, self.clocks = Random(seed), sandbox, clocks
        self.told = f"seed {seed}"
        skews = self.random.sample(SKEWS_S, 2)
        self.sides = [Side(folder / f"{n}.db", sandbox, clocks, skew_s) for n, skew_s in enumerate(skews)]
        self.writes = self.settled = 0
        self.reached: defaultdict[tuple[str, str], set[Any]] = defaultdict(set)
        first = self.sides[0]
        with first.clock():
            self.ids = scoring(first.ws)
            self.keys = [self.make(first) for _ in range(3)]
        self.sync(first)
        self.sync(self.sides[1])

    def make(self, side: Side) -> str:
        """A result by this side."""
        self.writes += 1
        key = str(side.ws.plexus.create("ScoreResult", {**self.ids, "value": f"v{self.writes}"})["id"])
        side.wrote[key, "value"] = f"v{self.writes}"
        return key

    def step(self) -> None:
        """One thing one of them does."""
        random, side = self.random, self.random.choice(self.sides)
        self.clocks.sleep(random.choice((0.001, 1.0, 40.0)))
        kind = random.random()
        with side.clock():
            if kind < 0.5:
                self.edit(side)
            elif kind < 0.55:
                self.keys.append(self.make(side))
            elif kind < 0.58:
                self.remove(side)
            elif kind < 0.65:
                self.settle_one(side)
        if kind >= 0.65:
            if random.random() < 0.4:
                self.sandbox.faults.serve_next(random.randint(0, 2))
                self.sandbox.faults.lose_next_reply()
            self.sync(side, push=random.random() < 0.7, pull=random.random() < 0.7)

    def edit(self, side: Side) -> None:
        """Another value for a field of a record that is here."""
        key, field = self.random.choice(self.keys), self.random.choice(FIELDS)
        found = side.ws.plexus.get("ScoreResult", key)
        if found is not None:
            self.writes += 1
            side.knew[key, field].add(found.get(field))
            side.wrote[key, field] = f"v{self.writes}"
            side.ws.plexus.update("ScoreResult", key, {field: f"v{self.writes}"})

    def remove(self, side: Side) -> None:
        """A record less, as this side knows it."""
        key = self.random.choice(self.keys)
        found = side.ws.plexus.get("ScoreResult", key)
        if found is not None:
            for field, value in found.items():
                side.knew[key, field].add(value)
            side.removed.add(key)
            side.ws.plexus.delete("ScoreResult", key)

    def settle_one(self, side: Side) -> None:
        """A person settles the first conflict that is open on this side."""
        for (key,) in rows(side.path, "SELECT key FROM v_conflicts ORDER BY id LIMIT 1"):
            side.ws.resolve(key, take=self.random.choice(TAKES))
            self.settled += 1

    def sync(self, side: Side, *, push: bool = True, pull: bool = True) -> None:
        """This side talks to the upstream."""
        with side.clock():
            if push:
                side.ws.push(wait_s=self.random.choice((0.0, 30.0)))
            self.see()
            if pull:
                side.ws.pull(wait_s=0, full=self.random.random() < 0.3, allow_mass_delete=True)
            self.see()
            assert side.ws.status().consistent, self.told

    def see(self) -> None:
        """Note what stands upstream."""
        for record in self.sandbox.rows("ScoreResult"):
            for field in FIELDS:
                self.reached[record["id"], field].add(record.get(field))

    def rest(self) -> None:
        """Faults off; each in turn syncs and settles until neither has anything to send or to take."""
        self.sandbox.faults.clear()
        for _ in range(3):
            for side in self.sides:
                with side.clock():
                    calm(side.ws, lambda: self.random.choice(TAKES), look=self.see)
        for side in self.sides:
            with side.clock():
                calm(side.ws, lambda: "ours", look=self.see)

    def unequal(self) -> list[Any]:
        """Whatever is not the same on all three sides, or still waits, or asks."""
        found: list[Any] = []
        for side in self.sides:
            with side.clock():
                found += differences(side.ws, self.sandbox)
                verified = side.ws.verify("plexus")
                found += [] if verified.equal else [verified.as_dict()]
                found += [side.ws.push(wait_s=0).requests] if rows(side.path, "SELECT 1 FROM outbox") else []
            found += rows(side.path, "SELECT seq, key, op, state, reason FROM outbox")
            found += rows(side.path, "SELECT * FROM v_conflicts")
        made = Counter(effect.key for effect in self.sandbox.effects("ScoreResult", "create"))
        again = {key for side in self.sides for key in side.removed}
        return found + [key for key, times in made.items() if times > 1 and key not in again]

    def lost(self) -> list[str]:
        """Values that went without a trace: never upstream, or gone from there, and not on either side's list."""
        listed = "".join(side.listed() for side in self.sides)
        wrong = []
        for side, other in (self.sides, self.sides[::-1]):
            for (key, field), value in side.wrote.items():
                stands = (self.sandbox.get("ScoreResult", key) or {}).get(field) == value
                knowing = value in side.knew[key, field] | other.knew[key, field]
                if not stands and not knowing and f'"{value}"' not in listed and key not in side.removed:
                    arrived = value in self.reached[key, field]
                    wrong.append(f"{value} of {key} {field}, written by {side.path.name}, arrived: {arrived}")
        return wrong

    def close(self) -> None:
        """Both go home."""
        for side in self.sides:
            side.ws.close()


def test_two_machines_with_wrong_clocks_end_equal_and_list_every_losing_value(tmp_path: Path) -> None:
    """Equal on both machines and upstream; what lost is listed, or was seen by who wrote over it [I2, I13, I14, I16]."""
    counts: Counter[str] = Counter()
    for number in range(4 * rig.scale):
        seed = rig.seed * 10_000 + number
        folder = tmp_path / str(number)
        folder.mkdir()
        clocks = Clocks()
        with clock.using(clocks), Sandbox(Options()) as sandbox:
            session = Session(folder, seed, sandbox, clocks)
            try:
                for _ in range(STEPS):
                    session.step()
                session.rest()
                assert session.unequal() == [], session.told
                assert session.lost() == [], session.told
                dealt = sandbox.faults.dealt["lost"]
                conflicts = sum(rows(s.path, "SELECT count(*) FROM conflict")[0][0] for s in session.sides)
                counts.update(sessions=1, writes=session.writes, replies_lost=dealt, conflicts=conflicts)
                counts["requests"] += sandbox.requests
            finally:
                session.close()
    rig.tally("two machines", **counts, lost=0, unequal=0)
