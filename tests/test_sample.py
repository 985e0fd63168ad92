"""``sample.db``: what the repository promises to people who only want to look."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from syncer.adapters import registry
from syncer.demo.questions import QUESTIONS
from syncer.demo.sample import DEFAULT, build
from syncer.store.reader import Reader
from syncer.views import outbox as views_outbox
from syncer.views import status

_REBUILD = "sample.db is not what the code makes; if that is meant, rebuild it: python -m syncer.demo.sample"


@pytest.fixture
def reader() -> Iterator[Reader]:
    """The committed file, read-only."""
    with Reader(DEFAULT) as opened:
        yield opened


@pytest.fixture
def waiting(reader: Reader) -> list[dict[str, Any]]:
    """What waits in it, as ``outbox list`` sees it."""
    return views_outbox.changes(reader, {name: registry.models(name) for name in registry.names()})


def _dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def test_is_what_the_code_makes(tmp_path: Path) -> None:
    """A rebuilt sample has the same content in every table as the committed one."""
    built, committed = _dump(build(tmp_path / "sample.db")), _dump(DEFAULT)
    differing = [pair for pair in zip(built, committed, strict=False) if pair[0] != pair[1]]
    assert not differing, f"{_REBUILD}\nfirst difference:\n{differing[0][0][:600]}\n{differing[0][1][:600]}"
    assert len(built) == len(committed), _REBUILD


def test_is_small_and_settled() -> None:
    """No write-ahead log, less than 1.5 MB, sound."""
    assert DEFAULT.stat().st_size < 1_500_000
    with closing(sqlite3.connect(f"{DEFAULT.as_uri()}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


EVERY = [model for name in registry.names() for model in registry.models(name).values() if not model.legacy]


@pytest.mark.parametrize("model", EVERY, ids=lambda model: model.name)
def test_has_rows_of_every_model(reader: Reader, model: Any) -> None:
    """Each of today's models has at least one row."""
    row = reader.one(f"SELECT count(*) FROM {model.table}")
    assert row is not None
    assert row[0] > 0


def test_holds_two_accounts(reader: Reader) -> None:
    """Two accounts, each with items and score results."""
    names = reader.all(
        "SELECT DISTINCT a.name FROM plexus_account a JOIN plexus_item i ON i.account_id = a.id"
        " JOIN plexus_score_result r ON r.item_id = i.id ORDER BY a.name"
    )
    assert names == [("Harbour Insurance",), ("Lakeside Mutual",)]


def test_is_mostly_synced_and_closes(reader: Reader) -> None:
    """Most changes were really sent, and every change is accounted for."""
    found = status.read(reader, ["plexus"])
    assert found.consistent
    assert found.ledger["acked"] > 10 * found.pending
    assert found.remotes["plexus"].last_push == "done"


def test_shows_every_state_worth_showing(waiting: list[dict[str, Any]]) -> None:
    """Creates, updates and a delete wait; one change is rejected, one is in conflict, some wait behind others."""
    plexus = [change for change in waiting if change["remote"] == "plexus" and change["state"] == "pending"]
    assert {change["op"] for change in plexus} == {"create", "update", "delete"}
    assert {change["remote"] for change in waiting} == set(registry.names())
    assert [change["model"] for change in waiting if change["state"] == "rejected"] == ["User"]
    assert [change["model"] for change in waiting if change["state"] == "conflict"] == ["Scorecard"]
    assert {change["state"] for change in waiting} == {"pending", "rejected", "conflict"}


def test_says_why_a_change_is_rejected(waiting: list[dict[str, Any]]) -> None:
    """The refusal is in the remote's own words, and the record that needs the refused one waits behind it."""
    rejected = next(change for change in waiting if change["state"] == "rejected")
    assert rejected["reason"] == "Not Authorized to access createUser on type Mutation"
    assert [change["model"] for change in waiting if change["blocked_by"] == rejected["seq"]] == ["Evaluation"]


def test_keeps_both_values_of_a_conflict(reader: Reader, waiting: list[dict[str, Any]]) -> None:
    """Both sides changed one description; base, ours and theirs are there."""
    clash = next(change for change in waiting if change["state"] == "conflict")
    assert views_outbox.conflicts(reader, clash["model"], clash["key"]) == [
        {
            "field": "description",
            "base": "How well we treat people who call.",
            "ours": "How well we treat people who call or write.",
            "theirs": "Quality of every conversation with a customer.",
        }
    ]


def test_joins_the_three_platforms(reader: Reader) -> None:
    """One query leads from a score result to the span and the run that made it."""
    found = reader.query(QUESTIONS[-1].sql)
    assert [(row["span"], row["status"], row["run"]) for row in found] == [
        ("Greeting", "complete", "SUCCEEDED"),
        ("Identity check", "complete", "SUCCEEDED"),
        ("Next step", "complete", "SUCCEEDED"),
    ]


def test_answers_every_question_of_the_demo(reader: Reader) -> None:
    """The questions of the demo may be put to the sample as they are."""
    for question in QUESTIONS:
        assert reader.query(question.sql)
