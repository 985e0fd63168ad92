"""Conflicts on the screen: as a table, and one with both sides beside what they came from."""

from __future__ import annotations

import json
from typing import Any

from syncer.cli.app import App, on_terminal
from syncer.cli.harmless import harmless, harmless_json
from syncer.cli.render import counted, moment, say, styled
from syncer.cli.table import beside, print_table

Dispute = dict[str, Any]

_SIDES = ("base", "ours", "theirs")
_STYLES = {"base": "dim", "ours": "green", "theirs": "cyan"}
_GONE = {"gone-there": "theirs", "deleted-here": "ours"}
_OTHER = {"ours": "theirs", "theirs": "ours"}
_LONGEST = 24
_KINDS = {
    "fields": "both sides changed {what}",
    "gone-there": "edited here, but gone on the remote",
    "deleted-here": "deleted here, but changed on the remote",
}


def print_disputes(disputes: list[Dispute], total: int, *, every: bool) -> None:
    """A line for each of ``disputes``, and how many of ``total`` they are."""
    if not disputes:
        say("no conflicts" if every else "no conflicts: nothing needs deciding")
        return
    several = len({one["remote"] for one in disputes}) > 1
    columns = ["seq", *(("remote",) if several else ()), "model", "key", "fields", "since", *(("settled",) if every else ())]
    rows = [
        (
            one["seq"],
            *((one["remote"],) if several else ()),
            one["model"],
            one["key"],
            what(one),
            _time(one["since"]),
            *((_settled(one) if one["resolved_at"] else "no",) if every else ()),
        )
        for one in disputes
    ]
    print_table(columns, rows)
    say()
    if len(disputes) < total:
        say(f"{len(disputes):,} of {counted(total, 'conflict')}; --limit shows more")
    else:
        say(f"{counted(total, 'conflict')}; syncer conflicts show SEQ tells both sides")


def print_dispute(app: App, dispute: Dispute) -> None:
    """One conflict: a table of three columns; values of several lines side by side on a terminal."""
    if not on_terminal():
        _print_plain(dispute)
        return
    say(styled(harmless(f"{dispute['remote']} {dispute['model']} {dispute['key']}"), "bold"))
    say(f"  {harmless(_KINDS[dispute['kind']].format(what=what(dispute)))}, found {moment(dispute['since'])}")
    if dispute["resolved_at"]:
        say(f"  settled: {harmless(_settled(dispute))}")
    say()
    _print_sides(dispute)
    _print_steps(dispute)


def _print_sides(dispute: Dispute) -> None:
    styles = [_STYLES[side] for side in _SIDES]
    say(beside([[head] for head in _heads(dispute)], styles)[0])
    gone = _GONE.get(dispute["kind"])
    alike = 0
    for field in dispute["fields"]:
        if gone and field["base"] == field[_OTHER[gone]]:
            alike += 1
            continue
        say(styled(harmless(field["field"]), "bold"))
        for line in beside([[] if side == gone else _lines(field[side]) for side in _SIDES], styles, longest=_LONGEST):
            say(line)
        if "keys" in field:
            say(f"  in conflict: {harmless(', '.join(field['keys']))}; keys that only one side changed are merged")
    if alike:
        say(f"{counted(alike, 'field')} did not change")


def what(dispute: Dispute) -> str:
    """The fields in conflict, or how the record differs as a whole."""
    if dispute["kind"] != "fields":
        return "gone there" if dispute["kind"] == "gone-there" else "deleted here"
    return ", ".join(field["field"] for field in dispute["fields"])


def _heads(dispute: Dispute) -> tuple[str, ...]:
    gone = _GONE.get(dispute["kind"])
    return tuple(f"{side} ({'gone' if side == 'theirs' else 'deleted'})" if side == gone else side for side in _SIDES)


def _print_plain(dispute: Dispute) -> None:
    print_table(
        ("field", *_SIDES), [(field["field"], *(_json(field[side]) for side in _SIDES)) for field in dispute["fields"]]
    )


def _json(value: Any) -> str | None:
    return None if value is None else harmless_json(json.dumps(value, ensure_ascii=False))


def _lines(value: Any) -> list[str]:
    """A value over as many lines as it reads best on."""
    if value is None:
        return ["-"]
    if isinstance(value, dict | list):
        return harmless_json(json.dumps(value, ensure_ascii=False, indent=2)).split("\n")
    if isinstance(value, str):
        return [harmless(line) for line in value.split("\n")] or [""]
    return [json.dumps(value)]


def _print_steps(dispute: Dispute) -> None:
    if dispute["resolved_at"]:
        return
    number = dispute["seq"]
    effects = {
        "fields": ("send ours over theirs", "keep theirs"),
        "gone-there": ("make it there again", "let it go here too"),
        "deleted-here": ("delete it there too", "have it back as it is there"),
    }[dispute["kind"]]
    steps = [("--ours", effects[0]), ("--theirs", effects[1])]
    if dispute["kind"] == "fields":
        steps.append((f"--set {dispute['fields'][0]['field']}=...", "another value"))
    widest = max(len(option) for option, _ in steps)
    say()
    for option, effect in steps:
        say(f"-> syncer conflicts resolve {number} {option.ljust(widest)}  {effect}")


def _settled(dispute: Dispute) -> str:
    return f"{dispute['resolution']} ({_time(dispute['resolved_at'])})"


def _time(stored: str) -> str:
    """As people think of it on a terminal; else as it is stored, which another program can read."""
    return moment(stored) if on_terminal() else stored
