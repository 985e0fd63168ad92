"""Random quarrels: two sides edit, delete and decide, by rules and by hand. What must hold after every step, and at the end.

A row is its base with what waits on top; a change is in conflict exactly while a question is open; nothing anybody wrote
goes without a trace; when every question is settled both sides are equal.
"""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from syncer import Workspace, clock
from syncer.adapters.plexus.spec import MODELS
from syncer.config import Settings
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from syncer.schema.values import same
from tests.factory import scoring
from tests.files import rows
from tests.rigs import settings as rig

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
MODEL = MODELS["ScoreResult"]
KEYS = st.sampled_from(["r0", "r1"])
FIELDS = ("value", "explanation", "metadata")
TEXTS = st.sampled_from(["a", "b", "c"])
OBJECTS = st.dictionaries(st.sampled_from("kl"), st.sampled_from([1, 2, {"m": 1}, {"n": 2}]), max_size=2)
RULES = st.sampled_from(["ask", "theirs", "ours", "newest"])


class Quarrel(RuleBasedStateMachine):
    """One file, one upstream that others edit too, one clock."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._time = clock.using(clock.Virtual(START))
        self._time.__enter__()
        self.sandbox = Sandbox(Options()).start()
        self.path = Path(self._folder.name) / "local.db"

    @initialize(default=RULES, value=RULES)
    def start(self, default: str, value: str) -> None:
        """Two records that both sides have, and rules."""
        tables = {"plexus": {"merge": {"default": default, "ScoreResult.value": value}}}
        environ = {**self.sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab"}
        self.ws = Workspace(Settings(str(self.path), tables=tables, environ=environ))
        ids = scoring(self.ws)
        for key in ("r0", "r1"):
            self.ws.plexus.create("ScoreResult", {**ids, "id": key, "value": "a", "metadata": {"k": 1}})
        assert self.ws.push().exit_code == 0

    @rule(key=KEYS, field=st.sampled_from(FIELDS), text=TEXTS, tree=OBJECTS)
    def edit_here(self, key: str, field: str, text: str, tree: dict[str, Any]) -> None:
        """We edit."""
        clock.sleep(1)
        if self.ws.plexus.get("ScoreResult", key) is not None:
            self.ws.plexus.update("ScoreResult", key, {field: tree if field == "metadata" else text})

    @rule(key=KEYS, field=st.sampled_from(FIELDS), text=TEXTS, tree=OBJECTS)
    def edit_there(self, key: str, field: str, text: str, tree: dict[str, Any]) -> None:
        """They edit."""
        clock.sleep(1)
        if self.sandbox.get("ScoreResult", key) is not None:
            self.sandbox.edit("ScoreResult", key, **{field: json.dumps(tree) if field == "metadata" else text})

    @rule(key=KEYS)
    def delete_here(self, key: str) -> None:
        """We delete."""
        if self.ws.plexus.get("ScoreResult", key) is not None:
            self.ws.plexus.delete("ScoreResult", key)

    @rule(key=KEYS)
    def delete_there(self, key: str) -> None:
        """They delete."""
        if self.sandbox.get("ScoreResult", key) is not None:
            self.sandbox.drop("ScoreResult", key)

    @rule()
    def lose_a_reply(self) -> None:
        """The next request is applied, its answer lost."""
        self.sandbox.faults.lose_next_reply()

    @rule()
    def pull(self) -> None:
        """Theirs comes home."""
        self.ws.pull(wait_s=0)

    @rule(wait_s=st.sampled_from([0.0, 30.0]))
    def push(self, wait_s: float) -> None:
        """Ours goes out."""
        self.ws.push(wait_s=wait_s)

    @rule(take=st.sampled_from(["theirs", "ours", "newest"]))
    def decide(self, take: str) -> None:
        """A person settles the first open conflict."""
        for (key,) in rows(self.path, "SELECT key FROM v_conflicts ORDER BY id LIMIT 1"):
            self.ws.resolve(key, take=take)

    @rule(text=TEXTS)
    def decide_otherwise(self, text: str) -> None:
        """A person sets another value."""
        for (key,) in rows(self.path, "SELECT key FROM v_conflicts WHERE field = 'value' ORDER BY id LIMIT 1"):
            if self.ws.plexus.get("ScoreResult", key) is not None:
                self.ws.resolve(key, set={"value": text})

    @invariant()
    def the_ledger_closes(self) -> None:
        """Every change ever accepted waits, or has left with an outcome."""
        assert self.ws.status().consistent

    @invariant()
    def a_row_is_its_base_with_what_waits_on_top(self) -> None:
        """Fields that do not wait are the base's; a base is kept exactly while something waits."""
        waiting: dict[str, set[str]] = {}
        for key, fields in rows(self.path, "SELECT key, fields FROM outbox"):
            waiting.setdefault(key, set()).update(json.loads(fields or "[]"))
        bases = {key: json.loads(text) for key, text in rows(self.path, "SELECT key, record FROM _base")}
        creates = {key for (key,) in rows(self.path, "SELECT key FROM outbox WHERE op = 'create'")}
        assert set(bases) | creates == set(waiting)
        for key, base in bases.items():
            row = rows(self.path, "SELECT value, explanation, metadata, code FROM plexus_score_result WHERE id = ?", key)
            for found in row if key not in creates else ():
                for name, value in zip((*FIELDS, "code"), found, strict=True):
                    assert name in waiting[key] or same(MODEL.by_name[name], value, base[name]), (key, name)

    @invariant()
    def a_change_is_in_conflict_while_a_question_is_open(self) -> None:
        """And the conflict names the change."""
        changes = set(rows(self.path, "SELECT key, seq FROM outbox WHERE state = 'conflict'"))
        assert changes == set(rows(self.path, "SELECT DISTINCT key, seq FROM v_conflicts"))

    def teardown(self) -> None:
        """Everybody rests: what is open is settled for us, and both sides agree."""
        try:
            if hasattr(self, "ws"):
                self.settle()
        finally:
            if hasattr(self, "ws"):
                self.ws.close()
            self.sandbox.stop()
            self._time.__exit__(None, None, None)
            self._folder.cleanup()

    def settle(self) -> None:
        """Drain with the faults off."""
        self.sandbox.faults.clear()
        for _ in range(10):
            clock.sleep(1000)
            self.ws.sync()
            for (key,) in rows(self.path, "SELECT DISTINCT key FROM v_conflicts"):
                self.ws.resolve(key, take="ours")
        assert rows(self.path, "SELECT seq, key, op, state, reason FROM outbox") == []
        assert rows(self.path, "SELECT * FROM _base") == rows(self.path, "SELECT * FROM v_conflicts") == []
        assert self.ws.sync().requests == 0
        for key in ("r0", "r1"):
            there, here = self.sandbox.get("ScoreResult", key), self.ws.plexus.get("ScoreResult", key)
            if there is not None:
                assert here is not None
                assert [there.get(n) for n in ("value", "explanation")] == [here[n] for n in ("value", "explanation")]
                assert json.loads(there["metadata"]) == here["metadata"]


TestQuarrel = Quarrel.TestCase
TestQuarrel.settings = settings(
    max_examples=8 * rig.scale,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=rig.scale == 1,
)
