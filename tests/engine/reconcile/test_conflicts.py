"""The same record edited on both sides: found by pull or push, merged by rules, or settled by a person."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syncer import Workspace
from syncer.config import Settings
from syncer.errors import InvalidInput, RecordNotFound, SettingError, UsageError
from syncer.sandbox.server import Sandbox
from tests.factory import account, result, scoring
from tests.files import rows, write

OPEN = "SELECT field, base, ours, theirs FROM v_conflicts"
SETTLED = "SELECT field, ours, theirs, resolution FROM conflict WHERE resolved_at IS NOT NULL ORDER BY id"
LEFT = "SELECT op, fields, outcome, reason FROM ledger WHERE outcome <> 'acked' ORDER BY seq"
WAITING = "SELECT op, fields, state FROM outbox ORDER BY seq"
EARLIER, LATER = "2020-01-01T00:00:00.000Z", "2040-01-01T00:00:00.000Z"

Meet = Callable[[Workspace], Any]


def by_pull(ws: Workspace) -> None:
    """The other side's edit comes home before ours goes out."""
    ws.pull()


def by_push(ws: Workspace) -> None:
    """Ours goes out first, and its condition fails."""
    ws.push()


@pytest.fixture(params=[by_pull, by_push])
def meet(request: pytest.FixtureRequest) -> Meet:
    """Both ways in which two edits meet."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def ruled(path: Path, sandbox: Sandbox) -> Callable[..., Workspace]:
    """A workspace on the test's file with merge rules, as ``syncer.toml`` would have them."""

    def opened(**rules: Any) -> Workspace:
        tables = {"plexus": {"merge": rules}}
        return Workspace(Settings(str(path), tables=tables, environ={**sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab"}))

    return opened


def scored(ws: Workspace, **fields: Any) -> str:
    """The id of a score result that both sides have."""
    made = ws.plexus.create("ScoreResult", result(scoring(ws), **fields))["id"]
    assert ws.push().exit_code == 0
    return str(made)


def equal(ws: Workspace, sandbox: Sandbox, key: str, **wanted: Any) -> None:
    """Both sides have ``wanted``, nothing waits, no question is open, nothing is left over."""
    stored, found = sandbox.get("ScoreResult", key), ws.plexus.get("ScoreResult", key)
    assert stored is not None
    assert found is not None
    for name, value in wanted.items():
        there = json.loads(stored[name]) if name in ("metadata", "trace") and stored[name] is not None else stored[name]
        assert (there, found[name]) == (value, value)
    assert rows(ws.path, WAITING) == rows(ws.path, OPEN) == rows(ws.path, "SELECT * FROM _base") == []
    assert ws.status().consistent
    assert ws.sync().requests == 0


@pytest.mark.parametrize("take", ["theirs", "ours", "newest", "set"])
def test_a_field_edited_on_both_sides(synced: Workspace, sandbox: Sandbox, path: Path, meet: Meet, take: str) -> None:
    """A conflict with three values; each way of settling it keeps the record's other edit, and ends in equal sides."""
    key = scored(synced)
    synced.plexus.update("ScoreResult", key, {"value": "ours", "code": "201"})
    sandbox.edit("ScoreResult", key, value="theirs", explanation="more", updatedAt=LATER)
    meet(synced)
    assert rows(path, OPEN) == [("value", '"Yes"', '"ours"', '"theirs"')]
    assert synced.push().exit_code == 3
    seen = synced.plexus.get("ScoreResult", key)
    assert seen is not None
    assert (seen["value"], seen["explanation"], seen["code"]) == ("ours", "more", "201")

    chosen = synced.resolve(key, set={"value": "both"}) if take == "set" else synced.resolve(key, take=take)
    assert chosen.left == ()
    assert len(chosen.seqs) == 1
    assert synced.push().exit_code == 0
    wanted, how = {
        "theirs": ("theirs", "theirs"),
        "ours": ("ours", "ours"),
        "newest": ("theirs", "newest, theirs"),
        "set": ("both", "another value"),
    }[take]
    equal(synced, sandbox, key, value=wanted, explanation="more", code="201")
    assert rows(path, SETTLED) == [("value", '"ours"', '"theirs"', how)]


def test_two_files_and_one_upstream(synced: Workspace, sandbox: Sandbox, tmp_path: Path) -> None:
    """Two people edit the same field offline: the second to sync is asked, and both files end up equal."""
    key = scored(synced)
    with Workspace.open(tmp_path / "other.db") as other:
        other.pull()
        synced.plexus.update("ScoreResult", key, {"value": "A", "explanation": "first"})
        other.plexus.update("ScoreResult", key, {"value": "B", "code": "202"})
        assert synced.sync().exit_code == 0
        assert other.sync().exit_code == 3
        other.resolve(key, take="ours")
        assert other.sync().exit_code == 0
        synced.sync()
        equal(synced, sandbox, key, value="B", explanation="first", code="202")
        equal(other, sandbox, key, value="B", explanation="first", code="202")


def test_json_objects_are_merged_by_key_upstream(synced: Workspace, sandbox: Sandbox, meet: Meet) -> None:
    """Each side changed other keys of the same JSON field: nobody is asked, and the upstream gets both."""
    key = scored(synced, metadata={"a": 1, "b": {"x": 1}})
    synced.plexus.update("ScoreResult", key, {"metadata": {"a": 1, "b": {"x": 2}, "ours": [1]}})
    sandbox.edit("ScoreResult", key, metadata=json.dumps({"a": 5, "b": {"x": 1, "y": 1}}))
    meet(synced)
    assert synced.push().exit_code == 0
    equal(synced, sandbox, key, metadata={"a": 5, "b": {"x": 2, "y": 1}, "ours": [1]})


@pytest.mark.parametrize(("take", "clashing"), [("theirs", "t"), ("ours", "o")])
def test_settling_a_key_keeps_the_other_keys(
    synced: Workspace, sandbox: Sandbox, path: Path, meet: Meet, take: str, clashing: str
) -> None:
    """One key conflicts: the conflict has both whole values, the choice is about that key alone."""
    key = scored(synced, metadata={"k": "b", "n": 0})
    synced.plexus.update("ScoreResult", key, {"metadata": {"k": "o", "n": 0, "ours": 1}})
    sandbox.edit("ScoreResult", key, metadata='{"k":"t","n":7}')
    meet(synced)
    assert [tuple(json.loads(json.loads(v)) for v in found[1:]) for found in rows(path, OPEN)] == [
        ({"k": "b", "n": 0}, {"k": "o", "n": 0, "ours": 1}, {"k": "t", "n": 7})
    ]
    synced.resolve(key, take=take)
    assert synced.push().exit_code == 0
    equal(synced, sandbox, key, metadata={"k": clashing, "n": 7, "ours": 1})


@pytest.mark.parametrize("rule", ["theirs", "ours"])
def test_a_rule_settles_it_and_keeps_what_lost(
    synced: Workspace, ruled: Callable[..., Workspace], sandbox: Sandbox, path: Path, meet: Meet, rule: str
) -> None:
    """Nobody is asked; the other edit goes out; both values stay listed, with the rule that chose."""
    key = scored(synced)
    with ruled(ScoreResult="ask", **{"ScoreResult.value": rule}) as ws:
        ws.plexus.update("ScoreResult", key, {"value": "ours", "code": "201"})
        sandbox.edit("ScoreResult", key, value="theirs")
        meet(ws)
        assert ws.push().exit_code == 0
        equal(ws, sandbox, key, value=rule, code="201")
        assert rows(path, SETTLED) == [("value", '"ours"', '"theirs"', f"rule: {rule}")]


def test_a_change_with_nothing_left_leaves_with_its_outcome(
    synced: Workspace, ruled: Callable[..., Workspace], sandbox: Sandbox, path: Path, meet: Meet
) -> None:
    """All its fields went to theirs: discarded, with the reason; the upstream sees no update of ours."""
    key = scored(synced)
    with ruled(default="theirs") as ws:
        ws.plexus.update("ScoreResult", key, {"value": "ours"})
        sandbox.edit("ScoreResult", key, value="theirs")
        meet(ws)
        equal(ws, sandbox, key, value="theirs")
    assert rows(path, LEFT) == [("update", '["value"]', "discarded", "value: rule: theirs")]
    assert sandbox.effects("ScoreResult", "update") == []


def test_the_newest_rule_goes_by_the_time_of_the_edit(
    synced: Workspace, ruled: Callable[..., Workspace], sandbox: Sandbox, path: Path, meet: Meet
) -> None:
    """The later edit wins on either side; at the same moment a person is asked."""
    ids = scoring(synced)
    made = [str(found["id"]) for found in synced.plexus.create_many("ScoreResult", [result(ids)] * 3)]
    synced.push()
    with ruled(default="newest") as ws:
        for key in made:
            ws.plexus.update("ScoreResult", key, {"value": "ours"})
        at = dict(rows(path, "SELECT key, created_at FROM outbox"))
        for key, moment in zip(made, (EARLIER, LATER, at[made[2]][:23] + "Z"), strict=True):
            sandbox.edit("ScoreResult", key, value="theirs", updatedAt=moment)
        ws.pull(full=True) if meet is by_pull else ws.push()
        assert ws.push().exit_code == 3
        assert rows(path, "SELECT key, field FROM v_conflicts") == [(made[2], "value")]
        assert [(sandbox.get("ScoreResult", key) or {})["value"] for key in made] == ["ours", "theirs", "theirs"]
        assert sorted(rows(path, SETTLED)) == [
            ("value", '"ours"', '"theirs"', "rule: newest, ours"),
            ("value", '"ours"', '"theirs"', "rule: newest, theirs"),
        ]
        assert ws.resolve(made[2], take="newest").left == ("value",)


def test_two_fields_are_settled_one_by_one(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """What is not decided stays open and keeps the change here; the numbers of a conflict follow its change."""
    key = scored(synced)
    synced.plexus.update("ScoreResult", key, {"value": "ours", "code": "201", "explanation": "fine"})
    sandbox.edit("ScoreResult", key, value="theirs", code="299")
    synced.pull()
    chosen = synced.resolve(key, set={"value": "theirs"})
    assert chosen.left == ("code",)
    assert synced.push().exit_code == 3
    assert rows(path, "SELECT field, seq FROM v_conflicts") == [("code", chosen.seqs[0])]
    assert synced.resolve(chosen.seqs[0], take="ours").left == ()
    assert synced.push().exit_code == 0
    equal(synced, sandbox, key, value="theirs", code="201", explanation="fine")


def test_they_go_on_editing_while_the_question_is_open(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """The conflict shows their latest value and the first base; a second field stays open beside it."""
    key = scored(synced)
    synced.plexus.update("ScoreResult", key, {"value": "ours", "code": "201"})
    sandbox.edit("ScoreResult", key, value="theirs", code="299")
    synced.pull()
    sandbox.edit("ScoreResult", key, value="theirs again", explanation="more")
    synced.pull()
    assert rows(path, OPEN + " ORDER BY field") == [
        ("code", '"200"', '"201"', '"299"'),
        ("value", '"Yes"', '"ours"', '"theirs again"'),
    ]
    before = rows(path, "SELECT * FROM conflict")
    synced.pull(full=True)
    assert rows(path, "SELECT * FROM conflict") == before
    synced.resolve(key, take="theirs")
    equal(synced, sandbox, key, value="theirs again", code="299", explanation="more")


@pytest.mark.parametrize(("theirs", "kept"), [("ours", "ours"), ("Yes", "ours")])
def test_a_question_that_answers_itself_is_closed(
    synced: Workspace, sandbox: Sandbox, path: Path, theirs: str, kept: str
) -> None:
    """They come to our value, or take theirs back: nobody needs to decide any more."""
    key = scored(synced)
    synced.plexus.update("ScoreResult", key, {"value": "ours"})
    sandbox.edit("ScoreResult", key, value="theirs")
    synced.pull()
    sandbox.edit("ScoreResult", key, value=theirs)
    synced.pull()
    assert rows(path, OPEN) == []
    assert synced.push().exit_code == 0
    equal(synced, sandbox, key, value=kept)


def test_an_edit_while_in_conflict_goes_with_the_decision(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Edits made while the question is open wait behind it, and go out with it as one change."""
    key = scored(synced)
    synced.plexus.update("ScoreResult", key, {"value": "ours"})
    sandbox.edit("ScoreResult", key, value="theirs")
    synced.pull()
    synced.plexus.update("ScoreResult", key, {"value": "better", "code": "201"})
    synced.resolve(key, take="ours")
    assert synced.push().exit_code == 0
    equal(synced, sandbox, key, value="better", code="201")
    assert rows(path, SETTLED) == [("value", '"better"', '"theirs"', "ours")]


@pytest.mark.parametrize("take", ["theirs", "ours"])
def test_a_delete_while_in_conflict(synced: Workspace, sandbox: Sandbox, take: str) -> None:
    """Ours is then the delete; theirs brings the record back."""
    key = scored(synced)
    synced.plexus.update("ScoreResult", key, {"value": "ours"})
    sandbox.edit("ScoreResult", key, value="theirs")
    synced.pull()
    synced.plexus.delete("ScoreResult", key)
    synced.resolve(key, take=take)
    assert synced.push().exit_code == 0
    if take == "theirs":
        equal(synced, sandbox, key, value="theirs")
    else:
        assert sandbox.get("ScoreResult", key) is None
        assert synced.status().consistent


@pytest.mark.parametrize("take", ["theirs", "ours"])
@pytest.mark.parametrize("rule", [False, True])
def test_edited_here_gone_there(
    synced: Workspace, ruled: Callable[..., Workspace], sandbox: Sandbox, path: Path, take: str, rule: bool
) -> None:
    """By hand or by rule: ours makes the record again under its id, theirs lets it go here; the row stays on record."""
    key = scored(synced, explanation="kept")
    with ruled(**({"ScoreResult": take} if rule else {})) as ws:
        ws.plexus.update("ScoreResult", key, {"value": "ours"})
        sandbox.drop("ScoreResult", key)
        assert ws.push().exit_code == (0 if rule else 3)
        if not rule:
            ws.resolve(key, take=take)
            assert ws.push().exit_code == 0
        if take == "ours":
            equal(ws, sandbox, key, value="ours", explanation="kept")
        else:
            assert ws.plexus.get("ScoreResult", key) is None
            assert ws.status().consistent
    ((field, ours, theirs, how),) = rows(path, SETTLED)
    assert (field, theirs, how) == (None, None, f"rule: {take}" if rule else take)
    assert (json.loads(ours)["value"], json.loads(ours)["explanation"]) == ("ours", "kept")


@pytest.mark.parametrize("take", ["theirs", "ours", "newest"])
@pytest.mark.parametrize("rule", [False, True])
def test_deleted_here_edited_there(
    synced: Workspace,
    ruled: Callable[..., Workspace],
    sandbox: Sandbox,
    path: Path,
    meet: Meet,
    take: str,
    rule: bool,
) -> None:
    """By hand or by rule: theirs brings the record back as it is there, ours deletes what they edited."""
    key = scored(synced)
    with ruled(**({"ScoreResult": take} if rule else {})) as ws:
        ws.plexus.delete("ScoreResult", key)
        sandbox.edit("ScoreResult", key, value="theirs", updatedAt=LATER)
        meet(ws)
        if not rule:
            assert ws.push().exit_code == 3
            ws.resolve(key, take=take)
        assert ws.push().exit_code == 0
        if take == "ours":
            assert sandbox.get("ScoreResult", key) is None
            assert ws.plexus.get("ScoreResult", key) is None
            assert ws.status().consistent
        else:
            equal(ws, sandbox, key, value="theirs")
    how = f"{take}, theirs" if take == "newest" else take
    assert [found[3] for found in rows(path, SETTLED)] == [f"rule: {how}" if rule else how]


def test_a_refused_edit_is_merged_but_not_sent(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """What is rejected waits for a person, whoever edits the record meanwhile."""
    made = scored(synced)
    synced.plexus.update("ScoreResult", made, {"explanation": "x" * 410_000})
    assert synced.push().exit_code == 3
    sandbox.edit("ScoreResult", made, value="Maybe")
    synced.pull()
    assert rows(path, "SELECT state FROM outbox") == [("rejected",)]
    found = synced.plexus.get("ScoreResult", made)
    assert found is not None
    assert (found["value"], len(found["explanation"])) == ("Maybe", 410_000)


def test_a_clash_under_a_waiting_delete_keeps_both_values(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Edited, perhaps applied, deleted; and edited there: the question about the edit names what each side has [I14]."""
    made = scored(synced)
    synced.plexus.update("ScoreResult", made, {"value": "No"})
    sandbox.faults.fail_next(503)
    synced.push(wait_s=0)
    synced.plexus.delete("ScoreResult", made)
    sandbox.edit("ScoreResult", made, value="Maybe")
    assert synced.push().exit_code == 3
    assert rows(path, OPEN) == [("value", '"Yes"', '"No"', '"Maybe"')]


def test_what_is_merged_leaves_under_a_new_key(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """A body that was refused for its version and made anew is another request: never two bodies under one key [I4]."""
    made = scored(synced)
    synced.plexus.update("ScoreResult", made, {"value": "No"})
    before = rows(path, "SELECT idem_key FROM outbox")
    sandbox.edit("ScoreResult", made, explanation="theirs")
    assert synced.push().acked == 1
    assert rows(path, "SELECT count(*) FROM ledger WHERE idem_key = ?", *before[0]) == [(0,)]
    equal(synced, sandbox, made, value="No", explanation="theirs")


def test_a_delete_of_what_did_not_change_is_no_question(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Reading the record again while its delete waits asks nobody."""
    key = scored(synced)
    synced.plexus.delete("ScoreResult", key)
    synced.pull(full=True)
    assert rows(path, OPEN) == []
    assert synced.push().exit_code == 0
    assert sandbox.get("ScoreResult", key) is None


@pytest.mark.parametrize("take", ["theirs", "ours"])
def test_an_id_that_is_taken(synced: Workspace, sandbox: Sandbox, path: Path, take: str) -> None:
    """The create becomes an update of the record there; a value that nobody set here is never sent as nothing."""
    sandbox.put("Account", id="acc", name="Theirs", key="theirs", description="there")
    synced.plexus.create("Account", {"id": "acc", "name": "Ours", "key": "theirs"})
    assert synced.push().exit_code == 3
    assert rows(path, OPEN) == [("name", None, '"Ours"', '"Theirs"')]
    synced.resolve("acc", take=take)
    assert synced.push().exit_code == 0
    stored, found = sandbox.get("Account", "acc"), synced.plexus.get("Account", "acc")
    for side in (stored, found):
        assert side is not None
        assert (side["name"], side["key"], side["description"]) == (take.capitalize(), "theirs", "there")
    assert rows(path, WAITING) == []
    assert synced.status().consistent


def test_the_same_record_made_on_both_sides_is_one(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Same id, same values, other times: nothing to ask and nothing to send."""
    sandbox.put("Account", id="acc", name="Lab", key="lab", createdAt="2020-01-01T00:00:00.000Z")
    account(synced, id="acc")
    assert synced.push().exit_code == 0
    assert synced.plexus.get("Account", "acc")["createdAt"] == "2020-01-01T00:00:00.000000Z"  # type: ignore[index]
    assert rows(path, WAITING) == rows(path, "SELECT * FROM _base") == []


def test_retry_and_drop_agree_with_resolve(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """``retry`` is ours; ``drop`` of a record that is gone lets it go; dropping a later edit leaves the question open."""
    key = scored(synced)
    synced.plexus.update("ScoreResult", key, {"value": "ours"})
    sandbox.edit("ScoreResult", key, value="theirs")
    synced.pull()
    ((first,),) = rows(path, "SELECT seq FROM outbox")
    synced.plexus.update("ScoreResult", key, {"code": "201"})
    assert synced.drop(first + 1).seqs == (first + 1,)
    assert len(rows(path, OPEN)) == 1
    assert synced.retry(first) == [first]
    assert synced.push().exit_code == 0
    equal(synced, sandbox, key, value="ours", code="200")

    synced.plexus.update("ScoreResult", key, {"value": "again"})
    sandbox.drop("ScoreResult", key)
    synced.push()
    ((seq,),) = rows(path, "SELECT seq FROM outbox")
    assert synced.drop(seq).seqs == (seq,)
    assert synced.plexus.get("ScoreResult", key) is None
    assert rows(path, "SELECT * FROM _base") == rows(path, OPEN) == []


def test_what_cannot_be_settled(synced: Workspace, sandbox: Sandbox, path: Path) -> None:
    """Unknown, settled and misspelt: an error that says so, and nothing has changed."""
    key = scored(synced)
    synced.plexus.update("ScoreResult", key, {"value": "ours"})
    sandbox.edit("ScoreResult", key, value="theirs")
    synced.pull()
    before = rows(path, "SELECT * FROM conflict"), rows(path, "SELECT * FROM outbox")
    with pytest.raises(RecordNotFound, match="no conflict of nobody"):
        synced.resolve("nobody", take="ours")
    with pytest.raises(UsageError, match="say how"):
        synced.resolve(key)
    with pytest.raises(UsageError, match="'our'"):
        synced.resolve(key, take="our")
    with pytest.raises(InvalidInput, match="code is not in conflict"):
        synced.resolve(key, set={"code": "1"})
    with pytest.raises(InvalidInput, match="no field 'valu'"):
        synced.resolve(key, set={"valu": "1"})
    with pytest.raises(InvalidInput, match="value cannot be 3"):
        synced.resolve(key, set={"value": 3}, take="theirs")
    write(path, "UPDATE outbox SET state = 'sending'")
    with pytest.raises(UsageError, match="being sent"):
        synced.resolve(key, take="ours")
    write(path, "UPDATE outbox SET state = 'conflict'")
    assert (rows(path, "SELECT * FROM conflict"), rows(path, "SELECT * FROM outbox")) == before
    synced.resolve(key, take="ours")
    with pytest.raises(RecordNotFound, match=r"resolved already.*ours"):
        synced.resolve(key, take="theirs")


def test_rules_that_do_not_exist_stop_the_sync_and_nothing_else(ruled: Callable[..., Workspace]) -> None:
    """A misspelt rule is named when it would be needed; writing goes on without it."""
    with ruled(ScoreReslt="ours") as ws:
        account(ws)
        with pytest.raises(SettingError, match=r"\[plexus.merge\].*ScoreReslt"):
            ws.sync()
