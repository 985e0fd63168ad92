"""``syncer init``."""

from __future__ import annotations

import click

from syncer.cli.context import App, pass_app
from syncer.cli.group import Command, json_option
from syncer.cli.output.escape import escape_control
from syncer.cli.output.text import export, listed, say, say_json


@click.command(cls=Command)
@json_option()
@pass_app
def init(app: App) -> None:
    """Make the local file and see which settings are missing.

    Does no harm to a file that is there already. Writing works without any settings; sending needs those of its remote.
    """
    from syncer.adapters import registry
    from syncer.store import migrate
    from syncer.store.errors import opening

    with opening(app.path):
        made = migrate.initialise(app.path, durability=app.settings.durability)
    with app.reader():  # a file that was there may be of another version, or damaged
        pass
    missing = {name: app.missing(name) for name in registry.usable()}
    if app.json:
        say_json({"path": str(app.path), "created": made, "missing": missing})
        return
    say(f"{'made' if made else 'is there already:'} {escape_control(str(app.path))}")
    for name, settings in missing.items():
        if settings:
            say(f"{name} is not configured: set {listed(settings)}")
            say(f"  -> {export(settings)}")
        else:
            say(f"{name} is configured")
            say(f"  -> syncer sync {name}")
