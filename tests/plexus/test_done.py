"""When the Plexus classes count as done: the documentation's own examples offline, a sync by command, equality upstream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import syncer
from syncer import Workspace
from syncer.adapters.plexus.spec import MODELS
from syncer.sandbox import Sandbox
from syncer.schema.values import json_decoded
from tests.conftest import ACCOUNT_KEY
from tests.files import rows

_LIMIT_S = 60
_OFFLINE = """
import json
from syncer.plexus import ClientContext, PlexusDashboardClient
from syncer.plexus.models import Item, ScoreResult, Task

client = PlexusDashboardClient.for_scorecard("lab", "qa", "Tone")
account, card, score = "acc-1", "card-1", "score-1"
item, was_created, problem = Item.upsert_by_identifiers(
    client, account, {"formId": "F-7", "customer_id": 42}, external_id="ext-7", text="call 7", metadata={"line": 1}
)
assert was_created and problem is None, problem
again, was_created, problem = Item.upsert_by_identifiers(client, account, {"formId": "F-7"}, description="the seventh")
assert (again, was_created, problem) == (item, False, None)

client.log_score(0.95, item)
client.log_score("yes", item, confidence=0.9, metadata={"why": ["tone"]}, immediate=True)
for n in range(10):
    client.log_score(n / 10, item, batch_size=5, batch_timeout=2.0)
client.flush()

common = {"itemId": item, "accountId": account, "scorecardId": card, "scoreId": score}
made = ScoreResult.batch_create(client, [{"value": v, **common} for v in ("low", "high")])
changed = made[0].update(value="middle", metadata={"checked": True}, correct=True)
assert changed.value == "middle"

stages = [{"name": "Load", "order": 1, "totalItems": 3}, {"name": "Score", "order": 2}]
task = Task.create_with_stages(client, "Evaluation", "qa/tone", "evaluate --n 3", stages, accountId=account)
task.start_processing()
for stage in task.get_stages():
    task.advance_stage(stage)
    stage.start_processing()
    stage.update(processedItems=3, totalItems=3)
    stage.complete_processing()
task.complete_processing()
print(json.dumps({"item": item, "results": [r.id for r in made], "task": task.id}))
"""


@pytest.fixture
def seeded(sandbox: Sandbox) -> None:
    """An account with one scorecard and one score, made by somebody else."""
    sandbox.put("Account", id="acc-1", name="Lab", key=ACCOUNT_KEY)
    sandbox.put("Scorecard", id="card-1", name="Quality", key="qa", accountId="acc-1", externalId="17")
    sandbox.put("ScorecardSection", id="sec-1", name="All", order=1, scorecardId="card-1")
    score = {"name": "Tone", "key": "tone", "externalId": "171", "type": "LLM", "order": 1}
    sandbox.put("Score", id="score-1", scorecardId="card-1", sectionId="sec-1", **score)


def process(path: Path, *arguments: str, **more: str) -> str:
    """What a Python of its own prints; it must succeed."""
    root = str(Path(syncer.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": root, "PYTHONUTF8": "1", "SYNCER_DB": str(path), **more}
    done = subprocess.run([sys.executable, *arguments], env=env, capture_output=True, text=True, timeout=_LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def here(path: Path, name: str) -> dict[str, dict[str, Any]]:
    """The rows of a model as Python values."""
    with Workspace.open(path) as ws:
        records = ws.plexus.find(name)
    return {
        MODELS[name].key_text(record): {f.name: record[f.name] for f in MODELS[name].remote_fields} for record in records
    }


def there(sandbox: Sandbox, name: str) -> dict[str, dict[str, Any]]:
    """The records of a model as Python values, times in the local spelling."""
    model = MODELS[name]
    found = {}
    for record in sandbox.rows(name):
        shown = {}
        for field in model.remote_fields:
            value = record.get(field.name)
            if value is not None and field.kind == "json":
                value = json_decoded(value)
            if value is not None and field.kind == "time":
                value = value[:-1].ljust(23, "0").ljust(26, "0") + "Z"
            shown[field.name] = value
        found[model.key_text(record)] = shown
    return found


@pytest.mark.parametrize("faults", [False, True])
def test_the_documented_examples(
    sandbox: Sandbox, seeded: None, path: Path, monkeypatch: pytest.MonkeyPatch, faults: bool
) -> None:
    """Offline in one process, then ``syncer sync``: every record is upstream once, and both sides are equal."""
    settings = {**sandbox.settings, "PLEXUS_ACCOUNT_KEY": ACCOUNT_KEY}
    sync = ("-m", "syncer.cli.main", "sync", "plexus")
    process(path, "-m", "syncer.cli.main", "init")
    process(path, *sync, **settings)
    asked = sandbox.requests
    made = json.loads(process(path, "-c", _OFFLINE, PLEXUS_ACCOUNT_KEY=ACCOUNT_KEY))
    assert sandbox.requests == asked
    assert made["item"] == "acc-1--ext-7"
    if faults:
        sandbox.faults.fail_rate, sandbox.faults.lose_reply_rate = 0.1, 0.3
    process(path, *sync, **settings)
    sandbox.faults.clear()
    process(path, *sync, **settings)
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]
    expected = {"Item": 1, "Identifier": 2, "ScoreResult": 14, "Task": 1, "TaskStage": 2}
    assert {name: sandbox.count(name) for name in expected} == expected
    for name in (*expected, "Account", "Scorecard", "Score"):
        assert here(path, name) == there(sandbox, name)
    created = Counter(effect.key for effect in sandbox.effects() if effect.op == "create")
    assert {key: n for key, n in created.items() if n != 1} == {}
    task = there(sandbox, "Task")[made["task"]]
    assert task["status"] == "COMPLETED"
    assert {stage["status"] for stage in there(sandbox, "TaskStage").values()} == {"COMPLETED"}
    assert there(sandbox, "ScoreResult")[made["results"][0]]["value"] == "middle"
