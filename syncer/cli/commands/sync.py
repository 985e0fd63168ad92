"""``syncer sync``, ``push`` and ``pull``: the same run, whole or in halves, and its end in words.

The last lines say what went out, what came in, what waits and why, and which command helps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from syncer.cli.context import App, pass_app
from syncer.cli.group import Command
from syncer.cli.options import (
    CHECK,
    DRY,
    FULL,
    JSON,
    LIMIT,
    LIMIT_PULL,
    MODEL,
    NARROWED,
    REMOTES,
    WAIT,
    check,
    combined,
    hidden,
)
from syncer.cli.output.escape import escape_control
from syncer.cli.output.text import counted, export, listed, moment, say, say_json, styled

if TYPE_CHECKING:
    from syncer.engine.report import RemoteReport, Report, Watch
    from syncer.workspace import Workspace


@click.command(cls=Command)
@combined(REMOTES, MODEL, LIMIT, FULL, NARROWED, CHECK, WAIT, DRY, JSON)
@pass_app
def sync(app: App, /, remotes: tuple[str, ...], models: tuple[str, ...], dry_run: bool, **given: Any) -> None:
    """Send what is pending, then pull what others wrote.

    With every REMOTE, or with those named. You can stop it at any time and lose nothing; the next sync continues there.
    """
    if dry_run:
        _dry_run(app, remotes, models, pull=True, **given)
        return
    _run(app, remotes, models, lambda ws, watch: ws.sync(remotes or None, models=models or None, watch=watch, **given))


@click.command(cls=Command)
@combined(REMOTES, MODEL, LIMIT, WAIT, DRY, JSON)
@pass_app
def push(app: App, /, remotes: tuple[str, ...], models: tuple[str, ...], dry_run: bool, **given: Any) -> None:
    """Only send what is pending.

    To every REMOTE, or to those named; oldest change first, a record before those that point at it.
    """
    if dry_run:
        _dry_run(app, remotes, models, **given)
        return
    check(app, remotes, models)
    idle = _nothing_waits(app, remotes)
    if idle is not None:
        _print(app, idle)
        return
    _run(app, remotes, models, lambda ws, watch: ws.push(remotes or None, models=models or None, watch=watch, **given))


@click.command(cls=Command)
@combined(REMOTES, MODEL, LIMIT_PULL, FULL, NARROWED, WAIT, DRY, JSON)
@pass_app
def pull(app: App, /, remotes: tuple[str, ...], models: tuple[str, ...], dry_run: bool, **given: Any) -> None:
    """Only pull what others wrote.

    From every REMOTE, or from those named. Your pending edits are kept.
    """
    if dry_run:
        _dry_run(app, remotes, models, push=False, pull=True, **given)
        return
    _run(app, remotes, models, lambda ws, watch: ws.pull(remotes or None, models=models or None, watch=watch, **given))


def _dry_run(app: App, remotes: tuple[str, ...], models: tuple[str, ...], **given: Any) -> None:
    from syncer.cli.commands.plan import print_plan

    unmeant = ("wait_s", "check")  # a plan waits for nothing, and has sent nothing to look at again
    print_plan(app, remotes, models, **{name: value for name, value in given.items() if name not in unmeant})


def _run(app: App, remotes: tuple[str, ...], models: tuple[str, ...], work: Callable[[Workspace, Watch], Report]) -> None:
    from syncer.cli.output.progress import watching

    check(app, remotes, models)
    with app.workspace() as workspace:
        with watching(in_lines=bool(app.verbose)) as watch:
            report = work(workspace, watch)
        _print(app, report)


def _print(app: App, report: Report) -> None:

    app.code = report.exit_code
    if app.json:
        say_json(hidden(app, report.as_dict()))
    else:
        print_report(app, report)


def _nothing_waits(app: App, remotes: tuple[str, ...]) -> Report | None:
    """The report of a push that has nothing to send, found without loading the engine; None when something waits."""
    from syncer.adapters import registry
    from syncer.engine.report import RemoteReport, Report
    from syncer.errors import DatabaseError
    from syncer.views.remotes import remembered

    try:
        with app.reader() as reader:
            waiting = reader.one("SELECT 1 FROM outbox LIMIT 1")
            others = () if remotes else remembered(reader)  # what was never used with this file has nothing to send
    except DatabaseError:
        return None  # the writing side makes the file, or knows better what is wrong with it
    if waiting is not None:
        return None
    report = Report()
    for name in registry.chosen(remotes or (*registry.BUILT_IN, *filter(registry.is_there, others))):
        missing = app.missing(name)
        notes = [f"not configured: set {listed(missing)}"] if missing else []
        report.remotes[name] = RemoteReport(name, skipped=bool(missing), notes=notes)
    return report


_SHOWN = 5
_STUCK = "SELECT seq, op, model, key, state, reason FROM outbox WHERE remote = ? AND state IN ('rejected', 'conflict')"


def print_report(app: App, report: Report) -> None:
    """One paragraph per remote."""
    for part in report.remotes.values():
        say(f"{styled(part.remote, 'bold')}  {_done(part)}")
        _print_pulled(part)
        for text in part.notes if not part.skipped else ():
            say(f"  note: {escape_control(app.hidden(text))}")
        if part.checked:
            say(f"  {part.checked}")
        if part.stopped:
            say(f"  stopped: {escape_control(app.hidden(part.reason or part.stopped))}")
            _advise(part.hint)
        _print_waiting(app, part)
        if part.attention:
            _print_stuck(app, part)


def _done(part: RemoteReport) -> str:
    if part.skipped:
        return "; ".join(part.notes)
    added = sum(p.added for p in part.pulled.values())
    changed = sum(p.changed for p in part.pulled.values())
    words = []
    if part.acked:
        words.append(f"sent {counted(part.acked, 'change')}")
    removed = sum(p.removed for p in part.pulled.values())
    if added or changed:
        words.append(f"pulled {counted(added + changed, 'row')} ({added:,} new, {changed:,} changed)")
    if removed:
        words.append(f"removed {counted(removed, 'row')} whose {'record is' if removed == 1 else 'records are'} gone")
    return ", ".join(words) or ("nothing sent or pulled" if part.exit_code else "up to date")


def _print_pulled(part: RemoteReport) -> None:
    for model, rows in part.pulled.items():
        kinds = (
            (rows.added, "new"),
            (rows.changed, "changed"),
            (rows.local_edits_kept, "with local edits kept"),
            (rows.removed, "removed"),
        )
        words = [f"{number:,} {kind}" for number, kind in kinds if number]
        if words:
            say(f"  {model}: {', '.join(words)}")


def _print_waiting(app: App, part: RemoteReport) -> None:
    """What goes out without anybody's doing, at the next run or when its time has come."""
    waiting = part.pending - part.attention - part.unsupported
    if waiting <= 0:
        return
    due = f"; next attempt {moment(part.next_attempt_at)}" if part.next_attempt_at else ""
    behind = f", {part.blocked:,} of them blocked by another change" if part.blocked else ""
    say(f"  {counted(waiting, 'change')} pending{behind}{due}")
    missing = app.missing(part.remote) if part.skipped else []
    if missing or not part.skipped:
        _advise(export(missing) if missing else f"syncer push {part.remote}")


def _print_stuck(app: App, part: RemoteReport) -> None:
    say(f"  {counted(part.attention, 'change')} {'needs' if part.attention == 1 else 'need'} attention:")
    with app.reader() as reader:
        rows = reader.all(f"{_STUCK} ORDER BY seq LIMIT ?", (part.remote, _SHOWN))
    for seq, op, model, key, state, reason in rows:
        why = f": {app.hidden(reason)}" if reason else ""
        say(escape_control(f"    {seq}  {op} {model} {key} is {'in conflict' if state == 'conflict' else state}{why}"))
    if rows:
        seq, *_, state, _ = rows[0]
        _advise(f"syncer {'conflicts' if state == 'conflict' else 'outbox'} show {seq}")
    if part.attention > len(rows):
        _advise("syncer outbox list --state rejected, syncer conflicts list   (all of them)")


def _advise(hint: str | None) -> None:
    if hint:
        say(f"    -> {escape_control(hint)}")
