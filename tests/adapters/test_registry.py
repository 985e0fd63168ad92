"""Remotes that other packages bring: found by entry points, with tables, commands and settings that come by themselves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import syncer
from syncer import Workspace
from syncer.adapters import registry
from syncer.errors import DatabaseError, SettingError, UsageError
from syncer.remote import Adapter
from syncer.schema import description
from syncer.schema.fields import integer, text
from syncer.schema.model import Index
from syncer.store import added, migrate
from syncer.store.database import Database
from syncer.store.rescue.recover import recover
from tests.distributions import install
from tests.files import rows, write

ROOT = Path(syncer.__file__).parents[1]
TALES = """
from syncer.config import Setting
from syncer.remote import Adapter
from syncer.schema.fields import identity, ref, text, time
from syncer.schema.model import Index, Model, catalogue
from syncer.schema.pull import FullScan

SAGA = Model("Saga", (identity(), text("title", required=True)), FullScan(), changed_at="updatedAt")
TALE = Model(
    "Tale",
    (identity(), ref("sagaId", "Saga", "tales", required=True), text("title"), time("toldAt")),
    FullScan(),
    indexes=(Index("title", ("toldAt",)),),
)
SETTINGS = (Setting("api_url", "TALES_API_URL"), Setting("token", "TALES_TOKEN", secret=True))


def make(settings):
    from tales_wire import Tales

    return Tales(settings)


ADAPTER = Adapter(catalogue("tales", (SAGA, TALE)), SETTINGS, make)
"""
WIRE = """
from syncer.remote import Limits
from tales import ADAPTER


class Tales:
    name = "tales"
    models = ADAPTER.models
    limits = Limits()

    def __init__(self, settings):
        self.settings = settings

    def missing_settings(self):
        return [s.env for s in ADAPTER.settings if s.name not in self.settings]

    def pull_sources(self):
        return {}

    def serialize(self, change, row, base):
        return "{}"

    def written_fields(self, change):
        return {}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder of a package with the remote ``tales``, not yet on the search path."""
    modules = {"tales.py": TALES, "tales_wire.py": WIRE}
    return install(tmp_path / "site", "tales-of-old", modules, {"tales": "tales:ADAPTER"})


@pytest.fixture
def tales(package: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, installed."""
    monkeypatch.syspath_prepend(package)
    for module in ("tales", "tales_wire"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    registry._loaded.clear()
    return package


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(path: Path) -> Run:
    """Runs ``syncer`` on the file, with a folder of packages or none."""

    def command(*arguments: str, site: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        search = os.pathsep.join(map(str, (ROOT, *([site] if site else []))))
        environ = {**os.environ, "PYTHONPATH": search, "SYNCER_DB": str(path), **env}
        words = [sys.executable, "-m", "syncer.cli.main", *arguments]
        return subprocess.run(words, capture_output=True, text=True, env=environ, check=False, timeout=60)

    return command


def told(ws: Workspace) -> str:
    """The key of a tale that was written here, in a saga."""
    saga = ws.records("tales").create("Saga", {"title": "Edda"})["id"]
    return str(ws.records("tales").create("Tale", {"sagaId": saga, "title": "Völva"})["id"])


def test_built_in_remotes_need_no_search() -> None:
    """The names of the built-in ones are known without a look at the installed packages, and come first."""
    assert registry.BUILT_IN == ("plexus", "prefactor", "abeja")
    assert registry.names()[:3] == registry.BUILT_IN
    assert registry.chosen("abeja") == ("abeja",)


@pytest.mark.parametrize("arguments", [("--version",), ("query", "SELECT 1"), ("status",), ("status", "--json")])
def test_short_commands_search_nothing(path: Path, tales: Path, arguments: tuple[str, ...]) -> None:
    """To look for entry points takes longer than all the rest of these commands, also in a file with such a remote."""
    with Workspace.open(path) as ws:
        told(ws)
    code = (
        "import sys\nfrom syncer.cli.main import run\ncode = run(sys.argv[1:])\n"
        "sys.exit(99 if 'importlib.metadata' in sys.modules or 'tales' in sys.modules else code)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(tales))), "SYNCER_DB": str(path)}
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, env=environ, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_push_with_nothing_to_send_searches_nothing(path: Path, tales: Path) -> None:
    """Where nothing waits, a push of everything ends as fast as before."""
    migrate.initialise(path)
    code = (
        "import sys\nfrom syncer.cli.main import run\ncode = run(['push'])\n"
        "sys.exit(99 if 'importlib.metadata' in sys.modules else code)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(tales))), "SYNCER_DB": str(path)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_program_for_a_built_in_remote_searches_nothing(path: Path) -> None:
    """A workspace that is opened, written to and asked to push to Plexus alone does not look for other packages."""
    code = (
        "import sys\nfrom syncer import Workspace\nws = Workspace.open(sys.argv[1])\n"
        "ws.plexus.create('Account', {'name': 'Lab', 'key': 'lab'})\nws.push('plexus')\nws.status()\nws.close()\n"
        "from syncer.adapters import registry\nsys.exit(bool(registry._found))"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code, str(path)], env=environ, check=False).returncode == 0


def test_an_entry_point_makes_a_remote(tales: Path, path: Path) -> None:
    """Names, settings, tables and records of another package's remote are there; its wire is not loaded."""
    assert registry.names() == ("plexus", "prefactor", "abeja", "tales")
    assert registry.chosen(["tales", "plexus"]) == ("plexus", "tales")
    with Workspace.open(path) as ws:
        assert registry.missing_settings("tales", ws.settings) == ["TALES_API_URL", "TALES_TOKEN"]
        key = told(ws)
        assert ws.tales.get("Tale", key)["title"] == "Völva"  # type: ignore[attr-defined]
        assert ws.query("SELECT title FROM tales_tale")[0] == {"title": "Völva"}
        assert ws.status().remotes["tales"].by_model == {"Saga": 1, "Tale": 1}
        assert ws.plan("tales").remotes["tales"].missing == ("TALES_API_URL", "TALES_TOKEN")
    names = {name for (name,) in rows(path, "SELECT name FROM sqlite_master WHERE tbl_name = 'tales_tale'")}
    assert names >= {"tales_tale", "ix_tales_tale_title_told_at", "ix_tales_tale_saga_id"}
    assert rows(path, "SELECT remote, version, package FROM _remote") == [("tales", 1, "tales-of-old")]


def test_files_without_such_a_remote_have_nothing_of_it(path: Path, tales: Path) -> None:
    """Its tables are made when it is first used, not when a file is opened."""
    with Workspace.open(path) as ws:
        ws.plexus.create("Account", {"name": "Lab", "key": "lab"})
        ws.push("plexus")
    assert rows(path, "SELECT name FROM sqlite_master WHERE name IN ('_remote', 'tales_tale')") == []


def test_commands_take_the_name(path: Path, tales: Path, run: Run) -> None:
    """``push``, ``outbox list --remote``, ``explain``, ``config``, ``tables``, ``doctor`` know it like one of their own."""
    with Workspace.open(path) as ws:
        key = told(ws)
    pushed = run("push", "tales", site=tales)
    assert (pushed.returncode, "TALES_API_URL" in pushed.stderr) == (2, True)
    listed = json.loads(run("outbox", "list", "--remote", "tales", "--json", site=tales).stdout)
    assert [change["model"] for change in listed] == ["Saga", "Tale"]
    assert listed[1]["blocked_by"] == listed[0]["seq"]
    assert "TALES_TOKEN" in run("explain", "tales", "Tale", key, site=tales).stdout
    assert "tales" in run("config", site=tales).stdout
    assert "tales_tale" in run("tables", site=tales).stdout
    assert run("doctor", site=tales).returncode == 0
    status = json.loads(run("status", "--json", site=tales, TALES_API_URL="http://127.0.0.1:1").stdout)
    assert status["remotes"]["tales"]["missing"] == ["TALES_TOKEN"]
    assert status["remotes"]["tales"]["installed"]


def test_a_remote_that_is_gone_loses_nothing(path: Path, tales: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its package uninstalled, the file opens, shows what waits and sends nothing; installed again, all is there."""
    with Workspace.open(path) as ws:
        key = told(ws)
    before = rows(path, "SELECT * FROM outbox")
    listed = run("outbox", "list", "--remote", "tales", "--json")
    assert [change["op"] for change in json.loads(listed.stdout)] == ["create", "create"]
    assert '"Völva"' in run("outbox", "show", "2").stdout
    explained = json.loads(run("explain", "tales", "Tale", key, "--json").stdout)
    assert "not-installed" in [why["because"] for why in explained["pending"][0]["reasons"]]
    assert "not installed: install the package tales-of-old" in run("status").stdout
    synced = run("sync")
    assert synced.returncode == 4
    assert "tales  tales is not installed: install the package tales-of-old" in synced.stdout
    assert "there is no remote 'tales'" in run("push", "tales").stderr
    assert run("db", "check").returncode == 0
    assert run("doctor").returncode == 0
    monkeypatch.undo()
    with Workspace.open(path) as ws:
        assert not hasattr(ws, "tales")
        assert ws.sync().remotes["tales"].pending == 2
        assert ws.status().consistent
    assert rows(path, "SELECT * FROM outbox") == before


def test_a_change_of_a_remote_that_is_gone_can_be_dropped(path: Path, tales: Path, run: Run) -> None:
    """What nobody will ever send need not wait for ever."""
    with Workspace.open(path) as ws:
        told(ws)
    assert run("outbox", "drop", "2", "--yes").returncode == 0
    assert rows(path, "SELECT seq FROM outbox") == [(1,)]
    assert rows(path, "SELECT id FROM tales_tale") == []


def test_columns_are_only_added(path: Path, tales: Path) -> None:
    """A newer description adds columns and indexes and raises the number; an older one takes nothing away."""
    old = registry.added("tales")
    migrate.initialise(path)
    database = Database(path)
    added.prepare(database, "tales", old, "tales-of-old", "tales")
    added.prepare(database, "tales", old, "tales-of-old", "tales")
    assert rows(path, "SELECT version FROM _remote") == [(1,)]
    saga = old.models["Saga"]
    more = replace(saga, fields=(*saga.fields, integer("pages"), text("author")), indexes=(Index("author"),))
    new = Adapter({**old.models, "Saga": more}, old.settings, old.make)
    added.prepare(database, "tales", new, "tales-of-old", "tales")
    columns = [name for (name,) in rows(path, "SELECT name FROM pragma_table_info('tales_saga')")]
    assert columns == ["id", "title", "extra", "pages", "author"]
    assert rows(path, "SELECT name FROM sqlite_master WHERE name = 'ix_tales_saga_author'") != []
    added.prepare(database, "tales", old, "tales-of-old", "tales")
    assert len(rows(path, "SELECT name FROM pragma_table_info('tales_saga')")) == 5
    assert rows(path, "SELECT version FROM _remote") == [(3,)]
    other_key = Adapter({**old.models, "Saga": replace(saga, key=("title",))}, old.settings, old.make)
    with pytest.raises(DatabaseError, match="another key of Saga"):
        added.prepare(database, "tales", other_key, "tales-of-old", "tales")
    assert rows(path, "SELECT version FROM _remote") == [(3,)]
    database.close()


def test_a_foreign_table_is_left_alone(path: Path, tales: Path) -> None:
    """A file in which somebody made a table of that name is not taken over."""
    migrate.initialise(path)
    write(path, "CREATE TABLE tales_tale (mine TEXT)")
    with Workspace.open(path) as ws, pytest.raises(DatabaseError, match="it has a table tales_tale already"):
        ws.records("tales")
    assert rows(path, "SELECT name FROM sqlite_master WHERE name IN ('_remote', 'tales_saga')") == []


def test_recovery_brings_the_tables_along(path: Path, tales: Path, tmp_path: Path) -> None:
    """What waits of another package's remote is in the new file too, even when the old one must be read around damage."""
    with Workspace.open(path) as ws:
        told(ws)
        for number in range(400):
            ws.plexus.create("Account", {"name": "x" * 400, "key": f"k{number}"})
    ((page,),) = rows(path, "SELECT rootpage FROM sqlite_master WHERE name = 'plexus_account'")
    ((size,),) = rows(path, "PRAGMA page_size")
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    old = tmp_path / "old.db"
    old.write_bytes(content)
    path.unlink()
    recover(old, tmp_path / "none.db", tmp_path / "new.db")
    assert rows(tmp_path / "new.db", "SELECT title FROM tales_tale") == [("Völva",)]
    assert rows(tmp_path / "new.db", "SELECT remote FROM _remote") == [("tales",)]


BROKEN = {
    "no module": "",
    "no adapter": "ADAPTER = 7",
    "other name": TALES.replace('catalogue("tales"', 'catalogue("tails"'),
    "taken model": TALES.replace('"Saga"', '"Item"'),
    "two fields of one column": TALES.replace('text("title", required=True)', 'text("extra")'),
}


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
def test_a_broken_package_harms_nobody_else(tmp_path: Path, path: Path, run: Run, source: str) -> None:
    """It is named, with the reason, where it is used; other remotes and all that only looks go on."""
    site = install(tmp_path / "site", "tales-of-old", {"tales.py": source or "1 / 0"}, {"tales": "tales:ADAPTER"})
    assert run("init", site=site).returncode == 0
    pushed = run("push", "tales", site=site)
    assert (pushed.returncode, "'tales' of tales-of-old cannot be used" in pushed.stderr) == (2, True), pushed.stderr
    assert "cannot be used" in run("doctor", site=site).stdout
    assert "plexus is not configured" in run("push", "plexus", site=site).stderr
    assert run("outbox", "list", site=site).returncode == 0
    shutil.rmtree(site)


def test_a_built_in_remote_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point with the name of a built-in remote is not even loaded."""
    site = install(tmp_path / "site", "thief", {"thief.py": "1 / 0"}, {"plexus": "thief:ADAPTER"})
    monkeypatch.syspath_prepend(site)
    assert registry.names() == registry.BUILT_IN
    assert "ScoreResult" in registry.models("plexus")


def test_unknown_names_are_told(tales: Path) -> None:
    """A misspelt remote is an error that lists those of other packages too."""
    with pytest.raises(UsageError) as caught:
        registry.chosen("tails")
    assert caught.value.hint == "remotes are: plexus, prefactor, abeja, tales"
    with pytest.raises(UsageError):
        registry.models("tails")
    with pytest.raises(SettingError):
        registry.remote("plexus", Workspace.open.__globals__["Settings"](db="", tables={"plexus": 1}))


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_a_description_survives_as_text(name: str) -> None:
    """Every model of every remote is the same after a way through the file; words of a later version are left out."""
    models = registry.models(name)
    written = description.to_text(models)
    assert description.to_text(description.from_text(written)) == written
    again = json.loads(written)
    again[0]["of a later version"] = True
    assert description.to_text(description.from_text(json.dumps(again))) == written
    with pytest.raises(ValueError, match="no description"):
        description.from_text('{"is": "Model"}')
