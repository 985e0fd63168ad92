"""``syncer status``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncer.cli.context import App, pass_app
from syncer.cli.group import Command, json_option
from syncer.cli.output.escape import escape_control
from syncer.cli.output.text import OUTCOMES, counted, fields, listed, moment, say, say_json, styled

if TYPE_CHECKING:
    from syncer.views.status import RemoteStatus, Status

_STUCK = {
    "rejected": "rejected -> syncer outbox list --state rejected",
    "conflict": "in conflict -> syncer conflicts list",
}


@click.command(cls=Command)
@json_option()
@pass_app
def status(app: App) -> None:
    """Show what is pending, what needs attention, and when each remote was last reached.

    The command reads the local file only. Its exit code is always 0.
    """
    from syncer.adapters import registry
    from syncer.store.file.wal_size import HINT as LONG_READ
    from syncer.store.file.wal_size import grown
    from syncer.views import status as facts
    from syncer.views.remotes import remembered

    with app.reader() as reader:
        found = facts.read(reader, registry.BUILT_IN)
        others = remembered(reader)
    # What the file remembers of another package's remote is enough here: to look for the package takes too long.
    missing = {
        name: registry.needed(app.settings.remote(name, others[name].settings), others[name].settings)
        if name in others
        else app.missing(name)
        for name in found.remotes
    }
    absent = {name: other.hint for name, other in others.items() if not other.is_installed}
    if app.json:
        say_json(_as_dict(app, found, missing, absent))
        return
    say(escape_control(found.path))
    for name, remote in found.remotes.items():
        say()
        configured = "not configured: set " + listed(missing[name]) if missing[name] else "configured"
        if name in absent:
            configured = f"not installed: {escape_control(absent[name])}"
        say(f"{styled(name, 'bold')}  {configured}")
        fields(_lines(app, remote))
    say()
    say(_ledger(found))
    if not found.consistent:
        say("  -> syncer db check")
    if (large := grown(found.log_bytes)) is not None:
        say(styled(large, "yellow"))
        say(f"  -> {LONG_READ}")


def _as_dict(app: App, found: Status, missing: dict[str, list[str]], absent: dict[str, str]) -> dict[str, object]:
    facts = found.as_dict()
    for name, remote in facts["remotes"].items():
        remote["configured"] = not missing[name]
        remote["missing"] = missing[name]
        remote["installed"] = name not in absent
        remote["held_because"] = remote["held_because"] and app.hidden(remote["held_because"])
    return facts


def _lines(app: App, remote: RemoteStatus) -> list[tuple[str, str]]:
    return [
        ("rows", f"{remote.rows:,}"),
        ("pending", _pending(remote)),
        ("states", listed([f"{n:,} {state}" for state, n in remote.by_state.items()])),
        ("needs attention", _attention(remote)),
        ("next attempt", moment(remote.next_attempt_at) if remote.next_attempt_at else ""),
        ("on hold", _hold(app, remote)),
        ("syncing", f"process {remote.syncing}" if remote.syncing else ""),
        ("last push", _last(remote.last_push_at, remote.last_push)),
        ("last pull", _last(remote.last_pull_at, remote.last_pull)),
    ]


def _pending(remote: RemoteStatus) -> str:
    if not remote.pending:
        return "nothing"
    models = ", ".join(f"{n:,} {model}" for model, n in remote.by_model.items())
    return f"{counted(remote.pending, 'change')} ({models}); the oldest was written {moment(remote.oldest_at)}"


def _attention(remote: RemoteStatus) -> str:
    commands = [f"{remote.by_state[state]:,} {_STUCK[state]}" for state in _STUCK if remote.by_state.get(state)]
    return "; ".join(commands)


def _hold(app: App, remote: RemoteStatus) -> str:
    from syncer import clock

    if not remote.held_until or remote.held_until <= clock.stored_now():
        return ""
    return f"until {moment(remote.held_until)}: {app.hidden(remote.held_because or 'the remote asked to wait')}"


def _last(at: str | None, outcome: str | None) -> str:
    return "never" if at is None else f"{moment(at)}: {outcome}"


def _ledger(found: Status) -> str:
    parts = [
        f"{found.pending:,} pending",
        *(f"{n:,} {OUTCOMES.get(outcome, outcome)}" for outcome, n in found.ledger.items()),
    ]
    total = counted(found.enqueued, "change")
    if found.consistent:
        return f"consistent: all {total} accounted for: {' + '.join(parts)}"
    return styled(f"not consistent: {total} accepted, but {' + '.join(parts)}", "red")
