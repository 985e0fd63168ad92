"""``syncer config``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from syncer.cli.app import App, pass_app
from syncer.cli.harmless import harmless
from syncer.cli.lazy import Command, json_option
from syncer.cli.render import listed, say, say_json, styled

if TYPE_CHECKING:
    from syncer.configured import Value


@click.command(cls=Command)
@json_option()
@pass_app
def config(app: App) -> None:
    """What is configured, and where each value comes from.

    Options win over the environment, that over profile and file. Of credentials it only says that they are set.
    """
    from syncer import configured, registry

    settings = app.settings
    general = configured.general(settings, db_given=app.db is not None)
    remotes = {name: configured.of_remote(settings, name) for name in registry.names()}
    missing = {name: registry.missing(name, settings) for name in remotes}
    path = str(settings.config_path) if settings.config_path else None
    if app.json:
        shown = {
            name: {"missing": missing[name], "settings": [value.as_dict() for value in values]}
            for name, values in remotes.items()
        }
        say_json({"file": path, "settings": [value.as_dict() for value in general], "remotes": shown})
        return
    say(f"configuration file: {harmless(path) if path else 'none'}")
    _print(general)
    for name, values in remotes.items():
        say()
        say(f"{styled(name, 'bold')}  {'not configured: set ' + listed(missing[name]) if missing[name] else 'configured'}")
        _print(values)


def _print(values: list[Value]) -> None:
    widest = max(len(value.env) for value in values)
    for value in values:
        shown = f"{harmless(value.value)}  ({value.source})" if value.value is not None else value.source
        say(f"  {value.env.ljust(widest)}  {shown}")
