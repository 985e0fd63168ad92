"""One user's file and the platforms it syncs with, and the list of what the user asked for: the oracle of the kill rig."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event
from typing import Any
from uuid import UUID

from syncer import Workspace
from syncer.config import Settings
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from syncer.store import migrate
from tests.factory import scoring
from tests.files import rows, write

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("program.py")
LIMIT_S = 60
_PEOPLES = ("PLEXUS_", "PREFACTOR_", "ABEJA_", "PLATFORM_", "SYNCER_")
_AN_HOUR_PASSES = (
    "UPDATE _remote_state SET hold_until = NULL",
    "UPDATE outbox SET next_attempt_at = NULL, attempted_at = strftime('%Y-%m-%dT%H:%M:%f000Z', attempted_at, '-1 hour')",
)
_NO_ROW = """
SELECT seq FROM outbox WHERE op IN ('create', 'update') AND (
    model = 'ScoreResult' AND key NOT IN (SELECT id FROM plexus_score_result)
    OR model = 'Item' AND key NOT IN (SELECT id FROM plexus_item)
    OR model = 'AgentSpan' AND key NOT IN (SELECT id FROM prefactor_agent_span)
    OR model = 'Run' AND key NOT IN (SELECT run_id FROM abeja_run))
"""
_NO_CHANGE = """
SELECT id FROM plexus_score_result WHERE explanation NOT LIKE 'other%'
    AND id NOT IN (SELECT key FROM outbox UNION ALL SELECT key FROM ledger)
"""


@dataclass
class Record:
    """What the user asked a record to be. ``value``: the last accepted one; None once deleted."""

    kind: str
    value: str | None
    key: str | None = None
    edits: int = 0


@dataclass
class Ended:
    """How a process ended: what it said in JSON, its exit code, everything it wrote."""

    said: list[dict[str, Any]]
    code: int
    text: str = ""

    @property
    def killed(self) -> bool:
        """Whether it died of SIGKILL."""
        return self.code == -signal.SIGKILL


@dataclass
class World:
    """A folder with a local file, an upstream in this process, and what was asked for so far."""

    folder: Path
    seed: int
    wanted: dict[str, Record] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.path = self.folder / "local.db"
        self.sandbox = Sandbox(Options()).start()
        self.settings = {**self.sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab"}
        self._bodies: dict[str, str] = {}
        self._others: list[str] = []
        self._rounds = 0
        self.history: list[Any] = []
        """What was done to it, round by round: for the person who finds it broken."""
        with self.opened() as ws:
            self.ids = scoring(ws)
            ws.sync(wait_s=0)

    def opened(self) -> Workspace:
        """The file as another process opens it; cheaply, for nobody kills this one."""
        return Workspace(Settings(str(self.path), durability="normal", environ=self.settings))

    def environment(self, failpoint: str = "") -> dict[str, str]:
        """The environment of a process of this user."""
        home = {name: str(self.folder / name.lower()) for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        mine = {"SYNCER_DB": str(self.path), "PYTHONPATH": str(ROOT), "SYNCER_FAILPOINT": failpoint}
        return {n: v for n, v in os.environ.items() if not n.startswith(_PEOPLES)} | self.settings | home | mine

    def asked(self, count: int, ops: list[str], then: list[str]) -> dict[str, Any]:
        """What to tell a program of this round; some of the items it will upsert are made upstream by others first."""
        self._rounds += 1
        name = f"w{self._rounds}"
        owned = [f"{name}-owned-{n}" for n in range(3)]
        for external in owned:
            theirs = {"accountId": self.ids["accountId"], "externalId": external, "text": "theirs", "isEvaluation": False}
            self.sandbox.put("Item", theirs, id=external)
        known = [{"tag": t, "key": r.key} for t, r in self.wanted.items() if r.kind == "create" and r.value and r.key]
        return {
            "name": name,
            "seed": self.random.randrange(2**32),
            "ids": self.ids,
            "known": known,
            "owned": owned,
            "agent_id": self.sandbox.prefactor.agent_id,
            "place": [self.sandbox.abeja.organization_id, self.sandbox.abeja.deployment_ids[0]],
            "count": count,
            "ops": ops,
            "then": then,
        }

    def program(self, asked: dict[str, Any], failpoint: str = "") -> subprocess.Popen[str]:
        """A user's program that has begun."""
        process = self._started([sys.executable, str(PROGRAM)], failpoint)
        assert process.stdin is not None
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        return process

    def command(self, *arguments: str, failpoint: str = "") -> subprocess.Popen[str]:
        """The real command line, begun."""
        return self._started([sys.executable, "-m", "syncer.cli.main", *arguments], failpoint)

    def _started(self, line: list[str], failpoint: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        env = self.environment(failpoint)
        return subprocess.Popen(line, env=env, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def others_act(self) -> None:
        """Other people write results, and remove some that they wrote before."""
        self._others += [self._others_result() for _ in range(self.random.randint(1, 4))]
        if len(self._others) > 6:
            self.sandbox.drop("ScoreResult", self._others.pop(self.random.randrange(len(self._others))))

    def others_leave(self) -> None:
        """A record of other people's that is known here is removed there."""
        made = self._others_result()
        self.drain()
        self.sandbox.drop("ScoreResult", made)

    def _others_result(self) -> str:
        made = str(UUID(int=self.random.getrandbits(128), version=4))
        self.sandbox.put("ScoreResult", {**self.ids, "id": made, "value": "theirs", "explanation": f"other {made}"})
        return made

    def trouble(self) -> None:
        """Somewhere in the next requests an answer is lost after the upstream applied it."""
        self.sandbox.faults.serve_next(self.random.randrange(7))
        self.sandbox.faults.lose_next_reply()
        self.counts["replies_lost"] += 1

    # what a process said, against what its file holds

    def take(self, ended: Ended, before: int) -> None:
        """Enter what a program was promised; what it was just trying may have happened or not, as a whole.

        ``before``: how many changes the file had ever accepted when it began.
        """
        tried, syncing, ok = None, False, 0
        for line in ended.said:
            if "try" in line:
                tried = line
            elif "ok" in line and tried is not None:
                self._enter(tried, line.get("key"))
                tried, ok = None, ok + 1
            syncing = syncing or "syncing" in line
        self.counts["writes"] += ok
        if syncing or not any("ready" in line for line in ended.said):
            return
        accepted = self.accepted() - before
        assert accepted in ((ok, ok + 1) if tried else (ok,)), (self.seed, accepted, ok, tried)
        if tried and accepted == ok + 1:
            self._enter(tried, None)

    def accepted(self) -> int:
        """How many changes the file has ever accepted."""
        found = rows(self.path, "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")
        return int(found[0][0]) if found else 0

    def _enter(self, tried: dict[str, Any], key: str | None) -> None:
        op, on = tried["op"], tried["on"]
        if op in ("create", "upsert", "register", "span", "run"):
            self.wanted[on] = Record(op, tried["try"], key)
        elif op in ("edit", "finish", "start"):
            record = self.wanted[on]
            record.edits += 1
            if op != "start":
                record.value = tried["try"]
        else:
            self.wanted[on].value = None

    def check_sound(self) -> None:
        """After any crash: the file opens, is whole, its books close, and everything that was promised is in it."""
        told = f"seed {self.seed}, round {self._rounds}"
        assert migrate.integrity(self.path) == [], told
        with self.opened() as ws:
            assert ws.status().consistent, told
        assert rows(self.path, _NO_ROW) == [], told
        assert rows(self.path, _NO_CHANGE) == [], told
        self._check_rows(told)
        self._check_bodies(told)

    def _check_rows(self, told: str) -> None:
        here = {
            "create": dict(rows(self.path, "SELECT explanation, value FROM plexus_score_result")),
            "run": {json.loads(v or "{}").get("TAG"): 1 for (v,) in rows(self.path, "SELECT user_env_vars FROM abeja_run")},
            "span": dict(rows(self.path, "SELECT schema_name, coalesce(result_payload, payload) FROM prefactor_agent_span")),
        }
        items = Counter(rows(self.path, "SELECT external_id, text FROM plexus_item"))
        for tag, record in self.wanted.items():
            if record.kind == "create":
                assert here["create"].get(tag) == record.value, (told, tag, record)
            elif record.kind == "run":
                assert tag in here["run"], (told, tag, record)
            elif record.kind == "span":
                assert json.loads(here["span"].get(tag, "{}")) == {"tag": record.value}, (told, tag, record)
            elif record.kind == "upsert":
                assert items[(tag, record.value)] == 1, (told, tag, record, items)

    def _check_bodies(self, told: str) -> None:
        """A body never changes under a key that was used, and stands in the file with its hash before it is sent."""
        for key, state, attempts, body, listed in rows(
            self.path, "SELECT idem_key, state, attempts, body, body_hash FROM outbox WHERE body IS NOT NULL"
        ):
            assert hashlib.sha256(body.encode()).hexdigest() == listed, told
            assert "local-" not in body, (told, body)
            assert state not in ("sending", "ambiguous") or attempts > 0, told
            assert self._bodies.setdefault(key, listed) == listed, (told, key)
        for key, listed in rows(self.path, "SELECT idem_key, body_hash FROM ledger WHERE body_hash IS NOT NULL"):
            assert self._bodies.setdefault(key, listed) == listed, (told, key)

    def quiet(self) -> None:
        """What a dead process had on the wire is worked off before time passes.

        The grace period that protects a repeated POST is an hour in a moment here: nothing may land behind it.
        """
        with socket.create_connection(("127.0.0.1", self.sandbox.port)) as last:  # behind everything that waits to be read
            last.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while last.recv(4096):
                pass
        for _ in range(20_000):
            if self.sandbox.idle:
                return
            pause(0.001)
        raise AssertionError("the upstream did not come to rest")

    def drain(self, *, full: bool = False, beside: bool = False) -> None:
        """Faults off, then as many syncs as time needs; afterwards the outbox is empty and nothing stuck.

        ``beside``: a process that sleeps keeps its connections, so their end is not waited for.
        """
        self.sandbox.faults.clear()
        if not beside:
            self.quiet()
        with self.opened() as ws:
            for _ in range(20):
                for sql in _AN_HOUR_PASSES:
                    write(self.path, sql)
                report = ws.sync(wait_s=0, full=full, allow_mass_delete=True)
                if not rows(self.path, "SELECT 1 FROM outbox"):
                    break
            stuck = rows(self.path, "SELECT model, op, state, attempts, code, reason FROM outbox")
            assert stuck == [], (self.seed, self._rounds, stuck)
            assert ws.status().consistent
            assert all(part.stopped is None for part in report.remotes.values()), (self.seed, report)

    def check_upstream(self) -> None:
        """What the user asked for is upstream, each effect once, and both sides are equal; another sync sends nothing."""
        told = f"seed {self.seed}, round {self._rounds}"
        for remote in ("plexus", "prefactor", "abeja"):
            made = Counter((e.model, e.key) for e in self.sandbox.effects(op="create", remote=remote))
            assert [one for one, times in made.items() if times > 1] == [], (told, made)
        assert set(self.sandbox.prefactor.effects_by_key().values()) <= {1}, told
        runs = Counter(json.loads(e.mark)["TAG"] for e in self.sandbox.abeja.effects("run", "create"))
        asked = Counter(tag for tag, r in self.wanted.items() if r.kind == "run")
        assert runs == asked, (told, "doubled", runs - asked, "lost", asked - runs)
        self._check_results(told)
        spans = Counter(span["schema_name"] for span in self.sandbox.prefactor.rows("agent_span"))
        asked = Counter(tag for tag, r in self.wanted.items() if r.kind == "span")
        assert spans == asked, (told, "doubled", spans - asked, "lost", asked - spans)
        items = Counter((item["externalId"], item.get("text")) for item in self.sandbox.rows("Item"))
        lacking = {tag: r for tag, r in self.wanted.items() if r.kind == "upsert" and items[(tag, r.value)] != 1}
        assert lacking == {}, (told, lacking)
        twice = [name for name, times in Counter(name for name, _ in items.elements()).items() if times > 1]
        assert twice == [], (told, [item for item in self.sandbox.rows("Item") if item["externalId"] in twice])
        with self.opened() as ws:
            effects = len(self.sandbox.effects())
            report = ws.push(wait_s=0)
            assert (report.requests, len(self.sandbox.effects())) == (0, effects), (told, report)

    def _check_results(self, told: str) -> None:
        upstream = {r.get("explanation"): r for r in self.sandbox.rows("ScoreResult")}
        edits = Counter(e.key for e in self.sandbox.effects("ScoreResult", "update"))
        for tag, record in self.wanted.items():
            if record.kind != "create":
                continue
            found = upstream.get(tag)
            assert (found and found["value"]) == record.value, (told, tag, record, found)
            if found is not None:
                assert edits[found["id"]] <= record.edits, (told, tag, record, edits[found["id"]])

    def check_equal(self) -> None:
        """Both sides hold the same, record for record."""
        self.drain(full=True)
        with self.opened() as ws:
            found = ws.verify()
            assert found.equal, (self.seed, found.as_dict())

    def close(self) -> None:
        """Let go of the upstream."""
        self.sandbox.stop()


def ended(process: subprocess.Popen[str]) -> Ended:
    """A process that has come to its end, one way or another; what it said in whole lines."""
    try:
        out, errors = process.communicate(timeout=LIMIT_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    return Ended(said(out), process.returncode, out + errors)


def said(text: str) -> list[dict[str, Any]]:
    """What a program told in whole lines of JSON; a line cut off by its death was not told."""
    lines = [line for line in text.splitlines(keepends=True) if line.startswith("{") and line.endswith("\n")]
    return [json.loads(line) for line in lines]


def pause(seconds: float) -> None:
    """Let other processes run for so long."""
    Event().wait(seconds)
