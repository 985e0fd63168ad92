"""Machines with less: few open files, no room, no way in. Every command and Python end with an error of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from syncer import Workspace
from syncer.errors import DatabaseError, DiskFull, SettingError
from syncer.store.errors import opening
from tests.rigs.writing import ROOT, environment, ran, wrote

RIGS = ROOT / "tests" / "rigs"


_SCARCE = """
import os, resource, sys
from syncer import Workspace
from syncer.errors import SyncerError
path, left = sys.argv[1], int(sys.argv[2])
most = len(os.listdir("/dev/fd")) - 1 + left
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
try:
    with Workspace.open(path) as ws:
        ws.plexus.create("Account", {"name": "x", "key": f"left-{left}"})
except SyncerError as exc:
    print(exc.exit_code, exc.sentence, exc.hint, sep="|")
else:
    print("wrote")
"""


@pytest.mark.parametrize("there", [True, False])
def test_out_of_descriptors(path: Path, there: bool) -> None:
    """However few are left, Python gets an error of ours that says so, or the write is stored; with enough it is."""
    if there:
        wrote(path, "first", 1)
    said = []
    for left in range(6):
        command = [sys.executable, "-c", _SCARCE, str(path), str(left)]
        done = subprocess.run(command, env=environment(path), capture_output=True, text=True, timeout=60, check=False)
        assert done.stderr == ""
        said.append(done.stdout.strip())
    assert said[-1] == "wrote"
    refused = [text for text in said if text != "wrote"]
    assert refused
    for text in refused:
        assert text.startswith("5|too many files are open in this process"), said
        assert "ulimit -n" in text


@pytest.mark.parametrize("words", [("query", "SELECT 1"), ("status",), ("init",), ("db", "backup"), ("push",)])
def test_commands_out_of_descriptors(path: Path, words: tuple[str, ...]) -> None:
    """A command that cannot open the database for want of descriptors ends with 5 and says what to allow."""
    wrote(path, "first", 1)
    for left in (2, 3):
        command = [sys.executable, str(RIGS / "scarce.py"), str(left), sys.executable, "-m", "syncer.cli.main", *words]
        done = subprocess.run(command, env=environment(path), capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (5, ""), done
        assert "too many files are open" in done.stderr
        assert "ulimit -n" in done.stderr


@pytest.mark.parametrize("words", [("status",), ("init",), ("doctor",), ("db", "prune"), ("db", "check"), ("plan",)])
def test_a_way_that_cannot_be_gone_is_exit_5(tmp_path: Path, words: tuple[str, ...]) -> None:
    """A folder that may not be entered, a name too long: every command ends with 5 and names it, doctor included."""
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0)
    try:
        for path in (closed / "local.db", tmp_path / ("x" * 300)):
            ended = ran(path, *words)
            assert ended.code == 5, ended
            assert "the database cannot be reached" in ended.said
            assert str(path) in ended.said
    finally:
        closed.chmod(0o700)


def test_a_home_that_nobody_has(tmp_path: Path) -> None:
    """``~somebody`` of whom the system knows nothing is a wrong setting, in the path and for the configuration."""
    with pytest.raises(SettingError, match=r"whose home ~nobody-of-that-name/x\.db means"):
        Workspace.open("~nobody-of-that-name/x.db")
    with pytest.raises(SettingError, match="whose home"):
        Workspace.open(tmp_path / "x.db", config="~nobody-of-that-name/syncer.toml")


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EMFILE", "ENFILE", "EACCES", "EIO"])
def test_what_the_system_refuses_while_opening_is_ours(path: Path, name: str) -> None:
    """Each refusal becomes an error of the database with what to do; a full disk is told as one."""
    import errno

    number = getattr(errno, name)
    with pytest.raises(DatabaseError) as caught, opening(path):
        raise OSError(number, os.strerror(number), "some/file")
    assert caught.value.hint
    assert caught.value.record == str(path)
    assert isinstance(caught.value, DiskFull) == (name in ("ENOSPC", "EDQUOT"))


def test_a_folder_that_is_gone_under_the_program(tmp_path: Path) -> None:
    """A relative path where the current folder was removed: an error of ours, from Python and the command line."""
    place = tmp_path / "place"
    place.mkdir()
    program = (
        "import os, sys\nos.chdir(sys.argv[1])\nos.rmdir(sys.argv[1])\nfrom syncer import Workspace\n"
        "from syncer.errors import DatabaseError\ntry:\n    Workspace.open('x.db')\n"
        "except DatabaseError as exc:\n    print(exc.exit_code)\n"
        "from syncer.cli.main import run\nprint(run(['--db', 'x.db', 'status']))\n"
    )
    env = environment(tmp_path / "x.db")
    done = subprocess.run(
        [sys.executable, "-c", program, str(place)], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "5\n5\n", done
