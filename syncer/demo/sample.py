"""``sample.db``: two accounts, most of it synced, some of it waiting, one change rejected and one in conflict.

``python -m syncer.demo.sample [PATH]`` builds it, always the same: time and ids are made here, and what is synced really
went to a sandbox in this process, one request at a time.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import click

from syncer import clock, ids
from syncer.adapters import registry
from syncer.config import Settings
from syncer.demo.office import Office
from syncer.demo.session import ACCOUNT_KEY, Session
from syncer.demo.trace import Trace
from syncer.engine.report import Report
from syncer.engine.sync import Sync
from syncer.sandbox import Options, Sandbox
from syncer.workspace import Workspace

MONDAY = datetime(2025, 3, 3, 8, 0, tzinfo=UTC)
DEFAULT = Path(__file__).resolve().parents[2] / "sample.db"
_SEED = 20_250_303
_MANY = 100_000


class Week:
    """The days of the sample, over one local file and one sandbox."""

    def __init__(self, workspace: Workspace, sandbox: Sandbox, time: clock.Virtual) -> None:
        self.workspace = workspace
        self.sandbox = sandbox
        self.time = time
        self.trace = Trace(workspace, self._pause)
        self.harbour = Session(workspace.plexus, Random(_SEED), self._pause, self.trace.made_by)
        self.lakeside = Session(workspace.plexus, Random(_SEED + 1), self._pause)

    def monday(self) -> None:
        """The insurer's calls are scored, by an agent and two runs, and synced; the runs come to their end."""
        self.harbour.set_up()
        self.trace.begin([score["name"] for score in self.harbour.scores])
        self.harbour.score_calls(150)
        self.trace.end()
        self._sync(hours=2)
        for run in self.sandbox.abeja.rows("run"):
            for message in ("model loaded", "150 calls scored", "done"):
                self._pause()
                self.sandbox.abeja.log(run["run_id"], message)
            self.sandbox.abeja.advance(run["run_id"], "SUCCEEDED")

    def tuesday(self) -> None:
        """A second account, smaller."""
        self.lakeside.set_up("Lakeside Mutual", "lakeside-mutual")
        self.lakeside.score_calls(45)
        self._sync(hours=4)

    def wednesday(self) -> None:
        """All that surrounds the scores, and edits of what is there."""
        Office(self.harbour, self.time.moment).fill()
        Office(self.lakeside, self.time.moment).fill()
        self.harbour.finish()
        self._sync(hours=1)

    def thursday(self) -> None:
        """Both sides change one description; a user is added, which Plexus allows to nobody with an API key."""
        card = self.harbour.scorecard["id"]
        plexus = self.workspace.plexus
        plexus.update("Scorecard", card, {"description": "How well we treat people who call or write."})
        self.sandbox.edit("Scorecard", card, description="Quality of every conversation with a customer.")
        user = plexus.create("User", {"email": "grace@harbour.example", "displayName": "Grace"})
        plexus.create(
            "Evaluation",
            {
                "type": "consistency",
                "status": "PENDING",
                "accountId": self.harbour.account["id"],
                "scorecardId": card,
                "createdByUserId": user["id"],
            },
        )
        self._sync(hours=1)

    def friday(self) -> None:
        """On the train: nothing of this is sent yet."""
        self.lakeside.finish()
        self.lakeside.score_calls(12)
        item = self.harbour.items[0]
        self.workspace.plexus.update("Item", item["id"], {"description": f"{item['description']}, called back"})
        self.workspace.plexus.delete("ShareLink", self._link())
        Trace(self.workspace, self._pause).begin(("Night shift",))

    def play(self) -> None:
        """The whole week."""
        for number, day in enumerate((self.monday, self.tuesday, self.wednesday, self.thursday, self.friday)):
            self.time.moment = MONDAY + timedelta(days=number)
            day()

    def _link(self) -> str:
        return str(self.workspace.plexus.find("ShareLink", {"accountId": self.lakeside.account["id"]})[0]["id"])

    def _pause(self) -> None:
        self.time.moment += timedelta(seconds=11)

    def _sync(self, *, hours: float) -> Report:
        self.time.moment += timedelta(hours=hours)
        remotes = [registry.remote(name, self.workspace.settings) for name in registry.BUILT_IN]
        for remote in remotes:
            # All that can go in one request does: how many there are must not depend on how fast this machine is.
            most = 1 if remote.limits.max_batch == 1 else _MANY
            remote.limits = replace(remote.limits, first_batch=most, max_batch=most, max_bytes=10**9, senders=1)
            # Checkpoints name the address they were made at, and this one's port is another every time.
            settings = {name: values for name, values in remote.pull_sources().items() if name != "place"}
            remote.pull_sources = lambda found=settings: found  # type: ignore[method-assign,misc]
        return Sync(self.workspace.database).run(remotes)


def build(path: Path) -> Path:
    """Write the sample to ``path``, over one that is there. Not for use beside other work in the same process."""
    with tempfile.TemporaryDirectory(prefix="syncer-sample-") as folder, ExitStack() as stack:
        time = clock.Virtual(MONDAY)
        stack.enter_context(clock.using(time))
        stack.enter_context(ids.seeded(_SEED))
        sandbox = stack.enter_context(Sandbox(Options()))
        local = Path(folder, "local.db")
        environ = {**sandbox.settings, "PLEXUS_ACCOUNT_KEY": ACCOUNT_KEY}
        with Workspace(Settings(db=str(local), environ=environ)) as workspace:
            Week(workspace, sandbox, time).play()
        _settled(local, Path(folder, "sample.db"))
        _moved(Path(folder, "sample.db"), path)
    return path


def _settled(local: Path, target: Path) -> None:
    """A compact copy without a write-ahead log, so that it can be opened from a read-only folder."""
    with closing(sqlite3.connect(local, isolation_level=None)) as connection:
        connection.execute("VACUUM INTO ?", (str(target),))
    with closing(sqlite3.connect(target, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA page_size=1024")  # most of the many indexes are all but empty
        connection.execute("VACUUM")


def _moved(built: Path, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(built.read_bytes())
    os.replace(part, path)


def main() -> None:
    """``python -m syncer.demo.sample [PATH]``."""
    path = build(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT)
    click.echo(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
