"""``syncer config``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncer.cli.context import App, pass_app
from syncer.cli.group import Command, json_option
from syncer.cli.output.escape import escape_control
from syncer.cli.output.text import listed, say, say_json, styled

if TYPE_CHECKING:
    from syncer.diagnostics.settings import Value


@click.command(cls=Command)
@json_option()
@pass_app
def config(app: App) -> None:
    """What is configured, and where each value comes from.

    Options win over the environment, that over profile and file. Of credentials it only says that they are set.
    """
    from syncer.adapters import registry
    from syncer.diagnostics import settings as diagnostics_settings

    settings = app.settings
    general = diagnostics_settings.general(settings, db_given=app.db is not None)
    remotes = {name: diagnostics_settings.of_remote(settings, name) for name in registry.usable()}
    missing = {name: registry.missing_settings(name, settings) for name in remotes}
    path = str(settings.config_path) if settings.config_path else None
    if app.json:
        shown = {
            name: {"missing": missing[name], "settings": [value.as_dict() for value in values]}
            for name, values in remotes.items()
        }
        say_json({"file": path, "settings": [value.as_dict() for value in general], "remotes": shown})
        return
    say(f"configuration file: {escape_control(path) if path else 'none'}")
    _print(general)
    for name, values in remotes.items():
        say()
        say(f"{styled(name, 'bold')}  {'not configured: set ' + listed(missing[name]) if missing[name] else 'configured'}")
        _print(values)


def _print(values: list[Value]) -> None:
    widest = max(len(value.env) for value in values)
    for value in values:
        shown = f"{escape_control(value.value)}  ({value.source})" if value.value is not None else value.source
        say(f"  {value.env.ljust(widest)}  {shown}")
