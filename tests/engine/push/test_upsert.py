"""Upserts made offline: before one is sent as a create, the remote is asked who has its natural key already."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.adapters.plexus.adapter import PlexusConnection
from syncer.sandbox.server import Sandbox
from tests.engine.push.test_push import once_each, outbox
from tests.factory import result, scoring
from tests.files import rows


@pytest.fixture
def other(tmp_path: Path, synced: Workspace) -> Iterator[Workspace]:
    """Another machine's file, of the same remote."""
    with Workspace.open(tmp_path / "other.db") as workspace:
        yield workspace


def feedback(ws: Workspace, ids: dict[str, str], cache_key: str = "tone:1", **options: Any) -> str:
    """What FeedbackItem.upsert_by_cache_key stores when the local file has no such item: the id."""
    fields = {**ids, "cacheKey": cache_key, **options}
    with ws.plexus.transaction() as unit:
        return str(unit.create("FeedbackItem", fields, upsert=list(options))["id"])


def item(ws: Workspace, account: str, identifiers: dict[str, str] | None = None, **fields: Any) -> str:
    """What Item.upsert_by_identifiers stores when the local file has no such item: the id."""
    with ws.plexus.transaction() as unit:
        made = str(unit.create("Item", {"accountId": account, **fields}, upsert=list(fields))["id"])
        for name, value in (identifiers or {}).items():
            unit.create("Identifier", {"itemId": made, "accountId": account, "name": name, "value": value})
    return made


def shared(ws: Workspace, *others: Workspace) -> dict[str, str]:
    """Ids of the records that everybody has."""
    ids = scoring(ws)
    assert ws.push().exit_code == 0
    for workspace in others:
        assert workspace.pull().exit_code == 0
    return ids


def drained(*workspaces: Workspace) -> bool:
    """True when nothing waits and the ledgers close."""
    return all(rows(w.path, "SELECT * FROM outbox, _base") == [] and w.status().consistent for w in workspaces)


def equal(ws: Workspace, sandbox: Sandbox, model: str) -> bool:
    """True when the file holds exactly the remote's records of a model, by their answers and keys."""
    ws.pull()
    key = ws.plexus.models[model].key
    names = [f.name for f in ws.plexus.models[model].remote_fields if not f.as_json and f.kind != "time"]
    ours = sorted((tuple(r[k] for k in key), [r[n] for n in names]) for r in ws.plexus.find(model))
    return ours == sorted((tuple(r[k] for k in key), [r.get(n) for n in names]) for r in sandbox.rows(model))


def test_two_offline_upserts_make_one_record(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """The second file's item takes the first one's id everywhere, and its options arrive as an update."""
    ids = shared(synced, other)
    first = feedback(synced, ids, initialAnswerValue="No", editorName="Ann")
    second = feedback(other, ids, finalAnswerValue="Yes", editorName="Bob")
    made = other.plexus.create("ScoreResult", result(ids, feedbackItemId=second))["id"]
    assert synced.push().exit_code == 0
    assert other.push().exit_code == 0
    (stored,) = sandbox.rows("FeedbackItem")
    assert stored["id"] == first
    assert [stored.get(n) for n in ("initialAnswerValue", "finalAnswerValue", "editorName")] == ["No", "Yes", "Bob"]
    assert (sandbox.get("ScoreResult", made) or {})["feedbackItemId"] == first
    assert drained(synced, other)
    assert len(sandbox.effects("FeedbackItem", "create")) == 1
    assert other.plexus.get("FeedbackItem", second) == other.plexus.get("FeedbackItem", first)
    assert equal(other, sandbox, "FeedbackItem")
    assert other.push().requests == 0


def test_an_upsert_that_nobody_has_is_an_ordinary_create(synced: Workspace, sandbox: Sandbox) -> None:
    """One question, one create."""
    ids = shared(synced)
    before = sandbox.requests
    made = feedback(synced, ids, editorName="Ann")
    report = synced.push()
    assert (report.exit_code, report.acked, report.requests) == (0, 1, 2)
    assert sandbox.requests - before == 2
    assert [r["id"] for r in sandbox.rows("FeedbackItem")] == [made]
    assert drained(synced)


def test_plain_creates_are_not_asked_for(synced: Workspace, sandbox: Sandbox) -> None:
    """A create that is no upsert costs no question, whatever its model."""
    ids = shared(synced)
    before = sandbox.requests
    synced.plexus.create("Item", {"accountId": ids["accountId"], "externalId": "call-2"})
    assert synced.push().requests == 1
    assert sandbox.requests - before == 1


def test_the_remote_having_it_all_leaves_nothing_to_send(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """Same options on both sides: the second create is done with the answer, and the ledger says why."""
    ids = shared(synced, other)
    first = feedback(synced, ids, editorName="Ann")
    feedback(other, ids, editorName="Ann")
    synced.push()
    report = other.push()
    assert (report.exit_code, report.acked) == (0, 1)
    assert rows(other.path, "SELECT outcome, reason, key FROM ledger WHERE model = 'FeedbackItem'") == [
        ("acked", "the remote had it already", first)
    ]
    assert sandbox.effects("FeedbackItem", "update") == []
    assert drained(other)
    assert equal(other, sandbox, "FeedbackItem")


def test_an_item_is_found_by_an_identifier(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """Items meet through a shared identifier; missing identifiers are added, known ones updated, results follow."""
    ids = shared(synced, other)
    account = ids["accountId"]
    first = item(synced, account, {"Form Id": "f-1", "Call Id": "c-1"}, text="first")
    assert synced.push().exit_code == 0
    second = item(other, account, {"Form Id": "f-1", "Ticket Id": "t-1"}, description="second")
    made = other.plexus.create("ScoreResult", result({**ids, "itemId": second}))["id"]
    report = other.push()
    assert (report.exit_code, report.remotes["plexus"].notes) == (0, [])
    assert sandbox.count("Item") == 2
    stored = sandbox.get("Item", first) or {}
    assert (stored["text"], stored["description"]) == ("first", "second")
    assert {(r["itemId"], r["name"], r["value"]) for r in sandbox.rows("Identifier")} == {
        (first, "Form Id", "f-1"), (first, "Call Id", "c-1"), (first, "Ticket Id", "t-1")
    }  # fmt: skip
    assert (sandbox.get("ScoreResult", made) or {})["itemId"] == first
    assert drained(synced, other)
    assert equal(other, sandbox, "Item")
    assert equal(other, sandbox, "Identifier")
    assert (other.plexus.get("Item", second) or {})["id"] == first
    assert other.plexus.get("Identifier", {"itemId": second, "name": "Ticket Id"}) is not None


def test_an_item_is_found_by_its_external_id(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """Without identifiers in common, the external id decides; a changed identifier is sent as an update."""
    account = shared(synced, other)["accountId"]
    first = item(synced, account, {"Form Id": "old"}, externalId="x-1")
    synced.push()
    item(other, account, {"Form Id": "new"}, externalId="x-1", text="hello")
    assert other.push().exit_code == 0
    assert [r["id"] for r in sandbox.rows("Item") if r.get("externalId") == "x-1"] == [first]
    (stored,) = sandbox.rows("Identifier")
    assert (stored["itemId"], stored["value"]) == (first, "new")
    assert drained(other)


def test_an_upsert_of_nothing_is_asked_for_too(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """No option given: still one item, and nothing to update."""
    account = shared(synced, other)["accountId"]
    item(synced, account, {"Form Id": "f-1"})
    synced.push()
    item(other, account, {"Form Id": "f-1"})
    assert other.push().exit_code == 0
    assert sandbox.count("Item") == 2
    assert sandbox.effects(op="update") == []
    assert drained(other)


def test_an_identifier_that_was_pulled_takes_ours_in(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """The pull brought item and identifier before the push: keys collide, the pulled row stays, our value goes out."""
    account = shared(synced, other)["accountId"]
    first = item(synced, account, {"Form Id": "f-1", "Call Id": "c-1"}, externalId="x-1")
    synced.push()
    item(other, account, {"Form Id": "f-2", "Call Id": "c-1"}, externalId="x-1")
    other.pull()
    report = other.push()
    assert (report.exit_code, report.remotes["plexus"].conflicts) == (0, 0)
    assert {(r["itemId"], r["name"], r["value"]) for r in sandbox.rows("Identifier")} == {
        (first, "Form Id", "f-2"), (first, "Call Id", "c-1")
    }  # fmt: skip
    assert drained(other)
    assert equal(other, sandbox, "Identifier")


def test_a_record_with_the_same_id_becomes_an_update(synced: Workspace, sandbox: Sandbox) -> None:
    """Ids made of account and external id meet by themselves: what the caller gave goes over what is there."""
    account = shared(synced)["accountId"]
    sandbox.put("Item", id=f"{account}--x-1", accountId=account, externalId="x-1", isEvaluation=False, text="theirs")
    item(synced, account, id=f"{account}--x-1", externalId="x-1", description="ours")
    assert synced.push().exit_code == 0
    stored = sandbox.get("Item", f"{account}--x-1") or {}
    assert (stored["text"], stored["description"], stored["isEvaluation"]) == ("theirs", "ours", False)
    assert drained(synced)
    assert equal(synced, sandbox, "Item")


def test_a_record_made_after_the_question_becomes_an_update(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody makes the same id between question and create: no conflict, an update."""
    account = shared(synced)["accountId"]
    name = f"{account}--x-1"
    item(synced, account, id=name, externalId="x-1", description="ours")
    push = PlexusConnection.push

    def late(connection: PlexusConnection, changes: Any) -> Any:
        if sandbox.get("Item", name) is None:
            sandbox.put("Item", id=name, accountId=account, externalId="x-1", isEvaluation=True, text="theirs")
        return push(connection, changes)

    monkeypatch.setattr(PlexusConnection, "push", late)
    assert synced.push().exit_code == 0
    stored = sandbox.get("Item", name) or {}
    assert (stored["text"], stored["description"]) == ("theirs", "ours")
    assert drained(synced)


def test_the_oldest_of_several_owners_is_taken_and_told(synced: Workspace, sandbox: Sandbox) -> None:
    """Two records share the key upstream: the same one is taken whenever it is asked, and the report says so."""
    ids = shared(synced)
    for key, made in (
        ("b", "2026-01-02T00:00:00.000Z"),
        ("c", "2026-01-01T00:00:00.000Z"),
        ("a", "2026-01-02T00:00:00.000Z"),
    ):
        sandbox.put("FeedbackItem", ids, id=key, cacheKey="tone:1", createdAt=made, editedAt=made)
    feedback(synced, ids, editorName="Ann")
    report = synced.push()
    assert report.exit_code == 0
    (note,) = report.remotes["plexus"].notes
    assert "3 FeedbackItem records" in note
    assert [r["id"] for r in sandbox.rows("FeedbackItem") if r.get("editorName") == "Ann"] == ["c"]


def test_another_account_with_the_same_key_is_left_alone(synced: Workspace, sandbox: Sandbox) -> None:
    """The key is (account, cache key): the index by cache key alone is filtered, page after page."""
    ids = shared(synced)
    made = "2026-01-01T00:00:00.000Z"
    sandbox.put_all(
        "FeedbackItem",
        [{**ids, "id": f"o{n}", "accountId": "else", "cacheKey": "tone:1", "editedAt": made} for n in range(250)],
    )
    sandbox.put("FeedbackItem", ids, id="mine", cacheKey="tone:1", editedAt=made)
    feedback(synced, ids, editorName="Ann")
    assert synced.push().exit_code == 0
    assert [r["id"] for r in sandbox.rows("FeedbackItem") if r.get("editorName") == "Ann"] == ["mine"]


HOSTILE = ['a"b', "a\\", "}) { __typename } #", "$v0_cacheKey", "ünï \U0001f600", "line\nbreak", "%_", "tone:1 OR 1=1"]


def test_hostile_values_travel_as_values(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """Whatever a natural key holds, it is found again as it is."""
    ids = shared(synced, other)
    for value in HOSTILE:
        feedback(synced, ids, value, editorName="Ann")
        item(synced, ids["accountId"], {value: value}, externalId=value)
    assert synced.push().exit_code == 0
    for value in HOSTILE:
        feedback(other, ids, value, editorName="Bob")
        item(other, ids["accountId"], {value: value}, text="found")
    assert other.push().exit_code == 0
    assert [r["editorName"] for r in sandbox.rows("FeedbackItem")] == ["Bob"] * len(HOSTILE)
    assert sandbox.count("Item") == 1 + len(HOSTILE)
    assert drained(synced, other)


@pytest.mark.parametrize("fault", ["lose_next_reply", "truncate_next", "refuse_parts_next"])
def test_a_lost_answer_is_asked_for_again(synced: Workspace, other: Workspace, sandbox: Sandbox, fault: str) -> None:
    """The question changes nothing, so it is simply repeated."""
    ids = shared(synced, other)
    feedback(synced, ids, editorName="Ann")
    feedback(other, ids, editorName="Bob")
    synced.push()
    getattr(sandbox.faults, fault)()
    assert other.push().exit_code == 0
    assert [r["editorName"] for r in sandbox.rows("FeedbackItem")] == ["Bob"]
    assert drained(other)


@pytest.mark.parametrize("fault", ["lose_next_reply", "truncate_next"])
def test_a_lost_answer_to_the_create_makes_one_record(synced: Workspace, sandbox: Sandbox, fault: str) -> None:
    """Once sent, it is a create like any other: its replay finds itself."""
    ids = shared(synced)
    feedback(synced, ids, editorName="Ann")
    sandbox.faults.serve_next()
    getattr(sandbox.faults, fault)()
    synced.push(wait_s=0)
    assert outbox(synced.path)[0][:2] == ("create", "ambiguous")
    assert synced.push().exit_code == 0
    assert sandbox.count("FeedbackItem") == 1
    assert once_each(sandbox, "FeedbackItem")
    assert drained(synced)


def test_a_crash_before_the_answer_is_stored_asks_again(
    synced: Workspace, other: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is half renamed: after a crash in the middle of the commit everything is as before, and works next time."""
    ids = shared(synced, other)
    feedback(synced, ids, editorName="Ann")
    synced.push()
    local = feedback(other, ids, editorName="Bob")
    made = other.plexus.create("ScoreResult", result(ids, feedbackItemId=local))["id"]

    def crash(*_: Any) -> None:
        raise OSError("power")

    with monkeypatch.context() as patched:
        patched.setattr("syncer.engine.id_remap.convert_to_update", crash)
        with pytest.raises(OSError, match="power"):
            other.push()
    assert (other.plexus.get("ScoreResult", made) or {})["feedbackItemId"] == local
    assert rows(other.path, "SELECT * FROM _id_map") == []
    assert [row[:2] for row in outbox(other.path)] == [("create", "pending")] * 2
    assert other.push().exit_code == 0
    assert [r["editorName"] for r in sandbox.rows("FeedbackItem")] == ["Bob"]
    assert drained(other)


def test_an_unreachable_remote_keeps_everything(synced: Workspace, sandbox: Sandbox) -> None:
    """Nobody there: the push stops, says so, and spends no attempt."""
    ids = shared(synced)
    feedback(synced, ids, editorName="Ann")
    sandbox.stop()
    report = synced.push(wait_s=0)
    assert (report.exit_code, report.remotes["plexus"].stopped) == (4, "unreachable")
    assert outbox(synced.path) == [("create", "pending", 0, None)]


def test_refused_credentials_stop_the_push(synced: Workspace, sandbox: Sandbox) -> None:
    """401 to the question stops the remote at once."""
    ids = shared(synced)
    feedback(synced, ids, editorName="Ann")
    sandbox.faults.fail_next(401)
    report = synced.push()
    assert (report.exit_code, report.remotes["plexus"].stopped) == (4, "access-refused")
    assert outbox(synced.path) == [("create", "pending", 0, None)]
    assert synced.push().exit_code == 0
    assert sandbox.count("FeedbackItem") == 1


def test_being_told_to_wait_is_remembered(synced: Workspace, sandbox: Sandbox) -> None:
    """429 with a long Retry-After to the question: the hold is stored and the next push keeps to it."""
    ids = shared(synced)
    feedback(synced, ids, editorName="Ann")
    sandbox.faults.fail_next(429, {"Retry-After": "600"})
    assert synced.push(wait_s=0).remotes["plexus"].stopped == "throttled"
    before = sandbox.requests
    assert synced.push(wait_s=0).remotes["plexus"].stopped == "throttled"
    assert sandbox.requests == before
    assert outbox(synced.path) == [("create", "pending", 0, None)]


def _poisoned(monkeypatch: pytest.MonkeyPatch, key: str, error: Callable[[], Exception]) -> list[int]:
    """Let every question about ``key`` fail; how many were asked about each time."""
    seek, asked = PlexusConnection.lookup, []

    def poisoned(connection: PlexusConnection, model: Any, wanted: Any) -> Any:
        asked.append(len(wanted))
        if any(key in values.values() for values in wanted):
            raise error()
        return seek(connection, model, wanted)

    monkeypatch.setattr(PlexusConnection, "lookup", poisoned)
    return asked


def test_a_refused_question_parks_only_its_own_change(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of 25 is refused: it is found by halving and rejected with the reason; the others go out."""
    from syncer.errors import RemoteRefused

    ids = shared(synced)
    for n in range(25):
        feedback(synced, ids, f"tone:{n}", editorName="Ann")
    with monkeypatch.context() as patched:
        asked = _poisoned(patched, "tone:7", lambda: RemoteRefused("no", why="poison"))
        report = synced.push(wait_s=0)
    assert (report.exit_code, report.acked, report.remotes["plexus"].rejected) == (3, 24, 1)
    assert outbox(synced.path) == [("create", "rejected", 0, "unresolved")]
    assert len(asked) <= 2 * 5 + 1
    synced.retry(rows(synced.path, "SELECT seq FROM outbox")[0][0])
    assert synced.push().exit_code == 0
    assert sandbox.count("FeedbackItem") == 25


def test_an_unanswered_question_delays_only_its_own_change(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One question never gets an answer: it waits for its time, the others and everything else go out."""
    from syncer.errors import Unreachable

    ids = shared(synced)
    for n in range(8):
        feedback(synced, ids, f"tone:{n}", editorName="Ann")
    synced.plexus.create("ScoreResult", result(ids))
    with monkeypatch.context() as patched:
        _poisoned(patched, "tone:3", lambda: Unreachable("ill").having(connected=True))
        report = synced.push(wait_s=0)
    assert (report.exit_code, report.acked) == (4, 8)
    assert outbox(synced.path) == [("create", "pending", 0, "unresolved")]
    assert report.remotes["plexus"].next_attempt_at is not None
    with clock.using(clock.Virtual(clock.now())):
        assert synced.push().exit_code == 0
    assert sandbox.count("FeedbackItem") == 8
    assert drained(synced)


def test_a_failing_remote_is_left_alone(synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question fails: after a few the push stops instead of asking one by one."""
    from syncer.errors import Unreachable

    ids = shared(synced)
    for n in range(25):
        feedback(synced, ids, f"tone:{n}", editorName="Ann")
    with monkeypatch.context() as patched:
        asked = _poisoned(patched, ids["accountId"], lambda: Unreachable("ill").having(connected=True))
        report = synced.push(wait_s=0)
    assert (report.exit_code, report.remotes["plexus"].stopped) == (4, "unreachable")
    assert len(asked) < 12
    assert synced.push().acked == 25


def test_edits_before_the_push_are_part_of_the_update(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """What was edited after the upsert goes along; what was not is left to the remote."""
    ids = shared(synced, other)
    feedback(synced, ids, editorName="Ann", initialAnswerValue="No")
    synced.push()
    local = feedback(other, ids, editorName="Bob")
    other.plexus.update("FeedbackItem", local, {"finalCommentValue": "later"})
    assert other.push().exit_code == 0
    (stored,) = sandbox.rows("FeedbackItem")
    assert [stored[n] for n in ("editorName", "initialAnswerValue", "finalCommentValue")] == ["Bob", "No", "later"]
    assert drained(other)


def test_an_upsert_deleted_before_the_push_never_happened(synced: Workspace, sandbox: Sandbox) -> None:
    """Create and delete cancel out: the remote's record is not touched, nor even asked for."""
    ids = shared(synced)
    sandbox.put("FeedbackItem", ids, id="theirs", cacheKey="tone:1", editedAt="2026-01-01T00:00:00.000Z")
    synced.plexus.delete("FeedbackItem", feedback(synced, ids, editorName="Ann"))
    assert synced.push().requests == 0
    assert [r["id"] for r in sandbox.rows("FeedbackItem")] == ["theirs"]


def test_a_delete_behind_an_adopted_upsert_deletes_the_remotes_record(
    synced: Workspace, other: Workspace, sandbox: Sandbox
) -> None:
    """After the adoption the old id still names the record: deleting it deletes the one record there is."""
    ids = shared(synced, other)
    feedback(synced, ids, editorName="Ann")
    synced.push()
    local = feedback(other, ids, editorName="Bob")
    assert other.push(limit=1).exit_code in (0, 4)
    other.plexus.delete("FeedbackItem", local)
    assert other.push().exit_code == 0
    assert sandbox.count("FeedbackItem") == 0
    assert drained(other)


def test_a_record_deleted_here_is_made_again_by_the_upsert(synced: Workspace, sandbox: Sandbox) -> None:
    """Our own delete of the existing record waits: the upsert came after it, so it is a new record."""
    ids = shared(synced)
    first = feedback(synced, ids, editorName="Ann")
    synced.push()
    synced.plexus.delete("FeedbackItem", first)
    second = feedback(synced, ids, editorName="Bob")
    assert synced.push().exit_code == 0
    assert [(r["id"], r["editorName"]) for r in sandbox.rows("FeedbackItem")] == [(second, "Bob")]
    assert drained(synced)


def test_waiting_edits_of_the_owner_stay(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """The existing record was pulled and edited here before: its edits and the upsert's fields leave as one update."""
    ids = shared(synced, other)
    first = feedback(synced, ids, editorName="Ann")
    synced.push()
    local = feedback(other, ids, editorName="Bob")
    other.pull()
    other.plexus.update("FeedbackItem", first, {"finalCommentValue": "edited"})
    assert other.push().exit_code == 0
    (stored,) = sandbox.rows("FeedbackItem")
    assert [stored[n] for n in ("id", "editorName", "finalCommentValue")] == [first, "Bob", "edited"]
    assert (other.plexus.get("FeedbackItem", local) or {})["id"] == first
    assert drained(other)
    assert len(sandbox.effects("FeedbackItem", "update")) == 1


def test_only_the_models_asked_for_are_resolved(synced: Workspace, sandbox: Sandbox) -> None:
    """A push of other models asks nothing about upserts."""
    ids = shared(synced)
    feedback(synced, ids, editorName="Ann")
    assert synced.push(models=["Account"]).requests == 0
    assert synced.push(models=["FeedbackItem"]).acked == 1


def test_many_upserts_are_asked_for_together(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """60 upserts of which half are there: three questions, and not a record too many."""
    ids = shared(synced, other)
    for n in range(30):
        feedback(synced, ids, f"tone:{n}", editorName="Ann")
    synced.push()
    for n in range(60):
        feedback(other, ids, f"tone:{n}", editorName="Bob")
    before = sandbox.requests
    assert other.push().exit_code == 0
    assert sandbox.requests - before <= 3 + 4
    assert sandbox.count("FeedbackItem") == 60
    assert {r["editorName"] for r in sandbox.rows("FeedbackItem")} == {"Bob"}
    assert drained(other)


def test_an_id_from_before_is_still_good_for_new_records(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """A program that holds the old id goes on with it after the push: the remote's id is what is sent, keys included."""
    ids = shared(synced, other)
    first = item(synced, ids["accountId"], {"Form Id": "f-1"})
    synced.push()
    local = item(other, ids["accountId"], {"Form Id": "f-1"})
    other.push()
    made = other.plexus.create("ScoreResult", result({**ids, "itemId": local}))["id"]
    fields = {"itemId": local, "accountId": ids["accountId"], "name": "Late", "value": "l-1"}
    other.plexus.create("Identifier", fields)
    assert other.push().exit_code == 0
    assert (sandbox.get("ScoreResult", made) or {})["itemId"] == first
    assert {(r["itemId"], r["name"]) for r in sandbox.rows("Identifier")} == {(first, "Form Id"), (first, "Late")}
    assert (other.plexus.get("ScoreResult", made) or {})["itemId"] == first
    assert drained(other)
    assert equal(other, sandbox, "Identifier")


@pytest.mark.parametrize("upsert_last", [True, False])
def test_of_two_waiting_writes_the_later_one_counts(
    synced: Workspace, other: Workspace, sandbox: Sandbox, upsert_last: bool
) -> None:
    """The pulled record was edited here, and an upsert of it waits: whichever came last is what the remote gets."""
    ids = shared(synced, other)
    first = feedback(synced, ids, editorName="Ann")
    synced.push()
    if upsert_last:
        other.pull()
        other.plexus.update("FeedbackItem", first, {"editorName": "Edited", "finalCommentValue": "kept"})
        feedback(other, ids, editorName="Upserted")
    else:
        feedback(other, ids, editorName="Upserted", finalCommentValue="kept")
        other.pull()
        other.plexus.update("FeedbackItem", first, {"editorName": "Edited"})
    assert other.push().exit_code == 0
    (stored,) = sandbox.rows("FeedbackItem")
    assert (stored["editorName"], stored["finalCommentValue"]) == ("Upserted" if upsert_last else "Edited", "kept")
    assert drained(other)
    assert equal(other, sandbox, "FeedbackItem")


def test_an_edited_identifier_meets_the_same_one_of_an_upsert(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """Row, base and edit are there already under the child's new key: one row, one update, no error."""
    account = shared(synced, other)["accountId"]
    first = item(synced, account, {"Form Id": "f-1"}, externalId="x-1")
    synced.push()
    other.pull()
    other.plexus.update("Identifier", {"itemId": first, "name": "Form Id"}, {"url": "https://u.example"})
    item(other, account, {"Form Id": "f-2"}, externalId="x-1")
    assert other.push().exit_code == 0
    (stored,) = sandbox.rows("Identifier")
    assert (stored["itemId"], stored["value"], stored["url"]) == (first, "f-2", "https://u.example")
    assert len(sandbox.effects("Identifier", "update")) == 1
    assert drained(other)


def test_a_deleted_identifier_is_made_again_by_an_upsert(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """Its delete waits under the child's new key: that goes first, then the identifier is created anew."""
    account = shared(synced, other)["accountId"]
    first = item(synced, account, {"Form Id": "f-1"}, externalId="x-1")
    synced.push()
    other.pull()
    other.plexus.delete("Identifier", {"itemId": first, "name": "Form Id"})
    item(other, account, {"Form Id": "f-2"}, externalId="x-1")
    assert other.push().exit_code == 0
    assert [(r["itemId"], r["value"]) for r in sandbox.rows("Identifier")] == [(first, "f-2")]
    assert drained(other)


def test_two_upserts_of_one_owner_become_one_update(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """Two local items turn out to be the same one: both take its id, and what they gave is one update."""
    ids = shared(synced, other)
    first = item(synced, ids["accountId"], {"Form Id": "f-1", "Call Id": "c-1"})
    synced.push()
    one = item(other, ids["accountId"], {"Form Id": "f-1"}, text="text")
    two = item(other, ids["accountId"], {"Call Id": "c-1"}, description="description")
    made = [other.plexus.create("ScoreResult", result({**ids, "itemId": local}))["id"] for local in (one, two)]
    assert other.push().exit_code == 0
    assert [(sandbox.get("ScoreResult", key) or {})["itemId"] for key in made] == [first, first]
    stored = sandbox.get("Item", first) or {}
    assert (stored["text"], stored["description"]) == ("text", "description")
    assert len(sandbox.effects("Item", "update")) == 1
    assert drained(other)
    assert equal(other, sandbox, "Item")


def test_an_identifier_whose_item_is_gone_finds_nobody(synced: Workspace, sandbox: Sandbox) -> None:
    """Plexus has no cascades: an identifier left behind by a deleted item does not count."""
    account = shared(synced)["accountId"]
    sandbox.put("Identifier", itemId="gone", accountId=account, name="Form Id", value="f-1", position=1)
    made = item(synced, account, {"Form Id": "f-1"})
    assert synced.push().exit_code == 0
    assert sandbox.get("Item", made) is not None
    assert sandbox.get("Identifier", synced.plexus.models["Identifier"].key_text({"itemId": made, "name": "Form Id"}))


def test_children_of_an_upsert_wait_for_its_answer(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nobody can tell which record exists, nothing that refers to the record leaves, and everything else does."""
    from syncer.errors import Unreachable

    ids = shared(synced)
    local = feedback(synced, ids, editorName="Ann")
    synced.plexus.create("ScoreResult", result(ids, feedbackItemId=local))
    synced.plexus.create("ScoreResult", result(ids))
    with monkeypatch.context() as patched:
        _poisoned(patched, "tone:1", lambda: Unreachable("ill").having(connected=True))
        assert synced.push(wait_s=0).acked == 1
    assert sandbox.count("ScoreResult") == 1
    with clock.using(clock.Virtual(clock.now())):
        assert synced.push().exit_code == 0
    assert (sandbox.count("ScoreResult"), sandbox.count("FeedbackItem")) == (2, 1)


def test_an_upsert_written_in_the_middle_of_a_push_is_asked_for_too(
    synced: Workspace, other: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread upserts while batches fly: it does not slip out as a create."""
    ids = shared(synced, other)
    first = feedback(synced, ids, editorName="Ann")
    synced.push()
    other.plexus.create_many("Account", [{"name": f"n{n}", "key": f"k{n}"} for n in range(200)])
    push, written = PlexusConnection.push, []

    def meanwhile(connection: PlexusConnection, changes: Any) -> Any:
        if not written:
            written.append(feedback(other, ids, editorName="Bob"))
        return push(connection, changes)

    monkeypatch.setattr(PlexusConnection, "push", meanwhile)
    assert other.push().exit_code == 0
    assert [(r["id"], r["editorName"]) for r in sandbox.rows("FeedbackItem")] == [(first, "Bob")]
    assert drained(other)


def test_an_edit_between_question_and_update_is_not_overwritten(
    synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The update is made against the record that was found: what others change after that becomes a conflict."""
    ids = shared(synced)
    sandbox.put("FeedbackItem", ids, id="theirs", cacheKey="tone:1", editedAt="2026-01-01T00:00:00.000Z")
    feedback(synced, ids, editorName="Ann")
    push = PlexusConnection.push

    def late(connection: PlexusConnection, changes: Any) -> Any:
        if not (sandbox.get("FeedbackItem", "theirs") or {}).get("editorName"):
            sandbox.edit("FeedbackItem", "theirs", editorName="Zoe")
        return push(connection, changes)

    monkeypatch.setattr(PlexusConnection, "push", late)
    assert synced.push().exit_code == 3
    assert (sandbox.get("FeedbackItem", "theirs") or {})["editorName"] == "Zoe"
    assert rows(synced.path, "SELECT key, field, ours, theirs FROM conflict") == [("theirs", "editorName", '"Ann"', '"Zoe"')]


def test_an_old_record_gets_what_every_update_must_carry(synced: Workspace, sandbox: Sandbox) -> None:
    """A record without editedAt cannot be updated cleanly: ours fills the gap."""
    ids = shared(synced)
    sandbox.put("FeedbackItem", ids, id="theirs", cacheKey="tone:1")
    feedback(synced, ids, editorName="Ann")
    assert synced.push().exit_code == 0
    stored = sandbox.get("FeedbackItem", "theirs") or {}
    assert stored["editorName"] == "Ann"
    assert stored["editedAt"]


def test_an_owner_with_an_edit_of_unknown_fate_is_taken_all_the_same(
    synced: Workspace, other: Workspace, sandbox: Sandbox
) -> None:
    """Our edit of the existing record got no answer and somebody edited it since.

    The replay still finds what it was based on.
    """
    ids = shared(synced, other)
    first = feedback(synced, ids, editorName="Ann")
    synced.push()
    other.pull()
    other.plexus.update("FeedbackItem", first, {"finalCommentValue": "edited"})
    sandbox.faults.fail_next(500)
    other.push(wait_s=0)
    assert outbox(other.path)[0][:2] == ("update", "ambiguous")
    sandbox.edit("FeedbackItem", first, initialCommentValue="theirs")
    feedback(other, ids, editorName="Bob")
    assert other.push().exit_code == 0
    (stored,) = sandbox.rows("FeedbackItem")
    values = [stored[n] for n in ("editorName", "finalCommentValue", "initialCommentValue")]
    assert values == ["Bob", "edited", "theirs"]
    assert drained(other)
    assert equal(other, sandbox, "FeedbackItem")


def test_a_conflict_about_a_reference_names_the_owner(synced: Workspace, other: Workspace, sandbox: Sandbox) -> None:
    """Our side of an open conflict is the local id: it becomes the remote's with everything else."""
    ids = shared(synced, other)
    first = feedback(synced, ids, editorName="Ann")
    made = synced.plexus.create("ScoreResult", result(ids))["id"]
    synced.push()
    other.pull(models=["ScoreResult"])
    local = feedback(other, ids, editorName="Bob")
    other.plexus.update("ScoreResult", made, {"feedbackItemId": local})
    sandbox.edit("ScoreResult", made, feedbackItemId="elsewhere")
    other.pull(models=["ScoreResult"])
    assert rows(other.path, "SELECT ours FROM conflict") == [(f'"{local}"',)]
    other.push()
    assert rows(other.path, "SELECT ours FROM conflict") == [(f'"{first}"',)]
