"""The ugly machine: a disk that is full, files and folders that may not be written, files that go away, odd paths."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncer import Workspace
from syncer.errors import CorruptDatabase, DatabaseError, SettingError
from syncer.store import migrate
from tests.factory import account
from tests.files import rows
from tests.rigs.released import SCHEMAS, contents, unpacked
from tests.rigs.settings import scale, tally
from tests.rigs.writing import WRITE, environment, ran, wrote

_CAN_MOUNT = (
    shutil.which("unshare") is not None
    and not subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "none", "/mnt"], capture_output=True, check=False
    ).returncode
)


def kept(path: Path, ids: list[str]) -> None:
    """Every accepted write is there, row and change; the file is sound and the ledger closes."""
    assert migrate.integrity(path) == []
    assert set(ids) <= {row[0] for row in rows(path, "SELECT id FROM plexus_account")}
    assert set(ids) <= {row[0] for row in rows(path, "SELECT key FROM outbox")}
    with Workspace.open(path) as ws:
        assert ws.status().consistent


@pytest.mark.parametrize("room", [4096 * n for n in (3, 40, 90, 200)[: 2 + scale]])
def test_no_room_to_write_loses_nothing_that_was_accepted(path: Path, room: int) -> None:
    """A file that cannot grow: exit 5 and what to do; what was accepted before is there, and work goes on after [I1]."""
    first = wrote(path, "first", 5)
    most = path.stat().st_size + room
    full = wrote(path, "full", 5000, most_bytes=most)
    assert full.code == 5
    assert "room" in full.said
    kept(path, first.ids + full.ids)
    after = wrote(path, "after", 3)
    assert after.code == 0
    kept(path, first.ids + full.ids + after.ids)
    tally("disk", room=room, accepted=len(first.ids + full.ids + after.ids), lost=0)


def test_no_room_for_commands(path: Path) -> None:
    """Backup and upgrade on a full disk end with exit 5, leave no half copy, and the file as it was [I20]."""
    old = unpacked(SCHEMAS[0], path.parent / "old").path
    before = contents(old)
    for where, words in ((old, ("db", "upgrade")), (old, ("db", "backup"))):
        ended = ran(where, *words, most_bytes=200_000)
        assert ended.code == 5, ended
        assert "Traceback" not in ended.said
        assert list(where.parent.glob("*.bak")) == []
    assert contents(old) == before
    assert ran(old, "db", "upgrade").code == 0


_ON_A_SMALL_DISK = """
mkdir -p {folder}/disk && mount -t tmpfs -o size=2m none {folder}/disk
{python} -c '{script}' {folder}/disk/local.db full 5000
code=$?
cp -r {folder}/disk {folder}/seen
exit $code
"""


@pytest.mark.parametrize("small", ["disk"] if _CAN_MOUNT else ["limit"])
def test_a_full_disk_is_told_as_one(tmp_path: Path, small: str) -> None:
    """Exit 5 and every accepted write kept; on a real full disk, where this machine lets a test have one, so named [I1]."""
    place = tmp_path / "place"
    place.mkdir()
    if small == "limit":
        full = wrote(place / "local.db", "full", 5000, most_bytes=1_200_000)
        assert (full.code, "room" in full.said) == (5, True)
        kept(place / "local.db", full.ids)
        return
    text = _ON_A_SMALL_DISK.format(folder=place, python=sys.executable, script=WRITE.replace("'", "'\\''"))
    env = environment(place / "local.db")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", text], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 5, done.stderr
    assert done.stderr.startswith("disk-full|no room on the disk; the write was not accepted")
    assert done.stdout.split()
    kept(place / "seen" / "local.db", done.stdout.split())


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Path]:
    """A file with five writes in a folder whose modes a test may take away; given back at the end."""
    folder = tmp_path / "guarded"
    folder.mkdir()
    wrote(folder / "local.db", "first", 5)
    yield folder / "local.db"
    folder.chmod(0o700)


@pytest.mark.parametrize(("folder", "file"), [(0o555, 0o644), (0o555, 0o444), (0o755, 0o444)])
def test_what_may_not_be_written_can_be_read(guarded: Path, folder: int, file: int) -> None:
    """Read-only file or folder: looking works, writing ends with exit 5 and names permissions; later all goes on [I1]."""
    guarded.chmod(file)
    guarded.parent.chmod(folder)
    for words in (("status",), ("query", "SELECT count(*) FROM outbox"), ("db", "check"), ("outbox", "list")):
        assert ran(guarded, *words).code == 0, words
    for ended in (
        wrote(guarded, "more", 1),
        ran(guarded, "outbox", "retry", "1"),
        ran(guarded, "outbox", "drop", "1", "--yes"),
    ):
        assert ended.code == 5, ended
        assert "permissions" in ended.said
        assert ended.ids == []
    guarded.parent.chmod(0o700)
    guarded.chmod(0o600)
    for left in guarded.parent.glob("local.db-*"):
        left.chmod(0o600)
    assert wrote(guarded, "after", 1).code == 0
    assert rows(guarded, "SELECT count(*) FROM outbox") == [(6,)]


@pytest.mark.parametrize(("folder", "file"), [(0o755, 0o000), (0o000, 0o600)])
def test_what_may_not_be_reached_is_named(guarded: Path, folder: int, file: int) -> None:
    """A file or folder without any permission: every command ends with exit 5 and one sentence, and harms nothing [I1]."""
    guarded.chmod(file)
    guarded.parent.chmod(folder)
    for words in (("status",), ("db", "check"), ("db", "upgrade"), ("db", "backup"), ("sync",), ("init",)):
        ended = ran(guarded, *words)
        assert ended.code == 5, ended
        assert "Traceback" not in ended.said
        assert "permission" in ended.said.lower() or "read and written" in ended.said
    guarded.parent.chmod(0o700)
    guarded.chmod(0o600)
    assert rows(guarded, "SELECT count(*) FROM outbox") == [(5,)]
    assert list(guarded.parent.glob("*.bak")) == []


@pytest.mark.parametrize("act", ["removed", "replaced", "renamed"])
def test_a_file_that_goes_away_while_open_accepts_nothing(path: Path, act: str) -> None:
    """Writing on into a file that no path leads to would lose it: the call works on what is there, or raises [I1]."""
    with Workspace.open(path) as ws:
        before = [account(ws, key="before")]
        assert len(ws.plexus.find("Account")) == 1
        copy = migrate.backup(path, path.with_name("copy.db"))
        if act == "renamed":
            path.rename(path.with_name("elsewhere.db"))
        else:
            path.unlink()
        for left in path.parent.glob("local.db-*"):
            left.rename(left.with_name(left.name.replace("local", "elsewhere")))
        if act == "replaced":
            copy.rename(path)
        if act != "replaced":
            with pytest.raises(DatabaseError, match="was removed while it was open"):
                ws.plexus.find("Account")
        if act == "replaced":
            before.append(account(ws, key="after"))
            assert {a["id"] for a in ws.plexus.find("Account")} == set(before)
        else:
            with pytest.raises(DatabaseError, match="there is no database yet"):
                account(ws, key="lost")
    assert path.exists() == (act == "replaced")


def test_a_file_that_goes_away_in_a_transaction_takes_it_along(path: Path) -> None:
    """The last look is right before the commit: nothing is reported as stored that is not [I1]."""
    with Workspace.open(path) as ws:
        account(ws, key="before")
        with pytest.raises(DatabaseError, match="not accepted"):
            _written_while_it_goes(ws, path)
        path.with_name("elsewhere.db").rename(path)
        assert [a["key"] for a in ws.plexus.find("Account")] == ["before"]
        account(ws, key="after")


def _written_while_it_goes(ws: Workspace, path: Path) -> None:
    with ws.plexus.transaction() as unit:
        unit.create("Account", {"name": "n", "key": "lost"})
        path.rename(path.with_name("elsewhere.db"))


def test_a_log_without_its_file_is_not_thrown_away(path: Path) -> None:
    """SQLite would drop, or mix into a new file, the log that a vanished file left; we stop and say so [I1]."""
    with Workspace.open(path) as ws:
        ids = [account(ws, key=str(n)) for n in range(5)]
        copies = [shutil.copy(p, path.with_name(f"saved{p.name}")) for p in (path, path.with_name("local.db-wal"))]
    path.unlink()
    log = Path(shutil.copy(copies[1], path.with_name("local.db-wal")))
    size = log.stat().st_size
    for emptied in (False, True):
        if emptied:
            path.touch()
        with pytest.raises(CorruptDatabase, match="its write-ahead log is still there"):
            Workspace.open(path)
        assert log.stat().st_size == size > 0
    shutil.copy(copies[0], path)
    kept(path, ids)


@pytest.mark.parametrize(
    "name",
    ["with spaces", "ünï 日本 🙂", "what?.db", "a#b", "50%41", "quo'te\"s", "semi;colon", "-dash", "new\nline", "x" * 180],
)
def test_odd_paths_are_only_paths(tmp_path: Path, name: str) -> None:
    """Folder and file of any name: writing, reading, backup and upgrade touch that file and make no other [I1]."""
    folder = tmp_path / f"folder {name[:60]}"
    path = folder / name
    with Workspace.open(path) as ws:
        made = account(ws)
        assert [row["id"] for row in ws.query("SELECT id FROM plexus_account")] == [made]
        migrate.backup(path, folder / "copy")
    assert migrate.upgrade(path)[2] is None
    assert {p.name.removesuffix("-wal").removesuffix("-shm") for p in folder.iterdir()} == {name, "copy"}
    assert {p.name for p in tmp_path.iterdir()} == {folder.name}


def test_a_path_no_file_system_takes_is_refused(tmp_path: Path) -> None:
    """Too long a name, a circle of links, a null character: an error of ours each time, with what to do [I1]."""
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for path in (tmp_path / ("x" * 300), tmp_path / "circle"):
        with pytest.raises(DatabaseError) as caught:
            Workspace.open(path)
        assert caught.value.hint
    with pytest.raises(SettingError, match="null character"):
        Workspace.open(f"{tmp_path}/a\0b")


def test_a_link_is_followed(tmp_path: Path) -> None:
    """A link to a file in another folder: one database, its log beside the file, also for readers who may not write [I1]."""
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "local.db"
    link.symlink_to(tmp_path / "real" / "data.db")
    with Workspace.open(link) as ws:
        account(ws, key="through the link")
        link.parent.chmod(0o555)
        assert "1 pending" in ran(link, "status").said  # from the log: nothing is folded in yet
        link.parent.chmod(0o700)
    assert os.listdir(tmp_path / "links") == ["local.db"]
    with Workspace.open(tmp_path / "real" / "data.db") as ws:
        assert len(ws.plexus.find("Account")) == 1
