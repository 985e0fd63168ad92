"""Random days: writes, edits, deletes, pushes, pulls, lost replies, failures, crashes, other people's edits.

The oracle is the list of what was asked for. At every step the ledger closes and nothing is applied twice; when the storm is
over, both sides are equal, every write has arrived, and another sync sends nothing.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from syncer import Workspace, clock
from syncer.config import Settings
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.factory import scoring
from tests.files import rows, write
from tests.rigs import settings as rig

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
VALUES = st.sampled_from(["Yes", "No", "Maybe", "ü 'x'", ""])


class Days(RuleBasedStateMachine):
    """One file, one upstream, one clock that waiting moves."""

    results = Bundle("results")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "local.db"
        self._time = clock.using(clock.Virtual(START))
        self.clock = self._time.__enter__()
        self.sandbox = Sandbox(Options()).start()
        self.ws = self.opened()
        self.wanted: dict[str, dict[str, Any] | None] = {}
        """What the user asked each record to be; None: deleted. Fields others set are not listed."""

    def opened(self) -> Workspace:
        """The workspace as a new process opens it."""
        return Workspace(Settings(str(self.path), environ={**self.sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab"}))

    @initialize()
    def parents(self) -> None:
        """An account with card, score and item, all unsent."""
        self.ids = scoring(self.ws)

    @rule(target=results, value=VALUES)
    def create(self, value: str) -> str:
        """A new result."""
        made = self.ws.plexus.create("ScoreResult", {**self.ids, "value": value})["id"]
        self.wanted[made] = {"value": value}
        return str(made)

    @rule(made=results, value=VALUES, field=st.sampled_from(["value", "explanation"]))
    def edit(self, made: str, value: str, field: str) -> None:
        """An edit here."""
        if self.wanted[made] is not None:
            self.ws.plexus.update("ScoreResult", made, {field: value})
            self.wanted[made] = {**(self.wanted[made] or {}), field: value}

    @rule(made=consumes(results))
    def delete(self, made: str) -> None:
        """A delete here."""
        if self.wanted[made] is not None:
            self.ws.plexus.delete("ScoreResult", made)
            self.wanted[made] = None

    @rule(made=results, code=st.sampled_from(["201", "202"]))
    def others_edit_another_field(self, made: str, code: str) -> None:
        """Somebody edits a field nobody here touches."""
        if self.sandbox.get("ScoreResult", made) is not None:
            self.sandbox.edit("ScoreResult", made, code=code)

    @rule(made=results, value=VALUES)
    def others_edit_the_same_field(self, made: str, value: str) -> None:
        """Somebody edits the value, perhaps while ours waits: theirs must show up here, or as a conflict."""
        stored = self.sandbox.get("ScoreResult", made)
        if stored is not None and self.wanted[made] is not None and stored["value"] != value:
            self.sandbox.edit("ScoreResult", made, value=value)
            if not self.waiting(made):
                self.wanted[made] = {**(self.wanted[made] or {}), "value": value}

    @rule()
    def lose_a_reply(self) -> None:
        """The next request is applied, its answer lost."""
        self.sandbox.faults.lose_next_reply()

    @rule(status=st.sampled_from([429, 500, 503]))
    def fail(self, status: int) -> None:
        """The next request fails."""
        self.sandbox.faults.fail_next(status, {"Retry-After": "3"} if status == 429 else None)

    @rule()
    def cut_an_answer(self) -> None:
        """The next answer ends in the middle."""
        self.sandbox.faults.truncate_next()

    @rule(limit=st.sampled_from([None, 1, 3]), wait_s=st.sampled_from([0.0, 30.0]))
    def push(self, limit: int | None, wait_s: float) -> None:
        """A push."""
        self.ws.push(limit=limit, wait_s=wait_s)

    @rule()
    def pull(self) -> None:
        """A pull."""
        self.ws.pull()

    @precondition(lambda self: self.wanted)
    @rule()
    def crash(self) -> None:
        """The process dies with a change on the wire: a new one opens the file."""
        self.ws.close()
        write(self.path, "UPDATE outbox SET state = 'sending' WHERE state = 'ambiguous'")
        self.ws = self.opened()

    @rule(seconds=st.integers(1, 4000))
    def time_passes(self, seconds: int) -> None:
        """The clock moves on."""
        clock.sleep(seconds)

    def waiting(self, made: str) -> bool:
        """True while anything waits for the record."""
        return bool(rows(self.path, "SELECT 1 FROM outbox WHERE key = ?", made))

    @invariant()
    def the_ledger_closes(self) -> None:
        """Every change ever accepted is waiting or has left with an outcome."""
        assert self.ws.status().consistent

    @invariant()
    def nothing_is_created_twice(self) -> None:
        """The upstream saw at most one create of each record."""
        made = [effect.key for effect in self.sandbox.effects("ScoreResult", "create")]
        assert len(made) == len(set(made))

    @invariant()
    def every_write_is_here_or_there(self) -> None:
        """A record the user asked for is in the file, whatever happened on the way."""
        for made, wanted in self.wanted.items():
            found = self.ws.plexus.get("ScoreResult", made)
            assert (found is None) == (wanted is None)

    def teardown(self) -> None:
        """The storm is over: everything arrives, both sides agree."""
        try:
            if self.wanted:
                self.settle()
        finally:
            self.ws.close()
            self.sandbox.stop()
            self._time.__exit__(None, None, None)
            self._folder.cleanup()

    def settle(self) -> None:
        """Drain with the faults off; decide conflicts for our side, as a user would with ``outbox retry``."""
        self.sandbox.faults.clear()
        for _ in range(20):
            clock.sleep(1000)
            self.ws.sync()
            stuck = rows(self.path, "SELECT seq FROM outbox WHERE state IN ('conflict', 'rejected')")
            if stuck:
                self.ws.retry(*(seq for (seq,) in stuck))
            elif not rows(self.path, "SELECT 1 FROM outbox"):
                break
        assert rows(self.path, "SELECT seq, op, state, code, reason FROM outbox") == []
        assert self.ws.status().consistent
        assert self.ws.sync().requests == 0
        for made, wanted in self.wanted.items():
            upstream, here = self.sandbox.get("ScoreResult", made), self.ws.plexus.get("ScoreResult", made)
            assert (upstream is None) == (here is None) == (wanted is None), (made, upstream, here, wanted)
            if upstream is not None and here is not None:
                names = ("value", "explanation", "code", "status", "itemId")
                assert [upstream.get(n) for n in names] == [here.get(n) for n in names]
                assert {n: here[n] for n in wanted or {}} == wanted
        assert rows(self.path, "SELECT count(*) FROM _base") == [(0,)]


TestDays = Days.TestCase
TestDays.settings = settings(
    max_examples=25 * rig.scale,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=rig.scale == 1,
)
