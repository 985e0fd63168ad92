"""Days of bad network on one file, and what must be true when the network is well again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from syncer import Workspace, clock
from syncer.config import Settings
from syncer.sandbox.server import Sandbox
from tests.files import rows
from tests.rigs.auditor import Auditor
from tests.rigs.proxy import Proxy

START = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
IMPATIENT_S = "0.4"
_IMPATIENT = {"PLEXUS_TIMEOUT_S": IMPATIENT_S, "ABEJA_SDK_CONNECTION_TIMEOUT": IMPATIENT_S}


class Days:
    """One file whose remote is behind the proxy. ``wanted`` is the oracle: what the user asked for, kept by the rig."""

    remote = ""

    def __init__(self, folder: Path, sandbox: Sandbox, proxy: Proxy, random: Random) -> None:
        self.path = folder / "local.db"
        self.sandbox, self.proxy, self.random = sandbox, proxy, random
        self.written = 0
        self.wanted: dict[str, Any] = {}
        self.ws = self.opened()
        self.auditor = proxy.look = Auditor(self.path)

    def opened(self, settings: Mapping[str, str] = _IMPATIENT) -> Workspace:
        """The workspace as a new process opens it."""
        environ = {**self.proxy.through(self.sandbox.settings), "PLEXUS_ACCOUNT_KEY": "lab", **settings}
        return Workspace(Settings(str(self.path), environ=environ))

    def reopen(self, settings: Mapping[str, str] = _IMPATIENT) -> None:
        """The process ends, another one opens the file."""
        self.ws.close()
        self.ws = self.opened(settings)

    def act(self) -> None:
        """One random write of the user."""
        raise NotImplementedError

    def others(self) -> None:
        """One random write of somebody else, that clashes with nothing."""
        raise NotImplementedError

    def lost(self) -> list[str]:
        """What was asked for and is not so, on the remote or here."""
        raise NotImplementedError

    def doubled(self) -> list[str]:
        """What took effect more often than it was asked for."""
        raise NotImplementedError

    def storm(self, rounds: int, rate: float) -> None:
        """Days of bad network: writes and syncs, processes ending, time passing."""
        random = self.random
        self.proxy.rate = rate
        for _ in range(rounds):
            for _ in range(random.randint(0, 8)):
                self.act()
            self.others()
            self.ws.sync(self.remote, wait_s=random.choice((0.0, 5.0, 30.0)), full=random.random() < 0.2)
            assert self.ws.status().consistent
            clock.sleep(random.choice((0, 1, 30, 400)))
            if random.random() < 0.2:
                self.reopen()
        self.proxy.calm()

    def drain(self) -> None:
        """The network is well: sync until nothing waits."""
        self.reopen({})
        for _ in range(20):
            clock.sleep(1000)
            self.ws.sync(self.remote, full=True)
            self.decide()
            if not self.waiting():
                break
        clock.sleep(1000)
        self.ws.sync(self.remote, full=True)

    def decide(self) -> None:
        """Settle what rightly asks for a person."""

    def imagined(self) -> list[Any]:
        """Conflicts that were put before a person though nobody else had edited the record."""
        return rows(self.path, "SELECT model, key, field, base, theirs FROM conflict")

    def waiting(self) -> list[Any]:
        """What the outbox holds."""
        return rows(self.path, "SELECT model, key, op, state, attempts, code, reason FROM outbox")

    def faulty(self) -> dict[str, Any]:
        """Everything that is not as it must be after the drain; empty when all is well."""
        found: dict[str, Any] = {
            "waiting": self.waiting(),
            "lost": self.lost(),
            "doubled": self.doubled(),
            "problems": self.proxy.problems,
            "followed elsewhere": self.proxy.went_elsewhere,
            "bases": rows(self.path, "SELECT * FROM _base"),
            "conflicts": self.imagined(),
        }
        if not self.ws.status().consistent:
            found["ledger"] = "open"
        sent = len(self.proxy.writes())
        report = self.ws.sync(self.remote, full=True).remotes[self.remote]
        found["second sync sends"] = len(self.proxy.writes()) - sent
        found["second sync changes"] = sum(p.added + p.changed + p.removed for p in report.pulled.values())
        compared = self.ws.verify(self.remote)
        if not compared.equal:
            found["verify"] = compared.as_dict()
        return {name: value for name, value in found.items() if value}

    def next(self) -> int:
        """A number that no other write carries."""
        self.written += 1
        return self.written
