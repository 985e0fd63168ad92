"""The SQLite that is used here: its bugs, copies beside it, its barriers, and a log that grows."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from syncer import Workspace
from syncer.diagnostics.library import library_findings
from syncer.store.file.barriers import barriers
from syncer.store.file.other_sqlite import MODULES, imported, mapped
from syncer.store.file.sqlite_bugs import known_bugs
from syncer.store.file.wal_size import LARGE, grown, log_state
from tests.factory import account

ROOT = Path(__file__).parents[2]
FULL = {"synchronous": "FULL", "fullfsync": 1, "checkpoint_fullfsync": 1}
OURS = "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6"


@pytest.mark.parametrize(
    ("durability", "system", "pragmas"),
    [
        ("full", "linux", {"synchronous": "FULL"}),
        ("full", "win32", {"synchronous": "FULL"}),
        ("full", "freebsd14", {"synchronous": "FULL"}),
        ("full", "darwin", FULL),
        ("full", "ios", FULL),
        ("normal", "linux", {"synchronous": "NORMAL"}),
        ("normal", "win32", {"synchronous": "NORMAL"}),
        ("normal", "darwin", {"synchronous": "NORMAL", "checkpoint_fullfsync": 1}),
        ("off", "linux", {"synchronous": "OFF"}),
        ("off", "darwin", {"synchronous": "OFF"}),
    ],
)
def test_each_system_has_its_barrier(durability: str, system: str, pragmas: dict[str, str | int]) -> None:
    """On macOS fsync is none, so that SQLite is told to use the one that is; elsewhere nothing is paid for that."""
    assert barriers(durability, system) == pragmas


@pytest.mark.parametrize("durability", ["full", "normal", "off"])
def test_sqlite_takes_the_barriers(durability: str) -> None:
    """Each PRAGMA is one that this SQLite knows, and reads back as it was set, whatever system it is for."""
    connection = sqlite3.connect(":memory:")
    for name, value in barriers(durability, "darwin").items():
        connection.execute(f"PRAGMA {name}={value}")
        (found,) = connection.execute(f"PRAGMA {name}").fetchone()
        assert found == {"OFF": 0, "NORMAL": 1, "FULL": 2}.get(str(value), value)
    connection.close()


def test_doctor_names_the_version_and_its_bugs() -> None:
    """The version is there, and each known bug of it with the versions that are rid of it."""
    found = {finding.check: finding for finding in library_findings("full")}
    assert sqlite3.sqlite_version in found["SQLite"].text
    for bug in known_bugs(sqlite3.sqlite_version):
        assert bug.name in found["SQLite"].text
        assert bug.cured_by in found["SQLite"].text
    assert "synchronous=FULL" in found["durability"].text
    assert "power cut may cost" in library_findings("normal")[-1].text


@pytest.mark.parametrize(
    ("paths", "others"),
    [
        ([], []),
        ([OURS], []),
        (["/opt/conda/lib/libsqlite3.so.0"], []),
        ([OURS, "/opt/other/libsqlite3.so.0"], ["/opt/other/libsqlite3.so.0"]),
        (
            ["/v/lib/python3.11/site-packages/pyproj.libs/libsqlite3-1b2c.so.0.8.6"],
            ["/v/lib/python3.11/site-packages/pyproj.libs/libsqlite3-1b2c.so.0.8.6"],
        ),
        (
            ["/root/.duckdb/extensions/v1/sqlite_scanner.duckdb_extension", OURS],
            ["/root/.duckdb/extensions/v1/sqlite_scanner.duckdb_extension"],
        ),
        (["/v/lib/python3.11/lib-dynload/_sqlite3.cpython-311-x86_64-linux-gnu.so", OURS, "/lib/libc.so.6"], []),
        (["/home/me/my site/libsqlite3.so.0", OURS], [OURS]),
    ],
)
def test_mapped_libraries_that_are_not_ours(paths: list[str], others: list[str]) -> None:
    """Of what is mapped, one outside of packages is Python's own; the rest are other copies, each named once."""
    lines = [f"7f00-7f01 r-xp 00000000 08:01 {n}      {path}\n" for n, path in enumerate(paths)]
    assert mapped("7ffd-7ffe rw-p 00000000 00:00 0   [stack]\n7f10-7f11 rw-p 0 00:00 0\n" + "".join(lines + lines)) == others


def test_a_second_copy_that_is_loaded_is_found(tmp_path: Path) -> None:
    """A copy of the library in a package's folder, really loaded: doctor warns of it where this system tells its maps."""
    maps = Path("/proc/self/maps")
    ours = [line.split()[-1] for line in (maps.read_text().splitlines() if maps.exists() else ()) if "libsqlite3" in line]
    folder = tmp_path / "site-packages" / "other.libs"
    folder.mkdir(parents=True)
    copy = folder / "libsqlite3-other.so.0"
    if not ours:
        assert library_findings("full")[1].verdict == "ok"
        return
    shutil.copy(ours[0], copy)
    program = (
        "import ctypes, sys\nctypes.CDLL(sys.argv[1])\nfrom syncer.diagnostics.library import library_findings\n"
        "found = library_findings('full')[1]\nprint(found.verdict, sys.argv[1] in found.text)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(copy)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("warn True\n", "")


_OPENS_TWICE = """
import logging, sys
logging.basicConfig(format="%(name)s %(levelname)s %(message)s")
from syncer import Workspace
Workspace.open(sys.argv[1]).close()
print("before", file=sys.stderr)
import apsw
for _ in range(2):
    Workspace.open(sys.argv[1]).close()
"""


def test_one_warning_when_another_copy_is_there(path: Path, tmp_path: Path) -> None:
    """A workspace opened beside one of the modules warns once in a process; without them nothing is said."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "apsw.py").touch()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path / "modules")))}
    command = [sys.executable, "-c", _OPENS_TWICE, str(path)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    before, _, after = done.stderr.partition("before\n")
    assert before == ""
    assert after.startswith("syncer.store.file.other_sqlite WARNING apsw in this process: never let it open")
    assert after.count("WARNING") == 1


def test_modules_are_told_by_name() -> None:
    """Each module that brings a copy is known, and nothing else is taken for one."""
    assert imported({"sqlite3", "sqlalchemy", "_sqlite3", "apsw_extra"}) == []
    assert imported(MODULES) == list(MODULES)


def test_the_log_lies_beside_the_file_not_beside_a_link(path: Path, tmp_path: Path) -> None:
    """Its size is that of the log in use, found by a link as well; of no file it is 0."""
    link = tmp_path / "links" / "local.db"
    link.parent.mkdir()
    link.symlink_to(path)
    assert log_state(link) == 0
    with Workspace.open(path) as ws:
        account(ws)
        size = path.with_name("local.db-wal").stat().st_size
        assert log_state(path) == log_state(link) == ws.status().log_bytes == size > 0
    assert grown(LARGE) is None
    assert "257 MB" in (grown(LARGE + 1_000_000) or "")
