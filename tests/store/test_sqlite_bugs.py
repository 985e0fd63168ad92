"""Which bugs of SQLite itself are known, by version."""

from __future__ import annotations

import re
import sqlite3

import pytest

from syncer.store.file.sqlite_bugs import BUGS, known_bugs

WAL_RESET, SPILL, MEMORY, DEADLOCK = "wal-reset", "wal-savepoint-spill", "savepoint-in-memory", "close-deadlock"


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("3.6.23", []),
        ("3.7.0", [WAL_RESET]),
        ("3.10.2", [WAL_RESET]),
        ("3.11.0", [WAL_RESET, SPILL]),
        ("3.34.1", [WAL_RESET, SPILL]),
        ("3.35.0", [WAL_RESET, SPILL, MEMORY]),
        ("3.37.1", [WAL_RESET, SPILL, MEMORY]),
        ("3.37.2", [WAL_RESET, SPILL]),
        ("3.40.1", [WAL_RESET, SPILL]),
        ("3.44.5", [WAL_RESET, SPILL]),
        ("3.44.6", [SPILL]),
        ("3.45.1", [WAL_RESET, SPILL]),
        ("3.46.1", [WAL_RESET, SPILL]),
        ("3.50.1", [WAL_RESET, SPILL]),
        ("3.50.2", [WAL_RESET]),
        ("3.50.6", [WAL_RESET]),
        ("3.50.7", []),
        ("3.51.0", [WAL_RESET, DEADLOCK]),
        ("3.51.1", [WAL_RESET, DEADLOCK]),
        ("3.51.2", [WAL_RESET]),
        ("3.51.3", []),
        ("3.52.0", []),
        ("3.53", []),
        ("3.54.1", []),
        ("4.0.0", []),
        ("3.44.2.1", [WAL_RESET, SPILL]),
    ],
)
def test_the_known_bugs_of_a_version(version: str, names: list[str]) -> None:
    """First and last version with each bug, the release lines that were given the fix, and those between that were not."""
    assert [bug.name for bug in known_bugs(version)] == names


def test_the_version_that_runs_here_is_understood() -> None:
    """Whatever this Python's SQLite calls itself can be looked up."""
    assert set(known_bugs(sqlite3.sqlite_version)) <= set(BUGS)


@pytest.mark.parametrize("version", ["", "3", "three", "3.40.1-alpha", "3.40.1.2.3"])
def test_what_is_no_version_is_refused(version: str) -> None:
    """A text that is no version is never taken for one without bugs."""
    with pytest.raises(ValueError, match="is no version"):
        known_bugs(version)


def test_every_bug_says_what_it_costs_where_it_is_told_and_what_cures_it() -> None:
    """Names are one of a kind, every source is SQLite's own page, every cure is free of the bug."""
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    for bug in BUGS:
        assert bug.effect
        assert re.match(r"https://www\.sqlite\.org/", bug.source)
        for version in re.findall(r"[\d.]+\d", bug.cured_by):
            assert bug not in known_bugs(version)


def test_the_cure_names_the_release_lines_that_were_given_the_fix() -> None:
    """A user on an older line learns the smallest step out of it."""
    cures = {bug.name: bug.cured_by for bug in BUGS}
    assert cures[WAL_RESET] == "3.44.6, 3.50.7, or 3.51.3 and later"
    assert cures[SPILL] == "3.50.2 and later"
