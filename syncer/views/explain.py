"""Everything there is to say about a record that has not arrived, or has: read without the writing side.

It says why a waiting change has not left, when it will be tried again, and what would help.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncer import clock, ids
from syncer.remote import FIELD_NOT_DEPLOYED, NOT_DEPLOYED
from syncer.schema.model import Model
from syncer.schema.values import to_python
from syncer.store.reader import Reader
from syncer.views import lookup
from syncer.views import outbox as views_outbox
from syncer.views.lookup import Named
from syncer.views.outbox import Models
from syncer.views.remotes import remembered

Missing = Callable[[str], Sequence[str]]
"""The settings that a remote, by name, still needs."""

_ATTEMPT = ("seq", "number", "at", "ended_at", "outcome", "code", "reason", "request_id")
_WAITING = "SELECT seq FROM outbox WHERE remote = ? AND model = ? AND key = ? ORDER BY seq"
_TAKEN = "SELECT seq, by_seq FROM ledger WHERE by_seq IS NOT NULL AND seq < ? ORDER BY seq DESC"
_PUSHED = "SELECT max(left_at) FROM ledger WHERE remote = ? AND model = ? AND key = ? AND outcome = 'acked'"
_PULLED = "SELECT max(at) FROM _event WHERE remote = ? AND model = ? AND key = ? AND kind IN ('pulled', 'merged')"
_COMPLETE = "SELECT max(complete_at) FROM _checkpoint WHERE remote = ? AND model = ?"


def record(reader: Reader, models: Models, missing: Missing, remote: str, model: str, key: str) -> dict[str, Any]:
    """What waits for a record and why, as :func:`_told` says. Raises: RecordNotFound, UsageError."""
    return _told(reader, models, missing, lookup.located(reader, models, remote, model, key), None)


def change(reader: Reader, models: Models, missing: Missing, seq: int) -> dict[str, Any]:
    """The same for the record of a change, which is told of under ``change`` if it has left. Raises: RecordNotFound."""
    return _told(reader, models, missing, lookup.of_change(reader, models, seq), seq)


def _told(reader: Reader, models: Models, missing: Missing, named: Named, seq: int | None) -> dict[str, Any]:
    """``{"remote", "model", "key", "aliases", "exists", "pending": [...], "change", "last_pushed_at", ...}``.

    Each pending change is what :func:`view.change` gives, with values as callers see them, its ``attempts_made`` and, what
    decides first, its ``reasons``. ``exists``: whether the file has a row of it.
    """
    model = named.model
    here = (model.remote, model.name)
    found = situation(reader, model.remote, missing(model.remote))
    waiting = [int(number) for (number,) in reader.all(_WAITING, (*here, named.key))]
    gone = None if seq is None or seq in waiting else views_outbox.change(reader, models, seq)
    if gone is not None:
        gone["attempts_made"] = attempts(reader, seq or 0)
    return {
        "remote": model.remote,
        "model": model.name,
        "key": named.key,
        "aliases": list(named.keys[1:]),
        "exists": lookup.row_of(reader, model, named.key) is not None,
        "pending": [_pending(reader, models, model, number, found) for number in waiting],
        "change": gone,
        "last_pushed_at": _latest(reader, _PUSHED, here, named.keys),
        "last_pulled_at": _latest(reader, _PULLED, here, named.keys),
        "model_pulled_at": (reader.one(_COMPLETE, here) or (None,))[0],
    }


def _pending(reader: Reader, models: Models, model: Model, seq: int, situation: Situation) -> dict[str, Any]:
    found = views_outbox.change(reader, models, seq) or {}
    found["reasons"] = [why.as_dict() for why in reasons(reader, models, found, situation)]
    found["attempts_made"] = attempts(reader, seq)
    if found["values"] is not None:
        seen = to_python(model, found["values"])
        found["values"] = {name: seen[name] for name in found["values"]}
    return found


def attempts(reader: Reader, seq: int) -> list[dict[str, Any]]:
    """Every attempt that did not end well, of a change and of those it took over, oldest first."""
    seqs = {seq}
    # What takes over is always the later one, so one look through the ledger, backwards, finds the whole chain.
    with reader.reading(_TAKEN, (seq,)) as (_, lines):
        for taken, by in lines:
            if by in seqs:
                seqs.add(taken)
    sql = f"SELECT {', '.join(_ATTEMPT)} FROM _attempt WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY id"
    rows = reader.all(sql, (json.dumps(sorted(seqs)),))
    return [dict(zip(_ATTEMPT, row, strict=True)) for row in rows]


def _latest(reader: Reader, sql: str, here: tuple[str, str], keys: Sequence[str]) -> str | None:
    found = [reader.one(sql, (*here, key)) for key in keys]
    return max((row[0] for row in found if row and row[0]), default=None)


_STATE = "SELECT lease_owner, lease_until, hold_until, hold_reason FROM _remote_state WHERE remote = ?"
_MOST_LINKS = 100
_KEPT = (NOT_DEPLOYED, FIELD_NOT_DEPLOYED)


@dataclass(frozen=True, slots=True)
class Reason:
    """``because``: a code for programs. ``until``: when it ends by itself, stored form. ``fix``: (command, its effect)."""

    because: str
    text: str
    until: str | None = None
    fix: tuple[tuple[str, str], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The same for ``--json``."""
        commands = [{"run": command, "effect": effect} for command, effect in self.fix]
        return {"because": self.because, "text": self.text, "until": self.until, "fix": commands}


@dataclass(frozen=True, slots=True)
class Situation:
    """How a remote stands. ``missing``: settings it needs. ``held_until``, ``syncing``: None unless that is so right now.

    ``absent``: what to do where it is not installed, else None.
    """

    remote: str
    missing: tuple[str, ...] = ()
    held_until: str | None = None
    held_because: str | None = None
    syncing: str | None = None
    absent: str | None = None


def situation(reader: Reader, remote: str, missing: Sequence[str]) -> Situation:
    """The situation of one remote, at this moment."""
    found = reader.one(_STATE, (remote,))
    owner, until, held, why = found or (None, None, None, None)
    now = clock.stored_now()
    syncing = owner if owner and until and until > now and not ids.owner_is_dead(owner) else None
    is_held = held is not None and held > now
    other = remembered(reader).get(remote)
    absent = other.hint if other is not None and not other.is_installed else None
    return Situation(remote, tuple(missing), held if is_held else None, why if is_held else None, syncing, absent)


def reasons(reader: Reader, models: Models, change: Mapping[str, Any], remote: Situation) -> list[Reason]:
    """Everything that keeps ``change`` (as :mod:`view` gives it) from being sent, what decides first; never empty."""
    state = change["state"]
    if state == "conflict":
        return [_conflict(reader, change)]
    if state == "rejected":
        return [_rejected(change)]
    if state == "sending" and remote.syncing:
        return [Reason("sending", f"it is being sent right now, by process {remote.syncing}")]
    found = [_blocked(reader, models, change)] if change["blocked_by"] else []
    if change.get("code") in _KEPT and not found:
        found.append(_kept(change))
    return [*found, *_around(change, remote)] or [_due(change)]


def _around(change: Mapping[str, Any], remote: Situation) -> list[Reason]:
    """What does not lie in the change: settings, holds, other syncs; and the time it was told to wait for."""
    found = []
    if remote.absent:
        found.append(Reason("not-installed", f"{remote.remote} is not installed: {remote.absent}"))
    push = (f"syncer push {remote.remote}", "send it then")
    if remote.missing:
        command = f"export {' '.join(f'{name}=...' for name in remote.missing)}"
        text = f"{remote.remote} needs {' and '.join(remote.missing)}"
        found.append(Reason("not-configured", text, fix=((command, "then: syncer push"),)))
    if remote.held_until:
        why = f": {remote.held_because}" if remote.held_because else ""
        text = f"{remote.remote} asked for a pause, or keeps failing{why}"
        found.append(Reason("held", text, remote.held_until, (push,)))
    if _is_later(change) and not change["blocked_by"] and change.get("code") not in _KEPT:
        told = f" ({change['reason']})" if change.get("reason") else ""
        text = f"attempt {change['attempts']:,} failed, so it is tried again later{told}"
        now = (f"syncer outbox retry {change['seq']}", "try it with the next push")
        found.append(Reason("backing-off", text, change["next_attempt_at"], (push, now)))
    if remote.syncing:
        found.append(Reason("sync-running", f"another sync of {remote.remote} is running, in process {remote.syncing}"))
    return found


def _is_later(change: Mapping[str, Any]) -> bool:
    return change["next_attempt_at"] is not None and change["next_attempt_at"] > clock.stored_now()


def _due(change: Mapping[str, Any]) -> Reason:
    push = (f"syncer push {change['remote']}", "send it now")
    if change["state"] in ("ambiguous", "sending"):
        text = "it may have arrived, but the answer was lost: the next push finds out, and never doubles it"
        return Reason("ambiguous", text, fix=(push,))
    return Reason("due", "nothing blocks it: the next push sends it", fix=(push,))


def _conflict(reader: Reader, change: Mapping[str, Any]) -> Reason:
    seq = change["seq"]
    open_ones = views_outbox.conflicts(reader, change["model"], change["key"])
    names = [one["field"] or "the record as a whole" for one in open_ones]
    text = f"both sides changed {', '.join(names)}" if names else (change.get("reason") or "it was changed elsewhere")
    resolve = f"syncer conflicts resolve {seq}"
    fix = (
        (f"syncer conflicts show {seq}", "show both sides"),
        (f"{resolve} --local", "send the local values"),
        (f"{resolve} --remote", "keep the remote values"),
    )
    return Reason("conflict", text, fix=fix)


def _rejected(change: Mapping[str, Any]) -> Reason:
    seq, told = change["seq"], change.get("reason")
    fix = (
        (f"syncer outbox retry {seq}", "send it again, with the record as it is now: correct that first"),
        (f"syncer outbox drop {seq}", "discard it; the record goes back to what the remote has"),
    )
    return Reason("rejected", f"the remote refused it for good{f': {told}' if told else ''}", fix=fix)


def _kept(change: Mapping[str, Any]) -> Reason:
    ask = (f"syncer push {change['remote']} --model {change['model']}", "ask the deployment again")
    return Reason(
        "not-deployed", change.get("reason") or "the deployment has no place for it", change["next_attempt_at"], (ask,)
    )


def _blocked(reader: Reader, models: Models, change: Mapping[str, Any]) -> Reason:
    first, root = _chain(reader, models, change)
    if first is None or root is None:
        return Reason("blocked", f"change {change['blocked_by']} must go first")
    text = f"change {first['seq']} must go first ({_named(first)})"
    if root is not first:
        text += f", which is blocked by change {root['seq']} ({_named(root)})"
    if root["state"] not in ("rejected", "conflict"):
        return Reason("blocked", text, fix=((f"syncer explain {root['seq']}", "why that one is not sent"),))
    why, stuck = (_rejected(root), "rejected") if root["state"] == "rejected" else (_conflict(reader, root), "in conflict")
    return Reason("blocked", f"{text}; that one is {stuck}: {why.text}", fix=why.fix)


def _chain(
    reader: Reader, models: Models, change: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The change that must go before this one, and the one at the head of all that must."""
    first: Mapping[str, Any] | None = None
    root: Mapping[str, Any] | None = None
    ahead = change["blocked_by"]
    for _ in range(_MOST_LINKS):
        found = views_outbox.change(reader, models, ahead) if ahead else None
        if found is None or "outcome" in found:
            break
        first, root, ahead = first or found, found, found["blocked_by"]
    return first, root


def _named(change: Mapping[str, Any]) -> str:
    return f"{change['op']} {change['remote']} {change['model']} {change['key']}"
