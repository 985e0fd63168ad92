"""Verify: any difference is found, nothing else is; repair repairs it and leaves what waits alone."""

from __future__ import annotations

import json
import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncer import Workspace, clock
from syncer.adapters.plexus.spec import MODELS
from syncer.config import Settings
from syncer.engine import lease
from syncer.engine.report import Progress
from syncer.engine.verify.repair import Repair
from syncer.engine.verify.report import ModelComparison, RemoteVerification, Verification
from syncer.engine.verify.spool import SeenSet
from syncer.errors import SyncRunning
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from syncer.schema.model import Field, Kind, Model, Origin
from tests.factory import result, scoring
from tests.files import rows, write
from tests.sample_records import everything

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
OPEN = [model for model in MODELS.values() if not model.closed and not model.legacy]
LATER = "2026-03-01T00:00:00.000Z"


class Sides:
    """A file and an upstream that hold the same: one record of every open model, made and pushed by the file."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.path = folder / "sides.db"
        environ = {**sandbox.settings}
        self.ws = Workspace(Settings(str(self.path), environ=environ))
        self.keys = {name: key for name, key, _ in everything(self.ws.plexus)}
        environ["PLEXUS_ACCOUNT_KEY"] = self.ws.plexus.find("Account")[0]["key"]
        assert self.ws.sync("plexus").exit_code == 0

    def key(self, model: Model) -> str:
        """The key text of the record of a model."""
        key = self.keys[model.name]
        return key if isinstance(key, str) else model.key_text(key)

    def where(self, model: Model) -> tuple[str, list[str]]:
        """SQL that finds its row, with the values."""
        fields = model.key_fields(self.key(model))
        return " AND ".join(f"{model.by_name[name].column} = ?" for name in fields), list(fields.values())

    def set_here(self, model: Model, column: str, value: Any) -> None:
        """Another value in a column, behind syncer's back."""
        where, key = self.where(model)
        write(self.path, f'UPDATE {model.table} SET "{column}" = ? WHERE {where}', value, *key)

    def verify(self, *models: str, **options: Any) -> Verification:
        """A verification of Plexus, of some models if named."""
        return self.ws.verify("plexus", models=models or None, **options)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    """Both sides equal; whoever plants a difference has it repaired."""
    with Sandbox(Options()) as server:
        made = Sides(tmp_path_factory.mktemp("verify"), server)
        yield made
        made.ws.close()


@pytest.fixture
def scored(synced: Workspace, sandbox: Sandbox) -> dict[str, Any]:
    """Ids of a scoring, ``id`` being that of a result; all of it is on both sides."""
    ids = scoring(synced)
    made = synced.plexus.create("ScoreResult", result(ids))["id"]
    assert synced.sync("plexus").exit_code == 0
    return {**ids, "id": made}


def found(verification: Verification, remote: str = "plexus") -> list[tuple[str, str, list[str]]]:
    """Kind, model and fields of every difference."""
    parts = verification.remotes[remote].models.values()
    return [
        (str(difference.kind), difference.model, sorted(difference.fields))
        for part in parts
        for difference in part.differences
    ]


def compared(verification: Verification, model: str, remote: str = "plexus") -> ModelComparison:
    """What was found of one model."""
    return verification.remotes[remote].models[model]


def outbox(path: Path) -> list[Any]:
    """What waits, in full."""
    return rows(path, "SELECT * FROM outbox ORDER BY seq")


def theirs(count: int) -> list[dict[str, Any]]:
    """Results of a colleague's."""
    fields = {"value": "Yes", "itemId": "i", "accountId": "acc", "scorecardId": "card", "scoreId": "s", "type": "prediction"}
    return [
        {"id": f"r{n:05}", **fields, "status": "COMPLETED", "createdAt": LATER, "updatedAt": LATER} for n in range(count)
    ]


def an_account(sandbox: Sandbox) -> None:
    """The account that :func:`theirs` belong to."""
    sandbox.put("Account", id="acc", name="Lab", key="lab", createdAt=LATER, updatedAt=LATER)


def test_equal_sides_are_equal_and_stay_as_they_are(sides: Sides) -> None:
    """Every open model is compared, nothing is found, and neither checkpoints nor rows nor upstream have changed."""
    before = list(closing_dump(sides.path))
    effects = len(sides.sandbox.effects())
    verification = sides.verify()
    part = verification.remotes["plexus"]
    assert (verification.equal, verification.exit_code, found(verification)) == (True, 0, [])
    assert {m.model for m in part.models.values() if m.not_compared is None} == {model.name for model in OPEN}
    assert [(m.here, m.there, m.equal) for m in part.models.values() if m.not_compared is None] == [(1, 1, 1)] * len(OPEN)
    assert part.models["User"].not_compared == "these credentials may not read it"
    assert list(closing_dump(sides.path)) == before
    assert len(sides.sandbox.effects()) == effects


def closing_dump(path: Path) -> Iterator[str]:
    """The whole file as SQL, without the line that tells who syncs."""
    with closing(sqlite3.connect(path)) as connection:
        yield from (line for line in connection.iterdump() if '"_remote_state"' not in line)


def other(model: Model, field: Field, now: Any) -> Any:
    """Another value for a column, in stored form."""
    if field.many:
        return '["planted"]'
    if field.values:
        return next(value for value in field.values if value != now)
    return {
        Kind.JSON: '{"planted": [1, null]}',
        Kind.INTEGER: 99,
        Kind.NUMBER: 9.75,
        Kind.BOOLEAN: 0 if now else 1,
        Kind.TIME: "2020-01-01T00:00:00.123000Z",
    }.get(field.kind, "planted")


def as_upstream(field: Field, value: Any) -> Any:
    """A stored value as the sandbox keeps it."""
    if field.kind is Kind.TIME:
        return value[:23] + "Z"
    if field.many:
        return json.loads(value)
    return bool(value) if field.kind is Kind.BOOLEAN else value


PLACES = [(m, f) for m in OPEN for f in m.remote_fields if f.name not in m.key]


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.sampled_from(PLACES), here=st.booleans(), gone=st.booleans())
def test_any_field_of_any_model_is_found_and_mended(
    sides: Sides, place: tuple[Model, Field], here: bool, gone: bool
) -> None:
    """I24: one value changed here behind our back, or there without a trace: named with both values, repaired."""
    model, field = place
    key = sides.key(model)
    (now,) = rows(
        sides.path, f'SELECT "{field.column}" FROM {model.table} WHERE {sides.where(model)[0]}', *sides.where(model)[1]
    )
    value = None if gone and not field.required and now[0] is not None else other(model, field, now[0])
    record = sides.sandbox.get(model.name, key)
    assert record is not None
    if here:
        sides.set_here(model, field.column, value)
    else:
        sides.sandbox.put(model.name, {**record, field.name: None if value is None else as_upstream(field, value)})
    try:
        seen = sides.verify(model.name)
        assert (seen.exit_code, found(seen)) == (3, [("different", model.name, [field.name])])
        (difference,) = compared(seen, model.name).differences
        pair = difference.fields[field.name]
        assert (difference.key, pair[0] if here else pair[1]) == (key, value)
        mended = sides.verify(model.name, repair=True)
        assert (mended.exit_code, compared(mended, model.name).repaired) == (0, 1)
        assert sides.verify(model.name).equal
        assert outbox(sides.path) == []
        assert (sides.sandbox.get(model.name, key) == record) is here  # repair sends nothing
    finally:
        sides.sandbox.put(model.name, record)
        sides.verify(model.name, repair=True)


def test_a_planted_unknown_field_is_found(sides: Sides) -> None:
    """``extra`` counts, but for the spelling of times, which means nothing."""
    item = MODELS["Item"]
    sides.set_here(item, "extra", '{"$text": {"createdAt": "2026-01-01T00:00:00Z"}}')
    assert sides.verify("Item").equal
    sides.set_here(item, "extra", '{"planted": 1}')
    assert found(sides.verify("Item", repair=True)) == [("different", "Item", ["extra"])]
    assert sides.verify().equal


@pytest.mark.parametrize("model", OPEN, ids=lambda model: model.name)
def test_a_row_that_is_gone_is_found_and_fetched(sides: Sides, model: Model) -> None:
    """A row removed behind our back is missing here, and comes back whole."""
    before = rows(sides.path, f"SELECT * FROM {model.table}")
    write(sides.path, f"DELETE FROM {model.table}")
    assert found(sides.verify(model.name)) == [("missing here", model.name, [])]
    assert sides.verify(model.name, repair=True).exit_code == 0
    assert rows(sides.path, f"SELECT * FROM {model.table}") == before


@pytest.mark.parametrize("model", OPEN, ids=lambda model: model.name)
def test_a_record_the_remote_lost_is_sent_again_only_on_demand(sides: Sides, model: Model) -> None:
    """Acknowledged once, gone there: told, kept here by repair, queued again by ``resend``, and then on both sides."""
    record = sides.sandbox.get(model.name, sides.key(model))
    assert record is not None
    with clock.using(clock.Virtual(clock.now())):
        clock.sleep(3600)
        sides.sandbox.drop(model.name, sides.key(model))
        for options in ({}, {"repair": True}):
            seen = sides.verify(model.name, **options)
            assert (seen.exit_code, found(seen)) == (3, [("lost there", model.name, [])])
            assert outbox(sides.path) == []
        assert sides.verify(model.name, repair=True, resend=True).exit_code == 0
        assert sides.ws.sync("plexus").exit_code == 0
    there = sides.sandbox.get(model.name, sides.key(model))
    assert there is not None
    ours = [f.name for f in model.fields if f.origin is not Origin.SERVER and f.name != "updatedAt"]
    assert [there.get(name) for name in ours] == [record.get(name) for name in ours]
    assert sides.verify().equal


def test_what_others_made_since_is_missing_here_and_news(
    scored: dict[str, Any], synced: Workspace, sandbox: Sandbox
) -> None:
    """A record written after the last pull is a difference, with the note that a pull would bring it."""
    sandbox.put(
        "Item",
        id="new",
        accountId=scored["accountId"],
        isEvaluation=False,
        createdAt=LATER,
        updatedAt="2099-01-01T00:00:00.000Z",
    )
    sandbox.put("Item", id="old", accountId=scored["accountId"], isEvaluation=False, createdAt=LATER, updatedAt=LATER)
    seen = compared(synced.verify("plexus"), "Item")
    notes = {difference.key: difference.note for difference in seen.differences}
    assert (notes, seen.news) == ({"new": "written there after the last pull", "old": ""}, 1)


def test_what_others_deleted_is_removed_by_repair(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A pulled row whose record is gone is missing there; repair removes it and writes it down."""
    an_account(sandbox)
    sandbox.put_all("ScoreResult", theirs(3))
    synced.pull("plexus")
    sandbox.drop("ScoreResult", "r00001")
    assert found(synced.verify("plexus")) == [("missing there", "ScoreResult", [])]
    seen = synced.verify("plexus", repair=True)
    assert (seen.exit_code, compared(seen, "ScoreResult").differences[0].repaired) == (0, "removed here")
    assert rows(path, "SELECT id FROM plexus_score_result ORDER BY id") == [("r00000",), ("r00002",)]
    assert rows(path, "SELECT model, key, kind FROM _event") == [("ScoreResult", "r00001", "repaired")]
    assert synced.verify("plexus").equal


def test_a_mass_of_deletions_is_not_believed(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Most rows gone, or all, look like a wrong address: nothing is removed until that is allowed."""
    an_account(sandbox)
    sandbox.put_all("ScoreResult", theirs(40))
    synced.pull("plexus")
    for last in (30, 40):
        for n in range(last):
            sandbox.drop("ScoreResult", f"r{n:05}")
        seen = synced.verify("plexus", repair=True)
        assert (seen.exit_code, compared(seen, "ScoreResult").repaired) == (3, 0)
        assert any("--allow-mass-delete" in note for note in seen.remotes["plexus"].notes)
        assert rows(path, "SELECT count(*) FROM plexus_score_result") == [(40,)]
    assert synced.verify("plexus", repair=True, allow_mass_delete=True).exit_code == 0
    assert rows(path, "SELECT count(*) FROM plexus_score_result") == [(0,)]


def test_what_waits_is_no_drift(scored: dict[str, Any], synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A create, an edit, a delete, a rejected and an ambiguous change: all as expected, counted as waiting, left alone."""
    more = [synced.plexus.create("ScoreResult", result(scored | {"id": f"more-{n}"}))["id"] for n in range(2)]
    synced.sync("plexus")
    synced.plexus.update("ScoreResult", scored["id"], {"value": "No"})
    synced.plexus.delete("ScoreResult", more[0])
    synced.plexus.create("ScoreResult", result(scored | {"id": "new"}))
    with clock.using(clock.Virtual(START)):
        synced.plexus.update("Item", scored["itemId"], {"description": "ours"})
        sandbox.faults.lose_next_reply()
        synced.push("plexus", models=["Item"], wait_s=0)
    synced.plexus.update("Score", scored["scoreId"], {"name": "ours"})
    write(path, "UPDATE outbox SET state = 'rejected' WHERE model = 'Score'")
    before = outbox(path)
    assert {row[6] for row in before} == {"pending", "ambiguous", "rejected"}
    for options in ({}, {"repair": True}):
        seen = synced.verify("plexus", **options)
        assert (seen.exit_code, found(seen)) == (0, [])
        assert (compared(seen, "ScoreResult").pending, compared(seen, "ScoreResult").equal) == (3, 1)
    assert outbox(path) == before


def test_repair_merges_under_a_waiting_edit(scored: dict[str, Any], synced: Workspace, sandbox: Sandbox) -> None:
    """Others changed another field: found against what the edit was based on, merged; both edits end up on both sides."""
    synced.plexus.update("ScoreResult", scored["id"], {"value": "No"})
    sandbox.edit("ScoreResult", scored["id"], explanation="theirs")
    seen = synced.verify("plexus")
    assert found(seen) == [("different", "ScoreResult", ["explanation", "updatedAt"])]
    assert "based on" in compared(seen, "ScoreResult").differences[0].note
    assert synced.verify("plexus", repair=True).exit_code == 0
    row = synced.plexus.get("ScoreResult", scored["id"])
    assert row is not None
    assert (row["value"], row["explanation"]) == ("No", "theirs")
    assert synced.sync("plexus").exit_code == 0
    there = sandbox.get("ScoreResult", scored["id"])
    assert there is not None
    assert (there["value"], there["explanation"]) == ("No", "theirs")
    assert synced.verify("plexus").equal


def test_repair_asks_where_both_sides_changed_the_same(scored: dict[str, Any], synced: Workspace, sandbox: Sandbox) -> None:
    """The same field on both sides becomes a conflict with both values; ours stays in the row; exit 3."""
    synced.plexus.update("ScoreResult", scored["id"], {"value": "ours"})
    sandbox.edit("ScoreResult", scored["id"], value="theirs")
    seen = synced.verify("plexus", repair=True)
    assert (seen.exit_code, seen.remotes["plexus"].conflicts) == (3, 1)
    row = synced.plexus.get("ScoreResult", scored["id"])
    assert row is not None
    assert row["value"] == "ours"
    assert found(synced.verify("plexus")) == []  # what a person has been asked about is no difference


def test_a_delete_that_waits_meets_a_change(scored: dict[str, Any], synced: Workspace, sandbox: Sandbox) -> None:
    """Changed there while its delete waits here: found, and repair asks instead of deciding."""
    synced.plexus.delete("ScoreResult", scored["id"])
    sandbox.edit("ScoreResult", scored["id"], value="theirs")
    assert found(synced.verify("plexus")) == [("different", "ScoreResult", ["updatedAt", "value"])]
    assert synced.verify("plexus", repair=True).remotes["plexus"].conflicts == 1
    assert synced.plexus.get("ScoreResult", scored["id"]) is None


def test_edits_of_what_is_gone_there_are_told_and_left(
    scored: dict[str, Any], synced: Workspace, sandbox: Sandbox, path: Path
) -> None:
    """Missing there with edits waiting: repair touches neither row nor change."""
    synced.plexus.update("ScoreResult", scored["id"], {"value": "ours"})
    sandbox.drop("ScoreResult", scored["id"])
    before = outbox(path), rows(path, "SELECT * FROM plexus_score_result")
    for options in ({}, {"repair": True, "resend": True, "allow_mass_delete": True}):
        seen = synced.verify("plexus", **options)
        assert (seen.exit_code, found(seen)) == (3, [("missing there", "ScoreResult", [])])
    assert (outbox(path), rows(path, "SELECT * FROM plexus_score_result")) == before


def test_a_base_that_was_meddled_with_is_found(
    scored: dict[str, Any], synced: Workspace, sandbox: Sandbox, path: Path
) -> None:
    """I17: a base changed or removed behind our back shows, is repaired from the remote, and the edit still arrives."""
    for meddle in ("UPDATE _base SET record = json_set(record, '$.explanation', 'planted')", "DELETE FROM _base"):
        synced.plexus.update("ScoreResult", scored["id"], {"value": meddle})
        write(path, meddle)
        seen = synced.verify("plexus")
        assert {kind for kind, _, _ in found(seen)} <= {"different", "unsound here"}
        assert seen.exit_code == 3
        synced.verify("plexus", repair=True)
        assert synced.verify("plexus").exit_code == 0
        assert synced.sync("plexus").exit_code == 0
        there = sandbox.get("ScoreResult", scored["id"])
        assert there is not None
        assert (there["value"], there.get("explanation")) == (meddle, None)


def test_a_row_that_is_not_its_base_with_its_edits_is_found(scored: dict[str, Any], synced: Workspace, path: Path) -> None:
    """I17: a field no edit names, changed behind our back under a waiting edit, goes back; the edit stays."""
    synced.plexus.update("ScoreResult", scored["id"], {"value": "ours"})
    before = outbox(path)
    write(path, "UPDATE plexus_score_result SET explanation = 'planted'")
    assert found(synced.verify("plexus")) == [("unsound here", "ScoreResult", ["explanation"])]
    assert synced.verify("plexus", repair=True).exit_code == 0
    assert rows(path, "SELECT value, explanation FROM plexus_score_result") == [("ours", None)]
    assert outbox(path) == before


def test_repair_keeps_every_edit_of_a_record(
    scored: dict[str, Any], synced: Workspace, sandbox: Sandbox, path: Path
) -> None:
    """One may be applied already and another waits behind it: the row goes back to its base under both [I24]."""
    synced.plexus.update("ScoreResult", scored["id"], {"value": "ours"})
    sandbox.faults.fail_next(503)
    synced.push(wait_s=0)
    synced.plexus.update("ScoreResult", scored["id"], {"explanation": "ours too"})
    before = outbox(path)
    assert len(before) == 2
    write(path, "UPDATE plexus_score_result SET code = 'planted'")
    assert synced.verify("plexus", repair=True).exit_code == 0
    assert rows(path, "SELECT value, explanation, code FROM plexus_score_result") == [("ours", "ours too", "200")]
    assert outbox(path) == before


def test_a_waiting_edit_whose_row_is_gone_is_told(scored: dict[str, Any], synced: Workspace, path: Path) -> None:
    """The values went with the row: nothing can bring them back, so repair leaves it to a person."""
    synced.plexus.update("ScoreResult", scored["id"], {"value": "ours"})
    synced.plexus.create("Item", {"id": "unsent", "accountId": scored["accountId"]})
    write(path, "DELETE FROM plexus_score_result")
    write(path, "DELETE FROM plexus_item WHERE id = 'unsent'")
    before = outbox(path)
    seen = synced.verify("plexus", repair=True)
    assert (seen.exit_code, found(seen)) == (3, [("unsound here", "Item", []), ("unsound here", "ScoreResult", [])])
    assert outbox(path) == before


def test_a_ledger_that_lost_a_line_is_told(scored: dict[str, Any], synced: Workspace, path: Path) -> None:
    """Every change ever accepted must be accounted for."""
    write(path, "DELETE FROM ledger WHERE seq = 1")
    seen = synced.verify("plexus")
    assert (seen.exit_code, seen.remotes["plexus"].inconsistent, seen.drift) == (3, True, 0)


FAULTS: dict[str, Callable[[Sandbox], None]] = {
    "503": lambda s: s.faults.fail_next(503, count=2),
    "429": lambda s: s.faults.fail_next(429, {"Retry-After": "2"}),
    "lost": lambda s: s.faults.lose_next_reply(2),
    "cut": lambda s: s.faults.truncate_next(),
    "parts": lambda s: s.faults.refuse_parts_next(),
    "portal": lambda s: s.faults.html_next(),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("after", [0, 3, 17])
def test_a_remote_that_stumbles_is_no_drift(sides: Sides, fault: str, after: int) -> None:
    """Whatever happens to an answer: either the comparison goes through, or it says that it did not; never a difference."""
    sides.sandbox.faults.serve_next(after)
    FAULTS[fault](sides.sandbox)
    try:
        with clock.using(clock.Virtual(START)):
            seen = sides.verify(repair=True)
    finally:
        sides.sandbox.faults.clear()
    assert (found(seen), seen.exit_code) in (([], 0), ([], 4))
    assert sides.verify().equal


def test_half_way_through_is_not_equal(synced: Workspace, sandbox: Sandbox) -> None:
    """A remote that goes away in the middle: exit 4, and no row is called missing."""
    an_account(sandbox)
    sandbox.put_all("ScoreResult", theirs(3))
    synced.pull("plexus")
    sandbox.faults.serve_next(4)
    sandbox.faults.fail_next(500, count=50)
    with clock.using(clock.Virtual(START)):
        seen = synced.verify("plexus", wait_s=1, repair=True)
    assert (seen.exit_code, seen.equal, found(seen), seen.remotes["plexus"].stopped) == (4, False, [], "unreachable")


def test_one_model_that_is_refused_leaves_the_others(sides: Sides) -> None:
    """A refused list is not an empty one: told as not compared to the end, exit 4, the rest compared."""
    sides.sandbox.faults.serve_next(3)
    body = b'{"errors":[{"errorType":"BadRequest","message":"no such thing"}]}'
    sides.sandbox.faults.fail_next(200, body=body)
    seen = sides.verify()
    assert (seen.exit_code, found(seen)) == (4, [])
    parts = [m for m in seen.remotes["plexus"].models.values() if m.not_compared is None]
    assert [bool(m.failed) for m in parts].count(True) == 1
    assert sum(m.equal for m in parts) == len(OPEN) - 1


def test_another_sync_is_not_disturbed(synced: Workspace) -> None:
    """Under somebody else's lease nothing is compared; afterwards the lease is free again."""
    held = lease.acquire(synced.database, "plexus")
    with pytest.raises(SyncRunning):
        synced.verify("plexus")
    with synced.database.transaction() as tx:
        held.release(tx)
    synced.verify("plexus")
    assert synced.sync("plexus").exit_code == 0


def test_a_sample_costs_little_and_finds_what_it_picked(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """So many rows of each model, by key: one request for them, differences among them found, its limits told."""
    an_account(sandbox)
    sandbox.put_all("ScoreResult", theirs(200))
    synced.pull("plexus")
    write(path, "UPDATE plexus_score_result SET value = 'planted'")
    before = sandbox.requests
    seen = compared(synced.verify("plexus", models=["ScoreResult"], sample=20), "ScoreResult")
    assert (seen.here, seen.there, seen.drift, sandbox.requests - before) == (20, 20, 20, 1)
    assert len({difference.key for difference in seen.differences}) == 20
    with clock.using(clock.Virtual(START)):
        other_day = compared(synced.verify("plexus", models=["ScoreResult"], sample=20), "ScoreResult")
    assert {difference.key for difference in other_day.differences} != {difference.key for difference in seen.differences}


def test_what_is_not_selected_is_not_missing(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Models left out of pulls are left out here, and say so; other accounts are nobody's business."""
    an_account(sandbox)
    sandbox.put_all("ScoreResult", theirs(2))
    config = path.with_name("syncer.toml")
    config.write_text('[plexus.pull]\nexclude = ["ScoreResult"]\n')
    with Workspace.open(path, config=config) as ws:
        ws.pull("plexus")
        seen = ws.verify("plexus")
        assert seen.equal
        assert compared(seen, "ScoreResult").not_compared == "not selected for pulls"


def test_memory_does_not_grow_with_the_records(synced: Workspace, sandbox: Sandbox) -> None:
    """I25: 20,000 records on both sides are compared in the memory of a page."""
    an_account(sandbox)
    sandbox.put_all("ScoreResult", theirs(20_000))
    synced.pull("plexus", models=["Account", "ScoreResult"])
    synced.verify("plexus", models=["Account"])
    tracemalloc.start()
    try:
        seen = synced.verify("plexus", models=["ScoreResult"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (seen.equal, compared(seen, "ScoreResult").equal) == (True, 20_000)
    assert peak < 10_000_000  # the upstream, which is in this process too, holds a page as well


@pytest.mark.parametrize("seed", range(4))
def test_it_never_cries_wolf(seed: int, path: Path, sandbox: Sandbox) -> None:
    """Random writes, edits, deletes and pushes under faults: nothing differs but what waits, and in the end all is equal."""
    draw = Random(seed)
    environ = {**sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab"}
    with clock.using(clock.Virtual(START)), Workspace(Settings(str(path), environ=environ)) as ws:
        ids = scoring(ws)
        made: list[str] = []
        for _ in range(25):
            step = draw.randrange(6)
            if step == 0 or not made:
                made.append(ws.plexus.create("ScoreResult", result(ids, value=str(draw.random())))["id"])
            elif step < 3:
                ws.plexus.update("ScoreResult", draw.choice(made), {"value": str(draw.random())})
            elif step == 3:
                ws.plexus.delete("ScoreResult", made.pop(draw.randrange(len(made))))
            else:
                fault = draw.choice(["503", "lost", "cut", "parts"])
                sandbox.faults.serve_next(draw.randrange(2))
                FAULTS[fault](sandbox)
                ws.push("plexus", wait_s=draw.choice([0.0, 30.0]), limit=draw.choice([None, 2]))
                sandbox.faults.clear()
            seen = ws.verify("plexus", models=["ScoreResult", "Item"], repair=draw.random() < 0.5)
            assert (found(seen), seen.exit_code) == ([], 0)
            assert ws.status().consistent
        for _ in range(5):
            clock.sleep(1000)
            ws.sync("plexus")
        assert outbox(path) == []
        assert ws.verify("plexus").equal


def test_prefactor_is_compared_too(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Instances and spans: equal after a push, a planted value found and repaired."""
    instance = an_instance(synced, sandbox)
    synced.prefactor.create(
        "AgentSpan", {"agent_instance_id": instance, "schema_name": "step", "status": "active", "payload": {"a": 1}}
    )
    synced.sync("prefactor")
    assert (seen := synced.verify("prefactor")).equal, found(seen, "prefactor")
    write(path, "UPDATE prefactor_agent_instance SET purpose = 'planted'")
    write(path, "UPDATE prefactor_agent_span SET payload = '{\"a\": 2}', agent_instance_id = 'planted'")
    names = found(synced.verify("prefactor", repair=True), "prefactor")
    assert names == [
        ("different", "AgentInstance", ["purpose"]),
        ("different", "AgentSpan", ["agent_instance_id", "payload"]),
    ]
    assert synced.verify("prefactor").equal


def an_instance(ws: Workspace, sandbox: Sandbox) -> str:
    """The id of a new agent instance."""
    fields = {
        "agent_id": sandbox.prefactor.agent_id,
        "status": "pending",
        "agent_version": {"name": "v1", "external_identifier": "v1"},
        "agent_schema_version": {"external_identifier": "s1", "span_schemas": {"step": {"type": "object"}}},
        "update_current_version": True,
    }
    return str(ws.prefactor.create("AgentInstance", fields)["id"])


def a_run(ws: Workspace, sandbox: Sandbox) -> str:
    """The local id of a new run."""
    fields = {
        "organization_id": sandbox.settings["ABEJA_ORGANIZATION_ID"],
        "deployment_id": sandbox.settings["ABEJA_DEPLOYMENT_IDS"].split(",")[0],
        "model_version_id": "ver-1234567890123456",
        "status": "SUBMITTED",
        "user_env_vars": {"MODE": "night"},
    }
    return str(ws.abeja.create("Run", fields)["run_id"])


def test_abeja_is_compared_too(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Runs and their logs: equal after a sync, planted values found and repaired, also those that say where a run is."""
    a_run(synced, sandbox)
    synced.sync("abeja")
    assert (seen := synced.verify("abeja")).equal, found(seen, "abeja")
    write(path, "UPDATE abeja_run SET status = 'planted', deployment_id = 'planted'")
    seen = synced.verify("abeja", repair=True)
    assert found(seen, "abeja") == [("different", "Run", ["deployment_id", "status"])]
    assert synced.verify("abeja").equal


def test_the_run_of_a_lost_answer_is_no_drift(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """The platform lists a run under an id that our waiting create does not know yet: that is not a record we miss."""
    a_run(synced, sandbox)
    with clock.using(clock.Virtual(START)):
        sandbox.faults.lose_next_reply(9)
        synced.push("abeja", wait_s=0)
        sandbox.faults.clear()
        assert rows(path, "SELECT state FROM outbox") == [("ambiguous",)]
        seen = synced.verify("abeja", repair=True)
        assert (found(seen, "abeja"), compared(seen, "Run", "abeja").there) == ([], 1)
        assert rows(path, "SELECT count(*) FROM abeja_run") == [(1,)]


def test_a_sync_looks_again_at_what_it_sent(synced: Workspace, sandbox: Sandbox) -> None:
    """One request after a push, none without one, none when told not to; what was found is in the report."""
    ids = scoring(synced)
    synced.plexus.create_many("ScoreResult", [result(ids) for _ in range(60)])
    report = synced.sync("plexus").remotes["plexus"]
    assert report.checked == "checked 20 of 65 pushed records: equal"
    before = sandbox.requests
    assert synced.sync("plexus").remotes["plexus"].checked is None
    idle = sandbox.requests - before
    for check, more in ((True, 2), (False, 1)):
        synced.plexus.update("Item", ids["itemId"], {"description": f"{check}"})
        before = sandbox.requests
        report = synced.sync("plexus", check=check).remotes["plexus"]
        assert (sandbox.requests - before - idle, report.checked is not None) == (more, check)


def test_a_sync_tells_what_is_not_as_sent_and_fails_nothing(synced: Workspace, sandbox: Sandbox) -> None:
    """Somebody is quick: what differs right after the push is named, with the command to be sure, and exit 0."""
    ids = scoring(synced)
    made = synced.plexus.create_many("ScoreResult", [result(ids) for _ in range(6)])

    def meddle(step: Progress) -> None:
        if (step.phase, step.what) == ("pull", "ScoreResult"):
            sandbox.put("ScoreResult", {**(sandbox.get("ScoreResult", made[0]["id"]) or {}), "value": "theirs"})

    report = synced.sync("plexus", watch=meddle)
    part = report.remotes["plexus"]
    assert (report.exit_code, part.checked) == (0, "checked 6 of 11 pushed records: 1 differs")
    assert any(made[0]["id"] in note and "syncer verify plexus" in note for note in part.notes)


def test_a_sync_tells_when_its_books_do_not_close(scored: dict[str, Any], synced: Workspace, path: Path) -> None:
    """A line missing from the ledger, and a row missing under a waiting change, are said at the end of a sync that sent."""
    synced.plexus.create("Item", {"id": "unsent", "accountId": scored["accountId"]})
    synced.plexus.update("Score", scored["scoreId"], {"name": "ours"})
    write(path, "UPDATE outbox SET state = 'rejected' WHERE model = 'Item'")
    write(path, "DELETE FROM plexus_item WHERE id = 'unsent'")
    write(path, "DELETE FROM ledger WHERE seq = 1")
    notes = " ".join(synced.sync("plexus").remotes["plexus"].notes)
    assert "changes are missing from the ledger; 1 records with pending changes are not consistent" in notes


def test_what_a_deployment_lacks_is_no_drift(path: Path) -> None:
    """A field the deployment has no place for stays here, and one it has besides is kept: neither is a difference."""
    unlike = Options(missing_fields={"Item": ["text"]}, extra_fields={"Item": {"mood": "String"}})
    with Sandbox(unlike) as server:
        environ = {**server.settings, "PLEXUS_ACCOUNT_KEY": "lab"}
        with Workspace(Settings(str(path), environ=environ)) as ws:
            ids = scoring(ws)
            ws.plexus.update("Item", ids["itemId"], {"text": "only here"})
            ws.sync("plexus")
            server.edit("Item", ids["itemId"], mood="calm")
            ws.sync("plexus")
        with Workspace(Settings(str(path), environ=environ)) as ws:
            seen = ws.verify("plexus")
            assert (found(seen), seen.exit_code) == ([], 0)
            server.edit("Item", ids["itemId"], description="theirs")
            assert ws.verify("plexus", repair=True).exit_code == 0
            row = ws.plexus.get("Item", ids["itemId"])
            assert row is not None
            assert (row["text"], row["description"]) == ("only here", "theirs")


def test_a_write_in_the_middle_is_no_drift(scored: dict[str, Any], synced: Workspace, sandbox: Sandbox) -> None:
    """An edit here and one there while the comparison runs: it is the second look that counts."""
    written: list[str] = []

    def write_now(step: Progress) -> None:
        if step.what == "Account" and not written:
            synced.plexus.update("Item", scored["itemId"], {"description": "ours"})
            synced.plexus.delete("ScoreResult", scored["id"])
            written.append(synced.plexus.create("Item", {"accountId": scored["accountId"]})["id"])

    seen = synced.verify("plexus", watch=write_now, repair=True)
    assert (found(seen), seen.exit_code, len(written)) == ([], 0, 1)
    assert compared(seen, "Item").pending == 2
    assert synced.sync("plexus").exit_code == 0
    assert synced.verify("plexus").equal


def test_repair_that_dies_is_begun_again(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Each block is one transaction: what a dead repair did is done, the rest is found by the next one."""
    an_account(sandbox)
    sandbox.put_all("ScoreResult", theirs(600))
    sandbox.put("Item", id="item", accountId="acc", isEvaluation=False, createdAt=LATER, updatedAt=LATER)
    synced.pull("plexus")
    write(path, "UPDATE plexus_score_result SET value = 'planted'")
    write(path, "UPDATE plexus_item SET description = 'planted'")

    def die(step: Progress) -> None:
        if step.what == "ScoreResult":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synced.verify("plexus", models=["Item", "ScoreResult"], watch=die, repair=True)
    assert rows(path, "SELECT count(*) FROM plexus_item WHERE description = 'planted'") == [(0,)]
    assert rows(path, "SELECT count(*) FROM plexus_score_result WHERE value = 'planted'") == [(600,)]
    assert synced.verify("plexus", repair=True).exit_code == 0
    assert synced.verify("plexus").equal


def test_children_of_what_is_missing_are_told_and_come_with_it(sides: Sides) -> None:
    """What hangs on a missing record cannot be listed: said without repair; with it, it is compared in the same run."""
    for table in ("plexus_scorecard", "plexus_score"):
        write(sides.path, f"DELETE FROM {table}")
    seen = sides.verify()
    assert any("1 Scorecard is missing here: what they hold" in note for note in seen.remotes["plexus"].notes)
    assert sides.verify(repair=True).exit_code == 0
    assert sides.verify().equal


def test_every_page_is_read(synced: Workspace, sandbox: Sandbox) -> None:
    """What is missing here is found on the last page too, and repair brings all of it."""
    an_account(sandbox)
    sandbox.put_all("ScoreResult", theirs(1_500))
    synced.pull("plexus", models=["Account"])
    seen = compared(synced.verify("plexus", models=["ScoreResult"]), "ScoreResult")
    assert (seen.here, seen.there, seen.kinds) == (0, 1_500, {"missing here": 1_500})
    assert synced.verify("plexus", models=["ScoreResult"], repair=True).exit_code == 0
    assert synced.verify("plexus").equal


def test_an_empty_list_is_not_believed(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A remote that has nothing at all of what is here, be it little, is perhaps the wrong one: nothing goes."""
    an_account(sandbox)
    sandbox.put_all("ScoreResult", theirs(3))
    synced.pull("plexus")
    for n in range(3):
        sandbox.drop("ScoreResult", f"r{n:05}")
    seen = synced.verify("plexus", repair=True)
    assert (seen.exit_code, rows(path, "SELECT count(*) FROM plexus_score_result")) == (3, [(3,)])
    assert any("plexus shows none, and 3 are here" in note for note in seen.remotes["plexus"].notes)


def test_what_both_sides_deleted_is_no_drift(scored: dict[str, Any], synced: Workspace, sandbox: Sandbox) -> None:
    """Gone there while its delete waits here: nothing to say."""
    synced.plexus.delete("ScoreResult", scored["id"])
    sandbox.drop("ScoreResult", scored["id"])
    assert found(synced.verify("plexus", repair=True)) == []


def test_a_row_edited_at_the_last_moment_stays(scored: dict[str, Any], synced: Workspace, path: Path) -> None:
    """Between the answer that it is gone and its removal somebody edits it here: the row stays."""
    synced.plexus.update("ScoreResult", scored["id"], {"value": "ours"})
    held = lease.acquire(synced.database, "plexus")
    with SeenSet() as seen_set:
        seen_set.go([scored["id"]])
        part = ModelComparison("ScoreResult", here=5, there=4)
        Repair().remove(synced.database, held, MODELS["ScoreResult"], seen_set, part, RemoteVerification("plexus"))
    assert (part.repaired, rows(path, "SELECT value FROM plexus_score_result")) == (0, [("ours",)])


def test_children_of_what_repair_fetched_come_with_the_next_pull(synced: Workspace, sandbox: Sandbox) -> None:
    """A finished task of long ago that only repair has brought: its stages are asked for as if a pull had brought it."""
    an_account(sandbox)
    when = {"createdAt": LATER, "updatedAt": LATER}
    done = {"accountId": "acc", "type": "t", "status": "COMPLETED", "target": "x", "command": "c", **when}
    sandbox.put("Task", {"id": "first", **done})
    synced.pull("plexus")
    sandbox.put("Task", {"id": "old", **done})
    sandbox.put("TaskStage", {"id": "s", "taskId": "old", "name": "n", "order": 1, "status": "COMPLETED", **when})
    assert synced.verify("plexus", models=["Task"], repair=True).equal
    synced.pull("plexus")
    assert [found["id"] for found in synced.plexus.find("TaskStage")] == ["s"]


def test_unknown_fields_under_a_waiting_edit_are_found(scored: dict[str, Any], synced: Workspace, path: Path) -> None:
    """I17: what the remote sends besides its description belongs to the base too; how it spells times does not matter."""
    synced.plexus.update("ScoreResult", scored["id"], {"value": "ours"})
    write(path, """UPDATE plexus_score_result SET extra = '{"planted":1}'""")
    assert found(synced.verify("plexus")) == [("unsound here", "ScoreResult", ["extra"])]
    assert synced.verify("plexus", repair=True).exit_code == 0
    assert rows(path, "SELECT value, extra FROM plexus_score_result") == [("ours", None)]


def test_the_base_of_a_waiting_delete_is_mended(
    scored: dict[str, Any], synced: Workspace, sandbox: Sandbox, path: Path
) -> None:
    """I17: the version is the one we saw, so nobody edited it: what differs is our base, and the delete goes out."""
    synced.plexus.delete("ScoreResult", scored["id"])
    write(path, "UPDATE _base SET record = json_set(record, '$.explanation', 'planted')")
    assert found(synced.verify("plexus")) == [("different", "ScoreResult", ["explanation"])]
    assert synced.verify("plexus", repair=True).exit_code == 0
    assert synced.verify("plexus").exit_code == 0
    assert synced.sync("plexus").exit_code == 0
    assert sandbox.get("ScoreResult", scored["id"]) is None
