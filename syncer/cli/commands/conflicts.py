"""``syncer conflicts``: what both sides changed, and what a person decides.

A list of conflicts is a table; one conflict is shown with both sides beside what they came from.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from syncer.cli.context import App, descriptions, on_terminal, pass_app
from syncer.cli.group import Decorator, Group, json_option
from syncer.cli.output.escape import escape_control, escape_control_json
from syncer.cli.output.table import print_table, side_by_side
from syncer.cli.output.text import SIDES, counted, listed, moment, say, say_json, styled

if TYPE_CHECKING:
    from syncer.engine.reconcile.resolve import ResolvedConflict
    from syncer.schema.model import Field
    from syncer.workspace import Workspace

_SHOWN = 50
_ATTENTION = 3
_KEEP_REMOTE = ""


@click.group(cls=Group)
def conflicts() -> None:
    """List, show or resolve what both sides changed.

    Both values are kept until you decide, and after.
    """


def _narrowing(command: Any) -> Any:
    options: tuple[Decorator, ...] = (
        click.option("--remote", help="Only records of this remote."),
        click.option("-m", "--model", help="Only records of this model."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@conflicts.command("list")
@click.option("--all", "every", is_flag=True, help="Resolved ones too, with how and when.")
@_narrowing
@click.option("--limit", type=click.IntRange(min=1), help=f"List at most so many.  [default: {_SHOWN}; with --json all]")
@json_option()
@pass_app
def list_(app: App, every: bool, remote: str | None, model: str | None, limit: int | None) -> None:
    """List the records that need deciding, oldest first."""
    from syncer.views import conflicts as views_conflicts

    _check_names(app, remote, model)
    with app.reader() as reader:
        found = views_conflicts.listed(reader, descriptions(reader), every=every, remote=remote, model=model)
    most = limit or (len(found) if app.json else _SHOWN)
    if app.json:
        say_json(found[:most])
        return
    print_conflicts(found[:most], len(found), every=every)


@conflicts.command()
@click.argument("name", metavar="ID_OR_SEQ")
@_narrowing
@json_option()
@pass_app
def show(app: App, name: str, remote: str | None, model: str | None) -> None:
    """Show both sides of one conflict beside the original.

    ID_OR_SEQ is the key of the record, or the number of the pending change.
    """
    from syncer.errors import RecordNotFound, UsageError
    from syncer.views import conflicts as views_conflicts

    _check_names(app, remote, model)
    with app.reader() as reader:
        found = views_conflicts.called(reader, descriptions(reader), name, remote=remote, model=model)
    open_ones = [one for one in found if one["resolved_at"] is None] or found[-1:]
    if not open_ones:
        raise RecordNotFound(f"there is no conflict of {name}", hint="syncer conflicts list shows what needs attention")
    if len(open_ones) > 1:
        kinds = listed([f"{one['model']} {one['key']}" for one in open_ones])
        raise UsageError(f"{name} may mean {kinds}", hint="add --model")
    if app.json:
        say_json(open_ones[0])
    else:
        print_conflict(app, open_ones[0])


@conflicts.command()
@click.argument("names", metavar="[ID_OR_SEQ]...", nargs=-1)
@click.option("--local", "take", flag_value="ours", help="Send the local values over the remote's.")
@click.option("--ours", "take", flag_value="ours", hidden=True)
@click.option("--theirs", "take", flag_value="theirs", hidden=True)
@click.option("--newest", "take", flag_value="newest", help="Keep what was edited last; what cannot be told stays open.")
@click.option("--set", "pairs", metavar="FIELD=VALUE", multiple=True, help="Another value; JSON, numbers and flags as JSON.")
@click.option("--all", "every", is_flag=True, help="Every open conflict (of --remote NAME, --model).")
@click.option(
    "--remote",
    "remotes",
    metavar="[NAME]",
    is_flag=False,
    flag_value=_KEEP_REMOTE,
    multiple=True,
    help="Keep the remote's values; the local ones are not sent. With the NAME of a remote: only its records.",
)
@click.option("-m", "--model", help="Only records of this model.")
@json_option()
@pass_app
def resolve(
    app: App,
    names: tuple[str, ...],
    take: str | None,
    pairs: tuple[str, ...],
    every: bool,
    remotes: tuple[str, ...],
    model: str | None,
) -> None:
    """Resolve conflicts. Other edits of the same records are kept, and go out with the next push."""
    from syncer.store import version

    names, take, remote = _read_remote(names, take, remotes)
    _check_choice(names, take, pairs, every)
    _check_names(app, remote, model)
    version.must_exist(app.path)
    with app.workspace() as workspace:
        chosen = _open_keys(app, remote, model) if every else [(name, remote, model) for name in dict.fromkeys(names)]
        done = [_decided(workspace, *one, take, pairs) for one in chosen]
    if any(one.left for one in done):
        app.code = _ATTENTION
    if app.json:
        say_json([_as_dict(one) for one in done])
        return
    _print_done(done)


def _read_remote(
    names: tuple[str, ...], take: str | None, remotes: tuple[str, ...]
) -> tuple[tuple[str, ...], str | None, str | None]:
    """Records, side and remote that are meant: ``--remote`` alone takes the remote's side, with a name it narrows.

    Both are old: the name was all that it could have before, and the side was called ``--theirs``. What follows it and is
    no name of a remote is a record.
    """
    from syncer.adapters import registry

    known = registry.names()
    named = [one for one in remotes if one in known]
    if len(named) < len(remotes):
        take = "theirs"
    others = [one for one in remotes if one not in known and one != _KEEP_REMOTE]
    return (*names, *others), take, named[-1] if named else None


def _decided(
    workspace: Workspace, name: str, remote: str | None, model: str | None, take: str | None, pairs: tuple[str, ...]
) -> ResolvedConflict:
    given = _given(workspace, name, pairs, remote, model) if pairs else None
    return workspace.resolve(name, take=take, set=given, remote=remote, model=model)


def _given(workspace: Workspace, name: str, pairs: tuple[str, ...], remote: str | None, model: str | None) -> dict[str, Any]:
    """Values by field, read as the kind of the field wants them. Raises: RecordNotFound, UsageError."""
    from syncer.errors import UsageError
    from syncer.suggest import near

    described = workspace.in_conflict(name, remote=remote, model=model)
    given: dict[str, Any] = {}
    for pair in pairs:
        field_name, sign, text = pair.partition("=")
        field = described.by_name.get(field_name)
        if not sign or field is None:
            why = f"--set wants FIELD=VALUE, not {pair!r}" if not sign else f"{described.name} has no field {field_name!r}"
            raise UsageError(why, hint=near(field_name, described.by_name) if sign else "for example --set value=Yes")
        given[field_name] = _read(field, text)
    return given


def _read(field: Field, text: str) -> Any:
    """``text`` as a value of ``field``. Raises: UsageError."""
    import json

    from syncer.errors import UsageError
    from syncer.schema.model import Kind

    if not field.as_json and field.kind not in (Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        example = '["a"]' if field.many else _EXAMPLES[field.kind]
        hint = f"write it as JSON, for example --set '{field.name}={example}'"
        raise UsageError(f"{field.name} cannot be {text!r}", why=str(exc), hint=hint) from exc


_EXAMPLES = {"json": '{"a": 1}', "integer": "3", "number": "0.5", "flag": "true"}


def _check_choice(names: tuple[str, ...], take: str | None, pairs: tuple[str, ...], every: bool) -> None:
    from syncer.errors import UsageError

    if every == bool(names):
        raise UsageError("say which conflicts to resolve", hint="their ids or numbers, or --all")
    if take is None and not pairs:
        raise UsageError("say how to resolve them", hint="--remote, --local, --newest or --set FIELD=VALUE")
    if pairs and (every or len(names) > 1):
        raise UsageError("--set is for one record at a time", hint="name one")


def _open_keys(app: App, remote: str | None, model: str | None) -> list[tuple[str, str, str]]:
    with app.reader() as reader:
        rows = reader.all(
            "SELECT DISTINCT key, remote, model FROM conflict WHERE resolved_at IS NULL"
            " AND remote = ifnull(?1, remote) AND model = ifnull(?2, model) ORDER BY seq",
            (remote, model),
        )
    return [(key, of, name) for key, of, name in rows]


def _print_done(done: list[ResolvedConflict]) -> None:
    if not done:
        say("no conflicts to resolve")
        return
    from syncer.cli.output.escape import escape_control

    settled = [one for one in done if not one.left]
    waiting = [str(seq) for one in settled for seq in one.seqs]
    if settled:
        rest = (
            f"the next push sends {counted(len(waiting), 'change')}: {listed(waiting)}"
            if waiting
            else "nothing is left to send"
        )
        say(f"resolved {counted(len(settled), 'conflict')}; {rest}")
    for one in done:
        if one.left:
            fields = listed([name or "the record as a whole" for name in one.left])
            say(escape_control(f"still open: {one.model.name} {one.key}, {fields}"))
    if waiting:
        say("  -> syncer push")
    if len(settled) < len(done):
        say("  -> syncer conflicts list")


def _as_dict(one: ResolvedConflict) -> dict[str, Any]:
    return {
        "remote": one.model.remote,
        "model": one.model.name,
        "key": one.key,
        "pending": list(one.seqs),
        "open": list(one.left),
    }


def _check_names(app: App, remote: str | None, model: str | None) -> None:
    from syncer.cli.commands.outbox import check_names

    check_names(app, remote, model)


ConflictView = dict[str, Any]

_SIDES = ("base", "ours", "theirs")
_STYLES = {"base": "dim", "ours": "green", "theirs": "cyan"}
_GONE = {"gone-there": "theirs", "deleted-here": "ours"}
_OTHER = {"ours": "theirs", "theirs": "ours"}
_LONGEST = 24
_KINDS = {
    "fields": "both sides changed {what}",
    "gone-there": "edited here, but deleted on the remote",
    "deleted-here": "deleted here, but changed on the remote",
}


def print_conflicts(found: list[ConflictView], total: int, *, every: bool) -> None:
    """A line for each of ``found``, and how many of ``total`` they are."""
    if not found:
        say("no conflicts" if every else "no conflicts: nothing needs deciding")
        return
    several = len({one["remote"] for one in found}) > 1
    columns = [
        "seq",
        *(("remote",) if several else ()),
        "model",
        "key",
        "fields",
        "since",
        *(("resolved",) if every else ()),
    ]
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
        for one in found
    ]
    print_table(columns, rows)
    say()
    if len(found) < total:
        say(f"{len(found):,} of {counted(total, 'conflict')}; --limit shows more")
    else:
        say(f"{counted(total, 'conflict')}; syncer conflicts show SEQ shows both sides")


def print_conflict(app: App, conflict: ConflictView) -> None:
    """One conflict: a table of three columns; values of several lines side by side on a terminal."""
    if not on_terminal():
        _print_plain(conflict)
        return
    say(styled(escape_control(f"{conflict['remote']} {conflict['model']} {conflict['key']}"), "bold"))
    say(f"  {escape_control(_KINDS[conflict['kind']].format(what=what(conflict)))}, found {moment(conflict['since'])}")
    if conflict["resolved_at"]:
        say(f"  resolved: {escape_control(_settled(conflict))}")
    say()
    _print_sides(conflict)
    _print_steps(conflict)


def _print_sides(conflict: ConflictView) -> None:
    styles = [_STYLES[side] for side in _SIDES]
    say(side_by_side([[head] for head in _heads(conflict)], styles)[0])
    gone = _GONE.get(conflict["kind"])
    alike = 0
    for field in conflict["fields"]:
        if gone and field["base"] == field[_OTHER[gone]]:
            alike += 1
            continue
        say(styled(escape_control(field["field"]), "bold"))
        for line in side_by_side([[] if side == gone else _lines(field[side]) for side in _SIDES], styles, longest=_LONGEST):
            say(line)
        if "keys" in field:
            say(f"  in conflict: {escape_control(', '.join(field['keys']))}; keys that only one side changed are merged")
    if alike:
        say(f"{counted(alike, 'field')} did not change")


def what(conflict: ConflictView) -> str:
    """The fields in conflict, or how the record differs as a whole."""
    if conflict["kind"] != "fields":
        return "deleted there" if conflict["kind"] == "gone-there" else "deleted here"
    return ", ".join(field["field"] for field in conflict["fields"])


def _heads(conflict: ConflictView) -> tuple[str, ...]:
    gone = _GONE.get(conflict["kind"])
    return tuple(f"{SIDES[side]} (deleted)" if side == gone else SIDES[side] for side in _SIDES)


def _print_plain(conflict: ConflictView) -> None:
    print_table(
        ("field", *SIDES.values()),
        [(field["field"], *(_json(field[side]) for side in _SIDES)) for field in conflict["fields"]],
    )


def _json(value: Any) -> str | None:
    return None if value is None else escape_control_json(json.dumps(value, ensure_ascii=False))


def _lines(value: Any) -> list[str]:
    """A value over as many lines as it reads best on."""
    if value is None:
        return ["-"]
    if isinstance(value, dict | list):
        return escape_control_json(json.dumps(value, ensure_ascii=False, indent=2)).split("\n")
    if isinstance(value, str):
        return [escape_control(line) for line in value.split("\n")] or [""]
    return [json.dumps(value)]


def _print_steps(conflict: ConflictView) -> None:
    if conflict["resolved_at"]:
        return
    number = conflict["seq"]
    effects = {
        "fields": ("send the local values", "keep the remote values"),
        "gone-there": ("create it there again", "delete it here too"),
        "deleted-here": ("delete it there too", "restore it as it is there"),
    }[conflict["kind"]]
    steps = [("--local", effects[0]), ("--remote", effects[1])]
    if conflict["kind"] == "fields":
        steps.append((f"--set {conflict['fields'][0]['field']}=...", "another value"))
    widest = max(len(option) for option, _ in steps)
    say()
    for option, effect in steps:
        say(f"-> syncer conflicts resolve {number} {option.ljust(widest)}  {effect}")


def _settled(conflict: ConflictView) -> str:
    return f"{SIDES.get(conflict['resolution'], conflict['resolution'])} ({_time(conflict['resolved_at'])})"


def _time(stored: str) -> str:
    """As people think of it on a terminal; else as it is stored, which another program can read."""
    return moment(stored) if on_terminal() else stored
