"""``syncer explain``: why a record has not arrived, and the command that helps."""

from __future__ import annotations

from typing import Any

import click

from syncer.cli.context import App, descriptions, pass_app
from syncer.cli.group import Command, json_option
from syncer.cli.output.escape import escape_control, escape_control_json
from syncer.cli.output.text import OUTCOMES, counted, fields, moment, say, say_json, styled

_OUTCOMES = {
    "refused": "refused for good",
    "differs": "the record there was not as expected",
    "later": "not applied",
    "ambiguous": "may have arrived",
}
_STEP = 40


@click.command(cls=Command)
@click.argument("record", metavar="REMOTE MODEL ID | SEQ", nargs=-1, required=True)
@json_option()
@pass_app
def explain(app: App, record: tuple[str, ...]) -> None:
    """Say why a record has not arrived, and what helps.

    Shows every pending change of the record, each attempt and its result, and when the next attempt is. ID may be one that
    the record had here before the remote gave it another.
    """
    from syncer.cli.options import hidden
    from syncer.errors import UsageError
    from syncer.views import explain as facts
    from syncer.views import lookup

    with app.reader() as reader:
        if len(record) == 1:
            if not (record[0].isascii() and record[0].isdecimal() and 0 < len(record[0]) < 19):
                raise UsageError("one word must be the number of a change", hint="syncer explain REMOTE MODEL ID, or SEQ")
            found = facts.change(reader, descriptions(reader), app.missing, int(record[0]))
        elif len(record) == 2:
            raise UsageError("a record is known by remote, model and id", hint="syncer explain REMOTE MODEL ID, or SEQ")
        else:
            key = lookup.key_text(lookup.model_of(descriptions(reader), record[0], record[1]), record[2:])
            found = facts.record(reader, descriptions(reader), app.missing, record[0], record[1], key)
    found = hidden(app, found)
    if app.json:
        say_json(found)
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    say(styled(escape_control(f"{found['remote']} {found['model']} {found['key']}"), "bold"))
    fields(
        [
            ("known before", ", ".join(found["aliases"])),
            ("here", "" if found["exists"] else "it has no row"),
            ("last pushed", _time(found["last_pushed_at"])),
            ("last pulled", _time(found["last_pulled_at"])),
            ("model pulled", _time(found["model_pulled_at"])),
        ]
    )
    if found["change"]:
        _print_gone(found["change"])
    for change in found["pending"]:
        _print_pending(change)
    if not found["pending"]:
        say("  no change of it is pending")
        if found["last_pushed_at"] is None and found["last_pulled_at"] is None and found["exists"]:
            say("  a pull brought it, and nothing was written to it here")


def _print_gone(change: dict[str, Any]) -> None:
    by = f" {change['by_seq']}" if change.get("by_seq") else ""
    outcome = f"{change['outcome']} ({OUTCOMES.get(change['outcome'], change['outcome'])}{by})"
    say(escape_control(f"  change {change['seq']}: {change['op']} {outcome}, {_time(change['left_at'])}"))
    if change.get("reason"):
        say(escape_control(f"    {change['reason']}"))
    _print_attempts(change)


def _print_pending(change: dict[str, Any]) -> None:
    say(escape_control(f"  change {change['seq']}: {change['op']}, written {_time(change['created_at'])}"))
    _print_values(change.get("values"))
    _print_attempts(change)
    for why in change["reasons"]:
        until = f"; next attempt {_time(why['until'])}" if why["until"] else ""
        say(f"    {styled(why['because'], 'yellow')}: {escape_control(why['text'])}{until}")
    steps = dict.fromkeys((one["run"], one["effect"]) for why in change["reasons"] for one in why["fix"])
    widest = min(max((len(command) for command, _ in steps), default=0), _STEP)
    for command, effect in steps:
        say(escape_control(f"    -> {command.ljust(widest)}  {effect}"))


def _print_values(values: dict[str, Any] | None) -> None:
    import json

    for name, value in (values or {}).items():
        say(escape_control(f"    {name}: ") + escape_control_json(json.dumps(value, ensure_ascii=False)))


def _print_attempts(change: dict[str, Any]) -> None:
    made = change["attempts_made"]
    if made:
        say(f"    {counted(len(made), 'attempt')} without success:")
    for one in made:
        outcome = _OUTCOMES.get(one["outcome"] or "", "no answer was stored")
        told = ": ".join(filter(None, (one["code"], one["reason"])))
        asked = f"  [request {one['request_id']}]" if one["request_id"] else ""
        say(escape_control(f"      {one['number']}  {one['at']}  {outcome} ({told}){asked}"))


def _time(stored: str | None) -> str:
    return f"{moment(stored)} ({stored})" if stored else ""
