"""``syncer outbox``: the waiting changes, and what a person does to them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from syncer.cli.app import App, Descriptions, pass_app
from syncer.cli.lazy import Group, json_option
from syncer.cli.render import counted, listed, note, say, say_json

if TYPE_CHECKING:
    from syncer.store.reader import Reader

STATES = ("pending", "sending", "ambiguous", "parked", "conflict")
_SHOWN = 50
_DUE_LATER = "state IN ('pending', 'ambiguous') AND due_at IS NOT NULL"
_STUCK = f"SELECT seq FROM outbox WHERE state = 'parked' OR ({_DUE_LATER}) ORDER BY seq"


@click.group(cls=Group)
def outbox() -> None:
    """List, show, retry or drop waiting changes."""


@outbox.command("list")
@click.option("--remote", help="Only changes for this remote.")
@click.option("-m", "--model", help="Only changes of this model.")
@click.option("--state", type=click.Choice(STATES), help="Only changes in this state.")
@click.option("--limit", type=click.IntRange(min=1), help=f"List at most so many.  [default: {_SHOWN}; with --json all]")
@json_option()
@pass_app
def list_(app: App, remote: str | None, model: str | None, state: str | None, limit: int | None) -> None:
    """List waiting changes, oldest first."""
    from syncer.cli.changes import print_changes, printable
    from syncer.outbox import view

    check_names(remote, model)
    most = limit or (None if app.json else _SHOWN)
    with app.reader() as reader:
        found = view.changes(reader, Descriptions(), remote=remote, model=model, state=state, limit=most)
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
    """Everything about change SEQ: what it sends, why it waits, how to mend it."""
    from syncer.cli.changes import print_change, printable

    with app.reader() as reader:
        found = _found(reader, seq)
    if app.json:
        say_json(printable(app, found))
    else:
        print_change(app, found)


@outbox.command()
@click.argument("seqs", metavar="[SEQ]...", type=click.IntRange(min=1), nargs=-1)
@click.option("--all", "every", is_flag=True, help="All parked changes, and all that wait for their time.")
@click.option("--state", type=click.Choice(STATES), help="With --all: every change in this state instead.")
@json_option()
@pass_app
def retry(app: App, seqs: tuple[int, ...], every: bool, state: str | None) -> None:
    """Make changes due now, whatever state they are in.

    A parked change is sent anew, from the record as it is now. One in conflict is sent over the remote's values, which
    --all therefore does only with --state conflict.
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
        say(f"{counted(len(now), 'change')} due now: {listed([str(number) for number in now])}")
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
    if not (yes or "door" in found or _confirmed(question)):
        note("nothing was discarded")
        return
    with app.workspace() as workspace:
        dropped = workspace.drop(seq)
    if app.json:
        say_json({"dropped": list(dropped.seqs), "dangling": dropped.dangling})
        return
    say(f"discarded {counted(len(dropped.seqs), 'change')}: {listed([str(number) for number in dropped.seqs])}")
    if dropped.dangling:
        others = counted(dropped.dangling, "waiting record")
        note(f"{others} {'points' if dropped.dangling == 1 else 'point'} at the one that is gone; the remote may refuse it")


def _confirmed(question: str) -> bool:
    from syncer.cli.harmless import harmless
    from syncer.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError("dropping loses what was written, and nobody is here to confirm it", hint="add --yes")
    return click.confirm(harmless(question), err=True)


def _found(reader: Reader, seq: int) -> dict[str, Any]:
    from syncer.errors import RecordNotFound
    from syncer.outbox import view

    found = view.change(reader, Descriptions(), seq)
    if found is None:
        raise RecordNotFound(f"there never was a change {seq}", hint="syncer outbox list shows what waits")
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


def check_names(remote: str | None, model: str | None) -> None:
    """Raises: UsageError for a remote or model that does not exist: nothing waiting would be no answer."""
    if remote is None and model is None:
        return
    from syncer import registry
    from syncer.errors import UsageError
    from syncer.spelling import near

    remotes = registry.chosen(remote)
    known = [name for chosen in remotes for name in registry.models(chosen)] if model else []
    if model and model not in known:
        raise UsageError(f"there is no model {model!r}", hint=near(model, known) or f"models are: {', '.join(known)}")
