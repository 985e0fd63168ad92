"""``syncer history``: what happened to a record, newest first."""

from __future__ import annotations

import json
from typing import Any

import click

from syncer.cli.context import App, descriptions, pass_app
from syncer.cli.group import Command, json_option
from syncer.cli.output.escape import escape_control, escape_control_json
from syncer.cli.output.table import print_table
from syncer.cli.output.text import OUTCOMES, SIDES, counted, say, say_json

_SHOWN = 50


@click.command(cls=Command)
@click.argument("remote")
@click.argument("model")
@click.argument("record", metavar="ID", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(min=1), help=f"Show at most so many.  [default: {_SHOWN}; with --json all]")
@json_option()
@pass_app
def history(app: App, remote: str, model: str, record: tuple[str, ...], limit: int | None) -> None:
    """Show what happened to a record, newest first.

    What was written here and when it left, what pulls and merges changed, conflicts and how they ended, new ids.
    """
    from syncer.cli.options import hidden
    from syncer.views import history as facts
    from syncer.views import lookup

    with app.reader() as reader:
        key = lookup.key_text(lookup.model_of(descriptions(reader), remote, model), record)
        entries = facts.of(reader, lookup.located(reader, descriptions(reader), remote, model, key))
    found = hidden(app, entries[: limit or (None if app.json else _SHOWN)])
    if app.json:
        say_json(found)
        return
    if not found:
        say("nothing has happened to it since a pull brought it")
        return
    rows = [(entry["at"][:23], _what(entry), ", ".join(entry.get("fields") or ()), _more(entry)) for entry in found]
    print_table(("at", "what", "fields", "more"), rows, null="")
    say()
    total = counted(len(entries), "entry").replace("entrys", "entries")
    say(f"{len(found):,} of {total}; --limit shows more" if len(found) < len(entries) else total)


def _what(entry: dict[str, Any]) -> str:
    """What happened, with the change it happened to."""
    op = f" {entry['op']}" if "op" in entry else ""
    kind = OUTCOMES.get(entry["kind"], entry["kind"])
    return f"{kind}{op}{' ' + str(entry['seq']) if 'seq' in entry else ''}"


def _more(entry: dict[str, Any]) -> str:
    words = [escape_control(entry["note"])] if "note" in entry else []
    if entry.get("attempts", 0) > 1:
        words.append(f"{entry['attempts']:,} attempts")
    if "values" in entry:
        sides = entry["values"]
        words += [
            f"{SIDES[side]} {escape_control_json(json.dumps(sides[side], ensure_ascii=False))}"
            for side in ("ours", "theirs")
        ]
    return "; ".join(words)
