"""``syncer plan``, and ``--dry-run`` of the commands whose work it foretells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from syncer.cli.context import App, pass_app
from syncer.cli.group import Command, json_option
from syncer.cli.output.escape import escape_control, escape_control_json
from syncer.cli.output.table import cut
from syncer.cli.output.text import counted, export, listed, moment, say, say_json, styled

if TYPE_CHECKING:
    from syncer.engine.plan.report import Plan, RemotePlan, WouldChange, WouldSend, WouldStay

_SHOWN = 50
_WIDEST = 60
_SIGNS = {"added": "new", "changed": "changed", "removed": "removed", "conflict": "conflict"}


@click.command(cls=Command)
@click.argument("remotes", metavar="[REMOTE]...", nargs=-1)
@click.option("-m", "--model", "models", metavar="MODEL", multiple=True, help="Only this model; repeatable.")
@click.option("--pull", is_flag=True, help="Read from the remotes too, and show what a pull would change here.")
@click.option("--limit", type=click.IntRange(min=1), help="As if at most so many changes were sent.")
@json_option("Print the plan as JSON, every field with both values.")
@pass_app
def plan(app: App, remotes: tuple[str, ...], models: tuple[str, ...], pull: bool, limit: int | None) -> None:
    """Show what the next sync would do, and do none of it.

    Every change that would be sent, in order, what would stay here and why. It is the sync itself, done on a private copy
    of the local file: nothing is sent, and the file stays as it is. Without --pull no remote is asked anything.
    """
    print_plan(app, remotes, models, pull=pull, limit=limit)


def print_plan(app: App, remotes: tuple[str, ...], models: tuple[str, ...], **given: Any) -> None:
    """Print the plan of a run with the same arguments."""
    from syncer.cli.options import check_models, hidden
    from syncer.cli.output.progress import watching
    from syncer.store import version

    check_models(remotes, models)
    version.must_exist(app.path)  # nor is a file made for a plan
    with app.workspace() as workspace, watching(in_lines=bool(app.verbose)) as watch:
        found = workspace.plan(remotes or None, models=models or None, watch=watch, **given)
    app.code = found.exit_code
    if app.json:
        say_json(hidden(app, json.loads(json.dumps(found.as_dict()))))
    else:
        _print(app, found, push=given.get("push", True), pull=given.get("pull", False))


def _print(app: App, plan: Plan, *, push: bool, pull: bool) -> None:
    for part in plan.remotes.values():
        say(f"{styled(part.remote, 'bold')}  {escape_control(_headline(part, push=push, pull=pull))}")
        if part.missing and (part.sends or part.stays):
            say("  not configured: none of it goes out before")
            say(f"    -> {export(list(part.missing))}")
        for planned in part.sends[:_SHOWN]:
            _print_planned(app, planned)
        _rest(len(part.sends))
        _print_stays(app, part.stays)
        _print_arriving(app, part)
        for text in part.notes:
            _line(app, f"  note: {text}")
        if part.stopped:
            _line(app, f"  could not be read: {part.stopped}")
            if part.hint:
                _line(app, f"    -> {part.hint}")
    say()
    say(_summary(plan, push=push, pull=pull))


def _headline(part: RemotePlan, *, push: bool, pull: bool) -> str:
    words = []
    if part.missing and not (part.sends or part.stays):
        return f"not configured: set {listed(list(part.missing))}"
    if push:
        words.append(f"would send {counted(len(part.sends), 'change')}" if part.sends else "nothing would be sent")
    if part.stays:
        words.append(f"{len(part.stays):,} would stay")
    if pull and not part.stopped:
        words.append(f"{counted(part.touched, 'row')} would change here" if part.touched else "nothing would change here")
    return ", ".join(words) or "nothing to do"


def _print_planned(app: App, planned: WouldSend) -> None:
    number = f"{planned.seq}" if planned.seq is not None else "new"
    _line(app, f"  {number}  {planned.op} {planned.model} {planned.key}")
    if planned.op != "delete":
        _print_fields(app, planned.fields, only_after=planned.op == "create")
    if planned.note:
        _line(app, f"       ({planned.note})")


def _print_fields(app: App, fields: Mapping[str, tuple[Any, Any]], *, only_after: bool = False) -> None:
    for name, (before, after) in fields.items():
        change = _value(after) if only_after else f"{_value(before)} -> {_value(after)}"
        _line(app, f"       {name}: {change}")


def _print_stays(app: App, stays: list[WouldStay]) -> None:
    if stays:
        say("  would stay:")
    for one in stays[:_SHOWN]:
        until = f", until {moment(one.until).removeprefix('in ')} from now" if one.until else ""
        number = f"{one.seq}" if one.seq is not None else "new"
        _line(app, f"  {number}  {one.op} {one.model} {one.key}: {one.why}{until}")
    _rest(len(stays))
    numbered = next((one.seq for one in stays if one.seq is not None), None)
    if numbered is not None:
        say(f"    -> syncer explain {numbered}")


def _print_arriving(app: App, part: RemotePlan) -> None:
    if not part.pulled:
        return
    say("  would change here:")
    for model, kinds in part.pulled.items():
        say(f"  {model}: {', '.join(f'{number:,} {_SIGNS[kind]}' for kind, number in kinds.items())}")
    for one in part.arriving[:_SHOWN]:
        _print_row(app, one)
    _rest(part.touched)


def _print_row(app: App, one: WouldChange) -> None:
    _line(app, f"  {_SIGNS[one.kind]}  {one.model} {one.key}")
    if one.kind == "conflict":
        for name, (ours, theirs) in one.fields.items():
            _line(app, f"       {name or 'the record as a whole'}: local {_value(ours)}, remote {_value(theirs)}")
    elif one.kind == "changed":
        _print_fields(app, one.fields)


def _rest(count: int) -> None:
    if count > _SHOWN:
        say(f"  and {count - _SHOWN:,} more (--json lists them)")


def _summary(plan: Plan, *, push: bool, pull: bool) -> str:
    parts = plan.remotes.values()
    words = []
    if push:
        words.append(
            f"{counted(len(plan.changes), 'change')} would be sent, {sum(len(p.stays) for p in parts):,} would stay"
        )
    if pull:
        words.append(f"{counted(sum(part.touched for part in parts), 'row')} would change here")
    return f"{'; '.join(words)}. Nothing was sent or changed."


def _value(value: Any) -> str:
    return cut(escape_control_json(json.dumps(value, ensure_ascii=False)), _WIDEST)


def _line(app: App, text: str) -> None:
    say(escape_control(app.hidden(text)))
