"""What people do on all three platforms through the public APIs, and the list of what they asked for: the oracle.

Every value written is unlike every other, so that whatever became of it can be told from where it is found.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from syncer import Workspace, clock, ids
from syncer.abeja import APIClient
from syncer.engine.verify.diff import inconsistent
from syncer.engine.verify.repair import local_states
from syncer.plexus import PlexusDashboardClient
from syncer.plexus.models import Item, Report, ScoreResult, Task
from syncer.sandbox.server import Sandbox
from tests.factory import scoring
from tests.files import rows
from tests.prefactor.talking import Talk
from tests.rigs.both import opened

Place = tuple[str, str, str]
"""Model, how people know the record, field."""
_VERSION = "ver-1111111111111111"
_STAGES = [{"name": "Load", "order": 1}, {"name": "Score", "order": 2}]


class People:
    """The user of the file at ``path``, and everybody else, who writes to the ``sandbox`` directly."""

    def __init__(self, path: Path, sandbox: Sandbox) -> None:
        self.path, self.sandbox = path, sandbox
        self.ws = opened(path, sandbox)
        self._left: list[Workspace] = []
        self.ids = scoring(self.ws)
        self.results: list[str] = []
        self.reports: list[str] = []
        self.tasks: list[str] = []
        self.spans: dict[str, list[str]] = {}
        self.asked: dict[str, dict[str, Any]] = {}
        """Prefactor: what was asked of instances and spans."""
        self.runs: list[str] = []
        self.deleted: set[str] = set()
        self.dropped: Counter[str] = Counter()
        self.ours: dict[Place, str] = {}
        self.theirs: dict[Place, str] = {}
        self.moods: dict[str, str] = {}
        self.reached: defaultdict[Place, set[Any]] = defaultdict(set)
        self.replaced: defaultdict[Place, set[Any]] = defaultdict(set)
        self.stages: dict[str, int] = {}
        self.written = 0
        self.crashes = 0
        self.agent(0, "new")  # instances are listed by agent: only those of agents seen here come home

    # the process

    def crash(self) -> None:
        """The process is gone without a word: another one opens the file."""
        self.crashes += 1
        self._left.append(self.ws)
        self.ws = opened(self.path, self.sandbox)

    def close(self) -> None:
        """Let go of every file, also of those that crashed processes had open."""
        for ws in (*self._left, self.ws):
            ws.close()

    @property
    def client(self) -> PlexusDashboardClient:
        """The public client of Plexus."""
        return PlexusDashboardClient.for_scorecard("lab", "quality", "tone", workspace=self.ws)

    def unique(self) -> str:
        """A value that nobody else writes."""
        self.written += 1
        return f"v{self.written}"

    # here: Plexus

    def score(self, *, logged: bool) -> None:
        """A new result, by the class or by ``log_score``."""
        value, tag = self.unique(), self.unique()
        if logged:
            self.client.log_score(self.written / 4, self.ids["itemId"], explanation=tag, code="1")
            made = str(self.ws.plexus.find("ScoreResult", {"explanation": tag})[0]["id"])
        else:
            made = str(ScoreResult.create(self.client, value=value, explanation=tag, code="1", **self.ids).id)
            self.ours["ScoreResult", made, "value"] = value
        self.ours["ScoreResult", made, "explanation"] = tag
        self.results.append(made)

    def correct(self, which: int, field: str) -> None:
        """Another value for a result that is here."""
        key = picked(self.results, which)
        before = key and self.ws.plexus.get("ScoreResult", key)
        if key and before:
            found = ScoreResult.get_by_id(key, self.client)
            found.update(**{field: self._wrote("ScoreResult", key, field, before)})

    def remove(self, which: int) -> None:
        """A result less."""
        key = picked(self.results, which)
        before = key and self.ws.plexus.get("ScoreResult", key)
        if key and before:
            self._removed("ScoreResult", key, before)
            self.ws.plexus.delete("ScoreResult", key)

    def upsert(self, which: int) -> None:
        """An item known by what others may know it by too."""
        name = f"ext-{which}"
        before = (self.ws.plexus.find("Item", {"externalId": name}) or [{}])[0]
        text = self._wrote("Item", name, "text", before)
        form = {"formId": f"F{which}"}
        _, _, problem = Item.upsert_by_identifiers(self.client, self.ids["accountId"], form, external_id=name, text=text)
        assert problem is None, problem

    def plan_task(self) -> None:
        """A task with two stages."""
        made = Task.create_with_stages(self.client, "Evaluation", "qa", "run", _STAGES, accountId=self.ids["accountId"])
        self.tasks.append(made.id)
        self.stages[made.id] = 0

    def advance(self, which: int) -> None:
        """A task goes on by one step."""
        key = picked(self.tasks, which)
        if key is None or self.stages[key] > 2:
            return
        task = Task.get_by_id(key, self.client)
        self.stages[key] += 1
        if self.stages[key] == 1:
            task.start_processing()
        task.advance_stage(task.get_stages()[min(self.stages[key], 2) - 1])
        if self.stages[key] == 3:
            task.complete_processing()

    def report(self, which: int, *, gone: bool) -> None:
        """A new report, or one that goes."""
        key = picked(self.reports, which)
        if not gone:
            task = picked(self.tasks, which)
            if task is not None:
                name = self.unique()
                made = Report.create(self.client, "configuration", self.ids["accountId"], task, name).id
                self.ours["Report", made, "name"] = name
                self.reports.append(made)
        elif key and (before := self.ws.plexus.get("Report", key)):
            self._removed("Report", key, before)
            Report.delete_by_id(key, self.client)

    def _wrote(self, model: str, key: str, field: str, before: dict[str, Any]) -> str:
        place = (model, key, field)
        self.replaced[place].add(before.get(field))
        self.ours[place] = self.unique()
        return self.ours[place]

    def _removed(self, model: str, key: str, before: dict[str, Any]) -> None:
        self.deleted.add(key)
        for field, value in before.items():
            if isinstance(value, str):
                self.replaced[model, key, field].add(value)

    # here: Prefactor and ABEJA

    def agent(self, which: int, what: str) -> None:
        """A step in the life of an instance: new, with a span, with one span less, at its end."""
        talk = Talk(self.ws, self.sandbox.prefactor.agent_id)
        instance = picked(sorted(self.spans), which)
        if what == "new" or instance is None:
            made = talk.active().id
            self.asked[made], self.spans[made] = {"status": "active"}, []
        elif what == "span":
            payload = {"n": self.unique()}
            made = talk.span(instance, payload=payload).id
            self.asked[made] = {"payload": payload, "status": "active"}
            self.spans[instance].append(made)
        elif what == "finish span" and self.spans[instance]:
            self._finish_span(talk, self.spans[instance].pop())
        elif what == "finish":
            for span in self.spans.pop(instance):
                self._finish_span(talk, span)
            talk.finish(instance, status="complete")
            self.asked[instance]["status"] = "complete"

    def _finish_span(self, talk: Talk, span: str) -> None:
        result = {"n": self.unique()}
        talk.finish_span(span, status="complete", result_payload=result)
        self.asked[span] |= {"status": "complete", "result_payload": result}

    def run(self) -> None:
        """A run of a model."""
        abeja, tag = self.sandbox.abeja, self.unique()
        client = APIClient(workspace=self.ws)
        client.create_run(abeja.organization_id, abeja.deployment_ids[0], _VERSION, environment={"N": tag})
        self.runs.append(tag)

    # there

    def others_edit(self, which: int, field: str) -> None:
        """Somebody edits a result; ``mood`` is a field that only this deployment of Plexus has."""
        key = picked(self.results, which)
        if key is None or self.sandbox.get("ScoreResult", key) is None:
            return
        value = self.unique()
        clock.sleep(0.001)  # two writes in one millisecond have one updatedAt: no client can tell them apart
        self.sandbox.edit("ScoreResult", key, **{field: value})
        clock.sleep(0.001)
        if field == "mood":
            self.moods[key] = value
        else:
            self.theirs["ScoreResult", key, field] = value

    def others_drop(self, which: int, model: str) -> None:
        """Somebody deletes a result or a report."""
        key = picked(self.results if model == "ScoreResult" else self.reports, which)
        if key is not None and self.sandbox.get(model, key) is not None:
            self.sandbox.drop(model, key)
            self.dropped[key] += 1

    def others_make(self, which: int, what: str) -> None:
        """Somebody writes records of their own, some of which we may be about to write too."""
        n = self.unique()
        if what == "result" and self.sandbox.get("Score", self.ids["scoreId"]) is not None:
            self.sandbox.put("ScoreResult", {**self.ids, "id": ids.new_id(), "value": n, "mood": "calm"})
        elif what == "item":
            name = f"ext-{which}"
            if all(item.get("externalId") != name for item in self.sandbox.rows("Item")):
                theirs = {"accountId": self.ids["accountId"], "externalId": name, "text": n, "isEvaluation": False}
                self.sandbox.put("Item", theirs, id=f"their-{which}")  # an upsert is asked to write over its text
        elif what == "span":
            made = self.sandbox.prefactor.put("agent_instance", external_identifier=n, status="active")
            self.sandbox.prefactor.put("agent_span", agent_instance_id=made["id"], payload={"by": n})
        elif what == "run":
            self.sandbox.abeja.put(user_env_vars={"by": n})
            for run in self.sandbox.abeja.rows("run")[:2]:
                if run["status"] not in ("SUCCEEDED", "FAILED"):
                    self.sandbox.abeja.advance(run["run_id"])
                    self.sandbox.abeja.log(run["run_id"], f"line {n}")

    # what must hold

    def look(self) -> None:
        """See what arrived. To be called after everything that talks to the remotes."""
        for place in self.ours:
            self.reached[place].add((self._there(place[0], place[1]) or {}).get(place[2]))

    def _there(self, model: str, key: str) -> dict[str, Any] | None:
        if model != "Item":
            return self.sandbox.get(model, key)
        return next((item for item in self.sandbox.rows("Item") if item.get("externalId") == key), None)

    def wrong_now(self) -> list[Any]:
        """What is not as it must be at any moment."""
        wrong: list[Any] = [] if self.ws.status().consistent else ["the ledger is open"]
        for remote in ("plexus", "prefactor", "abeja"):
            made = Counter((e.model, e.key) for e in self.sandbox.effects(op="create", remote=remote))
            # What somebody deleted there may be made again, where a person has chosen our side.
            wrong += [f"made twice: {model} {key}" for (model, key), n in made.items() if n > 1 + self.dropped[key]]
        wrong += [f"took effect twice: {key}" for key, times in self.sandbox.prefactor.effects_by_key().items() if times > 1]
        wrong += [f"run twice: {n}" for n, times in self.sandbox.abeja.effects_by("N").items() if n and times > 1]
        waiting = defaultdict(list)
        for remote, model, key in rows(self.path, "SELECT DISTINCT remote, model, key FROM outbox"):
            waiting[remote, model].append(key)
        for (remote, name), keys in waiting.items():
            model = self.ws._models[remote][name]
            local = self.ws.database.read(lambda tx, model=model, keys=keys: local_states(tx, model, keys))
            wrong += [found for key in keys if (found := inconsistent(model, key, local[key]))]
        orphans = "SELECT model, key FROM _base EXCEPT SELECT model, key FROM outbox"
        return wrong + [f"a base without a change: {one}" for one in rows(self.path, orphans)]

    def lost(self) -> list[str]:
        """What was asked for, and neither came about nor is listed as the losing side of a conflict."""
        said = rows(self.path, "SELECT coalesce(base, '') || coalesce(ours, '') || coalesce(theirs, '') FROM conflict")
        listed = "".join(text for (text,) in said)
        wrong = []
        for (model, key, field), value in self.ours.items():
            arrived = value in self.reached[model, key, field]
            if not arrived and key not in self.deleted and f'"{value}"' not in listed:
                wrong.append(f"our {value} of {model} {key} {field}")
        for (model, key, field), value in self.theirs.items():
            stands = (self._there(model, key) or {}).get(field) == value or value in self.replaced[model, key, field]
            if not stands and key not in self.dropped and f'"{value}"' not in listed:
                wrong.append(f"their {value} of {model} {key} {field}")
        for key, mood in self.moods.items():
            found = self.sandbox.get("ScoreResult", key)
            if found is not None and found.get("mood") != mood and key not in self.dropped:
                wrong.append(f"a field unknown here was lost: {found}")
        return wrong + self._lost_elsewhere()

    def _lost_elsewhere(self) -> list[str]:
        named = dict(rows(self.path, "SELECT local_id, remote_id FROM _id_map"))
        wrong = []
        for asked, wanted in self.asked.items():
            key, name = named.get(asked, asked), "agent_span" if "payload" in wanted else "agent_instance"
            found = self.sandbox.prefactor.get(name, key)
            if found is None or {n: found.get(n) for n in wanted} != wanted:
                wrong.append(f"{name} {key}: {found} instead of {wanted}")
        made = self.sandbox.abeja.effects_by("N")
        wrong += [f"run {n}: made {made[n]} times" for n in self.runs if made[n] != 1]
        for key, steps in self.stages.items():
            status = ["PENDING", "RUNNING", "RUNNING", "COMPLETED"][steps]
            there = self.sandbox.get("Task", key) or {}
            if there.get("status") != status:
                wrong.append(f"task {key}: {there.get('status')} instead of {status}")
        external = Counter(item.get("externalId") for item in self.sandbox.rows("Item"))
        return wrong + [f"item {name}: {times} of them" for name, times in external.items() if name and times > 1]

    def told(self) -> str:
        """One line about what waits, for the person who finds it stuck."""
        return json.dumps(rows(self.path, "SELECT seq, model, key, op, state, code, reason FROM outbox"))


def picked(known: list[str], which: int) -> str | None:
    """One of those that there are, None while there is none."""
    return known[which % len(known)] if known else None
