"""R2: random days of people on all three platforms, through the public APIs."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from syncer import clock
from syncer.engine.report import Progress
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.files import rows, write
from tests.rigs import settings as rig
from tests.rigs.both import calm, differences
from tests.rigs.people import People

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
DAYS = 4 * rig.scale
STEPS = 40
WHICH = st.integers(0, 3)
REMOTES = st.sampled_from([None, None, "plexus", "prefactor", "abeja"])
counts: Counter[str] = Counter()


class Died(BaseException):
    """The process ends in the middle of a sync."""


class Days(RuleBasedStateMachine):
    """One file, one upstream that others write to as well, one clock that waiting moves."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._time = clock.using(clock.Virtual(START))
        self._time.__enter__()
        self.sandbox = Sandbox(Options(extra_fields={"ScoreResult": {"mood": "String"}})).start()
        self.people = People(Path(self._folder.name) / "local.db", self.sandbox)
        for _ in range(2):
            self.people.score(logged=False)
        self.people.plan_task()
        self.people.report(0, gone=False)
        self.people.ws.sync()
        self.people.look()

    @rule(logged=st.booleans())
    def score(self, logged: bool) -> None:
        """A result."""
        self.people.score(logged=logged)

    @rule(which=WHICH, field=st.sampled_from(["value", "explanation"]))
    def correct(self, which: int, field: str) -> None:
        """An edit."""
        self.people.correct(which, field)

    @rule(which=WHICH)
    def remove(self, which: int) -> None:
        """A delete."""
        self.people.remove(which)

    @rule(which=st.integers(0, 1))
    def upsert(self, which: int) -> None:
        """An item by its identifiers."""
        self.people.upsert(which)

    @rule(which=WHICH, new=st.booleans())
    def task(self, which: int, new: bool) -> None:
        """A task begins or goes on."""
        self.people.plan_task() if new else self.people.advance(which)

    @rule(which=WHICH, gone=st.booleans())
    def report(self, which: int, gone: bool) -> None:
        """A report comes or goes."""
        self.people.report(which, gone=gone)

    @rule(which=WHICH, what=st.sampled_from(["new", "span", "span", "finish span", "finish"]))
    def agent(self, which: int, what: str) -> None:
        """An agent at work."""
        self.people.agent(which, what)

    @rule()
    def model_run(self) -> None:
        """A run."""
        self.people.run()

    @rule(which=WHICH, field=st.sampled_from(["value", "explanation"]))
    def both_edit(self, which: int, field: str) -> None:
        """An edit here and one there, without knowing of each other."""
        self.people.correct(which, field)
        self.people.others_edit(which, field)

    @rule(which=WHICH, field=st.sampled_from(["value", "explanation", "code", "mood"]))
    def others_edit(self, which: int, field: str) -> None:
        """Somebody else edits."""
        self.people.others_edit(which, field)

    @rule(which=WHICH, model=st.sampled_from(["ScoreResult", "Report"]))
    def others_drop(self, which: int, model: str) -> None:
        """Somebody else deletes."""
        self.people.others_drop(which, model)

    @rule(which=st.integers(0, 1), what=st.sampled_from(["result", "item", "span", "run"]))
    def others_make(self, which: int, what: str) -> None:
        """Somebody else writes."""
        self.people.others_make(which, what)

    @rule(kind=st.sampled_from(["lose", "cut", "parts", "429", "500", "503", "html"]), later=st.integers(0, 3))
    def trouble(self, kind: str, later: int) -> None:
        """One of the next requests goes wrong."""
        faults = self.sandbox.faults
        faults.serve_next(later)
        counts["faults"] += 1
        if kind.isdigit():
            faults.fail_next(int(kind), {"Retry-After": "3"} if kind == "429" else None)
        else:
            named: dict[str, Any] = {"lose": faults.lose_next_reply, "cut": faults.truncate_next}
            named |= {"parts": faults.refuse_parts_next, "html": faults.html_next}
            named[kind]()

    @rule(remote=REMOTES, limit=st.sampled_from([None, 1, 3]), wait_s=st.sampled_from([0.0, 30.0]))
    def push(self, remote: str | None, limit: int | None, wait_s: float) -> None:
        """A push."""
        self.people.ws.push(remote, limit=limit, wait_s=wait_s)
        self.people.look()

    @rule(remote=REMOTES, full=st.booleans())
    def pull(self, remote: str | None, full: bool) -> None:
        """A pull, perhaps of everything with a sweep."""
        self.people.ws.pull(remote, full=full, wait_s=0)
        self.people.look()

    @precondition(lambda self: rows(self.people.path, "SELECT 1 FROM v_conflicts"))
    @rule(take=st.sampled_from(["theirs", "ours", "newest"]))
    def decide(self, take: str) -> None:
        """A person settles the first open conflict."""
        for model, key in rows(self.people.path, "SELECT model, key FROM v_conflicts ORDER BY id LIMIT 1"):
            self.people.ws.resolve(key, take=take, model=model)

    @rule(after=st.integers(1, 4), remote=REMOTES)
    def die_in_a_sync(self, after: int, remote: str | None) -> None:
        """The process goes down in the middle of a sync; what it had on the wire is left as being sent."""
        seen: list[Progress] = []

        def watch(progress: Progress) -> None:
            seen.append(progress)
            if len(seen) == after:
                raise Died

        try:
            self.people.ws.sync(remote, wait_s=0, watch=watch)
        except Died:
            counts["deaths"] += 1
        self.people.look()
        self.people.crash()
        write(self.people.path, "UPDATE outbox SET state = 'sending' WHERE state = 'ambiguous'")

    @rule(seconds=st.integers(1, 4000))
    def time_passes(self, seconds: int) -> None:
        """The clock moves on."""
        clock.sleep(seconds)

    @invariant()
    def nothing_is_wrong(self) -> None:
        """The books close, nothing took effect twice, every row is its base with what waits."""
        counts["steps"] += 1
        wrong = self.people.wrong_now()
        assert not wrong, f"seed {rig.seed}: {wrong}"

    def teardown(self) -> None:
        """The storm is over: everything arrives, both sides agree."""
        try:
            self.settle()
        finally:
            self.people.close()
            self.sandbox.stop()
            self._time.__exit__(None, None, None)
            self._folder.cleanup()

    def settle(self) -> None:
        """Drain with the faults off, settling conflicts one way or the other."""
        people = self.people
        self.sandbox.faults.clear()
        random = Random(people.written)
        calm(people.ws, lambda: random.choice(["theirs", "ours", "newest", "ours"]), look=people.look)
        told = f"seed {rig.seed}"
        assert rows(people.path, "SELECT 1 FROM outbox") == [], f"{told}: {people.told()}"
        people.ws.sync(full=True, allow_mass_delete=True)
        assert people.wrong_now() == [], told
        effects = [self.effects(), people.ws.push(wait_s=0).requests, self.effects()]
        assert effects == [effects[0], 0, effects[0]], told
        assert differences(people.ws, self.sandbox) == [], told
        assert people.lost() == [], told
        verified = people.ws.verify()
        assert verified.equal, f"{told}: {verified.as_dict()}"
        assert rows(people.path, "SELECT * FROM _base") == rows(people.path, "SELECT * FROM v_conflicts") == [], told
        counts.update(days=1, writes=people.written, crashes=people.crashes, requests=self.sandbox.requests)
        counts["conflicts"] += rows(people.path, "SELECT count(*) FROM conflict")[0][0]

    def effects(self) -> int:
        """How much was ever done upstream."""
        return sum(len(self.sandbox.effects(remote=remote)) for remote in ("plexus", "prefactor", "abeja"))


def test_whatever_the_day_was_like_both_sides_end_equal_and_nothing_is_lost() -> None:
    """Every write arrives once or is listed as a conflict's losing side [I2, I5, I7, I13, I16, I17, I19]."""
    chosen = settings(
        max_examples=DAYS,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        print_blob=True,
        phases=(Phase.generate,),  # shrinking takes many minutes; what failed is printed step by step
    )
    run_state_machine_as_test(seed(rig.seed)(Days), settings=chosen)
    rig.tally("days", **counts, lost=0, doubled=0)
