"""What people do in a day on each platform, and what the platform must hold of it afterwards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from syncer import clock, ids
from tests.factory import scoring
from tests.files import rows
from tests.prefactor.talking import Talk
from tests.rigs.days import Days


class PlexusDays(Days):
    """Score results made, edited and deleted; others edit a field nobody here touches, make and delete their own."""

    remote = "plexus"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.ids = scoring(self.ws)
        self.theirs: dict[str, str] = {}
        self.gone: set[str] = set()

    def act(self) -> None:
        records, kind = self.ws.plexus, self.random.random()
        living = sorted(key for key, wanted in self.wanted.items() if wanted is not None)
        if kind < 0.5 or not living:
            fields = {"value": f"v{self.next()}", "explanation": "new"}
            self.wanted[records.create("ScoreResult", {**self.ids, **fields})["id"]] = fields
            return
        key = self.random.choice(living)
        if kind < 0.9:
            change = {self.random.choice(("value", "explanation")): f"v{self.next()}"}
            records.update("ScoreResult", key, change)
            self.wanted[key] = {**self.wanted[key], **change}
        else:
            self.next()
            records.delete("ScoreResult", key)
            self.wanted[key] = None

    def others(self) -> None:
        random = self.random
        known = sorted(row["id"] for row in self.sandbox.rows("ScoreResult"))
        if not known:
            return
        key = random.choice(known)
        if self.wanted.get(key) is not None and random.random() < 0.5:
            self.theirs[key] = str(random.randint(200, 299))  # a delete of ours that does not know of it will ask
            self.sandbox.edit("ScoreResult", key, code=self.theirs[key])
        elif random.random() < 0.7:
            now = clock.wire(clock.stored_now())
            foreign = {"id": ids.new_id(), "value": "foreign", "createdAt": now, "updatedAt": now}
            self.sandbox.put("ScoreResult", {**(self.sandbox.get("ScoreResult", key) or {}), **foreign})
        elif key not in self.wanted:
            self.sandbox.drop("ScoreResult", key)
            self.gone.add(key)

    def lost(self) -> list[str]:
        wrong = []
        for key, wanted in self.wanted.items():
            if wanted is not None and key in self.theirs:
                wanted = {**wanted, "code": self.theirs[key]}
            there, here = self.sandbox.get("ScoreResult", key), self.ws.plexus.get("ScoreResult", key)
            for side, found in (("there", there), ("here", here)):
                seen = None if found is None or wanted is None else {name: found.get(name) for name in wanted}
                if (found is None) != (wanted is None) or seen != wanted:
                    wrong.append(f"{side} {key}: {found} instead of {wanted}")
        wrong += [f"still here: {key}" for key in self.gone if self.ws.plexus.get("ScoreResult", key) is not None]
        return wrong

    def doubled(self) -> list[str]:
        effects = Counter((effect.key, effect.op) for effect in self.sandbox.effects("ScoreResult"))
        acked = Counter(rows(self.path, "SELECT key, op FROM ledger WHERE outcome = 'acked' AND model = 'ScoreResult'"))
        return [f"{key}: {count} for {acked[key]}" for key, count in effects.items() if count > max(acked[key], 0)]

    def imagined(self) -> list[Any]:
        found = super().imagined()
        return [row for row in found if json.loads(row[3] or "{}").get("code") == json.loads(row[4] or "{}").get("code")]

    def decide(self) -> None:
        asks = rows(self.path, "SELECT seq, key FROM outbox WHERE state = 'conflict' AND op = 'delete'")
        self.ws.retry(*(seq for seq, key in asks if key in self.theirs))


class PrefactorDays(Days):
    """Instances registered, started and finished, with spans; some of them under local ids."""

    remote = "prefactor"

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.open_spans: dict[str, list[str]] = {}

    def act(self) -> None:
        talk, random = Talk(self.ws, self.sandbox.prefactor.agent_id), self.random
        active = sorted(self.open_spans)
        kind, n = random.random(), self.next()
        if kind < 0.25 or not active:
            made = talk.start(self._registered(talk, n)).id
            self.wanted[made] = {"status": "active"}
            self.open_spans[made] = []
            return
        instance = random.choice(active)
        spans = self.open_spans[instance]
        if kind < 0.7:
            made = talk.span(instance, payload={"n": n}).id
            self.wanted[made] = {"payload": {"n": n}, "status": "active"}
            spans.append(made)
        elif kind < 0.9 and spans:
            span = spans.pop(random.randrange(len(spans)))
            talk.finish_span(span, status="complete", result_payload={"n": n})
            self.wanted[span] |= {"status": "complete", "result_payload": {"n": n}}
        else:
            for span in self.open_spans.pop(instance):
                talk.finish_span(span, status="failed")
                self.wanted[span]["status"] = "failed"
            talk.finish(instance, status="complete")
            self.wanted[instance]["status"] = "complete"

    def _registered(self, talk: Talk, n: int) -> str:
        """The id of a new instance: one that the remote will take, or a local one that it will replace."""
        if self.random.random() < 0.6:
            return talk.register().id
        fields = {
            "agent_id": talk.agent_id,
            "status": "pending",
            "external_identifier": f"x-{n}",
            "agent_version": {"name": "v1", "external_identifier": "v1"},
            "agent_schema_version": {"external_identifier": "s1", "span_schemas": {"step": {"type": "object"}}},
            "update_current_version": True,
        }
        return str(self.ws.prefactor.create("AgentInstance", {"id": f"local-{ids.new_key()}", **fields})["id"])

    def others(self) -> None:
        """Another process of the same agent."""
        made = self.sandbox.prefactor.put("agent_instance", external_identifier=f"o-{self.next()}", status="active")
        self.sandbox.prefactor.put("agent_span", agent_instance_id=made["id"], payload={"by": "others"})

    def lost(self) -> list[str]:
        wrong = []
        named = dict(rows(self.path, "SELECT local_id, remote_id FROM _id_map"))
        for asked, wanted in self.wanted.items():
            key = named.get(asked, asked)
            model, name = ("AgentSpan", "agent_span") if "payload" in wanted else ("AgentInstance", "agent_instance")
            there, here = self.sandbox.prefactor.get(name, key), self.ws.prefactor.get(model, key)
            for side, found in (("there", there), ("here", here)):
                if found is None or {n: found.get(n) for n in wanted} != wanted:
                    wrong.append(f"{side} {key}: {found} instead of {wanted}")
        return wrong

    def doubled(self) -> list[str]:
        effects = self.sandbox.prefactor.effects()
        by_key = self.sandbox.prefactor.effects_by_key()
        by_record = Counter((e.key, e.op) for e in effects)
        return [str(pair) for counts in (by_key, by_record) for pair in counts.items() if pair[1] > 1]


class AbejaDays(Days):
    """Runs created; the platform moves them on and logs, others make runs."""

    remote = "abeja"

    def act(self) -> None:
        n = str(self.next())
        fields = {
            "organization_id": self.sandbox.abeja.organization_id,
            "deployment_id": self.random.choice(self.sandbox.abeja.deployment_ids),
            "model_version_id": "ver-1234567890123456",
            "status": "SUBMITTED",
            "user_env_vars": {"N": n},
        }
        self.ws.abeja.create("Run", {"run_id": f"local-{ids.new_key()}", **fields})
        self.wanted[n] = fields

    def others(self) -> None:
        abeja = self.sandbox.abeja
        if self.random.random() < 0.3:
            abeja.put(user_env_vars={"by": "others"})
        for run in self.random.sample(found := abeja.rows("run"), min(2, len(found))):
            if run["status"] not in ("SUCCEEDED", "FAILED"):
                abeja.advance(run["run_id"])
                abeja.log(run["run_id"], f"line {self.random.random()}")

    def lost(self) -> list[str]:
        there = {run["run_id"]: run for run in self.sandbox.abeja.rows("run")}
        here = {run["run_id"]: run for run in self.ws.abeja.find("Run")}
        wrong = [f"only on one side: {key}" for key in there.keys() ^ here.keys()]
        wrong += [
            f"{key}: {here[key]['status']}"
            for key in there.keys() & here.keys()
            if here[key]["status"] != there[key]["status"]
        ]
        for side, found in (("there", there), ("here", here)):
            numbers = Counter(_variables(run).get("N") for run in found.values())
            wrong += [f"{side} {n}: {numbers[n]} runs" for n in self.wanted if numbers[n] != 1]
        logs = Counter(event["run_id"] for event in self.sandbox.abeja.rows("run_log"))
        mine = Counter(event["run_id"] for event in self.ws.abeja.find("RunLogEvent"))
        return wrong + [f"log of {key}: {mine[key]} of {logs[key]}" for key in logs if mine[key] != logs[key]]

    def doubled(self) -> list[str]:
        return [str(pair) for pair in self.sandbox.abeja.effects_by("N").items() if pair[1] > 1]


def _variables(run: Mapping[str, Any]) -> Mapping[str, Any]:
    found = run.get("user_env_vars") or {}
    return json.loads(found) if isinstance(found, str) else found
