"""The demo as people run it: the real command, real files, a real server."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

import syncer
from syncer.demo import run
from syncer.errors import UsageError
from syncer.sandbox import Options, Sandbox

_LIMIT_S = 120


@dataclass
class Performance:
    """A demo that was run to its end in an environment full of settings that it must not heed."""

    code: int
    out: str
    err: str
    kept: Path
    users_file: Path
    requests_to_users_remote: int
    left_in_temp: list[str]


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "syncer.cli.main", "demo", *arguments]


def _environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(syncer.__file__).parents[1]), "PYTHONUTF8": "1", **more}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Performance]:
    """One demo for all tests that only look."""
    folder = tmp_path_factory.mktemp("demo")
    temp = folder / "temp"
    temp.mkdir()
    users_file = folder / "users.db"
    config = folder / "users.toml"
    config.write_text(f'db = "{users_file}"\ndurability = "normal"\n[plexus]\naccount_key = "users"\n')
    with Sandbox(Options()) as users_remote:
        poison = {
            "SYNCER_DB": str(users_file),
            "SYNCER_CONFIG": str(config),
            **users_remote.settings,
            "PLEXUS_ACCOUNT_KEY": "users",
            "HTTP_PROXY": users_remote.origin,
            "http_proxy": users_remote.origin,
            "TMPDIR": str(temp),
        }
        done = subprocess.run(
            _command("--records", "60", "--keep", str(folder / "kept")),
            env=_environment(**poison),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_LIMIT_S,
        )
        left = sorted(os.listdir(temp))
        yield Performance(
            done.returncode, done.stdout, done.stderr, folder / "kept", users_file, users_remote.requests, left
        )


def test_ends_well_and_says_so(played: Performance) -> None:
    """The demo ends with 0 and a plain verdict."""
    assert played.code == 0, played.out + played.err
    assert "Verdict: EQUAL." in played.out
    assert "NO " not in played.out
    assert played.err == ""


def test_covers_three_platforms(played: Performance) -> None:
    """Instances, spans and runs are compared as well, and one question joins all three platforms."""
    for model in ("AgentInstance", "AgentSpan", "Run"):
        assert re.search(rf"^  {model} +(\d+) +\1$", played.out, re.MULTILINE), model
    assert played.out.count("Identity check  complete") == 2


def test_tells_a_story_in_numbered_steps(played: Performance) -> None:
    """Seven steps in order: write, ask, try, be killed, others write, sync, compare."""
    assert re.findall(r"^(\d)\. ", played.out, re.MULTILINE) == list("1234567")
    assert "60 score results" in played.out
    assert "Exit code 4: try later." in played.out
    assert "kill -9" in played.out


def test_is_killed_in_the_middle(played: Performance) -> None:
    """When the sync dies, some changes have left the file, others have not."""
    found = re.search(r"The file still holds (\d+) of (\d+); of (\d+) it does not know", played.out)
    assert found is not None
    left, total, unknown = map(int, found.groups())
    assert 0 < left < total
    assert unknown > 0


def test_merges_what_both_sides_edited(played: Performance) -> None:
    """The scorecard keeps the colleague's description and our guidelines."""
    with closing(sqlite3.connect(played.kept / "local.db")) as connection:
        row = connection.execute("SELECT description, guidelines FROM plexus_scorecard").fetchone()
    assert row == ("How well we treat people who call, write or chat.", "Score what was said, not what was meant.")


def test_keeps_both_files_and_says_how_to_look(played: Performance) -> None:
    """With --keep the folder holds the local and the sandbox's file, complete, and nothing else."""
    assert sorted(os.listdir(played.kept)) == ["local.db", "sandbox.db"]
    with closing(sqlite3.connect(played.kept / "local.db")) as connection:
        assert connection.execute("SELECT count(*) FROM plexus_score_result").fetchone() == (63,)
    with closing(sqlite3.connect(played.kept / "sandbox.db")) as connection:
        assert connection.execute("SELECT count(*) FROM plexus_score_result").fetchone() == (63,)
    assert f"syncer --db {played.kept / 'local.db'} status" in played.out


def test_heeds_no_setting_of_the_user(played: Performance) -> None:
    """Neither the user's file, nor their remote, nor their proxy is touched."""
    assert not played.users_file.exists()
    assert played.requests_to_users_remote == 0
    assert str(played.users_file) not in played.out


def test_leaves_no_temporary_file(played: Performance) -> None:
    """What is not kept is removed."""
    assert played.left_in_temp == []


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Children hear Ctrl-C even where the tests themselves run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_takes_its_processes_with_it(kind: signal.Signals, tmp_path: Path) -> None:
    """Interrupted in the middle, the demo ends its sandbox and removes its files before it goes."""
    with subprocess.Popen(
        _command("--records", "60"),
        env=_environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as demo:
        assert demo.stdout is not None
        port = next(
            int(found[1]) for line in demo.stdout if (found := re.search(r"answers at http://127.0.0.1:(\d+)", line))
        )
        demo.send_signal(kind)
        demo.communicate(timeout=_LIMIT_S)
    assert demo.returncode != 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert os.listdir(tmp_path) == []


def test_never_writes_over_a_kept_demo(tmp_path: Path) -> None:
    """A folder that holds a demo already is left alone."""
    (tmp_path / "local.db").write_text("precious")
    with pytest.raises(UsageError, match=r"holds a local\.db already"):
        run(records=3, keep=tmp_path, echo=str)
    assert (tmp_path / "local.db").read_text() == "precious"


def test_needs_at_least_one_record() -> None:
    """No records, no demo."""
    with pytest.raises(UsageError, match="0 records"):
        run(records=0, echo=str)
