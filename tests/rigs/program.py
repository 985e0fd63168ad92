"""A user's program, as a process of its own: writes through the public API, saying what it does; then perhaps a sync.

Standard input: one JSON object (see :func:`main`). Standard output: a JSON line before each write, ``{"try": tag, "op":
..., "on": tag of the record}``, and one behind it, ``{"ok": tag, "key": id}``, once the call has returned; ``{"syncing":
true}`` before the sync, which is the command line's own. What was told to be ok must never be lost.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import cached_property
from random import Random
from typing import Any
from uuid import UUID

from syncer import Workspace
from syncer.cli.main import run


def say(**what: Any) -> None:
    """One line, out at once."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Program:
    """Writes chosen by a seed. ``known``: records that may be edited, as {"tag", "key"}."""

    def __init__(self, ws: Workspace, asked: dict[str, Any]) -> None:
        self.ws = ws
        self.random = Random(asked["seed"])
        self.name = asked["name"]
        self.ids = asked["ids"]
        self.known: list[dict[str, str]] = asked["known"]
        self.owned: list[str] = asked["owned"]
        self.agent_id, self.place = asked["agent_id"], asked["place"]
        self.instance: str | None = None
        self.spans: list[dict[str, str]] = []

    @cached_property
    def prefactor(self) -> Any:
        """The public client, imported when it is used: most programs are killed before."""
        from syncer.prefactor import HttpClientConfig, PrefactorHttpClient

        return PrefactorHttpClient(HttpClientConfig("http://127.0.0.1:9", "nobody"), workspace=self.ws)

    @cached_property
    def abeja(self) -> Any:
        """The same for ABEJA."""
        from syncer.abeja import APIClient

        return APIClient(workspace=self.ws)

    def write(self, n: int, ops: list[str]) -> None:
        """One write, told before and after."""
        op = self.random.choice(ops)
        if op in ("edit", "delete") and not self.known:
            op = "create"
        if op == "finish" and not self.spans:
            op = "span"
        if op == "span" and self.instance is None:
            op = "register"
        getattr(self, op)(f"{self.name}-{n}")

    def mint(self, tag: str) -> None:
        """A result under an id that is made for it."""
        self._result(tag)

    def create(self, tag: str) -> None:
        """A result under an id that is given."""
        self._result(tag, id=str(UUID(int=self.random.getrandbits(128), version=4)))

    def _result(self, tag: str, **own: str) -> None:
        say(**{"try": tag, "op": "create", "on": tag})
        key = self.ws.plexus.create("ScoreResult", {**self.ids, **own, "value": tag, "explanation": tag})["id"]
        say(ok=tag, key=key)
        self.known.append({"tag": tag, "key": key})

    def edit(self, tag: str) -> None:
        """Another value for a result."""
        chosen = self.random.choice(self.known)
        say(**{"try": tag, "op": "edit", "on": chosen["tag"]})
        self.ws.plexus.update("ScoreResult", chosen["key"], {"value": tag})
        say(ok=tag)

    def delete(self, tag: str) -> None:
        """A result less."""
        chosen = self.known.pop(self.random.randrange(len(self.known)))
        say(**{"try": tag, "op": "delete", "on": chosen["tag"]})
        self.ws.plexus.delete("ScoreResult", chosen["key"])
        say(ok=tag)

    def upsert(self, tag: str) -> None:
        """An item known by an external id, which the remote may have already."""
        external = self.owned.pop() if self.owned and self.random.random() < 0.6 else tag
        fields = {"accountId": self.ids["accountId"], "externalId": external, "text": tag}
        say(**{"try": tag, "op": "upsert", "on": external})
        with self.ws.plexus.transaction() as unit:
            unit.create("Item", fields, upsert=["text"])
        say(ok=tag)

    def register(self, tag: str) -> None:
        """An instance; it is started by a write of its own."""
        say(**{"try": tag, "op": "register", "on": tag})
        made = asyncio.run(self.prefactor.agent_instances.register(self.agent_id, {"name": tag}, {})).id
        say(ok=tag, key=made)
        say(**{"try": f"{tag}-start", "op": "start", "on": tag})
        asyncio.run(self.prefactor.agent_instances.start(made))
        say(ok=f"{tag}-start", key=made)
        self.instance = made

    def span(self, tag: str) -> None:
        """A step of the instance."""
        say(**{"try": tag, "op": "span", "on": tag})
        key = asyncio.run(self.prefactor.agent_spans.create(self.instance or "", tag, "active", {"tag": tag})).id
        say(ok=tag, key=key)
        self.spans.append({"tag": tag, "key": key})

    def finish(self, tag: str) -> None:
        """The end of a step."""
        chosen = self.spans.pop()
        say(**{"try": tag, "op": "finish", "on": chosen["tag"]})
        asyncio.run(self.prefactor.agent_spans.finish(chosen["key"], "complete", {"tag": tag}))
        say(ok=tag)

    def run(self, tag: str) -> None:
        """A run of a model."""
        say(**{"try": tag, "op": "run", "on": tag})
        key = self.abeja.create_run(*self.place, "ver-1111111111111111", environment={"TAG": tag})["run_id"]
        say(ok=tag, key=key)


def main() -> None:
    """Do what standard input asks: ``count`` writes out of ``ops``, then the command line ``then`` unless it is empty."""
    asked = json.loads(sys.stdin.readline())
    with Workspace.open() as ws:
        program = Program(ws, asked)
        say(ready=True)
        for n in range(asked["count"]):
            program.write(n, asked["ops"])
    if asked["then"]:
        say(syncing=True)
        sys.exit(run(asked["then"]))


if __name__ == "__main__":
    main()
