"""The options and arguments that several commands share, and what is checked before anything is opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from syncer.cli.context import App
from syncer.cli.group import Decorator, json_option
from syncer.cli.output.text import export, listed


def _selected(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, list[str]]:
    """Names by entry of ``ENTRY=NAME``, several times."""
    found: dict[str, list[str]] = {}
    for text in given:
        entry, equals, name = text.partition("=")
        if not (entry and equals and name):
            raise click.BadParameter(f"{text!r} is not ENTRY=NAME")
        found.setdefault(entry, []).append(name)
    return found


REMOTES = click.argument("remotes", metavar="[REMOTE]...", nargs=-1)
MODEL = click.option("-m", "--model", "models", metavar="MODEL", multiple=True, help="Only this model; repeatable.")
LIMIT = click.option("--limit", type=click.IntRange(min=1), help="Send at most so many changes.")
LIMIT_PULL = click.option(
    "--limit", type=click.IntRange(min=1), help="Read about so many records, then stop; the next goes on."
)
FULL = click.option("--full", is_flag=True, help="Pull from the beginning, and remove rows whose records are gone.")
SINCE = click.option("--since", metavar="TIME", help="Only what is listed by time from then on: 2026-10-01.")
ACCOUNT = click.option("--account", "accounts", metavar="KEY", multiple=True, help="Only this account's; repeatable.")
SCORECARD = click.option(
    "--scorecard", "scorecards", metavar="NAME", multiple=True, help="Only this scorecard's, by id, key or name; repeatable."
)
SELECT = click.option(
    "--select",
    metavar="ENTRY=NAME",
    multiple=True,
    callback=_selected,
    help="Only what belongs to this record; ENTRY as in the remote's pull settings; repeatable.",
)
CHECK = click.option("--check/--no-check", default=True, help="Look again at some of what was sent: one request.")
MANY = click.option(
    "--allow-mass-delete", is_flag=True, help="Remove rows whose records are gone even when they are many, or all."
)
WAIT = click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="How long to wait, without progress, for a slow remote and for the next attempts.",
)
DRY = click.option("--dry-run", is_flag=True, help="Show what it would do, and do none of it: see plan.")
JSON = json_option("Print the report as JSON.")


def combined(*decorators: Decorator) -> Decorator:
    """Several decorators as one, the first of them outermost."""

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorated


NARROWED = combined(SINCE, SELECT, ACCOUNT, SCORECARD, MANY)


def check(app: App, remotes: tuple[str, ...], models: tuple[str, ...]) -> None:
    """What can be known to fail is said before anything is opened. Raises: UsageError."""
    from syncer.adapters import registry
    from syncer.errors import SettingError

    if not (remotes or models):
        return  # every remote is meant: nothing can be wrong yet, and nobody need look for those of other packages
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
    from syncer.adapters import registry
    from syncer.errors import UsageError
    from syncer.suggest import near

    chosen = registry.chosen(remotes)
    known = [name for remote in chosen for name in registry.models(remote)] if models else []
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
