"""Why a waiting change has not left, when it will be tried again, and what would help; read without the writing side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncer import clock, ids
from syncer.outbox import view
from syncer.outbox.view import Models
from syncer.port import FIELD_NOT_DEPLOYED, NOT_DEPLOYED
from syncer.store.reader import Reader

_STATE = "SELECT lease_owner, lease_until, hold_until, hold_reason FROM remote_state WHERE remote = ?"
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
    """How a remote stands. ``missing``: settings it needs. ``held_until``, ``syncing``: None unless that is so right now."""

    remote: str
    missing: tuple[str, ...] = ()
    held_until: str | None = None
    held_because: str | None = None
    syncing: str | None = None


def situation(reader: Reader, remote: str, missing: Sequence[str]) -> Situation:
    """The situation of one remote, at this moment."""
    found = reader.one(_STATE, (remote,))
    owner, until, held, why = found or (None, None, None, None)
    now = clock.stored_now()
    syncing = owner if owner and until and until > now and not ids.owner_is_dead(owner) else None
    is_held = held is not None and held > now
    return Situation(remote, tuple(missing), held if is_held else None, why if is_held else None, syncing)


def reasons(reader: Reader, models: Models, change: Mapping[str, Any], remote: Situation) -> list[Reason]:
    """Everything that keeps ``change`` (as :mod:`view` gives it) from being sent, what decides first; never empty."""
    state = change["state"]
    if state == "conflict":
        return [_conflict(reader, change)]
    if state == "parked":
        return [_parked(change)]
    if state == "sending" and remote.syncing:
        return [Reason("sending", f"it is being sent right now, by process {remote.syncing}")]
    found = [_blocked(reader, models, change)] if change["blocked_by"] else []
    if change.get("code") in _KEPT and not found:
        found.append(_kept(change))
    return [*found, *_around(change, remote)] or [_due(change)]


def _around(change: Mapping[str, Any], remote: Situation) -> list[Reason]:
    """What does not lie in the change: settings, holds, other syncs; and the time it was told to wait for."""
    found = []
    push = (f"syncer push {remote.remote}", "send it then")
    if remote.missing:
        command = f"export {' '.join(f'{name}=...' for name in remote.missing)}"
        text = f"{remote.remote} needs {' and '.join(remote.missing)}"
        found.append(Reason("not-configured", text, fix=((command, "then: syncer push"),)))
    if remote.held_until:
        why = f": {remote.held_because}" if remote.held_because else ""
        text = f"{remote.remote} asked to be left alone, or keeps failing{why}"
        found.append(Reason("held", text, remote.held_until, (push,)))
    if _is_later(change) and not change["blocked_by"] and change.get("code") not in _KEPT:
        told = f" ({change['reason']})" if change.get("reason") else ""
        text = f"it backs off after attempt {change['attempts']:,}{told}"
        now = (f"syncer outbox retry {change['seq']}", "make it due now")
        found.append(Reason("backing-off", text, change["due_at"], (push, now)))
    if remote.syncing:
        found.append(Reason("sync-running", f"a sync of {remote.remote} is at work now, in process {remote.syncing}"))
    return found


def _is_later(change: Mapping[str, Any]) -> bool:
    return change["due_at"] is not None and change["due_at"] > clock.stored_now()


def _due(change: Mapping[str, Any]) -> Reason:
    push = (f"syncer push {change['remote']}", "send it now")
    if change["state"] in ("ambiguous", "sending"):
        text = "it may have arrived, its answer was lost: the next push finds out, and never doubles it"
        return Reason("ambiguous", text, fix=(push,))
    return Reason("due", "nothing is in its way: it goes out with the next push", fix=(push,))


def _conflict(reader: Reader, change: Mapping[str, Any]) -> Reason:
    seq = change["seq"]
    open_ones = view.conflicts(reader, change["model"], change["key"])
    names = [one["field"] or "the record as a whole" for one in open_ones]
    text = f"both sides changed {', '.join(names)}" if names else (change.get("reason") or "it was changed elsewhere")
    resolve = f"syncer conflicts resolve {seq}"
    fix = (
        (f"syncer conflicts show {seq}", "both sides beside each other"),
        (f"{resolve} --ours", "send ours over theirs"),
        (f"{resolve} --theirs", "keep theirs"),
    )
    return Reason("conflict", text, fix=fix)


def _parked(change: Mapping[str, Any]) -> Reason:
    seq, told = change["seq"], change.get("reason")
    fix = (
        (f"syncer outbox retry {seq}", "send it again, with the record as it is now: correct that first"),
        (f"syncer outbox drop {seq}", "give it up; the record goes back to what the remote has"),
    )
    return Reason("parked", f"the remote refused it for good{f': {told}' if told else ''}", fix=fix)


def _kept(change: Mapping[str, Any]) -> Reason:
    ask = (f"syncer push {change['remote']} --model {change['model']}", "ask the deployment again")
    return Reason("not-deployed", change.get("reason") or "the deployment has no place for it", change["due_at"], (ask,))


def _blocked(reader: Reader, models: Models, change: Mapping[str, Any]) -> Reason:
    first, root = _chain(reader, models, change)
    if first is None or root is None:
        return Reason("blocked", f"change {change['blocked_by']} must go first")
    text = f"change {first['seq']} must go first ({_named(first)})"
    if root is not first:
        text += f", which waits in the end for change {root['seq']} ({_named(root)})"
    if root["state"] not in ("parked", "conflict"):
        return Reason("blocked", text, fix=((f"syncer explain {root['seq']}", "what that one waits for"),))
    why, stuck = (_parked(root), "parked") if root["state"] == "parked" else (_conflict(reader, root), "in conflict")
    return Reason("blocked", f"{text}; that one is {stuck}: {why.text}", fix=why.fix)


def _chain(
    reader: Reader, models: Models, change: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """The change that must go before this one, and the one at the head of all that must."""
    first: Mapping[str, Any] | None = None
    root: Mapping[str, Any] | None = None
    ahead = change["blocked_by"]
    for _ in range(_MOST_LINKS):
        found = view.change(reader, models, ahead) if ahead else None
        if found is None or "door" in found:
            break
        first, root, ahead = first or found, found, found["blocked_by"]
    return first, root


def _named(change: Mapping[str, Any]) -> str:
    return f"{change['op']} {change['remote']} {change['model']} {change['key']}"
