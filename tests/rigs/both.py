"""Opening a file against an upstream, letting everything come to rest, and comparing both sides record by record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from syncer import Workspace, clock
from syncer.config import Settings
from syncer.sandbox.server import Sandbox
from tests.files import rows

PLEXUS = (
    *("Account", "Scorecard", "ScorecardSection", "Score", "Item", "Identifier"),
    *("ScoreResult", "Task", "TaskStage", "Report"),
)
_KEYS: Mapping[str, tuple[str, ...]] = {"Identifier": ("itemId", "name")}
_ROUNDS = 25


def opened(path: Path, sandbox: Sandbox, **tables: Any) -> Workspace:
    """The workspace as a new process opens it; without waiting for the disk, which nobody takes away here."""
    environ = {**sandbox.settings, "PLEXUS_ACCOUNT_KEY": "lab"}
    return Workspace(Settings(str(path), durability="normal", environ=environ, tables=tables))


def calm(ws: Workspace, take: Callable[[], str], *, look: Callable[[], object] = lambda: None) -> None:
    """Sync until nothing waits, settling each conflict as ``take`` says. Faults must be off; waiting moves the clock."""
    for _ in range(_ROUNDS):
        clock.sleep(1000)
        ws.sync(full=True, allow_mass_delete=True)
        look()
        if not rows(ws.path, "SELECT 1 FROM outbox"):
            return
        for remote, model, key in rows(ws.path, "SELECT DISTINCT remote, model, key FROM v_conflicts"):
            ws.resolve(key, take=take(), remote=remote, model=model)


def differences(ws: Workspace, sandbox: Sandbox) -> list[Any]:
    """Every record that is not the same here and there, told in full."""
    found: list[Any] = []
    for model in PLEXUS:
        found += _compared(model, _by_key(model, ws.plexus.find(model)), _by_key(model, sandbox.rows(model)))
    for model, theirs in (("AgentInstance", "agent_instance"), ("AgentSpan", "agent_span")):
        there = {record["id"]: record for record in sandbox.prefactor.rows(theirs)}
        found += _compared(model, {row["id"]: row for row in ws.prefactor.find(model)}, there, ("status", "payload"))
    there = {record["run_id"]: record for record in sandbox.abeja.rows("run")}
    return found + _compared("Run", {row["run_id"]: row for row in ws.abeja.find("Run")}, there, ("status",))


def _by_key(model: str, records: list[dict[str, Any]]) -> dict[Any, dict[str, Any]]:
    return {tuple(record[name] for name in _KEYS.get(model, ("id",))): record for record in records}


def _compared(
    model: str, here: Mapping[Any, Any], there: Mapping[Any, Any], names: tuple[str, ...] | None = None
) -> list[Any]:
    found: list[Any] = [(model, key, "here" if key in here else "there", "only") for key in here.keys() ^ there.keys()]
    for key in here.keys() & there.keys():
        row, record = here[key], there[key]
        for name in names or row:
            if name not in _HERE_ONLY and _plain(row.get(name)) != _plain(record.get(name)):
                found.append((model, key, name, row.get(name), record.get(name)))
    return found


_HERE_ONLY = frozenset({"extra", "lockToken", "lockExpires"})


def _plain(value: Any) -> Any:
    """JSON as what it says, times in stored form, nothing for what is empty."""
    if not isinstance(value, str):
        return value
    if value[:1] in ("{", "["):
        return json.loads(value)
    if len(value) > 19 and value[10] == "T" and value[-1] == "Z":
        return clock.stored_from_text(value)
    return value
