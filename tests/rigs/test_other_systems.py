"""Other systems, as far as Linux can play them: what only POSIX has is taken away."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from syncer import Workspace
from tests.factory import account
from tests.rigs.writing import ROOT, environment


def test_nothing_needs_what_only_posix_has(path: Path) -> None:
    """Without fcntl, fork hooks, user ids and most signals every module is imported, and the file is made, written, read."""
    command = [sys.executable, str(ROOT / "tests" / "rigs" / "bare.py"), str(path)]
    done = subprocess.run(command, env=environment(path), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("0 0 0 0 0 0 0 0 0\ndone\n"), done.stderr + done.stdout
    with Workspace.open(path) as ws:
        assert [row["key"] for row in ws.query("SELECT key FROM plexus_account")] == ["lab"]


_ASKS = """
import os, subprocess, sys
from syncer import ids
gone = subprocess.Popen([sys.executable, "-c", ""])
gone.wait()
name = f"{sys.argv[1]}:{gone.pid}"
here = ids.owner_is_dead(name)
os.name = "nt"
print(here, ids.owner_is_dead(name))
"""


def test_on_windows_no_process_is_asked_by_a_signal() -> None:
    """There signal 0 would be Ctrl-C for the one that is asked: whether it lives is not known, and its lease runs out."""
    command = [sys.executable, "-c", _ASKS, socket.gethostname()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True False\n", "")


def test_a_signal_that_a_system_lacks_arms_no_failpoint(path: Path) -> None:
    """Where no process can stand still, a failpoint that asks for it is a wrong setting; kill ends the process anyhow."""
    with Workspace.open(path) as ws:
        account(ws)
    program = (
        "import signal\ndel signal.SIGSTOP, signal.SIGKILL\nfrom syncer import failpoints\n"
        "from syncer.errors import SettingError\n"
        "try:\n    failpoints.read('claimed:1:stop')\nexcept SettingError as exc:\n    print(exc.hint, flush=True)\n"
        "failpoints._arrived('claimed')\nprint('lives')\n"
    )
    env = {**environment(path), "SYNCER_FAILPOINT": "claimed"}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "SYNCER_FAILPOINT takes kill or raise\n"
    assert done.returncode < 0
