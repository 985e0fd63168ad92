"""A fourth platform by a package of its own: used by Python and the command line without a line in ``syncer/``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import syncer
from syncer import Workspace
from syncer.records.api import Records
from tests.distributions import install_project
from tests.example_remote.server import NotesServer
from tests.files import rows

PROJECT = Path(__file__).parent
ROOT = Path(syncer.__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, installed into a folder."""
    return install_project(tmp_path_factory.mktemp("site"), PROJECT)


@pytest.fixture
def server() -> Iterator[NotesServer]:
    """The service."""
    with NotesServer() as running:
        yield running


@pytest.fixture
def online(server: NotesServer, site: Path, monkeypatch: pytest.MonkeyPatch) -> NotesServer:
    """The package is installed and configured in this process."""
    monkeypatch.syspath_prepend(site)
    for name, value in server.settings.items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def notes(path: Path, online: NotesServer) -> Iterator[tuple[Workspace, Records]]:
    """A workspace, and the records of the service in it."""
    with Workspace.open(path) as ws:
        yield ws, ws.records("notes")


@pytest.fixture
def run(path: Path, site: Path, server: NotesServer) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs ``syncer`` with the package installed and configured."""
    environ = {**os.environ, **server.settings, "SYNCER_DB": str(path)}
    environ["PYTHONPATH"] = os.pathsep.join((str(ROOT), str(site)))

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "syncer.cli.main", *arguments]
        return subprocess.run(words, capture_output=True, text=True, env=environ, check=False, timeout=60)

    return command


def book(records: Records, *titles: str) -> tuple[str, list[str]]:
    """A notebook with notes of these titles."""
    made = records.create("Notebook", {"name": "Field"})["id"]
    return made, [records.create("Note", {"notebookId": made, "title": title})["id"] for title in titles]


def test_nothing_of_it_is_in_the_program() -> None:
    """The program knows no word of the service."""
    told = [p for p in (ROOT / "syncer").rglob("*.py") if "notes_remote" in p.read_text() or "NOTES_" in p.read_text()]
    assert told == []


def test_a_note_from_the_train_to_the_service(notes: tuple[Workspace, Records], online: NotesServer) -> None:
    """Written, edited and deleted offline; one sync sends each once, parents first, and takes the answers over."""
    ws, records = notes
    made, (first, second) = book(records, "Ünï", "two")
    records.update("Note", first, {"tags": ["a", "b"], "pinned": True})
    assert ws.sync("notes").exit_code == 0
    assert online.applied[0] == (made, "POST")
    assert sorted(online.applied[1:]) == sorted([(first, "POST"), (second, "POST")])
    assert online.records["notes"][first]["tags"] == ["a", "b"]
    row = records.get("Note", first)
    assert row is not None
    assert (row["pinned"], row["updatedAt"][:23]) == (True, online.records["notes"][first]["updatedAt"][:23])
    records.update("Note", first, {"body": "more", "tags": None})
    records.delete("Note", second)
    assert ws.sync("notes").exit_code == 0
    assert online.records["notes"].keys() == {first}
    assert "tags" not in online.records["notes"][first]
    assert sorted(online.applied[3:]) == sorted([(first, "PATCH"), (second, "DELETE")])
    assert ws.sync("notes").requests == 0
    assert ws.status().consistent


def test_pages_and_deletes_of_others_arrive(notes: tuple[Workspace, Records], online: NotesServer, tmp_path: Path) -> None:
    """More records than a page holds are pulled; what somebody else deleted goes here at a full pull."""
    ws, records = notes
    made, keys = book(records, *(f"note {n}" for n in range(7)))
    ws.sync("notes")
    with Workspace.open(tmp_path / "other.db") as other:
        pulled = other.pull("notes").remotes["notes"].pulled
        assert (pulled["Notebook"].added, pulled["Note"].added) == (1, 7)
        assert [row["extra"] for row in other.query("SELECT DISTINCT extra FROM notes_note")] == ['{"server":"notes/1"}']
        records.delete("Note", keys[3])
        ws.push("notes")
        assert other.pull("notes", full=True).remotes["notes"].pulled["Note"].removed == 1
        assert other.verify("notes").exit_code == 0
    assert made


def test_both_sides_changed(notes: tuple[Workspace, Records], online: NotesServer, tmp_path: Path) -> None:
    """Edits of different fields are merged; of the same one a person is asked."""
    ws, records = notes
    _, (key,) = book(records, "one")
    ws.sync("notes")
    with Workspace.open(tmp_path / "other.db") as other:
        other.pull("notes")
        other.records("notes").update("Note", key, {"body": "theirs"})
        other.push("notes")
    records.update("Note", key, {"title": "ours"})
    assert ws.push("notes").exit_code == 0
    assert {name: online.records["notes"][key][name] for name in ("title", "body")} == {"title": "ours", "body": "theirs"}
    with Workspace.open(tmp_path / "other.db") as other:
        other.pull("notes")
        other.records("notes").update("Note", key, {"title": "theirs"})
        other.push("notes")
    records.update("Note", key, {"title": "mine"})
    assert ws.push("notes").exit_code == 3
    ws.resolve(key, take="ours")
    assert ws.push("notes").exit_code == 0
    assert online.records["notes"][key]["title"] == "mine"


def test_the_command_line_uses_it(
    run: Callable[..., subprocess.CompletedProcess[str]], path: Path, server: NotesServer, site: Path
) -> None:
    """``sync``, ``pull notes``, ``query``, ``plan``, ``verify`` and ``doctor --remote`` work as for a built-in remote."""
    code = (
        "from syncer import Workspace\nws = Workspace.open()\nbook = ws.notes.create('Notebook', {'name': 'Field'})\n"
        "ws.notes.create('Note', {'notebookId': book['id'], 'title': 'first'})"
    )
    environ = {**os.environ, "SYNCER_DB": str(path), "PYTHONPATH": os.pathsep.join((str(ROOT), str(site)))}
    assert subprocess.run([sys.executable, "-c", code], env=environ, check=False).returncode == 0
    plan = json.loads(run("plan", "notes", "--json").stdout)
    assert [sends["model"] for sends in plan["remotes"]["notes"]["sends"]] == ["Notebook", "Note"]
    synced = run("sync", "notes")
    assert (synced.returncode, "sent 2 changes" in synced.stdout) == (0, True), synced.stdout + synced.stderr
    assert [record["title"] for record in server.records["notes"].values()] == ["first"]
    assert run("pull", "notes", "--full").returncode == 0
    assert "first" in run("query", "SELECT title FROM notes_note").stdout
    assert run("verify", "notes").returncode == 0
    assert "notes answers" in run("doctor", "--remote").stdout
    assert rows(path, "SELECT count(*) FROM outbox") == [(0,)]


def test_it_installs_as_its_own_distribution(tmp_path: Path) -> None:
    """``pip`` builds and installs it from its ``pyproject.toml``, and its entry point is found there."""
    project = tmp_path / "project"
    subprocess.run(["cp", "-r", str(PROJECT), str(project)], check=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(tmp_path / "site"), str(project)], check=True, timeout=120)
    code = "from syncer.adapters import registry; print(registry.names()[3:], registry.package('notes'))"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path / "site")))}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "('notes',) notes-remote\n"
