"""``status``, ``tables``, ``schema``: what is in the file, without touching it."""

from __future__ import annotations

import os

from syncer.adapters import registry
from syncer.sandbox.server import Sandbox
from tests.cli.conftest import Syncer
from tests.files import write


def test_status_offline(filled: Syncer) -> None:
    """Without settings: what to set, what is pending, and that every change is accounted for; exit 0 all the same."""
    ended = filled("status")
    assert ended.code == 0
    assert "plexus  not configured: set PLEXUS_API_URL and PLEXUS_API_KEY" in ended.out
    assert "4 changes (3 Item, 1 Account)" in ended.out
    assert "last push  never" in ended.out
    assert "consistent: all 4 changes accounted for: 4 pending" in ended.out


def test_status_after_a_sync(connected: Syncer, sandbox: Sandbox) -> None:
    """Configured by environment or file; the last push and pull with their outcome."""
    connected("sync")
    ended = connected("status")
    assert "plexus  configured" in ended.out
    assert "pending    nothing" in ended.out
    assert "ago: done" in ended.out or "just now: done" in ended.out
    config = connected.path.with_name("my.toml")
    config.write_text(f'[plexus]\napi_url = "{sandbox.url}"\napi_key = "from-the-file"\n')
    unset = {"PLEXUS_API_URL": "", "PLEXUS_API_KEY": ""}
    assert connected("status", "--config", str(config), "--json", env=unset).json["remotes"]["plexus"]["configured"]


def test_status_as_json(filled: Syncer) -> None:
    """The same facts by name."""
    facts = filled("status", "--json").json
    assert facts["consistent"] is True
    plexus = facts["remotes"]["plexus"]
    assert plexus["missing"] == ["PLEXUS_API_URL", "PLEXUS_API_KEY"]
    assert plexus["by_model"] == {"Item": 3, "Account": 1}


def test_status_when_changes_are_unaccounted_for(filled: Syncer) -> None:
    """A change that left without an outcome is told, in ``status`` and by the exit code of ``db check``."""
    write(filled.path, "DELETE FROM outbox WHERE seq = 4")
    assert "not consistent: 4 changes accepted, but 3 pending" in filled("status").out
    ended = filled("db", "check")
    assert ended.code == 5
    assert "+1 of 4 changes are not accounted for" in ended.out


def test_status_of_a_log_that_has_grown(filled: Syncer) -> None:
    """The size of the log is always there for programs; people are told of it, and what to do, only when it is large."""
    assert filled("status", "--json").json["log_bytes"] == 0
    assert "log has grown" not in filled("status").out
    log = filled.path.with_name(f"{filled.path.name}-wal")
    log.touch(0o600)
    os.truncate(log, 300_000_000)
    ended = filled("status")
    assert ended.code == 0
    assert "the write-ahead log has grown to 300 MB: somebody holds a long read, or died in one" in ended.out
    assert "-> end what reads for long" in ended.out
    assert filled("status", "--json").json["log_bytes"] == 300_000_000
    seen = {found["check"]: found for found in filled("doctor", "--json").json["findings"]}
    assert seen["write-ahead log"]["verdict"] == "warn"


def test_tables(filled: Syncer) -> None:
    """Remotes' tables, then bookkeeping, then views, then what only the program needs, each with its rows."""
    found = filled("tables", "--json").json
    kinds = [table["kind"] for table in found]
    assert kinds == sorted(kinds, key=[*registry.names(), "bookkeeping", "view", "internal"].index)
    assert {"name": "plexus_item", "kind": "plexus", "rows": 3} in found
    assert {"name": "outbox", "kind": "bookkeeping", "rows": 4} in found
    assert {"name": "v_pending", "kind": "view", "rows": 4} in found
    assert {"name": "_base", "kind": "internal", "rows": 0} in found
    assert "plexus_item                    plexus          3\n" in filled("tables").out


def test_schema(filled: Syncer) -> None:
    """Columns with their types and the key, indexes with their conditions; of one table or of all."""
    ended = filled("schema", "plexus_item")
    assert "  id               TEXT     key\n" in ended.out
    assert "  index on (account_id, external_id) where external_id IS NOT NULL\n" in ended.out
    whole = filled("schema", "--json").json
    assert {"name": "seq", "type": "INTEGER", "key": True, "required": True} in whole["outbox"]["columns"]
    assert "v_lag" in whole
    assert "\noutbox\n" in filled("schema").out


def test_schema_of_a_misspelt_table(filled: Syncer) -> None:
    """Exit 2 and near names."""
    ended = filled("schema", "plexus_itme", "--json")
    assert ended.code == 2
    assert "did you mean plexus_item" in ended.err
    assert ended.error["what"] == "there is no table 'plexus_itme'"
