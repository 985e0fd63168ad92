"""R3: with time, chance and ids injected, a day happens twice in the same way, request by request."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from requests import PreparedRequest, Response, Session

from syncer import clock, ids
from syncer.adapters.abeja.adapter import Abeja
from syncer.adapters.plexus.adapter import Plexus
from syncer.adapters.prefactor import pfid
from syncer.adapters.prefactor.adapter import Prefactor
from syncer.engine.push import loop as push
from syncer.sandbox.app import Options
from syncer.sandbox.prefactor import pfid as sandbox_pfid
from syncer.sandbox.server import Sandbox
from tests.rigs import settings as rig
from tests.rigs.both import calm
from tests.rigs.people import People

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
STEPS = 40
RANDOM_MODULES = ("push.loop", "pull.loop", "sync", "verify.compare")


@dataclass(frozen=True)
class Trace:
    """What a day left: every request with its body, in order; the file as SQL; how long was waited for what."""

    requests: tuple[str, ...]
    dump: tuple[str, ...]
    waited: tuple[float, ...]
    writes: int


class Day:
    """One run of a seed. ``port``: where the upstream is, which is part of what is told and stored."""

    def __init__(self, path: Path, seed: int, port: int) -> None:
        self.path, self.seed, self.port = path, seed, port
        self.random = Random(seed)
        self.sent: list[str] = []

    def run(self, patch: pytest.MonkeyPatch) -> Trace:
        """Everything injected, then the day."""
        self._inject(patch)
        virtual = clock.Virtual(START)
        options = Options(seed=self.seed, fail_rate=0.08, lose_reply_rate=0.08)
        with clock.using(virtual), ids.seeded(self.seed), Sandbox(options, self.port) as sandbox:
            self.port = sandbox.port
            people = People(self.path, sandbox)
            try:
                for _ in range(STEPS):
                    self._step(people)
                sandbox.faults.clear()
                calm(people.ws, lambda: self.random.choice(("theirs", "ours")))
                assert not (wrong := people.wrong_now()), f"seed {self.seed}: {wrong}"
            finally:
                people.close()
        with closing(sqlite3.connect(self.path)) as file:
            return Trace(tuple(self.sent), tuple(file.iterdump()), tuple(virtual.slept), people.written)

    def _inject(self, patch: pytest.MonkeyPatch) -> None:
        """One sender for each remote, seeded chance for backoff and ids, and an ear on the line."""
        for remote in (Plexus, Prefactor, Abeja):
            patch.setattr(remote, "limits", replace(remote.limits, senders=1))
        for name in RANDOM_MODULES:
            patch.setattr(f"syncer.engine.{name}.Random", lambda: Random(self.seed), raising=False)
        assert push.Random().random() == Random(self.seed).random()
        numbers, upstreams, mint = Random(self.seed), count(2), pfid.mint
        patch.setattr(pfid, "_last", pfid._Last())  # PFIDs of one millisecond count on from the one before
        patch.setattr(pfid, "mint", lambda partition: mint(partition, randbits=numbers.getrandbits))
        patch.setattr(
            sandbox_pfid, "minted", lambda: sandbox_pfid.composed(1_750_000_000_000, sandbox_pfid.PARTITION, next(upstreams))
        )
        send = Session.send

        def heard(session: Session, request: PreparedRequest, **given: Any) -> Response:
            body = request.body.decode() if isinstance(request.body, bytes) else request.body
            self.sent.append(f"{request.method} {request.url} {body}")
            return send(session, request, **given)

        patch.setattr(Session, "send", heard)

    def _step(self, people: People) -> None:
        random, which = self.random, self.random.randrange(4)
        acts = (
            lambda: people.score(logged=which == 0),
            lambda: people.correct(which, "value"),
            lambda: people.others_edit(which, random.choice(("value", "code"))),
            lambda: people.remove(which),
            lambda: people.upsert(which % 2),
            lambda: people.others_make(which % 2, random.choice(("result", "item", "span", "run"))),
            people.plan_task,
            lambda: people.advance(which),
            lambda: people.agent(which, random.choice(("new", "span", "finish span", "finish"))),
            people.run,
            people.crash,
            lambda: people.ws.push(limit=random.choice((None, 2)), wait_s=random.choice((0.0, 30.0))),
            lambda: people.ws.pull(full=which == 0, wait_s=0),
            lambda: people.ws.sync(wait_s=5),
            lambda: clock.sleep(random.choice((1, 60, 4000))),
        )
        random.choice(acts)()


def test_a_seed_run_twice_sends_the_same_and_leaves_the_same_file(tmp_path: Path) -> None:
    """Requests, waits and the file's every row are equal from run to run: nothing is left to chance [I9, I16]."""
    requests = writes = 0
    for number in range(3 * rig.scale):
        seed, port, traces = rig.seed * 1000 + number, 0, []
        for again in ("first", "second"):
            day = Day(tmp_path / f"{number}-{again}.db", seed, port)
            with pytest.MonkeyPatch.context() as patch:
                traces.append(day.run(patch))
            port = day.port
        first, second = traces
        for one, other in zip(first.requests, second.requests, strict=False):
            assert one == other, f"seed {seed}"
        assert len(first.requests) == len(second.requests), f"seed {seed}"
        assert set(first.dump) ^ set(second.dump) == set(), f"seed {seed}"
        assert first == second, f"seed {seed}"
        requests, writes = requests + len(first.requests), writes + first.writes
    rig.tally("same trace", seeds=3 * rig.scale, runs=6 * rig.scale, writes=writes, requests=requests, different=0)
