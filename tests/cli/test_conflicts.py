"""``conflicts``: what both sides changed, and what a person decides."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from syncer import Workspace
from syncer.cli.output.table import shown_width
from syncer.config import Settings
from syncer.sandbox.app import Options
from syncer.sandbox.server import Sandbox
from tests.cli.conftest import NASTY, Syncer
from tests.files import rows

THEIRS = NASTY + "日本語 " * 30


def disputed(path: Path, sandbox: Sandbox) -> None:
    """A file with four conflicts: a text (change 6), a JSON object, an item gone there, an item deleted here."""
    with Workspace(Settings(str(path), environ={**sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab"})) as ws:
        ws.plexus.create("Account", {"id": "acc-1", "name": "Lab", "key": "lab"})
        for n in range(4):
            fields = {"description": "plain"} if n == 0 else {"metadata": {"k": 1}, "text": "t"}
            ws.plexus.create("Item", {"id": f"item-{n}", "accountId": "acc-1", **fields})
        assert ws.push("plexus").exit_code == 0
        ws.plexus.update("Item", "item-0", {"description": "ours"})
        ws.plexus.update("Item", "item-3", {"metadata": {"k": 2, "ours": True}, "text": "edited"})
        ws.plexus.update("Item", "item-1", {"text": "ours"})
        ws.plexus.delete("Item", "item-2")
        sandbox.edit("Item", "item-0", description=THEIRS, updatedAt="2040-01-01T00:00:00.000Z")
        sandbox.edit("Item", "item-3", metadata='{"k":3,"theirs":[1]}', updatedAt="2040-01-01T00:00:00.000Z")
        sandbox.drop("Item", "item-1")
        sandbox.edit("Item", "item-2", description="theirs", updatedAt="2040-01-01T00:00:00.000Z")
        assert ws.push("plexus").exit_code == 3


@pytest.fixture
def several(fresh: Syncer, sandbox: Sandbox) -> Syncer:
    """The command on such a file, Plexus being configured."""
    disputed(fresh.path, sandbox)
    fresh.env |= {name: value for name, value in sandbox.settings.items() if name.startswith("PLEXUS_")}
    fresh.env["PLEXUS_ACCOUNT_KEY"] = "lab"
    return fresh


@pytest.fixture(scope="module")
def disputed_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Such a file, its upstream being gone."""
    path = tmp_path_factory.mktemp("conflicts") / "made.db"
    with Sandbox(Options()) as sandbox:
        disputed(path, sandbox)
    return path


@pytest.fixture
def away(fresh: Syncer, disputed_file: Path) -> Syncer:
    """The command on a copy of such a file, no remote configured."""
    shutil.copy(disputed_file, fresh.path)
    return fresh


def upstream(sandbox: Sandbox, key: str, name: str) -> object:
    """A field of an item on the sandbox."""
    return (sandbox.get("Item", key) or {})[name]


def test_nothing_to_decide(filled: Syncer) -> None:
    """Without conflicts every command says so and ends with 0."""
    assert filled("conflicts", "list").out == "no conflicts: nothing needs deciding\n"
    assert filled("conflicts", "list", "--json").json == []
    ended = filled("conflicts", "resolve", "--all", "--ours")
    assert (ended.code, ended.out) == (0, "no conflicts to resolve\n")


def test_list(away: Syncer) -> None:
    """A line for each record with its change, its fields and since when; as JSON with all values."""
    ended = away("conflicts", "list")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].split() == ["seq", "model", "key", "fields", "since"]
    assert [line.split()[2] for line in lines[2:6]] == ["item-0", "item-3", "item-1", "item-2"]
    assert lines[-1] == "4 conflicts; syncer conflicts show SEQ shows both sides"
    found = away("conflicts", "list", "--json").json
    assert [(one["key"], one["kind"]) for one in found] == [
        ("item-0", "fields"),
        ("item-3", "fields"),
        ("item-1", "gone-there"),
        ("item-2", "deleted-here"),
    ]
    assert found[1]["fields"] == [
        {
            "field": "metadata",
            "base": {"k": 1},
            "ours": {"k": 2, "ours": True},
            "theirs": {"k": 3, "theirs": [1]},
            "keys": ["k"],
        }
    ]
    assert away("conflicts", "list", "--limit", "1").out.endswith("1 of 4 conflicts; --limit shows more\n")
    assert away("conflicts", "list", "--model", "Account").out == "no conflicts: nothing needs deciding\n"


def test_show_in_a_pipe(away: Syncer) -> None:
    """Plain columns, every value as JSON in full; text from the other side cannot steer a terminal."""
    shown = away("conflicts", "show", "item-0").out
    head, _, line = shown.splitlines()
    assert head.split() == ["field", "original", "local", "remote"]
    assert line.split(maxsplit=3)[:3] == ["description", '"plain"', '"ours"']
    assert line.split(maxsplit=3)[3].startswith('"\\u001b[31mred')
    assert line.count("日本語") == 30
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert away("conflicts", "show", "6", "--json").json["fields"][0]["theirs"] == THEIRS


def test_show_on_a_terminal(away: Syncer) -> None:
    """Three columns within the width, in colour unless that is unwanted; JSON over lines; what can be done next."""
    seen = away.on_terminal("conflicts", "show", "item-0").out
    assert "\x1b[32m" in seen
    assert "\x1b[31mred" not in seen
    plain = away.on_terminal("conflicts", "show", "item-0", env={"NO_COLOR": "1"}).out
    assert "\x1b" not in plain
    assert "\\x1b[31mred" in plain
    assert all(shown_width(line) <= 80 for line in plain.splitlines())
    assert "-> syncer conflicts resolve 6 --remote" in plain
    shown = away.on_terminal("conflicts", "show", "item-3", env={"NO_COLOR": "1", "COLUMNS": "160"}).out
    assert "in conflict: k; keys that only one side changed are merged" in shown
    assert '"theirs": [' in shown
    gone = away.on_terminal("conflicts", "show", "item-1", env={"NO_COLOR": "1"}).out
    assert "edited here, but deleted on the remote" in gone
    assert "fields did not change" in gone
    assert "create it there again" in gone
    assert "restore it as it is there" in away.on_terminal("conflicts", "show", "item-2", env={"NO_COLOR": "1"}).out


def test_resolve(several: Syncer, sandbox: Sandbox, path: Path) -> None:
    """Each in its own way, then a push makes both sides equal; resolved ones stay listed with how."""
    ended = several("conflicts", "resolve", "item-0", "--local")
    assert ended.out == "resolved 1 conflict; the next push sends 1 change: 6\n  -> syncer push\n"
    assert several("conflicts", "resolve", "item-3", "--set", 'metadata={"k": 9}').code == 0
    assert several("conflicts", "resolve", "item-1", "item-2", "--remote").out == (
        "resolved 2 conflicts; nothing is left to send\n"
    )
    assert several("sync").code == 0
    assert upstream(sandbox, "item-0", "description") == "ours"
    assert json.loads(str(upstream(sandbox, "item-3", "metadata"))) == {"k": 9}
    assert upstream(sandbox, "item-3", "text") == "edited"
    assert rows(path, "SELECT id, description FROM plexus_item WHERE id IN ('item-1', 'item-2')") == [("item-2", "theirs")]
    assert several("conflicts", "list").out == "no conflicts: nothing needs deciding\n"
    resolved = several("conflicts", "list", "--all", "--json").json
    assert [(one["key"], one["resolution"]) for one in resolved] == [
        ("item-0", "ours"),
        ("item-3", "another value"),
        ("item-1", "theirs"),
        ("item-2", "theirs"),
    ]
    assert "another value (" in several("conflicts", "list", "--all").out
    assert "resolved: remote" in several.on_terminal("conflicts", "show", "item-2", env={"NO_COLOR": "1"}).out


def test_resolve_all_by_time(away: Syncer) -> None:
    """What the times do not tell stays open: exit 3, and which; the rest is resolved."""
    ended = away("conflicts", "resolve", "--all", "--newest")
    assert ended.code == 3
    assert "still open: Item item-1, the record as a whole" in ended.out
    assert "resolved 3 conflicts" in ended.out
    left = away("conflicts", "resolve", "--all", "--newest", "--json")
    assert (left.code, left.json[0]["key"], left.json[0]["open"]) == (3, "item-1", [None])
    assert away("conflicts", "resolve", "--all", "--ours").code == 0
    assert away("conflicts", "list", "--json").json == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "nobody"), "there is no conflict of nobody"),
        (("resolve", "nobody", "--ours"), "there is no conflict of nobody"),
        (("resolve", "item-0"), "say how to resolve them"),
        (("resolve", "--ours"), "say which conflicts to resolve"),
        (("resolve", "item-0", "--all", "--ours"), "say which conflicts to resolve"),
        (("resolve", "item-0", "--set", "description"), "--set wants FIELD=VALUE"),
        (("resolve", "item-0", "--set", "descripton=x"), "did you mean description"),
        (("resolve", "item-0", "--set", "text=x"), "text is not in conflict"),
        (("resolve", "item-0", "--set", "isEvaluation=yes"), "--set 'isEvaluation=true'"),
        (("resolve", "item-0", "item-1", "--set", "text=x"), "--set is for one record at a time"),
        (("list", "--model", "Itm"), "did you mean Item"),
        (("lst",), "did you mean list"),
    ],
)
def test_what_cannot_be_meant(away: Syncer, arguments: tuple[str, ...], words: str) -> None:
    """Exit 2, a way on, and the conflict is as it was."""
    ended = away("conflicts", *arguments)
    assert ended.code == 2
    assert words in ended.err
    assert rows(away.path, "SELECT count(*) FROM v_conflicts") == [(4,)]


@pytest.mark.parametrize(
    ("arguments", "taken"),
    [
        (("item-0", "--remote"), "theirs"),
        (("--remote", "item-0"), "theirs"),
        (("item-0", "--theirs"), "theirs"),
        (("item-0", "--remote", "--remote", "plexus"), "theirs"),
        (("item-0", "--remote", "plexus", "--local"), "ours"),
        (("item-0", "--ours"), "ours"),
    ],
)
def test_a_side_by_its_new_name_and_its_old_one(away: Syncer, arguments: tuple[str, ...], taken: str) -> None:
    """``--remote`` keeps the remote's values, with the name of a remote it narrows as before; the old words still work."""
    assert away("conflicts", "resolve", *arguments).code == 0
    assert rows(away.path, "SELECT key, resolution FROM conflict WHERE resolved_at IS NOT NULL") == [("item-0", taken)]


def test_a_resolved_one_is_not_resolved_again(away: Syncer) -> None:
    """The error says how and when it was resolved, and where to look."""
    assert away("conflicts", "resolve", "6", "--theirs").code == 0
    ended = away("conflicts", "resolve", "item-0", "--ours", "--json")
    assert ended.code == 2
    assert ended.error["why"].startswith("theirs, 2")
    assert "conflicts list --all" in ended.error["hint"]


def test_the_way_to_them(conflicted: Syncer) -> None:
    """Summary, status and the change itself lead to the commands that resolve it."""
    assert "-> syncer conflicts show 5" in conflicted("sync").out
    assert "1 in conflict -> syncer conflicts list" in conflicted("status").out
    assert "-> syncer conflicts resolve 5 --remote  keep the remote values" in conflicted("outbox", "show", "5").out


def test_rules_of_the_settings_file(connected: Syncer, sandbox: Sandbox, tmp_path: Path) -> None:
    """``[plexus.merge]`` decides without asking; a wrong entry is named with what was meant, and nothing is sent."""
    assert connected("sync").code == 0
    config = tmp_path / "syncer.toml"
    connected.env["SYNCER_CONFIG"] = str(config)
    with Workspace.open(connected.path) as ws:
        ws.plexus.update("Item", "item-0", {"description": "ours", "text": "ours"})
    sandbox.edit("Item", "item-0", description="theirs", text="theirs")
    config.write_text('[plexus.merge]\nItem = "theirs"\n"Item.texd" = "ours"\n')
    ended = connected("sync")
    assert ended.code == 2
    assert "'texd'" in ended.err
    assert "did you mean text" in ended.err
    config.write_text('[plexus.merge]\nItem = "ours"\n[profile.day.plexus.merge]\n"Item.description" = "theirs"\n')
    assert connected("sync", "--profile", "day").code == 0
    assert (upstream(sandbox, "item-0", "description"), upstream(sandbox, "item-0", "text")) == ("theirs", "ours")
    kept = connected("conflicts", "list", "--all", "--json").json
    assert [one["resolution"] for one in kept] == ["rule: theirs; rule: ours"]
    assert kept[0]["fields"][0] == {"field": "description", "base": "plain", "ours": "ours", "theirs": "theirs"}
