"""``syncer outbox``: the pending changes, and what a person does to them.

A list of changes is a table; one change is shown with all there is to know and do.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from syncer.cli.context import App, descriptions, pass_app
from syncer.cli.group import Group, json_option
from syncer.cli.output.escape import escape_control, escape_control_json
from syncer.cli.output.table import print_table
from syncer.cli.output.text import OUTCOMES, SIDES, counted, fields, listed, moment, note, say, say_json, styled

if TYPE_CHECKING:
    from syncer.store.reader import Reader

STATES = ("pending", "sending", "ambiguous", "rejected", "conflict")
_SHOWN = 50
_DUE_LATER = "state IN ('pending', 'ambiguous') AND next_attempt_at IS NOT NULL"
_STUCK = f"SELECT seq FROM outbox WHERE state = 'rejected' OR ({_DUE_LATER}) ORDER BY seq"


@click.group(cls=Group)
def outbox() -> None:
    """List, show, retry or drop pending changes."""


@outbox.command("list")
@click.option("--remote", help="Only changes for this remote.")
@click.option("-m", "--model", help="Only changes of this model.")
@click.option("--state", type=click.Choice(STATES), help="Only changes in this state.")
@click.option("--limit", type=click.IntRange(min=1), help=f"List at most so many.  [default: {_SHOWN}; with --json all]")
@json_option()
@pass_app
def list_(app: App, remote: str | None, model: str | None, state: str | None, limit: int | None) -> None:
    """List pending changes, oldest first."""
    from syncer.views import outbox as views_outbox

    check_names(app, remote, model)
    most = limit or (None if app.json else _SHOWN)
    with app.reader() as reader:
        found = views_outbox.changes(reader, descriptions(reader), remote=remote, model=model, state=state, limit=most)
        total = _count(reader, remote, model, state) if most is not None else len(found)
    if app.json:
        say_json([printable(app, change) for change in found])
        return
    print_changes(app, found, total)


@outbox.command()
@click.argument("seq", type=click.IntRange(min=1))
@json_option()
@pass_app
def show(app: App, seq: int) -> None:
    """Show everything about change SEQ: what it sends, why it is pending, what helps."""

    with app.reader() as reader:
        found = _found(reader, seq)
    if app.json:
        say_json(printable(app, found))
    else:
        print_change(app, found)


@outbox.command()
@click.argument("seqs", metavar="[SEQ]...", type=click.IntRange(min=1), nargs=-1)
@click.option("--all", "every", is_flag=True, help="All rejected changes, and all whose next attempt is later.")
@click.option("--state", type=click.Choice(STATES), help="With --all: every change in this state instead.")
@json_option()
@pass_app
def retry(app: App, seqs: tuple[int, ...], every: bool, state: str | None) -> None:
    """Let the next push try changes again, whatever state they are in.

    A rejected change is sent again, with the values that the record has now. A change in conflict is sent over the
    remote's values, so --all takes such changes only with --state conflict.
    """
    from syncer.errors import UsageError

    if every == bool(seqs) or (state and not every):
        raise UsageError("say which changes to retry", hint="their numbers, or --all (with or without --state)")
    chosen = _all_numbers(app, state) if every else list(dict.fromkeys(seqs))
    _must_exist(app)
    with app.workspace() as workspace:
        now = workspace.retry(*chosen)
    if app.json:
        say_json({"retried": chosen, "now": now})
    elif not now:
        say("no change to retry")
    else:
        say(f"the next push tries {counted(len(now), 'change')} again: {listed([str(number) for number in now])}")
        say("  -> syncer push")


@outbox.command()
@click.argument("seq", type=click.IntRange(min=1))
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option()
@pass_app
def drop(app: App, seq: int, yes: bool) -> None:
    """Discard change SEQ and every later one of its record.

    The record goes back to what the remote has; one that the remote never had goes away.
    """
    with app.reader() as reader:
        found = _found(reader, seq)
    question = f"discard change {seq}: {found['op']} {found['remote']} {found['model']} {found['key']}?"
    if not (yes or "outcome" in found or _confirmed(question)):
        note("nothing was discarded")
        return
    with app.workspace() as workspace:
        dropped = workspace.drop(seq)
    if app.json:
        say_json({"dropped": list(dropped.seqs), "dangling": dropped.dangling})
        return
    say(f"discarded {counted(len(dropped.seqs), 'change')}: {listed([str(number) for number in dropped.seqs])}")
    if dropped.dangling:
        others = counted(dropped.dangling, "pending record")
        note(f"{others} {'points' if dropped.dangling == 1 else 'point'} at the one that is gone; the remote may refuse it")


def _confirmed(question: str) -> bool:
    from syncer.cli.output.escape import escape_control
    from syncer.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError("dropping loses what was written, and nobody is here to confirm it", hint="add --yes")
    return click.confirm(escape_control(question), err=True)


def _found(reader: Reader, seq: int) -> dict[str, Any]:
    from syncer.errors import RecordNotFound
    from syncer.views import outbox as views_outbox

    found = views_outbox.change(reader, descriptions(reader), seq)
    if found is None:
        raise RecordNotFound(f"there never was a change {seq}", hint="syncer outbox list shows what is pending")
    return found


def _must_exist(app: App) -> None:
    """Nothing waits in a file that is not there: it is not made for that. Raises: DatabaseError."""
    from syncer.store import version

    version.must_exist(app.path)


def _all_numbers(app: App, state: str | None) -> list[int]:
    with app.reader() as reader:
        rows = reader.all("SELECT seq FROM outbox WHERE state = ? ORDER BY seq", (state,)) if state else reader.all(_STUCK)
    return [number for (number,) in rows]


def _count(reader: Reader, remote: str | None, model: str | None, state: str | None) -> int:
    row = reader.one(
        "SELECT count(*) FROM outbox WHERE remote = ifnull(?1, remote) AND model = ifnull(?2, model)"
        " AND state = ifnull(?3, state)",
        (remote, model, state),
    )
    return int(row[0]) if row else 0


def check_names(app: App, remote: str | None, model: str | None) -> None:
    """Raises: UsageError for a remote or model that does not exist: nothing waiting would be no answer."""
    if remote is None and model is None:
        return
    from syncer.adapters import registry
    from syncer.errors import UsageError
    from syncer.suggest import near

    known: list[str] = []
    if remote is None or registry.is_there(remote):
        remotes = registry.chosen(remote)
        known = [name for chosen in remotes for name in registry.models(chosen)] if model else []
    else:
        with app.reader() as reader:
            models = descriptions(reader)
            if remote not in models:
                registry.chosen(remote)  # raises
            known = list(models[remote])
    if model and model not in known:
        raise UsageError(f"there is no model {model!r}", hint=near(model, known) or f"models are: {', '.join(known)}")


Change = dict[str, Any]

_STATES = {
    "pending": "pending: not sent yet",
    "sending": "sending: it is being sent, or its sync was stopped",
    "ambiguous": "ambiguous: it may have arrived; the next push finds out, and never doubles it",
    "rejected": "rejected: the remote refused it for good",
    "conflict": "conflict: the record was changed elsewhere",
}


def printable(app: App, change: Change) -> Change:
    """The change for ``--json``, credentials hidden in what a remote said."""
    return {**change, "reason": _reason(app, change) or None}


def print_changes(app: App, changes: list[Change], total: int) -> None:
    """A line for each of ``changes``, and how many of ``total`` they are."""
    if not changes:
        say("nothing is pending")
        return
    several = len({change["remote"] for change in changes}) > 1
    columns = ("seq", *(("remote",) if several else ()), "op", "model", "key", "state", "attempts", "next attempt", "why")
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
        say(f"{counted(total, 'change')}; syncer outbox show SEQ shows everything about one")


def print_change(app: App, change: Change) -> None:
    """Everything about one change, pending or in the ledger."""
    head = f"change {change['seq']}: {change['op']} {change['remote']} {change['model']} {change['key']}"
    say(styled(escape_control(head), "bold"))
    fields(_facts(app, change))
    for conflict in change.get("conflicts") or ():
        say(f"  both sides changed {escape_control(conflict['field'] or 'the record')}")
        fields([(name, _value(conflict[side])) for side, name in SIDES.items()], indent="    ")
    _print_values("sets", change.get("values"))
    _print_values("what was sent", change.get("body"))
    steps = _steps(change)
    widest = max((len(command) for command, _ in steps), default=0)
    for command, effect in steps:
        say(f"  -> {command.ljust(max(widest, 28))}  {effect}")


def _facts(app: App, change: Change) -> list[tuple[str, str]]:
    gone, code = "outcome" in change, change.get("code")
    reason = _reason(app, change)
    by = f" {change['by_seq']}" if change.get("by_seq") else ""
    state = "" if gone else _STATES[change["state"]]
    outcome = f"{change['outcome']}: {OUTCOMES.get(change['outcome'], change['outcome'])}{by}" if gone else ""
    blocked = change.get("blocked_by")
    return [
        ("state", state),
        ("outcome", outcome),
        ("reason", f"{reason} ({code})" if code and reason else reason),
        ("blocked by", f"change {blocked}, which must go first" if blocked else ""),
        ("fields", ", ".join(change["fields"] or ())),
        ("next attempt", "" if gone or blocked else _due(change)),
        ("attempts", f"{change['attempts']:,}"),
        ("created", f"{change['created_at']} ({moment(change['created_at'])})"),
        ("last attempt", change.get("attempted_at") or ""),
        ("left", f"{change['left_at']} ({moment(change['left_at'])})" if gone else ""),
        ("sent as", change["idem_key"] if change.get("body_hash") else ""),
        ("body hash", change.get("body_hash") or ""),
    ]


def _due(change: Change) -> str:
    if change["blocked_by"] or change["state"] not in ("pending", "ambiguous"):
        return ""
    if change["next_attempt_at"] is None:
        return "now"
    due = moment(change["next_attempt_at"])
    return due if due.startswith("in ") else "now"


def _why(app: App, change: Change) -> str:
    return f"blocked by {change['blocked_by']}" if change["blocked_by"] else _reason(app, change)


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
    for line in escape_control_json(json.dumps(values, ensure_ascii=False, indent=2)).split("\n"):
        say(f"    {line}")


def _steps(change: Change) -> list[tuple[str, str]]:
    """Commands that help, each with its effect."""
    if "outcome" in change:
        return (
            [(f"syncer outbox show {change['by_seq']}", "the later change that it was merged into")]
            if change.get("by_seq")
            else []
        )
    seq, remote = change["seq"], change["remote"]
    retry, drop = f"syncer outbox retry {seq}", f"syncer outbox drop {seq}"
    discard = (drop, "discard it; the record goes back to what the remote has")
    if change["state"] == "conflict":
        resolve = f"syncer conflicts resolve {seq}"
        return [
            (f"syncer conflicts show {seq}", "show both sides"),
            (f"{resolve} --local", "send the local values"),
            (f"{resolve} --remote", "keep the remote values"),
        ]
    if change["blocked_by"]:
        return [(f"syncer outbox show {change['blocked_by']}", "the change that blocks it"), discard]
    if change["state"] == "rejected":
        return [(retry, "send it again, with the record as it is now: correct that first"), discard]
    steps = [(f"syncer push {remote}", "send it")]
    if _due(change) not in ("", "now"):
        steps.append((retry, "try it with the next push"))
    return steps if change["state"] == "sending" else [*steps, discard]
