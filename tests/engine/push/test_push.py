"""Push: what was written reaches the remote once, whatever happens on the way."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace, clock
from syncer.adapters.plexus.adapter import Plexus
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.factory import account, result, scoring
from tests.files import rows, write

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def outbox(path: Path) -> list[Any]:
    """Operation, state, attempts and code of what waits."""
    return rows(path, "SELECT op, state, attempts, code FROM outbox ORDER BY seq")


def once_each(sandbox: Sandbox, model: str, op: str = "create") -> bool:
    """True when no record of the model saw ``op`` more than once."""
    keys = [effect.key for effect in sandbox.effects(model, op)]
    return len(keys) == len(set(keys))


def test_everything_arrives_and_a_second_push_sends_nothing(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """The outbox empties, the ledger closes, rows take the server's times, and nothing is left to send."""
    ids = scoring(synced)
    synced.plexus.create_many("ScoreResult", [result(ids, value=str(n)) for n in range(240)])
    report = synced.push()
    assert (report.exit_code, report.acked) == (0, 245)
    assert sandbox.count("ScoreResult") == 240
    assert once_each(sandbox, "ScoreResult")
    assert synced.status().consistent
    assert outbox(path) == []
    upstream = {r["id"]: r["updatedAt"] for r in sandbox.rows("ScoreResult")}
    assert {r["id"]: r["updatedAt"][:23] + "Z" for r in synced.plexus.find("ScoreResult")} == upstream
    assert synced.push().requests == 0


def test_batches_grow_and_use_one_connection_a_sender(synced: Workspace, sandbox: Sandbox) -> None:
    """10 batches of 100 would do for 1,000 changes; growth from 25 costs a few more, connections are kept."""
    ids = scoring(synced)
    synced.push()
    before = sandbox.requests
    synced.plexus.create_many("ScoreResult", [result(ids) for _ in range(1000)])
    synced.push()
    assert sandbox.requests - before <= 14
    assert sandbox.connections <= 8


def test_every_model_can_be_created_updated_and_deleted(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """All models an API key may use make the round trip, composite keys and rules included."""
    from tests.sample_records import everything

    made = everything(synced.plexus)
    assert synced.push().exit_code == 0
    assert outbox(path) == []
    for model, key, change in made:
        synced.plexus.update(model, key, change)
    report = synced.push()
    assert (report.exit_code, report.acked) == (0, len(made))
    for model, key, change in made:
        text = synced.plexus.models[model].key_text(key) if isinstance(key, dict) else key
        stored = sandbox.get(model, text)
        assert stored is not None
        (name, value), *_ = change.items()
        assert (json.loads(stored[name]) if isinstance(value, dict) else stored[name]) == value
    for model, key, _ in reversed(made):
        synced.plexus.delete(model, key)
    assert synced.push().exit_code == 0
    assert [sandbox.count(model) for model, _, _ in made] == [0] * len(made)
    assert synced.status().consistent


def test_a_lost_reply_makes_one_record(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """The create was applied but its answer lost: the repeat is recognised, nothing doubles."""
    account(synced)
    sandbox.faults.lose_next_reply()
    assert synced.push(wait_s=0).acked == 0
    assert outbox(path) == [("create", "ambiguous", 1, "reply-lost")]
    report = synced.push()
    assert (report.exit_code, report.acked) == (0, 1)
    assert len(sandbox.effects("Account", "create")) == 1


def test_a_lost_reply_to_an_update_is_one_update(synced: Workspace, sandbox: Sandbox) -> None:
    """The repeat fails its condition, the record read back holds our value: acknowledged, not sent again."""
    made = account(synced)
    synced.push()
    synced.plexus.update("Account", made, {"name": "New"})
    sandbox.faults.lose_next_reply()
    report = synced.push()
    assert (report.exit_code, report.acked) == (0, 1)
    assert len(sandbox.effects("Account", "update")) == 1


def test_a_lost_reply_to_a_delete_is_one_delete(synced: Workspace, sandbox: Sandbox) -> None:
    """A repeated delete of what is gone counts as done."""
    made = account(synced)
    synced.push()
    synced.plexus.delete("Account", made)
    sandbox.faults.lose_next_reply()
    assert synced.push().exit_code == 0
    assert len(sandbox.effects("Account", "delete")) == 1


def test_an_edit_while_ambiguous_becomes_a_successor(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A change that may be applied is never altered: the edit queues behind it and both arrive, in order."""
    made = account(synced)
    sandbox.faults.lose_next_reply()
    synced.push(wait_s=0)
    frozen = rows(path, "SELECT idem_key, body_hash FROM outbox")
    synced.plexus.update("Account", made, {"name": "Newer"})
    assert [row[:2] for row in outbox(path)] == [("create", "ambiguous"), ("update", "pending")]
    assert rows(path, "SELECT idem_key, body_hash FROM outbox LIMIT 1") == frozen
    assert synced.push().exit_code == 0
    assert [e.op for e in sandbox.effects("Account")] == ["create", "update"]
    stored = sandbox.get("Account", made)
    assert stored is not None
    assert stored["name"] == "Newer"


def test_an_edit_of_a_sent_record_sends_only_what_changed(synced: Workspace, sandbox: Sandbox) -> None:
    """An update carries its field, the key, the composite groups, and a condition on the version it was based on."""
    ids = scoring(synced)
    made = synced.plexus.create("ScoreResult", result(ids, metadata={"n": 1}))["id"]
    synced.push()
    sandbox.edit("ScoreResult", made, explanation="theirs", updatedAt=sandbox.get("ScoreResult", made)["updatedAt"])  # type: ignore[index]
    synced.plexus.update("ScoreResult", made, {"value": "No"})
    synced.push()
    stored = sandbox.get("ScoreResult", made)
    assert stored is not None
    assert (stored["value"], stored["explanation"], json.loads(stored["metadata"])) == ("No", "theirs", {"n": 1})


def test_a_poisoned_batch_is_bisected(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """One record the schema refuses costs at most 2*ceil(log2 N)+1 requests, and no good record an attempt."""
    ids = scoring(synced)
    synced.push()
    made = [r["id"] for r in synced.plexus.create_many("ScoreResult", [result(ids) for _ in range(25)])]
    write(path, "UPDATE plexus_score_result SET metadata = 'no json' WHERE id = ?", made[13])
    before = sandbox.requests
    report = synced.push()
    assert sandbox.requests - before <= 2 * math.ceil(math.log2(25)) + 1
    assert (report.exit_code, report.acked, report.remotes["plexus"].rejected) == (3, 24, 1)
    assert outbox(path) == [("create", "rejected", 1, "validation")]
    assert rows(path, "SELECT DISTINCT attempts FROM ledger") == [(1,)]
    assert "JSON" in rows(path, "SELECT reason FROM outbox")[0][0]


def test_a_request_is_no_heavier_than_allowed(synced: Workspace, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies are packed until the limit, and one that is heavier alone still goes."""
    ids = scoring(synced)
    synced.push()
    monkeypatch.setattr(Plexus, "limits", replace(Plexus.limits, max_bytes=9_000))
    synced.plexus.create_many("ScoreResult", [result(ids, explanation="x" * 3_000) for _ in range(6)])
    synced.plexus.create("ScoreResult", result(ids, explanation="x" * 20_000))
    before = sandbox.requests
    assert synced.push().acked == 7
    assert sandbox.requests - before == 4


def test_a_refused_record_delays_only_itself(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A record refused on its own is rejected with its reason; the others of its batch are done."""
    ids = scoring(synced)
    big = synced.plexus.create("ScoreResult", result(ids, explanation="x" * 410_000))["id"]
    fine = synced.plexus.create("ScoreResult", result(ids))["id"]
    report = synced.push()
    assert report.exit_code == 3
    assert sandbox.get("ScoreResult", fine) is not None
    assert sandbox.get("ScoreResult", big) is None
    assert rows(path, "SELECT key, state FROM outbox") == [(big, "rejected")]
    assert "Item size has exceeded" in rows(path, "SELECT reason FROM outbox")[0][0]


def test_mending_a_rejected_record_sends_it(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """An edit takes the place of the refused change, under a new key, and goes out with the next push."""
    ids = scoring(synced)
    big = synced.plexus.create("ScoreResult", result(ids, explanation="x" * 410_000))["id"]
    synced.push()
    synced.plexus.update("ScoreResult", big, {"explanation": "short"})
    assert synced.push().exit_code == 0
    stored = sandbox.get("ScoreResult", big)
    assert stored is not None
    assert stored["explanation"] == "short"
    assert synced.status().consistent


def test_children_of_a_rejected_parent_wait(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A child is never sent before its parent is there; independent records go on; a retry frees them all."""
    ids = scoring(synced)
    write(path, "UPDATE plexus_item SET metadata = 'no json'")
    synced.plexus.create("ScoreResult", result(ids))
    other = synced.plexus.create("Scorecard", {"name": "Other", "key": "other", "accountId": ids["accountId"]})["id"]
    report = synced.push()
    assert report.remotes["plexus"].blocked == 1
    assert sandbox.get("Scorecard", other) is not None
    assert sandbox.count("ScoreResult") == 0
    write(path, "UPDATE plexus_item SET metadata = NULL")
    (rejected,) = rows(path, "SELECT seq FROM outbox WHERE state = 'rejected'")
    synced.retry(rejected[0])
    assert synced.push().exit_code == 0
    assert sandbox.count("ScoreResult") == 1


def test_children_written_before_their_parents_go_after_them(synced: Workspace, sandbox: Sandbox) -> None:
    """The order of writing does not matter, the order of sending is parents first."""
    account_id, card = "acc", "card"
    synced.plexus.create("Scorecard", {"id": card, "name": "c", "key": "c", "accountId": account_id})
    synced.plexus.create("Account", {"id": account_id, "name": "a", "key": "a"})
    assert synced.push().exit_code == 0
    order = [effect.key for effect in sandbox.effects()]
    assert order == [account_id, card]


def test_an_update_that_names_a_new_record_goes_after_it(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Not only creates wait for the records they name: an edit that points at an unsent one does too [I7]."""
    ids = scoring(synced)
    made = synced.plexus.create("ScoreResult", result(ids))["id"]
    synced.push()
    fields = {name: ids[name] for name in ("accountId", "scorecardId", "scoreId", "itemId")}
    feedback = synced.plexus.create("FeedbackItem", {**fields, "cacheKey": "k", "initialAnswerValue": "No"})["id"]
    synced.plexus.update("ScoreResult", made, {"feedbackItemId": feedback})
    write(path, "UPDATE outbox SET state = 'rejected' WHERE model = 'FeedbackItem'")
    assert synced.push().remotes["plexus"].blocked == 1
    assert sandbox.effects("ScoreResult", "update") == []
    (rejected,) = rows(path, "SELECT seq FROM outbox WHERE state = 'rejected'")
    synced.retry(rejected[0])
    assert synced.push().exit_code == 0
    assert [(e.model, e.op) for e in sandbox.effects()][-2:] == [("FeedbackItem", "create"), ("ScoreResult", "update")]


def test_the_same_id_in_another_model_is_another_record(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """What waits for one neither holds up the other's changes nor keeps news of it away [I9 I13]."""
    ids = scoring(synced)
    synced.push()
    synced.plexus.create("Item", {"id": "same", "accountId": ids["accountId"], "externalId": "call-2"})
    write(path, "UPDATE outbox SET state = 'rejected' WHERE model = 'Item'")
    synced.plexus.create("ScoreResult", result(ids, id="same"))
    assert synced.push().acked == 1
    sandbox.edit("ScoreResult", "same", explanation="theirs")
    synced.pull()
    found = synced.plexus.get("ScoreResult", "same")
    assert found is not None
    assert found["explanation"] == "theirs"
    assert outbox(path) == [("create", "rejected", 0, None)]


def test_a_back_pointer_is_set_after_its_target(synced: Workspace, sandbox: Sandbox) -> None:
    """A score made with its champion goes out without it, then the version, then the pointer."""
    ids = scoring(synced)
    version = synced.plexus.create("ScoreVersion", {"scoreId": ids["scoreId"], "configuration": "a: 1"})["id"]
    synced.plexus.update("Score", ids["scoreId"], {"championVersionId": version})
    assert synced.push().exit_code == 0
    steps = [(e.model, e.op) for e in sandbox.effects() if e.model in ("Score", "ScoreVersion")]
    assert steps == [("Score", "create"), ("ScoreVersion", "create"), ("Score", "update")]
    stored = sandbox.get("Score", ids["scoreId"])
    assert stored is not None
    assert stored["championVersionId"] == version
    assert synced.status().consistent


@pytest.mark.parametrize("edit_here", [False, True])
def test_a_create_that_was_edited_before_its_repeat_is_still_ours(
    synced: Workspace, sandbox: Sandbox, path: Path, edit_here: bool
) -> None:
    """Its answer was lost and a colleague edited it meanwhile: no conflict, their edit comes home, ours goes out."""
    made = account(synced)
    sandbox.faults.lose_next_reply()
    synced.push(wait_s=0)
    sandbox.edit("Account", made, description="theirs")
    if edit_here:
        synced.plexus.update("Account", made, {"name": "Ours"})
    assert synced.push().exit_code == 0
    found, stored = synced.plexus.get("Account", made), sandbox.get("Account", made)
    assert found is not None
    assert stored is not None
    assert found["description"] == stored["description"] == "theirs"
    assert found["name"] == stored["name"] == ("Ours" if edit_here else "Lab")
    assert rows(path, "SELECT count(*) FROM conflict") == [(0,)]


def test_an_edit_behind_a_create_of_unknown_fate_is_not_taken_for_theirs(synced: Workspace, sandbox: Sandbox) -> None:
    """It sets what the create did not: a colleague's edit of another field comes home with the create, ours goes out."""
    made = account(synced)
    sandbox.faults.lose_next_reply()
    synced.push(wait_s=0)
    sandbox.edit("Account", made, settings='{"a":1}')
    synced.plexus.update("Account", made, {"description": "ours"})
    assert synced.push().exit_code == 0
    stored = sandbox.get("Account", made)
    assert stored is not None
    assert (stored["description"], stored["settings"]) == ("ours", '{"a":1}')


def test_a_strangers_record_is_not_our_create_of_unknown_fate(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Our create was not applied, another one under its id was: a question with both values, no acknowledgement [I3 I6]."""
    account(synced, id="mine", name="Ours")
    sandbox.faults.fail_next(503)
    synced.push(wait_s=0)
    assert outbox(path) == [("create", "ambiguous", 1, "server-error")]
    synced.plexus.update("Account", "mine", {"description": "ours, written later"})
    sandbox.put("Account", id="mine", name="Theirs", key="lab", createdAt="2026-03-01T00:00:00.000Z")
    assert synced.push().exit_code == 3
    assert rows(path, "SELECT field, ours, theirs FROM v_conflicts") == [("name", '"Ours"', '"Theirs"')]
    synced.resolve("mine", take="ours")
    assert synced.push().exit_code == 0
    stored = sandbox.get("Account", "mine")
    assert stored is not None
    assert (stored["name"], stored["description"]) == ("Ours", "ours, written later")


def test_a_strangers_record_of_another_time_is_not_our_create(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """The same where creates carry the time they were made at, by which ours would be known [I3 I6]."""
    ids = scoring(synced)
    synced.push()
    made = synced.plexus.create("ScoreResult", result(ids, createdAt="2026-03-02T00:00:00.000Z"))["id"]
    sandbox.faults.fail_next(503)
    synced.push(wait_s=0)
    assert "createdAt" in rows(path, "SELECT body FROM outbox")[0][0]
    when = {"createdAt": "2026-03-01T00:00:00.000Z", "updatedAt": "2026-03-01T00:00:00.000Z"}
    sandbox.put("ScoreResult", {"id": made, **result(ids, value="theirs"), **when})
    assert synced.push().exit_code == 3
    assert "value" in {field for (field,) in rows(path, "SELECT field FROM v_conflicts")}


def test_both_sides_editing_a_create_of_unknown_fate_clash_as_usual(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """The colleague's value and ours, of the same field, both survive as a conflict."""
    made = account(synced)
    sandbox.faults.lose_next_reply()
    synced.push(wait_s=0)
    sandbox.edit("Account", made, name="Theirs")
    synced.plexus.update("Account", made, {"name": "Ours"})
    assert synced.push().exit_code == 3
    assert rows(path, "SELECT base, ours, theirs FROM v_conflicts") == [('"Lab"', '"Ours"', '"Theirs"')]
    assert sandbox.get("Account", made)["name"] == "Theirs"  # type: ignore[index]


def test_a_delete_takes_over_from_an_edit_that_cannot_be_sent_as_it_was(
    synced: Workspace, sandbox: Sandbox, path: Path
) -> None:
    """Edit, lost on the way; somebody edits too; we delete: no empty edit, no delete over theirs [I13]."""
    ids = scoring(synced)
    made = synced.plexus.create("ScoreResult", result(ids))["id"]
    synced.push()
    synced.plexus.update("ScoreResult", made, {"value": "No"})
    sandbox.faults.fail_next(503)
    synced.push(wait_s=0)
    synced.plexus.delete("ScoreResult", made)
    sandbox.edit("ScoreResult", made, code="201")
    assert synced.push().exit_code == 3
    assert sandbox.get("ScoreResult", made)["code"] == "201"  # type: ignore[index]
    ((base, theirs),) = rows(path, "SELECT base, theirs FROM v_conflicts")
    assert (json.loads(base)["code"], json.loads(theirs)["code"]) == ("200", "201")
    synced.resolve(made, take="ours")
    assert synced.push().exit_code == 0
    assert sandbox.get("ScoreResult", made) is None
    assert synced.status().consistent


def test_a_row_that_vanished_is_not_sent_empty(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Another program deleted the row of a waiting create: the change is rejected, others go on."""
    account(synced)
    write(path, "DELETE FROM plexus_account")
    account(synced, key="other")
    assert synced.push().exit_code == 3
    assert rows(path, "SELECT state, code FROM outbox") == [("rejected", "row-missing")]
    assert len(sandbox.effects("Account")) == 1


def test_a_back_pointer_that_could_not_be_sent_is_not_queued_twice(
    synced: Workspace, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync without network leaves one update for the pointer, however often it is tried."""
    ids = scoring(synced)
    version = synced.plexus.create("ScoreVersion", {"scoreId": ids["scoreId"], "configuration": "a: 1"})["id"]
    synced.push(limit=4)
    synced.plexus.update("Score", ids["scoreId"], {"championVersionId": version})
    with monkeypatch.context() as offline:
        offline.setenv("PLEXUS_API_URL", "http://127.0.0.1:9/graphql")
        for _ in range(3):
            with Workspace.open(path) as away:
                assert away.push().exit_code == 4
    assert rows(path, "SELECT count(*) FROM outbox WHERE model = 'Score'") == [(2,)]
    assert synced.push().exit_code == 0
    assert sandbox.get("Score", ids["scoreId"])["championVersionId"] == version  # type: ignore[index]
    assert synced.status().consistent


def test_wrong_credentials_stop_at_once_and_cost_no_attempt(
    synced: Workspace, sandbox: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """401: one request, nothing lost, no attempt spent, exit code 4, a hint what to check."""
    for n in range(60):
        account(synced, key=str(n))
    monkeypatch.setenv("PLEXUS_API_KEY", "wrong")
    with Workspace.open(path) as other:
        report = other.push()
    part = report.remotes["plexus"]
    assert (report.exit_code, part.stopped) == (4, "access-refused")
    assert "credentials" in (part.hint or "")
    assert sandbox.requests <= 2
    assert set(outbox(path)) == {("create", "pending", 0, "access-refused")} | (
        set(outbox(path)) & {("create", "pending", 0, None)}
    )
    assert synced.push().exit_code == 0


def test_no_network_stops_at_once_and_costs_no_attempt(ws: Workspace, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens: exit code 4 without waiting; an edit afterwards still folds into the unsent create."""
    made = account(ws)
    monkeypatch.setenv("PLEXUS_API_URL", "http://127.0.0.1:9/graphql")
    monkeypatch.setenv("PLEXUS_API_KEY", "k")
    with Workspace.open(path) as offline:
        report = offline.sync()
    assert (report.exit_code, report.remotes["plexus"].stopped) == (4, "unreachable")
    assert outbox(path) == [("create", "pending", 0, "unreachable")]
    assert rows(path, "SELECT body FROM outbox") == [(None,)]
    ws.plexus.update("Account", made, {"name": "B"})
    assert rows(path, "SELECT op FROM outbox") == [("create",)]


def test_throttling_waits_as_long_as_asked(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """429 with Retry-After is remembered in the file and honoured by the next push."""
    account(synced)
    sandbox.faults.fail_next(429, {"Retry-After": "120"})
    report = synced.push()
    assert (report.exit_code, report.remotes["plexus"].stopped) == (4, "throttled")
    assert sandbox.requests == 1
    with Workspace.open(path) as later:
        later.push()
        assert sandbox.requests == 1
        assert later.status().remotes["plexus"].held_until is not None


@pytest.mark.parametrize(("status", "state"), [(500, "ambiguous"), (503, "ambiguous"), (404, "pending"), (302, "pending")])
def test_statuses(synced: Workspace, sandbox: Sandbox, path: Path, status: int, state: str) -> None:
    """A server error may have been applied; a wrong address surely was not."""
    account(synced)
    sandbox.faults.fail_next(status)
    report = synced.push(wait_s=0)
    assert report.exit_code == 4
    assert rows(path, "SELECT state FROM outbox") == [(state,)]
    assert synced.push().exit_code == 0
    assert len(sandbox.effects("Account")) == 1


@pytest.mark.parametrize("fault", ["truncate_next", "html_next"])
def test_unreadable_answers_may_have_been_applied(synced: Workspace, sandbox: Sandbox, path: Path, fault: str) -> None:
    """Half an answer or a web page says nothing about the change: it is repeated under its key."""
    account(synced)
    getattr(sandbox.faults, fault)()
    synced.push(wait_s=0)
    assert rows(path, "SELECT state FROM outbox") == [("ambiguous",)]
    assert synced.push().exit_code == 0
    assert len(sandbox.effects("Account")) == 1


def test_storms_leave_one_effect_each(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost replies, failures and throttling together: everything arrives exactly once."""
    with Sandbox(Options(fail_rate=0.1, lose_reply_rate=0.2, seed=5)) as sandbox, clock.using(clock.Virtual(START)):
        for name, value in sandbox.settings.items():
            monkeypatch.setenv(name, value)
        with Workspace.open(path) as ws:
            ids = scoring(ws)
            ws.plexus.create_many("ScoreResult", [result(ids, value=str(n)) for n in range(400)])
            report = ws.push()
            while report.exit_code == 4:
                report = ws.push()
            assert report.exit_code == 0
            assert sandbox.count("ScoreResult") == 400
            assert once_each(sandbox, "ScoreResult")
            assert ws.status().consistent


def test_what_is_due_soonest_is_waited_for(synced: Workspace, path: Path) -> None:
    """Patience counts for the next change that is due, not for the last [I9]."""
    for key in ("late", "soon"):
        account(synced, key=key)
    with clock.using(clock.Virtual(START)):
        for seq, seconds in ((1, 900), (2, 5)):
            write(path, "UPDATE outbox SET next_attempt_at = ? WHERE seq = ?", clock.after(seconds), seq)
        assert synced.push("plexus", wait_s=10).acked == 1
    assert rows(path, "SELECT seq FROM outbox") == [(1,)]


def test_a_limit_is_kept(synced: Workspace, sandbox: Sandbox) -> None:
    """``limit`` sends no more than asked."""
    for n in range(5):
        account(synced, key=str(n))
    report = synced.push(limit=2)
    assert (report.acked, report.exit_code) == (2, 0)
    assert synced.status().remotes["plexus"].pending == 3


def test_only_the_models_asked_for_are_sent(synced: Workspace, sandbox: Sandbox) -> None:
    """Others stay where they are, also when they were written first."""
    ids = scoring(synced)
    synced.push(models=["Account", "Scorecard"])
    assert {e.model for e in sandbox.effects()} == {"Account", "Scorecard"}
    assert synced.push(models=["Item"]).acked == 1
    assert sandbox.get("Item", ids["itemId"]) is not None
    assert synced.push().exit_code == 0
    assert sandbox.count("Score") == 1


def test_what_another_remote_is_being_sent_is_its_own_affair(synced: Workspace, path: Path) -> None:
    """A push takes up what a dead sync of its remote has left, not what a living one of another has on the wire [I6]."""
    account(synced)
    write(path, "UPDATE outbox SET remote = 'prefactor', state = 'sending'")
    synced.push("plexus")
    assert [state for _, state, *_ in outbox(path)] == ["sending"]


def test_interrupted_sending_becomes_ambiguous(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """What a dead sync left as sending is repeated with the same body and key."""
    account(synced)
    sandbox.faults.lose_next_reply()
    synced.push(wait_s=0)
    write(path, "UPDATE outbox SET state = 'sending', next_attempt_at = NULL")
    before = rows(path, "SELECT idem_key, body_hash FROM outbox")
    sandbox.faults.fail_next(401)  # a refusal of this attempt says nothing about the one before it
    synced.push(wait_s=0)
    assert [state for _, state, *_ in outbox(path)] == ["ambiguous"]
    assert synced.push().exit_code == 0
    assert rows(path, "SELECT idem_key, body_hash FROM ledger") == before
    assert len(sandbox.effects("Account")) == 1


def test_legacy_models_wait_on_a_deployment_without_them(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A model the deployment lacks stays here with that reason, keeps no others away and needs nobody."""
    made = account(synced)
    fields = {"accountId": made, "status": "OPEN", "type": "t", "batchId": "b", "modelProvider": "p", "modelName": "m"}
    for _ in range(30):
        synced.plexus.create("BatchJob", fields)
    last = account(synced, key="last")
    report = synced.push()
    assert (report.exit_code, report.remotes["plexus"].unsupported) == (0, 30)
    assert sandbox.get("Account", last) is not None
    assert ("pending", "not-deployed") in rows(path, "SELECT DISTINCT state, code FROM outbox")
    assert sandbox.requests < 8


def test_legacy_models_arrive_where_they_are_deployed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same model on an older deployment is simply sent."""
    with Sandbox(Options(legacy=True)) as sandbox:
        for name, value in sandbox.settings.items():
            monkeypatch.setenv(name, value)
        with Workspace.open(path) as ws:
            made = account(ws)
            fields = {
                "accountId": made,
                "status": "OPEN",
                "type": "t",
                "batchId": "b",
                "modelProvider": "p",
                "modelName": "m",
            }
            ws.plexus.create("BatchJob", fields)
            assert ws.push().exit_code == 0
        assert sandbox.count("BatchJob") == 1


def test_a_closed_model_is_rejected(synced: Workspace, path: Path) -> None:
    """``User`` refuses API keys: its rows stay here with that reason."""
    synced.plexus.create("User", {"email": "a@example.org"})
    assert synced.push().exit_code == 3
    assert rows(path, "SELECT state, code FROM outbox") == [("rejected", "Unauthorized")]
