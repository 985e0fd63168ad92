"""Waiting changes on the screen: as a table, and one with all there is to know and do."""

from __future__ import annotations

from typing import Any

from syncer.cli.app import App
from syncer.cli.harmless import harmless, harmless_json
from syncer.cli.render import counted, fields, moment, say, styled
from syncer.cli.table import print_table

Change = dict[str, Any]

_DOORS = {
    "acked": "reached the remote",
    "superseded": "was taken over by a later change",
    "discarded": "was discarded",
}
_STATES = {
    "pending": "waits to be sent",
    "sending": "is being sent, or its sync died",
    "ambiguous": "may have arrived: the next push finds out, and never doubles it",
    "parked": "is parked: the remote refused it for good",
    "conflict": "is in conflict: the record was changed elsewhere",
}


def printable(app: App, change: Change) -> Change:
    """The change for ``--json``, credentials hidden in what a remote said."""
    return {**change, "reason": _reason(app, change) or None}


def print_changes(app: App, changes: list[Change], total: int) -> None:
    """A line for each of ``changes``, and how many of ``total`` they are."""
    if not changes:
        say("nothing waits")
        return
    several = len({change["remote"] for change in changes}) > 1
    columns = ("seq", *(("remote",) if several else ()), "op", "model", "key", "state", "tries", "due", "why")
    rows = [
        (
            change["seq"],
            *((change["remote"],) if several else ()),
            change["op"],
            change["model"],
            change["key"],
            change["state"],
            change["attempts"],
            _due(change),
            _why(app, change),
        )
        for change in changes
    ]
    print_table(columns, rows)
    say()
    if len(changes) < total:
        say(f"{len(changes):,} of {counted(total, 'change')}; --limit shows more")
    else:
        say(f"{counted(total, 'change')}; syncer outbox show SEQ tells all about one")


def print_change(app: App, change: Change) -> None:
    """Everything about one change, waiting or gone."""
    head = f"change {change['seq']}: {change['op']} {change['remote']} {change['model']} {change['key']}"
    say(styled(harmless(head), "bold"))
    fields(_facts(app, change))
    for conflict in change.get("conflicts") or ():
        say(f"  both sides changed {harmless(conflict['field'] or 'the record')}")
        fields([(side, _value(conflict[side])) for side in ("base", "ours", "theirs")], indent="    ")
    _print_values("sets", change.get("values"))
    _print_values("what was sent", change.get("body"))
    steps = _steps(change)
    widest = max((len(command) for command, _ in steps), default=0)
    for command, effect in steps:
        say(f"  -> {command.ljust(max(widest, 28))}  {effect}")


def _facts(app: App, change: Change) -> list[tuple[str, str]]:
    gone, code = "door" in change, change.get("code")
    reason = _reason(app, change)
    by = f" ({change['by_seq']})" if change.get("by_seq") else ""
    state = _DOORS[change["door"]] + by if gone else _STATES[change["state"]]
    blocked = change.get("blocked_by")
    return [
        ("state", state),
        ("reason", f"{reason} ({code})" if code and reason else reason),
        ("blocked by", f"change {blocked}, which must go first" if blocked else ""),
        ("fields", ", ".join(change["fields"] or ())),
        ("due", "" if gone or blocked else _due(change)),
        ("tries", f"{change['attempts']:,}"),
        ("made", f"{change['created_at']} ({moment(change['created_at'])})"),
        ("tried", change.get("attempted_at") or ""),
        ("left", f"{change['left_at']} ({moment(change['left_at'])})" if gone else ""),
        ("sent as", change["idem_key"] if change.get("body_hash") else ""),
        ("body hash", change.get("body_hash") or ""),
    ]


def _due(change: Change) -> str:
    if change["blocked_by"] or change["state"] not in ("pending", "ambiguous"):
        return ""
    if change["due_at"] is None:
        return "now"
    due = moment(change["due_at"])
    return due if due.startswith("in ") else "now"


def _why(app: App, change: Change) -> str:
    return f"behind {change['blocked_by']}" if change["blocked_by"] else _reason(app, change)


def _reason(app: App, change: Change) -> str:
    reason = change.get("reason")
    return app.hidden(reason) if reason else ""


def _value(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _print_values(title: str, values: Any) -> None:
    import json

    if not values:
        return
    say(f"  {title}")
    for line in harmless_json(json.dumps(values, ensure_ascii=False, indent=2)).split("\n"):
        say(f"    {line}")


def _steps(change: Change) -> list[tuple[str, str]]:
    """Commands that help, each with its effect."""
    if "door" in change:
        return [(f"syncer outbox show {change['by_seq']}", "the change that took it over")] if change.get("by_seq") else []
    seq, remote = change["seq"], change["remote"]
    retry, drop = f"syncer outbox retry {seq}", f"syncer outbox drop {seq}"
    discard = (drop, "give it up; the record goes back to what the remote has")
    if change["state"] == "conflict":
        settle = f"syncer conflicts resolve {seq}"
        return [
            (f"syncer conflicts show {seq}", "both sides beside each other"),
            (f"{settle} --ours", "send ours over theirs"),
            (f"{settle} --theirs", "keep theirs"),
        ]
    if change["blocked_by"]:
        return [(f"syncer outbox show {change['blocked_by']}", "what it waits for"), discard]
    if change["state"] == "parked":
        return [(retry, "send it again, with the record as it is now: correct that first"), discard]
    steps = [(f"syncer push {remote}", "send it once it is due")]
    if _due(change) not in ("", "now"):
        steps.append((retry, "make it due now"))
    return steps if change["state"] == "sending" else [*steps, discard]
