"""Private copies leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from syncer.store import migrate
from syncer.store.maintenance import copied

KILLED = """
import os, signal, sys
from pathlib import Path
from syncer.store.maintenance import copied
with copied(Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_with_the_next_copy(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is removed once nobody can be making it; that of a living process, a file and a link to elsewhere stay."""
    folder, elsewhere = tmp_path / "tmp", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("x")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    migrate.initialise(path)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    (left,) = folder.iterdir()
    with copied(path) as young:
        assert left.exists()
        (folder / "syncer-copy-file").write_text("x")
        (folder / "syncer-copy-link").symlink_to(elsewhere)
        for one in (left, young.path.parent, elsewhere, folder / "syncer-copy-file"):
            os.utime(one, (0, 0))
        with copied(path):
            assert not left.exists()
            assert young.path.exists()
            assert (elsewhere / "kept").exists()
    assert {one.name for one in folder.iterdir()} == {"syncer-copy-file", "syncer-copy-link"}
