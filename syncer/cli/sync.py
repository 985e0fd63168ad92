"""``syncer sync``, ``push`` and ``pull``: the same run, whole or in halves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from syncer.cli.app import App, Descriptions, pass_app
from syncer.cli.lazy import Command, Decorator, json_option
from syncer.cli.render import export, listed, say_json

if TYPE_CHECKING:
    from syncer.app import Workspace
    from syncer.engine.report import Report, Watch

_REMOTES = click.argument("remotes", metavar="[REMOTE]...", nargs=-1)
_MODEL = click.option("-m", "--model", "models", metavar="MODEL", multiple=True, help="Only this model; repeatable.")
_LIMIT = click.option("--limit", type=click.IntRange(min=1), help="Send at most so many changes.")
_LIMIT_PULL = click.option(
    "--limit", type=click.IntRange(min=1), help="Read about so many records, then stop; the next goes on."
)
_FULL = click.option("--full", is_flag=True, help="Pull from the beginning, and remove rows whose records are gone.")
_SINCE = click.option("--since", metavar="TIME", help="Only what is listed by time from then on: 2026-10-01.")
_ACCOUNT = click.option("--account", "accounts", metavar="KEY", multiple=True, help="Only this account's; repeatable.")
_SCORECARD = click.option(
    "--scorecard", "scorecards", metavar="NAME", multiple=True, help="Only this scorecard's, by id, key or name; repeatable."
)
_CHECK = click.option("--check/--no-check", default=True, help="Look again at some of what was sent: one request.")
_MANY = click.option(
    "--allow-mass-delete", is_flag=True, help="Remove rows whose records are gone even when they are many, or all."
)
_WAIT = click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="How long to wait, without progress, for a slow remote and for changes due soon.",
)
_DRY = click.option("--dry-run", is_flag=True, help="Show what it would do, and do none of it: see plan.")
_JSON = json_option("Print the report as JSON.")


def _all(*decorators: Decorator) -> Decorator:
    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorated


_NARROWED = _all(_SINCE, _ACCOUNT, _SCORECARD, _MANY)


@click.command(cls=Command)
@_all(_REMOTES, _MODEL, _LIMIT, _FULL, _NARROWED, _CHECK, _WAIT, _DRY, _JSON)
@pass_app
def sync(app: App, /, remotes: tuple[str, ...], models: tuple[str, ...], dry_run: bool, **given: Any) -> None:
    """Send what waits, then bring home what others wrote.

    With every REMOTE, or with those named. Stopping it at any time loses nothing; the next one goes on where it was.
    """
    if dry_run:
        _foretell(app, remotes, models, pull=True, **given)
        return
    _run(app, remotes, models, lambda ws, watch: ws.sync(remotes or None, models=models or None, watch=watch, **given))


@click.command(cls=Command)
@_all(_REMOTES, _MODEL, _LIMIT, _WAIT, _DRY, _JSON)
@pass_app
def push(app: App, /, remotes: tuple[str, ...], models: tuple[str, ...], dry_run: bool, **given: Any) -> None:
    """Only send what waits.

    To every REMOTE, or to those named; oldest change first, a record before those that point at it.
    """
    if dry_run:
        _foretell(app, remotes, models, **given)
        return
    check(app, remotes, models)
    idle = _nothing_waits(app, remotes)
    if idle is not None:
        _print(app, idle)
        return
    _run(app, remotes, models, lambda ws, watch: ws.push(remotes or None, models=models or None, watch=watch, **given))


@click.command(cls=Command)
@_all(_REMOTES, _MODEL, _LIMIT_PULL, _FULL, _NARROWED, _WAIT, _DRY, _JSON)
@pass_app
def pull(app: App, /, remotes: tuple[str, ...], models: tuple[str, ...], dry_run: bool, **given: Any) -> None:
    """Only bring home what others wrote.

    From every REMOTE, or from those named. Your own edits that still wait are kept.
    """
    if dry_run:
        _foretell(app, remotes, models, push=False, pull=True, **given)
        return
    _run(app, remotes, models, lambda ws, watch: ws.pull(remotes or None, models=models or None, watch=watch, **given))


def _foretell(app: App, remotes: tuple[str, ...], models: tuple[str, ...], **given: Any) -> None:
    from syncer.cli.plan import foretell

    unmeant = ("wait_s", "check")  # a plan waits for nothing, and has sent nothing to look at again
    foretell(app, remotes, models, **{name: value for name, value in given.items() if name not in unmeant})


def _run(app: App, remotes: tuple[str, ...], models: tuple[str, ...], work: Callable[[Workspace, Watch], Report]) -> None:
    from syncer.cli.bars import watching

    check(app, remotes, models)
    with app.workspace() as workspace:
        with watching(in_lines=bool(app.verbose)) as watch:
            report = work(workspace, watch)
        _print(app, report)


def _print(app: App, report: Report) -> None:
    from syncer.cli.summary import print_report

    app.code = report.exit_code
    if app.json:
        say_json(hidden(app, report.as_dict()))
    else:
        print_report(app, report)


def _nothing_waits(app: App, remotes: tuple[str, ...]) -> Report | None:
    """The report of a push that has nothing to send, found without loading the engine; None when something waits."""
    from syncer import registry
    from syncer.engine.report import RemoteReport, Report
    from syncer.errors import DatabaseError

    try:
        with app.reader() as reader:
            waiting = reader.one("SELECT 1 FROM outbox LIMIT 1")
    except DatabaseError:
        return None  # the writing side makes the file, or knows better what is wrong with it
    if waiting is not None:
        return None
    report = Report()
    for name in registry.chosen(remotes):
        missing = app.missing(name)
        notes = [f"not configured: set {listed(missing)}"] if missing else []
        report.remotes[name] = RemoteReport(name, skipped=bool(missing), notes=notes)
    return report


def check(app: App, remotes: tuple[str, ...], models: tuple[str, ...]) -> None:
    """What can be known to fail is said before anything is opened. Raises: UsageError."""
    from syncer import registry
    from syncer.errors import SettingError

    chosen = registry.chosen(remotes)
    for name in chosen if remotes else ():
        missing = app.missing(name)
        if missing:
            raise SettingError(
                f"{name} is not configured",
                why=f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} not set",
                hint=f"{export(missing)}   (or [{name}] in syncer.toml)",
            )
    check_models(chosen, models)


def check_models(remotes: tuple[str, ...], models: tuple[str, ...]) -> None:
    """Raises: UsageError for remotes that do not exist, and models that none of them has."""
    from syncer import registry
    from syncer.errors import UsageError
    from syncer.spelling import near

    chosen = registry.chosen(remotes)
    known = [name for remote in chosen for name in Descriptions()[remote]] if models else []
    for name in models:
        if name not in known:
            hint = near(name, known) or f"models are: {', '.join(known)}"
            raise UsageError(f"{listed(list(chosen))} has no model {name!r}", hint=hint)


def hidden(app: App, value: Any) -> Any:
    """``value`` with credentials hidden in every text of it."""
    if isinstance(value, str):
        return app.hidden(value)
    if isinstance(value, dict):
        return {name: hidden(app, inner) for name, inner in value.items()}
    return [hidden(app, inner) for inner in value] if isinstance(value, list) else value
