"""``init`` and ``db``, and every way a database file can be wrong."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import Syncer
from tests.files import rows, write


def test_init(fresh: Syncer) -> None:
    """Makes the file for its owner only, says where and what to set; a second time it does no harm."""
    ended = fresh("init")
    assert ended.code == 0
    assert f"made {fresh.path}\n" in ended.out
    assert "-> export PLEXUS_API_URL=... PLEXUS_API_KEY=..." in ended.out
    assert fresh.path.stat().st_mode & 0o777 == 0o600
    assert f"is there already: {fresh.path}" in fresh("init").out
    facts = fresh("init", "--json").json
    assert (facts["path"], facts["created"]) == (str(fresh.path), False)
    assert facts["missing"]["plexus"] == ["PLEXUS_API_URL", "PLEXUS_API_KEY"]


def test_group_options_anywhere(fresh: Syncer, tmp_path: Path) -> None:
    """``--db`` wins over the environment, before the command or behind it, as a path or as an address."""
    fresh("--db", str(tmp_path / "a.db"), "init")
    fresh("init", "--db", f"sqlite:///{tmp_path / 'b.db'}")
    assert (tmp_path / "a.db").exists()
    assert (tmp_path / "b.db").exists()
    assert not fresh.path.exists()
    assert fresh("init", "--db", ":memory:").code == 2


def test_backup(filled: Syncer, tmp_path: Path) -> None:
    """A copy beside the file, in a folder, or where it is told to; never over another file."""
    beside = Path(filled("db", "backup", "--json").json["backup"])
    assert beside.parent == filled.path.parent
    assert rows(beside, "SELECT count(*) FROM outbox") == [(4,)]
    (tmp_path / "folder").mkdir()
    assert Path(filled("db", "backup", str(tmp_path / "folder"), "--json").json["backup"]).parent.name == "folder"
    assert filled("db", "backup", str(tmp_path / "x.db")).out.startswith(f"copied to {tmp_path / 'x.db'} (")
    again = filled("db", "backup", str(tmp_path / "x.db"))
    assert again.code == 5
    assert "would overwrite" in again.err


def test_check_and_upgrade_of_a_sound_file(filled: Syncer) -> None:
    """Nothing to complain about, nothing to do."""
    assert filled("db", "check").out == f"{filled.path} is sound, and every change is accounted for\n"
    assert filled("db", "check", "--json").json == {"path": str(filled.path), "sound": True, "problems": []}
    assert filled("db", "upgrade").out.startswith("nothing to do")
    assert filled("db", "upgrade", "--json").json["backup"] is None


def test_damage_is_found(filled: Syncer) -> None:
    """A file overwritten in its middle ends ``db check`` with 5, without a traceback."""
    with closing(sqlite3.connect(filled.path)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    content = bytearray(filled.path.read_bytes())
    content[8192:20480] = b"\xa5" * 12288
    filled.path.write_bytes(content)
    ended = filled("db", "check")
    assert ended.code == 5
    assert "syncer db restore BACKUP" in ended.out + ended.err
    assert "Traceback" not in ended.err


def _missing(path: Path) -> None:
    path.unlink()


def _text(path: Path) -> None:
    path.write_text("these are my notes, not a database\n" * 100)


def _stranger(path: Path) -> None:
    path.unlink()
    write(path, "CREATE TABLE theirs (x)")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _newer(path: Path) -> None:
    write(path, "UPDATE alembic_version SET version_num = '9999'")


def _older(path: Path) -> None:
    write(path, "UPDATE alembic_version SET version_num = '0000'")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_missing, "run: syncer init"),
        (_text, "not a SQLite database"),
        (_stranger, "a database of another program"),
        (_folder, "is a folder"),
        (_newer, "written by a newer syncer"),
        (_older, "syncer db upgrade"),
        (_empty, "run: syncer init"),
    ],
)
@pytest.mark.parametrize("command", [("status",), ("query", "SELECT 1")])
def test_a_file_that_cannot_be_read(
    filled: Syncer, spoil: Callable[[Path], None], words: str, command: tuple[str, ...]
) -> None:
    """Exit 5, one sentence with the path, and what to do; with ``--json`` also an object. The file stays as it is."""
    spoil(filled.path)
    before = filled.path.read_bytes() if filled.path.is_file() else None
    ended = filled(*command, "--json")
    assert ended.code == 5, ended
    assert str(filled.path) in ended.err
    assert words in ended.err
    assert ended.error["record"] == str(filled.path)
    assert (filled.path.read_bytes() if filled.path.is_file() else None) == before


@pytest.mark.parametrize("spoil", [_text, _stranger, _folder, _newer])
@pytest.mark.parametrize("command", [("init",), ("sync",), ("outbox", "retry", "1")])
def test_a_file_that_must_not_be_written(filled: Syncer, spoil: Callable[[Path], None], command: tuple[str, ...]) -> None:
    """Commands that write end with 5 as well, and leave somebody else's file alone."""
    spoil(filled.path)
    before = filled.path.read_bytes() if filled.path.is_file() else None
    ended = filled(*command)
    assert ended.code == 5, ended
    assert "Traceback" not in ended.err
    assert (filled.path.read_bytes() if filled.path.is_file() else None) == before


def test_no_folder_to_write_to(fresh: Syncer, tmp_path: Path) -> None:
    """Where a file stands in the way of the folder: exit 5 and a hint."""
    (tmp_path / "file").write_text("in the way")
    ended = fresh("--db", str(tmp_path / "file" / "x.db"), "init")
    assert ended.code == 5
    assert "choose another path with --db" in ended.err


def test_reading_makes_no_file(fresh: Syncer) -> None:
    """Commands that only look, and ``retry``, do not make a database as a side effect."""
    for command in (("status",), ("query", "SELECT 1"), ("outbox", "list"), ("outbox", "retry", "1"), ("db", "check")):
        assert fresh(*command).code == 5
    assert not fresh.path.exists()
