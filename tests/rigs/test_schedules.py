"""R1: one set of rows, edited on both sides, ends alike in whatever order the independent parts of its sync are done."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from syncer import Workspace, clock
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.factory import scoring
from tests.files import rows
from tests.rigs import settings as rig
from tests.rigs.both import calm, differences, opened

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
GONE = "gone"
TEXTS = ("value", "explanation", "code")
BASE: Mapping[str, Any] = {"value": "base", "explanation": "base", "code": "base", "metadata": {"k": "base", "left": 1}}
MODELS = ("Item", "ScoreResult")

Edit: TypeAlias = dict[str, Any] | str | None
"""What a side did to a record: other values, ``GONE``, or nothing."""

_EDITS = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.sampled_from(["one", "two"]) for name in TEXTS},
        "metadata": st.sampled_from(
            [{"k": "one", "left": 1}, {"k": "two", "left": 1}, {"k": "base"}, {**BASE["metadata"], "new": 1}]
        ),
    },
)
EDITS: st.SearchStrategy[Edit] = st.one_of(st.none(), _EDITS, _EDITS, st.just(GONE))
counts: Counter[str] = Counter()


@dataclass(frozen=True)
class Scene:
    """What both sides do, unknown to each other, to records both have, and how many each makes."""

    edits: tuple[tuple[Edit, Edit], ...]
    made: tuple[int, int]


SCENES = st.builds(
    Scene,
    edits=st.lists(st.tuples(EDITS, EDITS), min_size=2, max_size=5).map(tuple),
    made=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)


# what must come of it: the oracle, which knows nothing of pushes and pulls


def changed(edit: Edit) -> dict[str, Any]:
    """The fields an edit really changes."""
    return {n: v for n, v in edit.items() if v != BASE[n]} if isinstance(edit, dict) else {}


def clashing(ours: Edit, theirs: Edit) -> bool:
    """Whether a person has to be asked about a record."""
    if GONE in (ours, theirs):
        return ours != theirs and bool(changed(ours) or changed(theirs))
    mine, others = changed(ours), changed(theirs)
    return any(_clash(mine[n], others[n], BASE[n]) for n in mine.keys() & others.keys())


def _clash(ours: Any, theirs: Any, base: Any) -> bool:
    if not isinstance(base, dict):
        return bool(ours != theirs)
    return any(ours.get(k) != theirs.get(k) != base.get(k) != ours.get(k) for k in {*ours, *theirs, *base})


def expected(ours: Edit, theirs: Edit) -> dict[str, Any] | None:
    """The record in the end, where a person who was asked took ours."""
    if ours == GONE or (theirs == GONE and not changed(ours)):
        return None
    mine = changed(ours)
    if theirs == GONE:
        return {**BASE, **mine}
    others = changed(theirs)
    return {n: _both(BASE[n], mine.get(n, BASE[n]), others.get(n, BASE[n])) for n in BASE}


def _both(base: Any, ours: Any, theirs: Any) -> Any:
    if not isinstance(base, dict):
        return ours if ours != base else theirs
    named = {k: ours.get(k) if ours.get(k) != base.get(k) else theirs.get(k) for k in {*ours, *theirs, *base}}
    return {k: v for k, v in named.items() if v is not None}


# the orders in which it may be done


def at_once(ws: Workspace, _: Random) -> None:
    """One sync."""
    ws.sync(full=True, allow_mass_delete=True, wait_s=0)


def pulled_first(ws: Workspace, _: Random) -> None:
    """Everything comes before anything goes, then one change goes at a time."""
    ws.pull(full=True, allow_mass_delete=True, wait_s=0)
    while ws.push(limit=1, wait_s=0).requests:
        pass


def piecemeal(ws: Workspace, random: Random) -> None:
    """Models and small numbers of changes by chance, either way, in several lives of the process."""
    for _ in range(random.randint(4, 10)):
        models = random.choice((None, *([model] for model in MODELS)))
        if random.random() < 0.6:
            ws.push(models=models, limit=random.choice((1, 2, None)), wait_s=0)
        else:
            ws.pull(models=models, full=random.random() < 0.5, allow_mass_delete=True, wait_s=0)
        clock.sleep(random.choice((0, 0.001, 400)))


ORDERS: tuple[Callable[[Workspace, Random], None], ...] = (at_once, pulled_first, piecemeal)


@contextmanager
def world(scene: Scene) -> Iterator[tuple[Workspace, Sandbox, list[str]]]:
    """The scene on a file and an upstream of its own, and the ids of the records that both sides had before."""
    with (
        tempfile.TemporaryDirectory() as folder,
        clock.using(clock.Virtual(START)),
        Sandbox(Options()) as sandbox,
        opened(Path(folder) / "local.db", sandbox) as ws,
    ):
        ids = scoring(ws)
        keys = [ws.plexus.create("ScoreResult", {**ids, **BASE})["id"] for _ in scene.edits]
        ws.sync(wait_s=0)
        clock.sleep(1)
        for key, (ours, theirs) in zip(keys, scene.edits, strict=True):
            act_here(ws, key, ours)
            act_there(sandbox, key, theirs)
        for n in range(scene.made[0]):
            item = ws.plexus.create("Item", {"accountId": ids["accountId"], "externalId": f"ours-{n}"})["id"]
            ws.plexus.create("ScoreResult", {**ids, **BASE, "itemId": item, "value": f"ours {n}"})
        for n in range(scene.made[1]):
            sandbox.put("ScoreResult", {**_fields(ids), "id": f"t{n}", "value": f"theirs {n}"})
        yield ws, sandbox, keys


def _fields(ids: Mapping[str, str]) -> dict[str, Any]:
    now = clock.wire(clock.stored_now())
    return {**ids, **BASE, "metadata": json.dumps(BASE["metadata"]), "createdAt": now, "updatedAt": now}


def act_here(ws: Workspace, key: str, edit: Edit) -> None:
    """What our user does to a record."""
    if edit == GONE:
        ws.plexus.delete("ScoreResult", key)
    elif isinstance(edit, dict):
        for name, value in edit.items():
            ws.plexus.update("ScoreResult", key, {name: value})


def act_there(sandbox: Sandbox, key: str, edit: Edit) -> None:
    """What somebody else does to it."""
    if edit == GONE:
        sandbox.drop("ScoreResult", key)
    elif isinstance(edit, dict) and changed(edit):
        sandbox.edit(
            "ScoreResult", key, **{n: json.dumps(v) if isinstance(v, dict) else v for n, v in changed(edit).items()}
        )


def plain(record: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A record's fields of this rig, JSON as what it says."""
    if record is None:
        return None
    return {n: json.loads(record[n]) if n == "metadata" else record.get(n) for n in BASE}


@settings(
    max_examples=4 * rig.scale,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    print_blob=True,
    phases=(Phase.generate,),  # a scene tells enough; shrinking it takes minutes
)
@seed(rig.seed)
@given(scene=SCENES, chance=st.integers(0, 2**32 - 1))
def ends_alike(scene: Scene, chance: int) -> None:
    """In every order the same people are asked the same, and both sides hold in the end what the edits say."""
    told = f"seed {rig.seed}, {scene}, {chance}"
    asked = {n for n, edits in enumerate(scene.edits) if clashing(*edits)}
    for order in ORDERS:
        with world(scene) as (ws, sandbox, keys):
            order(ws, Random(chance))
            clock.sleep(1000)
            ws.sync(full=True, allow_mass_delete=True)
            here = f"{order.__name__}: {told}"
            open_ = {key for (key,) in rows(ws.path, "SELECT DISTINCT key FROM v_conflicts")}
            assert open_ == {keys[n] for n in asked}, here
            calm(ws, lambda: "ours")
            there = [plain(sandbox.get("ScoreResult", key)) for key in keys]
            assert there == [expected(*edits) for edits in scene.edits], here
            assert differences(ws, sandbox) == [], here
            made = Counter(str(row["value"]).split()[0] for row in sandbox.rows("ScoreResult") if row["id"] not in keys)
            assert (made["ours"], made["theirs"]) == scene.made, here
            again = {keys[n] for n, (_, theirs) in enumerate(scene.edits) if theirs == GONE}
            creates = Counter(e.key for e in sandbox.effects(op="create"))
            assert [key for key, times in creates.items() if times > 1 and key not in again] == [], here
            assert (ws.status().consistent, ws.push(wait_s=0).requests) == (True, 0), here
            counts.update(syncs=1, records=len(keys) + sum(scene.made), conflicts=len(asked))


def test_every_order_of_a_sync_ends_in_the_same_records() -> None:
    """What comes of edits on both sides follows from the edits alone, not from when what was exchanged [I7 I13 I14 I16]."""
    counts.clear()
    ends_alike()
    rig.tally("schedules", **counts, lost=0, doubled=0)
