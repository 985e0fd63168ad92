"""The demo's judge: it must see every difference between the two sides."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from syncer import Workspace
from syncer.adapters.plexus.spec import MODELS
from syncer.config import Settings
from syncer.demo import compare
from syncer.demo.session import ACCOUNT_KEY, Session
from syncer.demo.upstream import Effects, Upstream
from syncer.demo.verdict import Check, judged
from syncer.sandbox import Options, Sandbox
from syncer.store.reader import Reader

_CREATE = "INSERT INTO effect (remote, model, key, op, request) VALUES ('plexus', 'Score', ?, 'create', 'again')"


@dataclass
class Sides:
    """A synced session: both files, and both programs."""

    workspace: Workspace
    sandbox: Sandbox
    file: Path
    session: Session

    def compared(self) -> compare.Comparison:
        """What the judge finds."""
        with Upstream(self.sandbox.settings) as upstream, Reader(self.workspace.path) as local:
            return compare.compared(compare.shared(MODELS.values()), local, upstream, Effects(self.file))


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    """A small session that was synced to its end."""
    file = tmp_path / "sandbox.db"
    with Sandbox(Options(db=file)) as sandbox:
        settings = Settings(db=str(tmp_path / "local.db"), environ={**sandbox.settings, "PLEXUS_ACCOUNT_KEY": ACCOUNT_KEY})
        with Workspace(settings) as workspace:
            session = Session(workspace.plexus, Random(1))
            session.set_up()
            session.score_calls(9)
            assert workspace.sync().exit_code == 0
            yield Sides(workspace, sandbox, file, session)


def test_equal_sides_are_equal(sides: Sides) -> None:
    """After a sync nothing differs, and every record was looked at."""
    found = sides.compared()
    assert found.is_equal
    assert found.rows["ScoreResult"] == (9, 9)
    assert found.rows["Identifier"] == (6, 6)
    assert len(found.rows) == 25
    assert found.values > 9 * len(MODELS["ScoreResult"].fields)


Plant = Callable[[Sides, str], object]

_PLANTED: dict[str, tuple[str, Plant]] = {
    "a text there": ("description", lambda s, key: s.sandbox.edit("Score", key, description="else")),
    "a number there": ("order", lambda s, key: s.sandbox.edit("Score", key, order=99)),
    "a value missing there": ("championVersionId", lambda s, key: s.sandbox.edit("Score", key, championVersionId=None)),
    "a time there": ("updatedAt", lambda s, key: s.sandbox.edit("Score", key)),
    "a flag here": ("isDisabled", lambda s, key: s.workspace.plexus.update("Score", key, {"isDisabled": True})),
}


@pytest.mark.parametrize("what", _PLANTED)
def test_sees_a_single_value(sides: Sides, what: str) -> None:
    """One value that differs is found, with model, key and field."""
    field, plant = _PLANTED[what]
    key = sides.session.scores[0]["id"]
    plant(sides, key)
    found = sides.compared()
    assert not found.is_equal
    assert field in {each.field for each in found.differences}
    assert {(each.model, each.key) for each in found.differences} == {("Score", key)}
    assert f"Score {key}, {field}: here " in "\n".join(map(str, found.differences))


def test_sees_json_by_value_only(sides: Sides) -> None:
    """JSON with its members in another order is the same; with another value it is not."""
    result = sides.workspace.plexus.find("ScoreResult", limit=1)[0]
    turned = dict(reversed(result["metadata"].items()))
    sides.sandbox.edit("ScoreResult", result["id"], metadata=turned, updatedAt=result["updatedAt"])
    assert sides.compared().is_equal
    sides.sandbox.edit("ScoreResult", result["id"], metadata={**turned, "words": -1}, updatedAt=result["updatedAt"])
    assert [each.field for each in sides.compared().differences] == ["metadata"]


def test_sees_a_record_that_is_missing_there(sides: Sides) -> None:
    """A record only the local file has is found."""
    key = sides.session.scores[0]["id"]
    sides.sandbox.drop("Score", key)
    assert [str(each) for each in sides.compared().differences] == [f"Score {key}: only here"]


def test_sees_a_record_that_is_missing_here(sides: Sides) -> None:
    """A record only the remote has is found, and that nobody was seen creating it."""
    sides.sandbox.put("Account", id="ghost", name="Ghost", key="ghost")
    found = sides.compared()
    assert [str(each) for each in found.differences] == ["Account ghost: only there"]
    assert found.doubled == ["Account ghost was created 0 times"]


def test_sees_a_create_that_took_effect_twice(sides: Sides) -> None:
    """Equal rows are not enough: the log of effects must show one create per record."""
    key = sides.session.scores[0]["id"]
    with closing(sqlite3.connect(sides.file)) as connection, connection:
        connection.execute(_CREATE, (key,))
    found = sides.compared()
    assert found.differences == []
    assert found.doubled == [f"Score {key} was created 2 times"]
    assert not found.is_equal


def test_the_verdict_lists_what_speaks_against_it() -> None:
    """One failed check is enough; its differences are shown, the first twenty of many."""
    lines: list[str] = []
    differences = [compare.Difference("Score", f"s{n}", "name", "a", "b") for n in range(25)]
    assert not judged([Check(True, "fine"), Check(False, "row for row", differences)], lines.append)
    assert lines[:2] == ["  yes  fine", "  NO   row for row"]
    assert lines[2] == "         Score s0, name: here 'a', there 'b'"
    assert lines[-3:] == ["         and 5 more", "", "Verdict: NOT EQUAL."]
    assert len(lines) == 2 + 20 + 3
    assert judged([Check(True, "fine")], lines.append)
    assert lines[-1].startswith("Verdict: EQUAL.")
