"""While a connection of this process has the database open, nothing of ours opens its files but SQLite [I33].

Closing any descriptor of a file drops every lock that SQLite holds on it in this process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.files import rows

_PROGRAM = """
import json, os, sys
from pathlib import Path

path, folder = Path(sys.argv[1]), Path(sys.argv[2])
files = {os.path.realpath(f"{path}{end}") for end in ("", "-wal", "-shm", "-journal")}
opened, ended = [], []


def watch(event, arguments):
    if event in ("open", "os.truncate") and isinstance(arguments[0], (str, bytes, os.PathLike)):
        if os.path.realpath(os.fsdecode(arguments[0])) in files:
            opened.append((event, os.fsdecode(arguments[0])))


from syncer import Workspace
from syncer.cli.main import run

sys.addaudithook(watch)
control = path.open("ab")
control.close()
assert len(opened) == 1, opened
opened.clear()
with Workspace.open(path) as ws:
    one = ws.plexus.create("Account", {"name": "one", "key": "one"})["id"]
    with ws.plexus.transaction() as unit:
        unit.create("Account", {"name": "two", "key": "two"})
    ws.query("SELECT count(*) AS n FROM outbox")
    ws.status()
    for command in (
        ["status"], ["doctor"], ["outbox", "list"], ["query", "SELECT 1"], ["history", "plexus", "Account", one],
        ["conflicts", "list"],
        ["tables"], ["schema"], ["explain", "1"], ["db", "check"], ["db", "backup", str(folder / "copy.db")], ["plan"],
        ["db", "upgrade"], ["init"], ["verify"], ["db", "prune"],
        ["db", "recover", str(path), "--into", str(folder / "new.db")], ["db", "restore", str(folder / "copy.db")],
    ):
        ended.append((*command, run(["--db", str(path), *command])))
    pid = os.fork()
    if not pid:
        ws.plexus.create("Account", {"name": "child", "key": "child"})
        os._exit(0)
    os.waitpid(pid, 0)
    ws.plexus.create("Account", {"name": "three", "key": "three"})
    print(json.dumps({"opened": opened, "ended": ended}))
"""


def test_nothing_but_sqlite_opens_the_files_of_an_open_database(path: Path, tmp_path: Path) -> None:
    """Every command, a fork and the Python side, watched by an audit hook of the interpreter [I33]."""
    with_hook = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(path), str(tmp_path)], capture_output=True, text=True, timeout=100, check=False
    )
    assert with_hook.returncode == 0, with_hook.stderr
    found = json.loads(with_hook.stdout.splitlines()[-1])
    assert found["opened"] == []
    assert len(found["ended"]) == 18
    assert [each for each in found["ended"] if each[-1] in (1, 2)] == []  # neither our bug nor a wrong command line
    assert {key for (key,) in rows(path, "SELECT key FROM plexus_account")} == {"one", "two", "child", "three"}
