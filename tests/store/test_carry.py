"""Changes that are brought from one file into another that once was the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from syncer import Workspace
from syncer.sandbox.server import Sandbox
from syncer.store import migrate
from syncer.store.database import Database
from syncer.store.rescue import ledger
from syncer.store.rescue.carry import Carried, carry_over
from tests.factory import scoring
from tests.files import rows, write


def carried(source: Path, target: Path) -> Carried:
    """What is brought from the one file into the other, which closes afterwards."""
    database = Database(target)
    with closing(sqlite3.connect(source, isolation_level=None)) as connection, database.transaction() as tx:
        done = carry_over(connection, tx)
        assert tx.rows(ledger.GAP, ()) == [(0,)]
    database.close()
    return done


@pytest.fixture
def pair(path: Path, online: Callable[[], None], sandbox: Sandbox) -> tuple[Path, Path, dict[str, str]]:
    """A file that is in sync, a copy of it, and the ids of its records."""
    online()
    with Workspace.open(path) as ws:
        ids = scoring(ws)
        ws.push()
        ws.pull()
    return path, migrate.backup(path, path.with_name("copy.db")), ids


def test_an_edit_of_a_record_that_was_sent_comes_with_its_base(pair: tuple[Path, Path, dict[str, str]]) -> None:
    """Edit and delete of synced records arrive upstream from the other file; a second time nothing comes."""
    old, new, ids = pair
    with Workspace.open(old) as ws:
        ws.plexus.update("Item", ids["itemId"], {"text": "edited"})
        ws.plexus.update("Item", ids["itemId"], {"description": "twice"})
    done = carried(old, new)
    assert [(each.model, each.op) for each in done.brought] == [("Item", "update")]
    assert rows(new, "SELECT text, description FROM plexus_item") == [("edited", "twice")]
    again = carried(old, new)
    assert (again.brought, again.held, again.known) == ([], [], 1)
    with Workspace.open(new) as ws:
        assert ws.push().exit_code == 0
        assert ws.status().consistent
    assert carried(old, new).brought == []


def test_a_row_that_is_another_by_now_is_not_overwritten(pair: tuple[Path, Path, dict[str, str]]) -> None:
    """What a pull has brought to the target since is no place for an edit of something older."""
    old, new, ids = pair
    with Workspace.open(old) as ws:
        ws.plexus.update("Item", ids["itemId"], {"text": "edited"})
    write(new, "UPDATE plexus_item SET description = 'pulled'")
    (held,) = carried(old, new).held
    assert held.why == "the row here is not the one that the change was based on"
    assert rows(new, "SELECT text FROM plexus_item WHERE description = 'pulled'") != [("edited",)]


def test_a_delete_takes_the_row_away(pair: tuple[Path, Path, dict[str, str]], sandbox: Sandbox) -> None:
    """The row goes, its base comes, and the record is deleted upstream."""
    old, new, ids = pair
    with Workspace.open(old) as ws:
        ws.plexus.delete("Item", ids["itemId"])
    assert [each.op for each in carried(old, new).brought] == ["delete"]
    assert rows(new, "SELECT count(*) FROM plexus_item") == [(0,)]
    with Workspace.open(new) as ws:
        assert ws.push().exit_code == 0
    assert sandbox.count("Item") == 0


def test_a_record_with_two_keys(pair: tuple[Path, Path, dict[str, str]]) -> None:
    """The row of a record that is known by two fields comes with its change."""
    old, new, ids = pair
    with Workspace.open(old) as ws:
        account = ws.plexus.find("Account")[0]["id"]
        ws.plexus.create(
            "Identifier", {"itemId": ids["itemId"], "name": 'a "ü"', "value": "1", "accountId": account, "position": 1}
        )
    assert len(carried(old, new).brought) == 1
    assert rows(new, "SELECT name, value FROM plexus_identifier") == [('a "ü"', "1")]
